/* Arithmetic on 256-bit integers that does not know its modulus: carry chains, comparison, bytes.
 * Limb size comes from hf_p256_limbs64.h or hf_p256_limbs32.h. Variable time throughout: everything is public.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_INT_H
#define HF_P256_INT_H

typedef struct {
    hf_limb_t v[HF_LIMBS];
} hf_u256_t;

/* out: r = a + b mod 2^256; returns the carry. r may be a or b. */
static inline hf_limb_t hf_u256_add(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    hf_limb_t carry = 0;
    for (int i = 0; i < HF_LIMBS; i++) {
        hf_wide_t sum = (hf_wide_t)a->v[i] + b->v[i] + carry;
        r->v[i] = (hf_limb_t)sum;
        carry = (hf_limb_t)(sum >> HF_LIMB_BITS);
    }
    return carry;
}

/* out: r = a - b mod 2^256; returns the borrow. r may be a or b. */
static inline hf_limb_t hf_u256_sub(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    hf_limb_t borrow = 0;
    for (int i = 0; i < HF_LIMBS; i++) {
        hf_wide_t difference = (hf_wide_t)a->v[i] - b->v[i] - borrow;
        r->v[i] = (hf_limb_t)difference;
        borrow = (hf_limb_t)(difference >> HF_LIMB_BITS) & 1;
    }
    return borrow;
}

/* a = (a + carry * 2^256) / 2, rounded down */
static inline void hf_u256_halve(hf_u256_t *a, hf_limb_t carry)
{
    for (int i = HF_LIMBS - 1; i >= 0; i--) {
        hf_limb_t limb = a->v[i];
        a->v[i] = (limb >> 1) | (carry << (HF_LIMB_BITS - 1));
        carry = limb;
    }
}

static inline int hf_u256_less(const hf_u256_t *a, const hf_u256_t *b)
{
    for (int i = HF_LIMBS - 1; i >= 0; i--) {
        if (a->v[i] != b->v[i]) {
            return a->v[i] < b->v[i];
        }
    }
    return 0;
}

static inline int hf_u256_is_zero(const hf_u256_t *a)
{
    int i = 0;
    while (i < HF_LIMBS && a->v[i] == 0) { /* seldom, after the first */
        i++;
    }
    return i == HF_LIMBS;
}

static inline int hf_u256_equal(const hf_u256_t *a, const hf_u256_t *b)
{
    hf_limb_t any = 0;
    for (int i = 0; i < HF_LIMBS; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): it cannot see what x86 assembly wrote */
        any |= a->v[i] ^ b->v[i];
    }
    return any == 0;
}

static inline void hf_u256_from_be(hf_u256_t *r, const uint8_t bytes[32])
{
    const int step = HF_LIMB_BITS / 8;
    for (int i = 0; i < HF_LIMBS; i++) {
        hf_limb_t limb = 0;
        for (int j = 0; j < step; j++) {
            limb = (hf_limb_t)(limb << 8) | bytes[32 - (i + 1) * step + j];
        }
        r->v[i] = limb;
    }
}

/* Bytes in the order of the core's own memory are read a limb at a time where they lie on a limb's address. */
typedef hf_limb_t __attribute__((may_alias)) hf_aliasing_limb_t;

static inline void hf_u256_from_le(hf_u256_t *r, const uint8_t bytes[32])
{
    const int step = HF_LIMB_BITS / 8;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if ((uintptr_t)bytes % sizeof(hf_limb_t) == 0) {
        for (int i = 0; i < HF_LIMBS; i++) {
            r->v[i] = ((const hf_aliasing_limb_t *)(const void *)bytes)[i];
        }
        return;
    }
#endif
    for (int i = 0; i < HF_LIMBS; i++) {
        hf_limb_t limb = 0;
        for (int j = step - 1; j >= 0; j--) {
            limb = (hf_limb_t)(limb << 8) | bytes[i * step + j];
        }
        r->v[i] = limb;
    }
}

static inline void hf_u256_to_le(uint8_t bytes[32], const hf_u256_t *a)
{
    const int step = HF_LIMB_BITS / 8;
    for (int i = 0; i < HF_LIMBS; i++) {
        for (int j = 0; j < step; j++) {
            bytes[i * step + j] = (uint8_t)(a->v[i] >> (8 * j));
        }
    }
}

#endif
