/* The four functions that a compiler may call on its own, for links without a libc (native modules of MicroPython).
 *
 * Small; word by word where both ends are aligned, as those of the core's own structures are. Compile with -ffreestanding
 * -fno-tree-loop-distribute-patterns, or the compiler makes each of these loops a call of itself.
 */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *bytes, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);

typedef uint32_t __attribute__((may_alias)) word_t;

#define ALIGNED(address) (((address) & (sizeof(word_t) - 1)) == 0)

void *memcpy(void *to, const void *from, size_t len)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if (ALIGNED((uintptr_t)t | (uintptr_t)f)) {
        for (; len >= sizeof(word_t); len -= sizeof(word_t), t += sizeof(word_t), f += sizeof(word_t)) {
            *(word_t *)(void *)t = *(const word_t *)(const void *)f;
        }
    }
    while (len--) {
        *t++ = *f++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t len)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= len) { /* to is not inside from: upwards is safe */
        return memcpy(to, from, len);
    }
    while (len--) {
        t[len] = f[len];
    }
    return to;
}

void *memset(void *bytes, int value, size_t len)
{
    uint8_t *b = bytes;
    if (ALIGNED((uintptr_t)b)) {
        word_t all = (word_t)(uint8_t)value * 0x01010101u;
        for (; len >= sizeof(word_t); len -= sizeof(word_t), b += sizeof(word_t)) {
            *(word_t *)(void *)b = all;
        }
    }
    while (len--) {
        *b++ = (uint8_t)value;
    }
    return bytes;
}

int memcmp(const void *a, const void *b, size_t len)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (size_t i = 0; i < len; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}
