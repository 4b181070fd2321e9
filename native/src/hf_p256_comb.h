/* Combs: u * Q from a table of multiples of Q, with signed digits (Lim and Lee 1994, Hedabou et al. 2004; no RFC).
 *
 * A table has `teeth` T and `blocks` B; spacing S = ceil(256 / (T * B)). An odd k < 2^256 is a sum of digits
 * s_i * 2^i with s_i = 1 or -1 for i < L = T*B*S: s_i = 2 d_i - 1, where d = (k - 1)/2 + 2^(L - 1). An even k is n - k,
 * negated. Column s of block b takes the digits at b*T*S + t*S + s for each tooth t; the table of block b holds
 *     entry j = Q_(b, T-1) + sum over t < T-1 of (Q_(b, t) if bit t of j else -Q_(b, t)),  Q_(b, t) = 2^((b*T + t)*S) Q
 * and a column whose top digit is -1 is minus the entry of the complement. One pass over the columns serves any number
 * of combs, so that the doublings are shared.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_COMB_H
#define HF_P256_COMB_H

/* L is at most 256 and what rounding the spacing up may add, less than MAX_TEETH * MAX_BLOCKS. */
#define HF_COMB_LIMBS (320 / HF_LIMB_BITS)

typedef struct {
    const uint8_t *entries;
    unsigned teeth, blocks, spacing;
    hf_limb_t digits[HF_COMB_LIMBS]; /* bit i is d_i, for i < L */
    int negative;
    int idle; /* the multiplier is zero */
} hf_comb_t;

/* in: a table with its header; returns 0 when the header is impossible. */
static int hf_comb_open(hf_comb_t *c, const uint8_t *table, size_t table_len)
{
    if (table_len < HF_P256_TABLE_HEAD_LEN || table[0] != HF_P256_TABLE_VERSION || table[3] != 0) {
        return 0;
    }
    c->teeth = table[1];
    c->blocks = table[2];
    if (c->teeth < HF_P256_MIN_TEETH || c->teeth > HF_P256_MAX_TEETH || c->blocks < 1 ||
        c->blocks > HF_P256_MAX_BLOCKS || table_len != HF_P256_TABLE_LEN(c->teeth, c->blocks)) {
        return 0;
    }
    c->entries = table + HF_P256_TABLE_HEAD_LEN;
    c->spacing = 0; /* ceil(256 / (teeth * blocks)) by counting: armv6m has no division */
    for (unsigned covered = 0; covered < 256; covered += c->teeth * c->blocks) {
        c->spacing++;
    }
    return 1;
}

/* in: k < n */
static void hf_comb_set(hf_comb_t *c, const hf_u256_t *k)
{
    hf_u256_t odd = *k;
    c->idle = hf_u256_is_zero(k);
    c->negative = !(k->v[0] & 1);
    if (c->negative) {
        hf_u256_sub(&odd, &HF_N, k);
    }
    for (int i = 0; i < HF_COMB_LIMBS; i++) {
        hf_limb_t limb = i < HF_LIMBS ? odd.v[i] : 0, above = i + 1 < HF_LIMBS ? odd.v[i + 1] : 0;
        c->digits[i] = (limb >> 1) | (above << (HF_LIMB_BITS - 1));
    }
    unsigned last = c->teeth * c->blocks * c->spacing - 1;
    c->digits[last / HF_LIMB_BITS] |= (hf_limb_t)1 << (last % HF_LIMB_BITS);
}

static inline unsigned hf_comb_digit(const hf_comb_t *c, unsigned i)
{
    return (unsigned)(c->digits[i / HF_LIMB_BITS] >> (i % HF_LIMB_BITS)) & 1u;
}

static void hf_comb_entry(hf_affine_t *r, const hf_comb_t *c, unsigned block, unsigned index)
{
    const uint8_t *at = c->entries + (((size_t)block << (c->teeth - 1)) + index) * 64;
    hf_u256_from_le(&r->x, at);
    hf_u256_from_le(&r->y, at + 32);
}

/* r = the point that one block adds in the column whose lowest digit is at; returns where the next block's digit is. */
static inline unsigned hf_comb_take(hf_affine_t *r, const hf_comb_t *c, unsigned block, unsigned at)
{
    unsigned index = 0;
    for (unsigned t = 0; t + 1 < c->teeth; t++) {
        index |= hf_comb_digit(c, at) << t;
        at += c->spacing;
    }
    unsigned top = hf_comb_digit(c, at);
    if (!top) {
        index ^= (1u << (c->teeth - 1)) - 1;
    }
    hf_comb_entry(r, c, block, index);
    if ((int)top == c->negative) {
        hf_affine_negate(r);
    }
    return at + c->spacing;
}

/* How many points column s has; none when the comb has no such column. */
static inline unsigned hf_comb_points(const hf_comb_t *c, unsigned s)
{
    return c->idle || s >= c->spacing ? 0 : c->blocks;
}

/* Add column s of every block to a. */
static void hf_comb_add_column(hf_point_t *a, const hf_comb_t *c, unsigned s)
{
    unsigned count = hf_comb_points(c, s), at = s;
    for (unsigned block = 0; block < count; block++) {
        hf_affine_t entry;
        at = hf_comb_take(&entry, c, block, at);
        hf_point_add_affine(a, &entry);
    }
}

#endif
