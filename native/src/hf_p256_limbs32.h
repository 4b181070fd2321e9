/* 256-bit integers in eight 32-bit limbs, least significant first.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_LIMBS32_H
#define HF_P256_LIMBS32_H

#define HF_LIMBS 8
#define HF_LIMB_BITS 32

typedef uint32_t hf_limb_t;
typedef uint64_t hf_wide_t;
typedef int64_t hf_signed_wide_t;

/* clang-format off */
#define HF_256(w7, w6, w5, w4, w3, w2, w1, w0) {{(w0), (w1), (w2), (w3), (w4), (w5), (w6), (w7)}}
/* clang-format on */

#endif
