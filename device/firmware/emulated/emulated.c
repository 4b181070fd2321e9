/* What an emulated board needs to be a board: the module `emulated`, and MicroPython's clock.
 *
 *   Line()                 the serial line as a stream that never waits, for select.poll and SLIP
 *   Disk(path, count, len) a flash chip: a file of the host in `count` blocks of `len` bytes, for littlefs
 *   urandom(n)             the host's generator, in the place of a board's own
 *   ticks(), HZ            a counter that under `qemu -icount shift=0` counts instructions: HZ ticks are 10^9 of them
 *   arguments()            what `qemu -append` said, after the name of the firmware; with it, main.py runs at power-on
 *
 * It stands in for hardware and for nothing else: no Holdfast code is here.
 */
#include <string.h>

#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "runtime/pyexec.h"
#include "semihosting.h"
#include "uart.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* --- time --- */

#if defined(QEMU_SOC_MPS2)
#define HZ 25000000u
static uint32_t counter(void)
{
    return REGISTER(0x40028018u);
}
#elif defined(QEMU_SOC_NRF51)
#define HZ 16000000u
#define TIMER0 0x40008000u
static uint32_t counter(void)
{
    static bool started;
    if (!started) {
        started = true;
        REGISTER(TIMER0 + 0x508u) = 3; /* 32 bits */
        REGISTER(TIMER0 + 0x510u) = 0; /* not divided */
        REGISTER(TIMER0) = 1;
    }
    REGISTER(TIMER0 + 0x40u) = 1; /* capture */
    return REGISTER(TIMER0 + 0x540u);
}
#elif defined(QEMU_SOC_VIRT)
#define HZ 10000000u
static uint32_t counter(void)
{
    return REGISTER(0x0200bff8u);
}
#endif

/* Microseconds, carried on at each look; the counter must be looked at once in its period, 171 s or more. 32 bits only: a
 * division of 64 would link unwinding tables that the port's memory map has no place for. */
static uint32_t now_us(void)
{
    static uint32_t last, rest, us;
    uint32_t count = counter();
    rest += count - last;
    last = count;
    us += rest / (HZ / 1000000u);
    rest %= HZ / 1000000u;
    return us;
}

mp_uint_t mp_hal_ticks_us(void)
{
    return now_us();
}

mp_uint_t mp_hal_ticks_ms(void)
{
    static uint32_t last_us, rest_us, ms;
    uint32_t us = now_us();
    rest_us += us - last_us;
    last_us = us;
    ms += rest_us / 1000u;
    rest_us %= 1000u;
    return ms;
}

mp_uint_t mp_hal_ticks_cpu(void)
{
    return counter();
}

void mp_hal_delay_us(mp_uint_t us)
{
    uint32_t start = now_us();
    while (now_us() - start < us) {
    }
}

void mp_hal_delay_ms(mp_uint_t ms)
{
    uint32_t start = mp_hal_ticks_ms();
    while (mp_hal_ticks_ms() - start < ms) {
        mp_handle_pending(true);
    }
}

uint64_t mp_hal_time_ns(void)
{
    return (uint64_t)now_us() * 1000u;
}

static mp_obj_t emulated_ticks(void)
{
    return mp_obj_new_int_from_uint(counter());
}
static MP_DEFINE_CONST_FUN_OBJ_0(ticks_obj, emulated_ticks);

/* --- doing nothing --- */

/* Sleep for about a millisecond, so that an emulator that waits leaves the host alone. Interrupts stay masked: one that
 * is pending ends the sleep all the same, and no handler is needed. */
#if defined(__riscv)
#define MTIMECMP 0x02004000u
static void nap(void)
{
    REGISTER(MTIMECMP + 4) = 0xffffffffu; /* so that no wrong time is seen in between */
    uint32_t low = counter() + HZ / 1000u;
    uint32_t high = REGISTER(0x0200bffcu) + (low < HZ / 1000u);
    REGISTER(MTIMECMP) = low;
    REGISTER(MTIMECMP + 4) = high;
    __asm__ __volatile__("csrs mie, %0\n wfi" : : "r"(1u << 7) : "memory");
}
#else
#define SYST_CSR 0xe000e010u
#define SYST_RVR 0xe000e014u
#define ICSR 0xe000ed04u
static void nap(void)
{
    __asm__ __volatile__("cpsid i" : : : "memory");
    if (REGISTER(SYST_RVR) == 0) {
        REGISTER(SYST_RVR) = HZ / 1000u - 1u;
        REGISTER(SYST_CSR) = 7; /* on, with its interrupt, by the core's clock */
    }
    __asm__ __volatile__("wfi" : : : "memory");
    REGISTER(ICSR) = 1u << 25; /* no longer pending */
}
#endif

/* --- the serial line --- */

static int waiting = UART_RX_NO_CHAR; /* one byte that poll has seen */

static bool line_has_byte(void)
{
    if (waiting == UART_RX_NO_CHAR) {
        waiting = uart_rx_chr();
    }
    return waiting != UART_RX_NO_CHAR;
}

static mp_uint_t line_read(mp_obj_t self, void *to, mp_uint_t len, int *error)
{
    (void)self;
    mp_uint_t count = 0;
    while (count < len && line_has_byte()) {
        ((uint8_t *)to)[count++] = (uint8_t)waiting;
        waiting = UART_RX_NO_CHAR;
    }
    if (count == 0) {
        *error = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return count;
}

static mp_uint_t line_write(mp_obj_t self, const void *from, mp_uint_t len, int *error)
{
    (void)self;
    (void)error;
    uart_tx_strn(from, len);
    return len;
}

static mp_uint_t line_ioctl(mp_obj_t self, mp_uint_t request, uintptr_t flags, int *error)
{
    (void)self;
    if (request == MP_STREAM_POLL) {
        mp_uint_t ready = flags & MP_STREAM_POLL_WR;
        if ((flags & MP_STREAM_POLL_RD) != 0) {
            if (line_has_byte()) {
                ready |= MP_STREAM_POLL_RD;
            } else if (ready == 0) {
                nap();
            }
        }
        return ready;
    }
    *error = MP_EINVAL;
    return MP_STREAM_ERROR;
}

static const mp_stream_p_t line_stream = {.read = line_read, .write = line_write, .ioctl = line_ioctl};
static const mp_rom_map_elem_t line_members[] = {
    {MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read1_obj)},
    {MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj)},
};
static MP_DEFINE_CONST_DICT(line_dict, line_members);

static const mp_obj_type_t line_type;

static mp_obj_t line_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    mp_arg_check_num(n_args, n_kw, 0, 0, false);
    (void)args;
    return MP_OBJ_FROM_PTR(mp_obj_malloc(mp_obj_base_t, type));
}

static MP_DEFINE_CONST_OBJ_TYPE(line_type, MP_QSTR_Line, MP_TYPE_FLAG_NONE, make_new, line_new, protocol, &line_stream,
                                locals_dict, &line_dict);

/* --- files of the host --- */

static int32_t host_open(const char *path, size_t path_len, uint32_t mode)
{
    const uintptr_t arguments[] = {(uintptr_t)path, mode, path_len};
    return semihosting(SEMIHOSTING_OPEN, arguments);
}

/* Read or write exactly len bytes; the service returns how many are left. */
static void host_move(uint32_t operation, int32_t file, const void *bytes, size_t len)
{
    const uintptr_t arguments[] = {(uintptr_t)file, (uintptr_t)bytes, len};
    if (semihosting(operation, arguments) != 0) {
        mp_raise_OSError(MP_EIO);
    }
}

static void host_seek(int32_t file, size_t offset)
{
    const uintptr_t arguments[] = {(uintptr_t)file, offset};
    if (semihosting(SEMIHOSTING_SEEK, arguments) != 0) {
        mp_raise_OSError(MP_EIO);
    }
}

static mp_obj_t emulated_urandom(mp_obj_t count)
{
    static const char path[] = "/dev/urandom";
    vstr_t bytes;
    vstr_init_len(&bytes, (size_t)mp_obj_get_int(count));
    int32_t file = host_open(path, sizeof path - 1, SEMIHOSTING_READ_BINARY);
    if (file < 0) {
        mp_raise_OSError(MP_EIO);
    }
    host_move(SEMIHOSTING_READ, file, bytes.buf, bytes.len);
    const uintptr_t closing[] = {(uintptr_t)file};
    (void)semihosting(SEMIHOSTING_CLOSE, closing);
    return mp_obj_new_bytes_from_vstr(&bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_1(urandom_obj, emulated_urandom);

struct disk {
    mp_obj_base_t base;
    int32_t file;
    uint32_t count;
    uint32_t len;
};

static mp_obj_t disk_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    mp_arg_check_num(n_args, n_kw, 3, 3, false);
    size_t path_len;
    const char *path = mp_obj_str_get_data(args[0], &path_len);
    struct disk *disk = mp_obj_malloc(struct disk, type);
    disk->file = host_open(path, path_len, SEMIHOSTING_UPDATE_BINARY);
    disk->count = (uint32_t)mp_obj_get_int(args[1]);
    disk->len = (uint32_t)mp_obj_get_int(args[2]);
    if (disk->file < 0) {
        mp_raise_OSError(MP_ENOENT);
    }
    return MP_OBJ_FROM_PTR(disk);
}

/* args: self, block, buffer[, offset]: the extended protocol that littlefs uses. */
static mp_obj_t disk_move(const mp_obj_t *args, size_t n_args, uint32_t operation, mp_uint_t access)
{
    const struct disk *disk = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(args[2], &buffer, access);
    size_t offset = (size_t)mp_obj_get_int(args[1]) * disk->len + (n_args > 3 ? (size_t)mp_obj_get_int(args[3]) : 0);
    host_seek(disk->file, offset);
    host_move(operation, disk->file, buffer.buf, buffer.len);
    return mp_const_none;
}

static mp_obj_t disk_readblocks(size_t n_args, const mp_obj_t *args)
{
    return disk_move(args, n_args, SEMIHOSTING_READ, MP_BUFFER_WRITE);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(disk_readblocks_obj, 3, 4, disk_readblocks);

static mp_obj_t disk_writeblocks(size_t n_args, const mp_obj_t *args)
{
    return disk_move(args, n_args, SEMIHOSTING_WRITE, MP_BUFFER_READ);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(disk_writeblocks_obj, 3, 4, disk_writeblocks);

/* 4: number of blocks, 5: their length, everything else (start, stop, sync, erase) is done by itself. */
static mp_obj_t disk_ioctl(mp_obj_t self, mp_obj_t operation, mp_obj_t argument)
{
    const struct disk *disk = MP_OBJ_TO_PTR(self);
    (void)argument;
    switch (mp_obj_get_int(operation)) {
    case 4: return mp_obj_new_int_from_uint(disk->count);
    case 5: return mp_obj_new_int_from_uint(disk->len);
    default: return MP_OBJ_NEW_SMALL_INT(0);
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(disk_ioctl_obj, disk_ioctl);

static const mp_rom_map_elem_t disk_members[] = {
    {MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&disk_readblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&disk_writeblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&disk_ioctl_obj)},
};
static MP_DEFINE_CONST_DICT(disk_dict, disk_members);
static MP_DEFINE_CONST_OBJ_TYPE(disk_type, MP_QSTR_Disk, MP_TYPE_FLAG_NONE, make_new, disk_new, locals_dict,
                                &disk_dict);

/* --- power-on --- */

#define MAX_ARGUMENTS_LEN 512

static size_t host_arguments(char arguments[MAX_ARGUMENTS_LEN])
{
    uintptr_t block[] = {(uintptr_t)arguments, MAX_ARGUMENTS_LEN};
    return semihosting(SEMIHOSTING_GET_CMDLINE, block) == 0 ? strlen(arguments) : 0;
}

static mp_obj_t emulated_arguments(void)
{
    char arguments[MAX_ARGUMENTS_LEN];
    return mp_obj_new_str(arguments, host_arguments(arguments));
}
static MP_DEFINE_CONST_FUN_OBJ_0(arguments_obj, emulated_arguments);

/* The port's main() goes straight to the REPL; other ports run main.py first. Linked in its place by micropython.mk. */
int __real_pyexec_friendly_repl(void);
int __wrap_pyexec_friendly_repl(void);

int __wrap_pyexec_friendly_repl(void)
{
#if MICROPY_MODULE_FROZEN
    static bool started;
    char arguments[MAX_ARGUMENTS_LEN];
    (void)counter(); /* begins to count, where it does not by itself */
    if (!started && memchr(arguments, ' ', host_arguments(arguments)) != NULL) {
        started = true;
        (void)pyexec_frozen_module("main.py", true);
    }
#endif
    return __real_pyexec_friendly_repl();
}

/* --- the module --- */

static const mp_rom_map_elem_t members[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_emulated)},
    {MP_ROM_QSTR(MP_QSTR_Line), MP_ROM_PTR(&line_type)},
    {MP_ROM_QSTR(MP_QSTR_Disk), MP_ROM_PTR(&disk_type)},
    {MP_ROM_QSTR(MP_QSTR_urandom), MP_ROM_PTR(&urandom_obj)},
    {MP_ROM_QSTR(MP_QSTR_ticks), MP_ROM_PTR(&ticks_obj)},
    {MP_ROM_QSTR(MP_QSTR_arguments), MP_ROM_PTR(&arguments_obj)},
    {MP_ROM_QSTR(MP_QSTR_HZ), MP_ROM_INT(HZ)},
};
static MP_DEFINE_CONST_DICT(module_dict, members);
const mp_obj_module_t emulated_module = {.base = {&mp_type_module}, .globals = (mp_obj_dict_t *)&module_dict};
MP_REGISTER_MODULE(MP_QSTR_emulated, emulated_module);
