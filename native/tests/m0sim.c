/* An ARMv6-M core (Cortex-M0+ and M0) for tests and benchmarks: runs code, counts cycles and the stack.
 *
 * Cycles are those of the two Technical Reference Manuals with no wait states and the one-cycle multiplier: loads and
 * stores 2, LDM, STM, PUSH and POP 1 + N, POP with PC 3 + N (M0: 4 + N), taken branches 2 (3), BL 3 (4), BX and BLX 2
 * (3), everything else 1. No exceptions, no peripherals, no system instructions: reaching one of those is an error.
 * Flash is at 0, RAM at 0x20000000; a call returns by branching to M0_RETURN.
 */
#include <stdint.h>
#include <string.h>

#define M0_FLASH_LEN (1u << 20)
#define M0_RAM_LEN (1u << 18)
#define M0_RAM 0x20000000u
#define M0_RETURN 0xfffffffeu

struct m0 {
    uint8_t flash[M0_FLASH_LEN];
    uint8_t ram[M0_RAM_LEN];
    uint32_t r[16];
    uint32_t n, z, c, v;
    uint64_t instructions, cycles_m0plus, cycles_m0, multiplications;
    uint32_t lowest_sp;
    uint32_t fault; /* 0, or the address of the instruction that could not be run, plus 1 */
};

uint32_t m0_size(void);
uint32_t m0_call(struct m0 *m, uint32_t entry, const uint32_t arguments[5], uint64_t limit);

uint32_t m0_size(void)
{
    return (uint32_t)sizeof(struct m0);
}

static uint8_t *at(struct m0 *m, uint32_t address, uint32_t width, int writes)
{
    static uint8_t nowhere[4];
    if (!(address & (width - 1))) {
        if (!writes && address <= M0_FLASH_LEN - width) {
            return m->flash + address;
        }
        if (address >= M0_RAM && address - M0_RAM <= M0_RAM_LEN - width) {
            return m->ram + (address - M0_RAM);
        }
    }
    if (!m->fault) {
        m->fault = m->r[15] + 1;
    }
    return nowhere;
}

static uint32_t load(struct m0 *m, uint32_t address, uint32_t width)
{
    uint32_t value = 0;
    memcpy(&value, at(m, address, width, 0), width);
    return value;
}

static void store(struct m0 *m, uint32_t address, uint32_t value, uint32_t width)
{
    memcpy(at(m, address, width, 1), &value, width);
}

static void cycles(struct m0 *m, uint32_t m0plus, uint32_t m0)
{
    m->cycles_m0plus += m0plus;
    m->cycles_m0 += m0;
}

static uint32_t flags(struct m0 *m, uint32_t value)
{
    m->n = value >> 31;
    m->z = value == 0;
    return value;
}

static uint32_t add(struct m0 *m, uint32_t a, uint32_t b, uint32_t carry)
{
    uint64_t wide = (uint64_t)a + b + carry;
    uint32_t sum = (uint32_t)wide;
    m->c = (uint32_t)(wide >> 32);
    m->v = (~(a ^ b) & (a ^ sum)) >> 31;
    return flags(m, sum);
}

static uint32_t sign_extend(uint32_t value, uint32_t bits)
{
    uint32_t sign = 1u << (bits - 1);
    return (value ^ sign) - sign;
}

/* kind 0 LSL, 1 LSR, 2 ASR, 3 ROR; amount 0..255 */
static uint32_t shift(struct m0 *m, uint32_t kind, uint32_t a, uint32_t amount)
{
    if (amount == 0) {
        return flags(m, a);
    }
    if (kind == 3) {
        amount &= 31;
        a = amount ? a >> amount | a << (32 - amount) : a;
        m->c = a >> 31;
        return flags(m, a);
    }
    uint32_t sign = kind == 2 && a >> 31 ? ~0u : 0;
    if (amount > 32) {
        m->c = sign & 1;
        return flags(m, sign);
    }
    m->c = (kind == 0 ? a >> (32 - amount) : a >> (amount - 1)) & 1;
    if (amount == 32) {
        return flags(m, sign);
    }
    return flags(m, kind == 0 ? a << amount : a >> amount | (sign ? ~(~0u >> amount) : 0));
}

static int holds(const struct m0 *m, uint32_t condition)
{
    const uint32_t truth[8] = {m->z, m->c, m->n, m->v, m->c && !m->z, m->n == m->v, !m->z && m->n == m->v, 1};
    return (int)(truth[condition >> 1] ^ (condition & 1));
}

static void branch(struct m0 *m, uint32_t target)
{
    m->r[15] = target & ~1u;
    cycles(m, 2, 3);
}

static uint32_t transfer(struct m0 *m, uint32_t list, uint32_t address, int loads)
{
    for (uint32_t i = 0; i < 16; i++) {
        if (list >> i & 1) {
            if (loads) {
                m->r[i] = load(m, address, 4);
            } else {
                store(m, address, m->r[i], 4);
            }
            address += 4;
        }
    }
    return address;
}

static uint32_t count_bits(uint32_t list)
{
    return (uint32_t)__builtin_popcount(list);
}

/* Data-processing on registers, 010000xxxx. */
static void process(struct m0 *m, uint32_t op, uint32_t d, uint32_t b)
{
    uint32_t a = m->r[d];
    cycles(m, 1, 1);
    switch (op) {
    case 0: m->r[d] = flags(m, a & b); break;
    case 1: m->r[d] = flags(m, a ^ b); break;
    case 2: m->r[d] = shift(m, 0, a, b & 255); break;
    case 3: m->r[d] = shift(m, 1, a, b & 255); break;
    case 4: m->r[d] = shift(m, 2, a, b & 255); break;
    case 5: m->r[d] = add(m, a, b, m->c); break;
    case 6: m->r[d] = add(m, a, ~b, m->c); break;
    case 7: m->r[d] = shift(m, 3, a, b & 255); break;
    case 8: flags(m, a & b); break;
    case 9: m->r[d] = add(m, 0, ~b, 1); break;
    case 10: add(m, a, ~b, 1); break;
    case 11: add(m, a, b, 0); break;
    case 12: m->r[d] = flags(m, a | b); break;
    case 13:
        m->r[d] = flags(m, a * b);
        m->multiplications++;
        break;
    case 14: m->r[d] = flags(m, a & ~b); break;
    default: m->r[d] = flags(m, ~b); break;
    }
}

/* ADD, CMP, MOV on any register and BX, BLX, 010001xx. */
static void process_high(struct m0 *m, uint32_t o, uint32_t pc)
{
    uint32_t d = (o & 7) | (o >> 4 & 8), s = o >> 3 & 15;
    uint32_t value = s == 15 ? pc + 4 : m->r[s];
    uint32_t op = o >> 8 & 3;
    if (op == 3) {
        if (o & 0x80) {
            m->r[14] = (pc + 2) | 1;
        }
        branch(m, value);
    } else if (op == 1) {
        add(m, m->r[d], ~value, 1);
        cycles(m, 1, 1);
    } else {
        value += op == 0 ? (d == 15 ? pc + 4 : m->r[d]) : 0;
        if (d == 15) {
            branch(m, value);
        } else {
            m->r[d] = value;
            cycles(m, 1, 1);
        }
    }
}

/* Loads and stores with a register offset, 0101xxx. */
static void move_register(struct m0 *m, uint32_t o)
{
    uint32_t address = m->r[o >> 3 & 7] + m->r[o >> 6 & 7], *d = &m->r[o & 7];
    cycles(m, 2, 2);
    switch (o >> 9 & 7) {
    case 0: store(m, address, *d, 4); break;
    case 1: store(m, address, *d, 2); break;
    case 2: store(m, address, *d, 1); break;
    case 3: *d = sign_extend(load(m, address, 1), 8); break;
    case 4: *d = load(m, address, 4); break;
    case 5: *d = load(m, address, 2); break;
    case 6: *d = load(m, address, 1); break;
    default: *d = sign_extend(load(m, address, 2), 16); break;
    }
}

static void move_immediate(struct m0 *m, uint32_t o, uint32_t base, uint32_t offset, uint32_t width, uint32_t d)
{
    cycles(m, 2, 2);
    if (o & 0x800) {
        m->r[d] = load(m, base + offset, width);
    } else {
        store(m, base + offset, m->r[d], width);
    }
}

/* 1011xxxx: the stack, extensions, byte order, hints. */
static int miscellaneous(struct m0 *m, uint32_t o)
{
    uint32_t *d = &m->r[o & 7], s = m->r[o >> 3 & 7], n = count_bits(o & 0x1ff), kind = o >> 6 & 3;
    if ((o & 0xff00) == 0xb000) {
        m->r[13] += o & 0x80 ? 0u - (o & 127) * 4 : (o & 127) * 4;
        cycles(m, 1, 1);
    } else if ((o & 0xfe00) == 0xb400) {
        m->r[13] -= 4 * n;
        transfer(m, (o & 0xff) | (o & 0x100) << 6, m->r[13], 0);
        cycles(m, 1 + n, 1 + n);
    } else if ((o & 0xfe00) == 0xbc00) {
        m->r[13] = transfer(m, (o & 0xff) | (o & 0x100) << 7, m->r[13], 1);
        m->r[15] &= ~1u;
        cycles(m, (o & 0x100 ? 3 : 1) + n, (o & 0x100 ? 4 : 1) + n);
    } else if ((o & 0xff00) == 0xb200) {
        *d = kind == 0   ? sign_extend(s & 0xffff, 16)
             : kind == 1 ? sign_extend(s & 255, 8)
             : kind == 2 ? s & 0xffff
                         : s & 255;
        cycles(m, 1, 1);
    } else if ((o & 0xff00) == 0xba00 && kind != 2) {
        uint32_t halves = (s & 0x00ff00ff) << 8 | (s >> 8 & 0x00ff00ff);
        *d = kind == 0 ? __builtin_bswap32(s) : kind == 1 ? halves : sign_extend(halves & 0xffff, 16);
        cycles(m, 1, 1);
    } else if (o == 0xbf00) {
        cycles(m, 1, 1);
    } else {
        return 0;
    }
    return 1;
}

static int long_branch(struct m0 *m, uint32_t o, uint32_t pc)
{
    uint32_t p = load(m, pc + 2, 2);
    if ((p & 0xd000) != 0xd000) {
        return 0;
    }
    uint32_t s = o >> 10 & 1, i1 = !((p >> 13 & 1) ^ s), i2 = !((p >> 11 & 1) ^ s);
    uint32_t offset = s << 24 | i1 << 23 | i2 << 22 | (o & 0x3ff) << 12 | (p & 0x7ff) << 1;
    m->r[14] = (pc + 4) | 1;
    m->r[15] = pc + 4 + sign_extend(offset, 25);
    cycles(m, 3, 4);
    return 1;
}

/* Run one instruction; returns 0 when there is no such instruction. */
static int step(struct m0 *m)
{
    uint32_t pc = m->r[15], o = load(m, pc, 2), d = o & 7, s = m->r[o >> 3 & 7], d8 = o >> 8 & 7, i8 = o & 255;
    m->r[15] = pc + 2;
    m->instructions++;
    if (o < 0x1800) {
        uint32_t kind = o >> 11, amount = o >> 6 & 31;
        m->r[d] = shift(m, kind, s, kind && !amount ? 32 : amount);
        cycles(m, 1, 1);
    } else if (o < 0x2000) {
        uint32_t b = o & 0x400 ? o >> 6 & 7 : m->r[o >> 6 & 7];
        m->r[d] = o & 0x200 ? add(m, s, ~b, 1) : add(m, s, b, 0);
        cycles(m, 1, 1);
    } else if (o < 0x4000) {
        uint32_t op = o >> 11 & 3, a = m->r[d8];
        uint32_t value = op == 0 ? flags(m, i8) : op == 2 ? add(m, a, i8, 0) : add(m, a, ~i8, 1);
        m->r[d8] = op == 1 ? a : value;
        cycles(m, 1, 1);
    } else if (o < 0x4400) {
        process(m, o >> 6 & 15, d, s);
    } else if (o < 0x4800) {
        process_high(m, o, pc);
    } else if (o < 0x5000) {
        move_immediate(m, 0x800, (pc + 4) & ~3u, i8 * 4, 4, d8);
    } else if (o < 0x6000) {
        move_register(m, o);
    } else if (o < 0x9000) {
        uint32_t width = o < 0x7000 ? 4 : o < 0x8000 ? 1 : 2;
        move_immediate(m, o, s, (o >> 6 & 31) * width, width, d);
    } else if (o < 0xa000) {
        move_immediate(m, o, m->r[13], i8 * 4, 4, d8);
    } else if (o < 0xb000) {
        m->r[d8] = (o & 0x800 ? m->r[13] : (pc + 4) & ~3u) + i8 * 4;
        cycles(m, 1, 1);
    } else if (o < 0xc000) {
        return miscellaneous(m, o);
    } else if (o < 0xd000) {
        uint32_t end = transfer(m, i8, m->r[d8], (o & 0x800) != 0);
        if (!(o & 0x800) || !(i8 >> d8 & 1)) {
            m->r[d8] = end;
        }
        cycles(m, 1 + count_bits(i8), 1 + count_bits(i8));
    } else if (o < 0xde00) {
        if (holds(m, o >> 8 & 15)) {
            branch(m, pc + 4 + sign_extend(i8, 8) * 2);
        } else {
            cycles(m, 1, 1);
        }
    } else if (o >= 0xe000 && o < 0xe800) {
        branch(m, pc + 4 + sign_extend(o & 0x7ff, 11) * 2);
    } else {
        return o >= 0xf000 && o < 0xf800 && long_branch(m, o, pc);
    }
    return 1;
}

/* Call a function with four arguments in registers and one on the stack; returns r0. Counters start at zero; m->fault
 * tells what went wrong, also when limit instructions did not suffice. */
uint32_t m0_call(struct m0 *m, uint32_t entry, const uint32_t arguments[5], uint64_t limit)
{
    const uint32_t top = M0_RAM + M0_RAM_LEN - 64;
    m->instructions = m->cycles_m0plus = m->cycles_m0 = m->multiplications = 0;
    m->fault = 0;
    memcpy(m->r, arguments, 16);
    m->r[13] = m->lowest_sp = top;
    store(m, top, arguments[4], 4);
    m->r[14] = M0_RETURN | 1;
    m->r[15] = entry & ~1u;
    for (uint32_t i = 4; i < 12; i++) {
        m->r[i] = 0xdead0000u + i; /* must be there again at the end */
    }
    while (m->r[15] != M0_RETURN && !m->fault) {
        uint32_t pc = m->r[15];
        if (!step(m) || m->instructions > limit) {
            m->fault = pc + 1;
        }
        if (m->r[13] < m->lowest_sp) {
            m->lowest_sp = m->r[13];
        }
    }
    for (uint32_t i = 4; i < 12; i++) {
        if (!m->fault && m->r[i] != 0xdead0000u + i) {
            m->fault = 1;
        }
    }
    return m->r[0];
}
