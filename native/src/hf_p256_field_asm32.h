/* The field of P-256 in eight 32-bit limbs where native/asm has it in assembly: hf_p256_armv6m.S, hf_p256_armv7em.S.
 * The same functions as hf_p256_field32.h; a result may take the place of an operand.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_FIELD_ASM32_H
#define HF_P256_FIELD_ASM32_H

void hf_p256_fe_mul(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]);
void hf_p256_fe_sqr(uint32_t r[8], const uint32_t a[8]);
void hf_p256_fe_add(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]);
void hf_p256_fe_sub(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]);

static inline void hf_fe_mul(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    hf_p256_fe_mul(r->v, a->v, b->v);
}

static inline void hf_fe_sqr(hf_u256_t *r, const hf_u256_t *a)
{
    hf_p256_fe_sqr(r->v, a->v);
}

static inline void hf_fe_add(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    hf_p256_fe_add(r->v, a->v, b->v);
}

static inline void hf_fe_sub(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    hf_p256_fe_sub(r->v, a->v, b->v);
}

/* hf_p256_armv7em.S also has the operations on points. */
#if defined(__ARM_FEATURE_DSP)
#define HF_POINT_ASM 1
#endif

#endif
