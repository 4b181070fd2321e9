/* The field of P-256 in four 64-bit limbs, portable C: Montgomery form with R = 2^256.
 *
 * p = 2^256 - 2^224 + 2^192 + 2^96 - 1, so -1/p mod 2^64 is 1 and a step of the reduction multiplies by nothing:
 * adding m * p * 2^(64 i) clears limb i, adds m << 32 over the two limbs above it, and m * (2^64 - 2^32 + 1) over the
 * two above those.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_FIELD64_H
#define HF_P256_FIELD64_H

/* r = t mod p for t = top * 2^256 + a, t < 2p. */
static inline void hf_fe_finish(hf_u256_t *r, const hf_u256_t *a, hf_limb_t top)
{
    hf_u256_t reduced;
    hf_limb_t borrow = hf_u256_sub(&reduced, a, &HF_P);
    *r = (top | (borrow ^ 1)) ? reduced : *a;
}

static inline void hf_fe_add(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    hf_u256_t sum;
    hf_limb_t carry = hf_u256_add(&sum, a, b);
    hf_fe_finish(r, &sum, carry);
}

static inline void hf_fe_sub(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    if (hf_u256_sub(r, a, b)) {
        hf_u256_add(r, r, &HF_P);
    }
}

/* r = t / 2^256 mod p, t < p * 2^256; spoils t. */
static inline void hf_fe_reduce(hf_u256_t *r, uint64_t t[8])
{
    hf_limb_t top = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t m = t[i];
        uint64_t low = m - (m << 32);                       /* m * (2^64 - 2^32 + 1) */
        uint64_t high = m - (m >> 32) - (m < (m << 32));
        hf_wide_t sum = (hf_wide_t)t[i + 1] + (m << 32);
        t[i + 1] = (uint64_t)sum;
        sum = (hf_wide_t)t[i + 2] + (m >> 32) + (uint64_t)(sum >> 64);
        t[i + 2] = (uint64_t)sum;
        sum = (hf_wide_t)t[i + 3] + low + (uint64_t)(sum >> 64);
        t[i + 3] = (uint64_t)sum;
        sum = (hf_wide_t)t[i + 4] + high + (uint64_t)(sum >> 64) + top;
        t[i + 4] = (uint64_t)sum;
        top = (hf_limb_t)(sum >> 64);
    }
    hf_u256_t upper = {{t[4], t[5], t[6], t[7]}};
    hf_fe_finish(r, &upper, top);
}

/* r = a * b / 2^256 mod p */
static void hf_fe_mul(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    uint64_t t[8] = {0};
    for (int i = 0; i < 4; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 4; j++) {
            hf_wide_t sum = (hf_wide_t)a->v[i] * b->v[j] + t[i + j] + carry;
            t[i + j] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
        t[i + 4] = carry;
    }
    hf_fe_reduce(r, t);
}

/* r = a * a / 2^256 mod p */
static void hf_fe_sqr(hf_u256_t *r, const hf_u256_t *a)
{
    uint64_t t[8] = {0};
    for (int i = 0; i < 3; i++) {
        uint64_t carry = 0;
        for (int j = i + 1; j < 4; j++) {
            hf_wide_t sum = (hf_wide_t)a->v[i] * a->v[j] + t[i + j] + carry;
            t[i + j] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
        t[i + 4] = carry;
    }
    uint64_t carry = 0;
    uint64_t above = 0; /* the bit that doubling moves out of the limb below */
    for (size_t i = 0; i < 4; i++) {
        hf_wide_t square = (hf_wide_t)a->v[i] * a->v[i];
        uint64_t even = (t[2 * i] << 1) | above;
        uint64_t odd = (t[2 * i + 1] << 1) | (t[2 * i] >> 63);
        above = t[2 * i + 1] >> 63;
        hf_wide_t sum = (hf_wide_t)even + (uint64_t)square + carry;
        t[2 * i] = (uint64_t)sum;
        sum = (hf_wide_t)odd + (uint64_t)(square >> 64) + (uint64_t)(sum >> 64);
        t[2 * i + 1] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    hf_fe_reduce(r, t);
}

#endif
