/* The inside of hf_p256 for tests/native: field, scalars and statics, by including its source.
 * HF_BOX_X86 picks the x86-64 field, which asks for a processor with BMI2 and ADX. Numbers are 32 bytes little-endian.
 */
#if HF_BOX_X86
#include "../src/hf_p256_x86.c"
#else
#include "../src/hf_p256.c"
#endif

typedef void hf_box_binary_t(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b);

static void box_binary(hf_box_binary_t *f, uint8_t r[32], const uint8_t a[32], const uint8_t b[32])
{
    hf_u256_t x, y;
    hf_u256_from_le(&x, a);
    hf_u256_from_le(&y, b);
    f(&x, &x, &y); /* in place: callers do that */
    hf_u256_to_le(r, &x);
}

void box_fe_mul(uint8_t r[32], const uint8_t a[32], const uint8_t b[32]);
void box_fe_sqr(uint8_t r[32], const uint8_t a[32]);
void box_fe_add(uint8_t r[32], const uint8_t a[32], const uint8_t b[32]);
void box_fe_sub(uint8_t r[32], const uint8_t a[32], const uint8_t b[32]);
void box_scalar_mul(uint8_t r[32], const uint8_t a[32], const uint8_t b[32]);
void box_scalar_inverse(uint8_t r[32], const uint8_t a[32]);

void box_fe_mul(uint8_t r[32], const uint8_t a[32], const uint8_t b[32])
{
    box_binary(hf_fe_mul, r, a, b);
}

void box_fe_add(uint8_t r[32], const uint8_t a[32], const uint8_t b[32])
{
    box_binary(hf_fe_add, r, a, b);
}

void box_fe_sub(uint8_t r[32], const uint8_t a[32], const uint8_t b[32])
{
    box_binary(hf_fe_sub, r, a, b);
}

void box_scalar_mul(uint8_t r[32], const uint8_t a[32], const uint8_t b[32])
{
    box_binary(hf_scalar_mul, r, a, b);
}

void box_fe_sqr(uint8_t r[32], const uint8_t a[32])
{
    hf_u256_t x;
    hf_u256_from_le(&x, a);
    hf_fe_sqr(&x, &x);
    hf_u256_to_le(r, &x);
}

void box_scalar_inverse(uint8_t r[32], const uint8_t a[32])
{
    hf_u256_t x;
    hf_u256_from_le(&x, a);
    hf_inverse(&x, &x, &HF_N_STEPS);
    hf_u256_to_le(r, &x);
}
