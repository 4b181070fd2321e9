/* The four functions that a compiler may call on its own, for links without a libc (native modules of MicroPython).
 *
 * Small rather than fast, and right for any alignment. Compile with -ffreestanding
 * -fno-tree-loop-distribute-patterns, or the compiler makes each of these loops a call of itself.
 */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *bytes, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);

void *memcpy(void *to, const void *from, size_t len)
{
    uint8_t *t = to;
    const uint8_t *f = from;
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
