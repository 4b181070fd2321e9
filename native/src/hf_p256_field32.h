/* The field of P-256 in eight 32-bit limbs, portable C: Montgomery form with R = 2^256.
 *
 * p = 2^256 - 2^224 + 2^192 + 2^96 - 1, so -1/p mod 2^32 is 1 and a step of the reduction is additions only: adding
 * m * p * 2^(32 i) clears limb i and adds m at limbs i+3, i+6 and i+8, less m at limb i+7.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_FIELD32_H
#define HF_P256_FIELD32_H

/* r = t mod p for t = top * 2^256 + a, t < 2p. */
static inline void hf_fe_finish(hf_u256_t *r, const hf_u256_t *a, hf_limb_t top)
{
    hf_u256_t reduced;
    hf_limb_t borrow = hf_u256_sub(&reduced, a, &HF_P);
    *r = (top | (borrow ^ 1)) ? reduced : *a;
}

static void hf_fe_add(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    hf_u256_t sum;
    hf_limb_t carry = hf_u256_add(&sum, a, b);
    hf_fe_finish(r, &sum, carry);
}

static void hf_fe_sub(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    if (hf_u256_sub(r, a, b)) {
        hf_u256_add(r, r, &HF_P);
    }
}

/* r = t / 2^256 mod p, t < p * 2^256; spoils t. */
static void hf_fe_reduce(hf_u256_t *r, uint32_t t[16])
{
    int64_t top = 0;
    for (int i = 0; i < 8; i++) {
        uint32_t m = t[i];
        int64_t sum = (int64_t)t[i + 3] + m;
        t[i + 3] = (uint32_t)sum;
        sum = (int64_t)t[i + 4] + (sum >> 32);
        t[i + 4] = (uint32_t)sum;
        sum = (int64_t)t[i + 5] + (sum >> 32);
        t[i + 5] = (uint32_t)sum;
        sum = (int64_t)t[i + 6] + m + (sum >> 32);
        t[i + 6] = (uint32_t)sum;
        sum = (int64_t)t[i + 7] - m + (sum >> 32);
        t[i + 7] = (uint32_t)sum;
        sum = (int64_t)t[i + 8] + m + (sum >> 32) + top;
        t[i + 8] = (uint32_t)sum;
        top = sum >> 32;
    }
    hf_u256_t upper;
    for (int i = 0; i < 8; i++) {
        upper.v[i] = t[8 + i];
    }
    hf_fe_finish(r, &upper, (hf_limb_t)top);
}

/* r = a * b / 2^256 mod p */
static void hf_fe_mul(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    uint32_t t[16];
    for (int i = 0; i < 8; i++) {
        t[i] = 0;
    }
    for (int i = 0; i < 8; i++) {
        uint32_t carry = 0;
        for (int j = 0; j < 8; j++) {
            uint64_t sum = (uint64_t)a->v[i] * b->v[j] + t[i + j] + carry;
            t[i + j] = (uint32_t)sum;
            carry = (uint32_t)(sum >> 32);
        }
        t[i + 8] = carry;
    }
    hf_fe_reduce(r, t);
}

/* r = a * a / 2^256 mod p */
static void hf_fe_sqr(hf_u256_t *r, const hf_u256_t *a)
{
    uint32_t t[16];
    for (int i = 0; i < 16; i++) {
        t[i] = 0;
    }
    for (int i = 0; i < 7; i++) {
        uint32_t carry = 0;
        for (int j = i + 1; j < 8; j++) {
            uint64_t sum = (uint64_t)a->v[i] * a->v[j] + t[i + j] + carry;
            t[i + j] = (uint32_t)sum;
            carry = (uint32_t)(sum >> 32);
        }
        t[i + 8] = carry;
    }
    uint32_t carry = 0;
    uint32_t above = 0; /* the bit that doubling moves out of the limb below */
    for (int i = 0; i < 8; i++) {
        uint64_t square = (uint64_t)a->v[i] * a->v[i];
        uint32_t even = (t[2 * i] << 1) | above;
        uint32_t odd = (t[2 * i + 1] << 1) | (t[2 * i] >> 31);
        above = t[2 * i + 1] >> 31;
        uint64_t sum = (uint64_t)even + (uint32_t)square + carry;
        t[2 * i] = (uint32_t)sum;
        sum = (uint64_t)odd + (uint32_t)(square >> 32) + (uint32_t)(sum >> 32);
        t[2 * i + 1] = (uint32_t)sum;
        carry = (uint32_t)(sum >> 32);
    }
    hf_fe_reduce(r, t);
}

#endif
