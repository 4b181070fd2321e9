/* What the core asks of the platform: nothing but memcpy, memmove, memset and memcmp, which every C compiler may call on
 * its own. A libc or a firmware has them; a native module of MicroPython has none and links port/hf_port_bare.c.
 *
 * Every file that holds secrets needs the other functions here: wiping, comparing in constant time, and the marks with
 * which tests follow secrets through the code (valgrind's memcheck, built with HF_CT_TEST).
 */
#ifndef HF_PORT_H
#define HF_PORT_H

#include <stddef.h>
#include <stdint.h>

#if defined(HF_CT_TEST)
#include <valgrind/memcheck.h>
/* From here on these bytes are secret: a branch or an address that depends on them is an error. */
#define HF_CT_POISON(bytes, len) ((void)VALGRIND_MAKE_MEM_UNDEFINED((bytes), (len)))
/* From here on these bytes are public. Used only where time may depend on them. */
#define HF_CT_UNPOISON(bytes, len) ((void)VALGRIND_MAKE_MEM_DEFINED((bytes), (len)))
#else
#define HF_CT_POISON(bytes, len) ((void)0)
#define HF_CT_UNPOISON(bytes, len) ((void)0)
#endif

/* Copy len bytes; to and from do not overlap. */
static inline void hf_memcpy(void *to, const void *from, size_t len)
{
    __builtin_memcpy(to, from, len);
}

/* Copy len bytes; to and from may overlap. */
static inline void hf_memmove(void *to, const void *from, size_t len)
{
    __builtin_memmove(to, from, len);
}

static inline void hf_memset(void *bytes, uint8_t value, size_t len)
{
    __builtin_memset(bytes, value, len);
}

/* Compare public bytes: zero iff they are equal. */
static inline int hf_memcmp(const void *a, const void *b, size_t len)
{
    return __builtin_memcmp(a, b, len);
}

/* Overwrite secrets. The empty asm reads the memory, so that the compiler cannot leave the writes out. */
static inline void hf_wipe(void *bytes, size_t len)
{
    __builtin_memset(bytes, 0, len);
    __asm__ __volatile__("" : : "r"(bytes) : "memory");
}

/* Compare secrets: zero iff a[len] and b[len] are equal. Time depends on len only. */
static inline uint32_t hf_memcmp_ct(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint32_t difference = 0;
    for (size_t i = 0; i < len; i++) {
        difference |= (uint32_t)(a[i] ^ b[i]);
        __asm__ __volatile__("" : "+r"(difference)); /* no guess at what the loop is for */
    }
    return difference;
}

#endif
