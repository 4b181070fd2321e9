/* The field of P-256 in eight 32-bit limbs, portable C: Montgomery form with R = 2^256.
 *
 * p = 2^256 - 2^224 + 2^192 + 2^96 - 1, so -1/p mod 2^32 is 1 and a step of the reduction is additions only: adding
 * m * p * 2^(32 i) clears limb i and adds m at limbs i+3, i+6 and i+8, less m at limb i+7.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_FIELD32_H
#define HF_P256_FIELD32_H

/* Unrolled, a row of a product keeps its limbs where they are: gcc needs to be told, also with -Os. */
#if defined(__clang__)
#define HF_UNROLL
#else
#define HF_UNROLL _Pragma("GCC unroll 8")
#endif

/* r = t mod p for t = top * 2^256 + r, t < 2p. Without top, r is below p unless its highest limb is all ones. */
static inline void hf_fe_finish(hf_u256_t *r, hf_limb_t top)
{
    if (top || (r->v[7] == 0xffffffffu && !hf_u256_less(r, &HF_P))) {
        hf_u256_sub(r, r, &HF_P);
    }
}

static void hf_fe_add(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    hf_fe_finish(r, hf_u256_add(r, a, b));
}

static void hf_fe_sub(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    if (hf_u256_sub(r, a, b)) {
        hf_u256_add(r, r, &HF_P);
    }
}

/* The next limb of a sum: the low half goes to the limb, and the rest, which may be negative, stays. */
#define HF_NEXT(limb) ((limb) = (uint32_t)sum, sum >>= 32)

/* r = t / 2^256 mod p, t < p * 2^256; spoils t. Column by column: limb i gains m of i - 3, i - 6 and i - 8 and loses
 * that of i - 7. */
static void hf_fe_reduce(hf_u256_t *r, uint32_t t[16])
{
    int64_t sum = (int64_t)t[3] + t[0];
    HF_NEXT(t[3]);
    sum += (int64_t)t[4] + t[1];
    HF_NEXT(t[4]);
    sum += (int64_t)t[5] + t[2];
    HF_NEXT(t[5]);
    sum += (int64_t)t[6] + t[3] + t[0];
    HF_NEXT(t[6]);
    sum += (int64_t)t[7] + t[4] + t[1] - t[0];
    HF_NEXT(t[7]);
    sum += (int64_t)t[8] + t[5] + t[2] - t[1] + t[0];
    HF_NEXT(r->v[0]);
    sum += (int64_t)t[9] + t[6] + t[3] - t[2] + t[1];
    HF_NEXT(r->v[1]);
    sum += (int64_t)t[10] + t[7] + t[4] - t[3] + t[2];
    HF_NEXT(r->v[2]);
    sum += (int64_t)t[11] + t[5] - t[4] + t[3];
    HF_NEXT(r->v[3]);
    sum += (int64_t)t[12] + t[6] - t[5] + t[4];
    HF_NEXT(r->v[4]);
    sum += (int64_t)t[13] + t[7] - t[6] + t[5];
    HF_NEXT(r->v[5]);
    sum += (int64_t)t[14] - t[7] + t[6];
    HF_NEXT(r->v[6]);
    sum += (int64_t)t[15] + t[7];
    HF_NEXT(r->v[7]);
    hf_fe_finish(r, (hf_limb_t)sum);
}

#undef HF_NEXT

/* r = a * b / 2^256 mod p */
static void hf_fe_mul(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    uint32_t t[16];
    for (int i = 0; i < 8; i++) {
        t[i] = 0;
    }
    for (int i = 0; i < 8; i++) {
        uint32_t carry = 0;
        HF_UNROLL
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
    HF_UNROLL
    for (int i = 0; i < 7; i++) {
        uint32_t carry = 0;
        HF_UNROLL
        for (int j = i + 1; j < 8; j++) {
            uint64_t sum = (uint64_t)a->v[i] * a->v[j] + t[i + j] + carry;
            t[i + j] = (uint32_t)sum;
            carry = (uint32_t)(sum >> 32);
        }
        t[i + 8] = carry;
    }
    uint32_t carry = 0;
    uint32_t above = 0; /* the bit that doubling moves out of the limb below */
    HF_UNROLL
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
