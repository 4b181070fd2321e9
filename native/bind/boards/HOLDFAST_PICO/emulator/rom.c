/* A boot ROM for the emulated RP2040, since no package carries the real one: it starts the firmware from flash and has
 * the functions that the firmware looks up in it (RP2040 datasheet, section 2.8.3). Flash is memory there, so erasing
 * and programming are stores. Float arithmetic is the compiler's own. Never runs on a chip.
 */
#include <stddef.h>
#include <stdint.h>

#define FLASH 0x10000000u
#define FIRMWARE_VECTORS (FLASH + 0x100u) /* behind the second stage loader, which an emulated flash does not need */
#define VTOR (*(volatile uint32_t *)0xE000ED08u)

void stop(void)
{
    for (;;) {
    }
}

/* The stack pointer here is the emulator's. The firmware sets its own. */
void start(void)
{
    const uint32_t *vectors = (const uint32_t *)FIRMWARE_VECTORS;
    VTOR = FIRMWARE_VECTORS;
    __asm volatile("mov sp, %0\n bx %1" : : "r"(vectors[0]), "r"(vectors[1]));
    stop();
}

void nothing(void) {}

uint8_t *fill(uint8_t *to, uint8_t octet, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        to[i] = octet;
    }
    return to;
}

uint8_t *copy(uint8_t *to, const uint8_t *from, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        to[i] = from[i];
    }
    return to;
}

uint32_t count_ones(uint32_t bits)
{
    uint32_t ones = 0;
    for (; bits; bits &= bits - 1) {
        ones++;
    }
    return ones;
}

uint32_t leading_zeros(uint32_t bits)
{
    uint32_t zeros = 32;
    for (; bits; bits >>= 1) {
        zeros--;
    }
    return zeros;
}

uint32_t trailing_zeros(uint32_t bits)
{
    return bits ? 31 - leading_zeros(bits & -bits) : 32;
}

uint32_t reverse(uint32_t bits)
{
    uint32_t reversed = 0;
    for (int i = 0; i < 32; i++, bits >>= 1) {
        reversed = reversed << 1 | (bits & 1);
    }
    return reversed;
}

void flash_erase(uint32_t offset, uint32_t len)
{
    uint32_t *words = (uint32_t *)(FLASH + offset);
    for (uint32_t i = 0; i < len / 4; i++) {
        words[i] = 0xFFFFFFFFu;
    }
}

/* `from` need not be aligned. */
void flash_program(uint32_t offset, const uint8_t *from, uint32_t len)
{
    uint32_t *words = (uint32_t *)(FLASH + offset);
    for (uint32_t i = 0; i < len / 4; i++, from += 4) {
        words[i] = from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
    }
}

struct entry {
    uint8_t code[2];
    uint16_t address;
};

/* What the firmware asks for by two letters; NULL when there is none. */
const void *look_up(const struct entry *entry, uint32_t code)
{
    for (; entry->address; entry++) {
        if ((entry->code[0] | (uint32_t)entry->code[1] << 8) == code) {
            return (const void *)(uintptr_t)entry->address;
        }
    }
    return NULL;
}
