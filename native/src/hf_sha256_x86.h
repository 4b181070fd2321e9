/* The compression function of SHA-256 by the SHA extensions of x86-64; chosen at run time. Time depends on nothing.
 * Part of hf_sha256.c.
 */
#ifndef HF_SHA256_X86_H
#define HF_SHA256_X86_H

#include <immintrin.h>

/* __builtin_cpu_supports reads what the C runtime found out at the start; asking the processor each time is slow. */
static inline int hf_sha256_x86_is_here(void)
{
    return __builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1"); /* not covered: the other processor */
}

/* The instructions want a b e f in one register and c d g h in another, the first in the highest lane. */
__attribute__((target("sha,sse4.1"))) static void hf_sha256_x86_compress(uint32_t state[8], const uint8_t block[64])
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1b);
    __m128i abef_before = _mm_alignr_epi8(badc, hgfe, 8);
    __m128i cdgh_before = _mm_blend_epi16(hgfe, badc, 0xf0);
    __m128i abef = abef_before;
    __m128i cdgh = cdgh_before;
    __m128i w0 = big_endian, w1 = big_endian, w2 = big_endian, w3 = big_endian; /* the last sixteen words */
    for (unsigned i = 0; i < 64; i += 4) {
        __m128i next;
        if (i < 16) {
            next = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(block + 4 * i)), big_endian);
        } else {
            next = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
            next = _mm_sha256msg2_epu32(next, w3);
        }
        w0 = w1;
        w1 = w2;
        w2 = w3;
        w3 = next;
        __m128i sum = _mm_add_epi32(next, _mm_loadu_si128((const __m128i *)(const void *)(ROUND + i)));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b); /* lanes a b e f from the lowest */
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#endif
