/* AES by the instructions of x86-64 (AES-NI); chosen at run time. Time depends on nothing.
 * Part of hf_aes.c. Round keys are those of FIPS 197 in its order, which is what the instructions take.
 */
#ifndef HF_AES_X86_H
#define HF_AES_X86_H

#include <immintrin.h>

/* __builtin_cpu_supports reads what the C runtime found out at the start; asking the processor each time is slow. */
static inline int hf_aes_x86_is_here(void)
{
    return __builtin_cpu_supports("aes"); /* not covered: the other processor */
}

/* The S-box on the four bytes of a word: the instruction does so to lane 1. The round constant that it adds is zero. */
__attribute__((target("aes"))) static uint32_t hf_aes_x86_sub_word(uint32_t word)
{
    return (uint32_t)_mm_cvtsi128_si32(_mm_aeskeygenassist_si128(_mm_set1_epi32((int)word), 0));
}

__attribute__((target("aes"))) static void hf_aes_x86_encrypt_pair(const uint32_t *round_keys, unsigned rounds,
                                                                   uint8_t a[HF_AES_BLOCK_LEN],
                                                                   uint8_t b[HF_AES_BLOCK_LEN])
{
    const __m128i *round_key = (const __m128i *)(const void *)round_keys;
    const __m128i *last = round_key + rounds;
    __m128i x = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)a), _mm_loadu_si128(round_key));
    __m128i y = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)b), _mm_loadu_si128(round_key));
    for (round_key++; round_key != last; round_key++) {
        __m128i key = _mm_loadu_si128(round_key);
        x = _mm_aesenc_si128(x, key);
        y = _mm_aesenc_si128(y, key);
    }
    _mm_storeu_si128((__m128i *)(void *)a, _mm_aesenclast_si128(x, _mm_loadu_si128(last)));
    _mm_storeu_si128((__m128i *)(void *)b, _mm_aesenclast_si128(y, _mm_loadu_si128(last)));
}

#endif
