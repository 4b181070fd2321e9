/* 256-bit integers in four 64-bit limbs, least significant first; shared by the portable and the x86-64 field.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_LIMBS64_H
#define HF_P256_LIMBS64_H

#define HF_LIMBS 4
#define HF_LIMB_BITS 64

typedef uint64_t hf_limb_t;
__extension__ typedef unsigned __int128 hf_wide_t;
__extension__ typedef __int128 hf_signed_wide_t;

/* clang-format off */
#define HF_256(w7, w6, w5, w4, w3, w2, w1, w0)                                                             \
    {{((uint64_t)(w1) << 32) | (w0), ((uint64_t)(w3) << 32) | (w2), ((uint64_t)(w5) << 32) | (w4),       \
      ((uint64_t)(w7) << 32) | (w6)}}
/* clang-format on */

#endif
