/* P-256 verification over the field that the including file has chosen. Everything is static, so that one program can
 * hold it twice (a portable field and a field for the processor at hand).
 *
 * The including file defines HF_LIMBS_HEADER and HF_FIELD_HEADER, and gives hf_p256.h's functions their names through
 * HF_P256_NAME.
 */
#ifndef HF_P256_CURVE_H
#define HF_P256_CURVE_H

#include "hf_p256.h"

#include HF_LIMBS_HEADER
#include "hf_p256_int.h"

static const hf_u256_t HF_P = HF_256(0xffffffff, 0x00000001, 0x00000000, 0x00000000, 0x00000000, 0xffffffff, 0xffffffff,
                                     0xffffffff);
static const hf_u256_t HF_N = HF_256(0xffffffff, 0x00000000, 0xffffffff, 0xffffffff, 0xbce6faad, 0xa7179e84, 0xf3b9cac2,
                                     0xfc632551);
/* 2^256 mod p, 2^512 mod p, 2^512 mod n, and the curve's b times 2^256 mod p */
static const hf_u256_t HF_ONE = HF_256(0x00000000, 0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff, 0x00000000,
                                       0x00000000, 0x00000001);
static const hf_u256_t HF_RR = HF_256(0x00000004, 0xfffffffd, 0xffffffff, 0xfffffffe, 0xfffffffb, 0xffffffff,
                                      0x00000000, 0x00000003);
static const hf_u256_t HF_RR_N = HF_256(0x66e12d94, 0xf3d95620, 0x2845b239, 0x2b6bec59, 0x4699799c, 0x49bd6fa6,
                                        0x83244c95, 0xbe79eea2);
static const hf_u256_t HF_B = HF_256(0xdc30061d, 0x04874834, 0xe5a220ab, 0xf7212ed6, 0xacf005cd, 0x78843090, 0xd89cdf62,
                                     0x29c4bddf);

#include HF_FIELD_HEADER
#include "hf_p256_scalar.h"
#include "hf_p256_point.h"
#include "hf_p256_comb.h"
#include "hf_p256_generator.h"
#if HF_LIMB_BITS == 64
#include "hf_p256_batch.h"
#else
#define hf_batch_sum(sum, g, q) 0
#endif

/* Two multipliers and r of a signature (FIPS 186-5 section 6.4.2 steps 1 to 4); returns 0 when r or s is out of range. */
static int hf_signature_open(hf_u256_t *u1, hf_u256_t *u2, hf_u256_t *r, const uint8_t hash[32], const uint8_t sig[64])
{
    hf_u256_t s, e, w;
    hf_u256_from_be(r, sig);
    hf_u256_from_be(&s, sig + 32);
    hf_u256_from_be(&e, hash);
    if (hf_u256_is_zero(r) || hf_u256_is_zero(&s) || !hf_u256_less(r, &HF_N) || !hf_u256_less(&s, &HF_N)) {
        return 0;
    }
    if (!hf_u256_less(&e, &HF_N)) {
        hf_u256_sub(&e, &e, &HF_N);
    }
    hf_inverse(&w, &s, &HF_N_STEPS);
    hf_scalar_mul(&w, &w, &HF_RR_N);
    hf_scalar_mul(u1, &e, &w);
    hf_scalar_mul(u2, r, &w);
    return 1;
}

/* Whether the x of a, modulo n, is r (steps 6 and 7). x may be r or, when that is below p, r + n. */
static int hf_point_has_x(const hf_point_t *a, const hf_u256_t *r)
{
    hf_u256_t x, other, zz;
    if (hf_point_is_infinity(a)) {
        return 0;
    }
    hf_fe_sqr(&zz, &a->z);
    hf_fe_mul(&zz, &zz, &HF_RR);
    hf_fe_mul(&x, r, &zz);
    if (hf_u256_equal(&x, &a->x)) {
        return 1;
    }
    if (hf_u256_add(&other, r, &HF_N) || !hf_u256_less(&other, &HF_P)) {
        return 0;
    }
    hf_fe_mul(&x, &other, &zz);
    return hf_u256_equal(&x, &a->x);
}

static enum hf_status HF_P256_NAME(check_point)(const uint8_t point[64])
{
    hf_affine_t q;
    return hf_affine_load(&q, point) ? HF_OK : HF_MALFORMED_KEY;
}

static enum hf_status HF_P256_NAME(verify_fixed)(const uint8_t *table, size_t table_len, const uint8_t hash[32],
                                                 const uint8_t sig[64])
{
    hf_comb_t g, q;
    hf_u256_t u1, u2, r;
    hf_point_t sum;
    (void)hf_comb_open(&g, hf_p256_generator, sizeof hf_p256_generator); /* the build's own table */
    if (!hf_comb_open(&q, table, table_len)) {
        return HF_MALFORMED_KEY;
    }
    if (!hf_signature_open(&u1, &u2, &r, hash, sig)) {
        return HF_NOT_AUTHENTIC;
    }
    hf_comb_set(&g, &u1);
    hf_comb_set(&q, &u2);
    hf_point_set_infinity(&sum);
    if (!hf_batch_sum(&sum, &g, &q)) {
        for (unsigned s = g.spacing > q.spacing ? g.spacing : q.spacing; s-- > 0;) {
            hf_point_double(&sum);
            hf_comb_add_column(&sum, &g, s);
            hf_comb_add_column(&sum, &q, s);
        }
    }
    return hf_point_has_x(&sum, &r) ? HF_OK : HF_NOT_AUTHENTIC;
}

/* --- any key: u2 * Q by a window of signed odd digits, u1 * G by the generator's comb in the last doublings --- */

#if HF_P256_SMALL
#define HF_WINDOW 2 /* digits 1 and -1: no multiples of Q */
#else
#define HF_WINDOW 4
#endif
#define HF_WINDOW_POINTS (1 << (HF_WINDOW - 2)) /* Q, or Q, 3Q, 5Q, 7Q */
#define HF_MAX_DIGITS 257

/* HF_WINDOW bits of a from bit i, 0 <= i < 256 */
static unsigned hf_u256_window(const hf_u256_t *a, unsigned i)
{
    unsigned limb = i / HF_LIMB_BITS, shift = i % HF_LIMB_BITS;
    hf_limb_t bits = a->v[limb] >> shift;
    if (shift > HF_LIMB_BITS - HF_WINDOW && limb + 1 < HF_LIMBS) {
        bits |= a->v[limb + 1] << (HF_LIMB_BITS - shift);
    }
    return (unsigned)bits & ((1u << HF_WINDOW) - 1);
}

/* Digits of k, least significant first: each 0 or odd, |d| < 2^(HF_WINDOW - 1), with HF_WINDOW - 1 zeros after it. */
static void hf_window_digits(int8_t digits[HF_MAX_DIGITS], const hf_u256_t *k)
{
    unsigned carry = 0, i;
    for (i = 0; i < HF_MAX_DIGITS; i++) {
        digits[i] = 0;
    }
    for (i = 0; i < 256;) {
        unsigned window = hf_u256_window(k, i) + carry;
        if (!(window & 1)) {
            i++;
            continue;
        }
        carry = window >> (HF_WINDOW - 1);
        digits[i] = (int8_t)((int)window - (carry ? 1 << HF_WINDOW : 0));
        i += HF_WINDOW;
    }
    if (carry) { /* then i is at most 256 */
        digits[i] = 1;
    }
}

#if HF_WINDOW_POINTS == 4
/* in: odd[0] = Q; out: 3Q, 5Q and 7Q behind it. Takes one inverse for the three. None of them is infinity. */
static void hf_window_fill(hf_affine_t odd[HF_WINDOW_POINTS])
{
    hf_point_t three, five, seven;
    hf_u256_t all, part, t;
    hf_point_from_affine(&three, &odd[0]);
    hf_point_double(&three);
    five = three;
    hf_point_add_affine(&three, &odd[0]);
    hf_point_double(&five);
    hf_point_add_affine(&five, &odd[0]);
    seven = three;
    hf_point_double(&seven);
    hf_point_add_affine(&seven, &odd[0]);
    hf_fe_mul(&part, &three.z, &five.z);
    hf_fe_mul(&all, &part, &seven.z);
    hf_fe_inverse(&all, &all);
    hf_fe_mul(&t, &all, &part);
    hf_point_scale(&odd[3], &seven, &t);
    hf_fe_mul(&all, &all, &seven.z);
    hf_fe_mul(&t, &all, &three.z);
    hf_point_scale(&odd[2], &five, &t);
    hf_fe_mul(&t, &all, &five.z);
    hf_point_scale(&odd[1], &three, &t);
}
#endif

static enum hf_status HF_P256_NAME(verify)(const uint8_t point[64], const uint8_t hash[32], const uint8_t sig[64])
{
    hf_comb_t g;
    hf_u256_t u1, u2, r;
    hf_affine_t odd[HF_WINDOW_POINTS], addend;
    hf_point_t sum;
    int8_t digits[HF_MAX_DIGITS];
    (void)hf_comb_open(&g, hf_p256_generator, sizeof hf_p256_generator); /* the build's own table */
    if (!hf_affine_load(&odd[0], point)) {
        return HF_MALFORMED_KEY;
    }
    if (!hf_signature_open(&u1, &u2, &r, hash, sig)) {
        return HF_NOT_AUTHENTIC;
    }
    hf_comb_set(&g, &u1);
    hf_window_digits(digits, &u2);
#if HF_WINDOW_POINTS == 4
    hf_window_fill(odd);
#endif
    hf_point_set_infinity(&sum);
    for (int i = HF_MAX_DIGITS - 1; i >= 0; i--) {
        hf_point_double(&sum);
        if (digits[i] != 0) {
            addend = odd[(digits[i] < 0 ? -digits[i] : digits[i]) >> 1];
            if (digits[i] < 0) {
                hf_affine_negate(&addend);
            }
            hf_point_add_affine(&sum, &addend);
        }
        hf_comb_add_column(&sum, &g, (unsigned)i);
    }
    return hf_point_has_x(&sum, &r) ? HF_OK : HF_NOT_AUTHENTIC;
}

/* --- tables ---
 *
 * With D_t = 2 Q_(b, t), the entries of a block obey entry j + 2^t = entry j + D_t for j < 2^t, and the first and the
 * last add up to D_(T-1). The group's order is odd, so no other points of the curve obey both. */

/* Whether r is the canonical encoding of the point a + b, which is not infinity. */
static int hf_affine_is_sum(const hf_affine_t *r, const hf_affine_t *a, const hf_affine_t *b)
{
    hf_point_t sum;
    hf_u256_t power, t;
    hf_point_from_affine(&sum, a);
    hf_point_add_affine(&sum, b);
    hf_fe_sqr(&power, &sum.z);
    hf_fe_mul(&t, &r->x, &power);
    hf_fe_mul(&power, &power, &sum.z);
    hf_fe_mul(&power, &r->y, &power);
    return !hf_point_is_infinity(&sum) && hf_affine_is_reduced(r) && hf_u256_equal(&t, &sum.x) &&
           hf_u256_equal(&power, &sum.y);
}

/* Check the entries of a block from 2^tooth to 2^(tooth + 1), all below being right; and of the last tooth, entry 0. */
static int hf_tooth_check(const hf_comb_t *c, unsigned block, unsigned tooth, const hf_affine_t *twice)
{
    hf_affine_t low, high;
    unsigned half = 1u << tooth;
    if (tooth + 1 == c->teeth) {
        hf_comb_entry(&low, c, block, 0);
        hf_comb_entry(&high, c, block, half - 1);
        return hf_affine_is_sum(twice, &low, &high);
    }
    for (unsigned j = 0; j < half; j++) {
        hf_comb_entry(&low, c, block, j);
        hf_comb_entry(&high, c, block, j + half);
        if (!hf_affine_is_sum(&high, &low, twice)) {
            return 0;
        }
    }
    return 1;
}

static enum hf_status HF_P256_NAME(table_check)(const uint8_t *table, size_t table_len, const uint8_t point[64])
{
    hf_comb_t c;
    hf_affine_t q;
    hf_point_t base;
    if (!hf_comb_open(&c, table, table_len) || !hf_affine_load(&q, point)) {
        return HF_MALFORMED_KEY;
    }
    hf_point_from_affine(&base, &q);
    for (unsigned block = 0; block < c.blocks; block++) {
        hf_comb_entry(&q, &c, block, 0);
        if (!hf_affine_is_reduced(&q) || !hf_affine_is_on_curve(&q)) {
            return HF_MALFORMED_KEY;
        }
        for (unsigned tooth = 0; tooth < c.teeth; tooth++) {
            hf_point_double(&base);
            hf_point_to_affine(&q, &base);
            if (!hf_tooth_check(&c, block, tooth, &q)) {
                return HF_MALFORMED_KEY;
            }
            for (unsigned doubled = 1; doubled < c.spacing; doubled++) {
                hf_point_double(&base);
            }
        }
    }
    return HF_OK;
}

#if !HF_P256_SMALL
static void hf_entry_write(uint8_t *entries, unsigned index, const hf_affine_t *a)
{
    hf_u256_to_le(entries + (size_t)index * 64, &a->x);
    hf_u256_to_le(entries + (size_t)index * 64 + 32, &a->y);
}

/* Entry 0 of a block: minus every tooth but the last, plus the last; q is Q_(b, 0). */
static void hf_entry_first(hf_affine_t *r, const hf_affine_t *q, const hf_comb_t *c)
{
    hf_affine_t minus = *q;
    hf_point_t sum;
    hf_affine_negate(&minus);
    hf_point_from_affine(&sum, q);
    for (unsigned tooth = 1; tooth < c->teeth; tooth++) {
        for (unsigned i = 0; i < c->spacing; i++) {
            hf_point_double(&sum);
        }
        hf_point_add_affine(&sum, &minus);
    }
    hf_point_to_affine(r, &sum);
}

static enum hf_status HF_P256_NAME(table_make)(const uint8_t point[64], unsigned teeth, unsigned blocks, uint8_t *table,
                                               size_t table_len)
{
    hf_comb_t c;
    hf_affine_t q, entry;
    hf_point_t base, sum;
    if (teeth < HF_P256_MIN_TEETH || teeth > HF_P256_MAX_TEETH || blocks < 1 || blocks > HF_P256_MAX_BLOCKS ||
        table_len != HF_P256_TABLE_LEN(teeth, blocks)) {
        return HF_LOCAL;
    }
    if (!hf_affine_load(&q, point)) {
        return HF_MALFORMED_KEY;
    }
    table[0] = HF_P256_TABLE_VERSION;
    table[1] = (uint8_t)teeth;
    table[2] = (uint8_t)blocks;
    table[3] = 0;
    (void)hf_comb_open(&c, table, table_len); /* with the head just written */
    hf_point_from_affine(&base, &q);
    uint8_t *entries = table + HF_P256_TABLE_HEAD_LEN;
    for (unsigned block = 0; block < blocks; block++) {
        hf_point_to_affine(&q, &base);
        hf_entry_first(&entry, &q, &c);
        hf_entry_write(entries, 0, &entry);
        for (unsigned tooth = 0; tooth < teeth; tooth++) {
            hf_point_double(&base);
            hf_point_to_affine(&q, &base);
            for (unsigned j = 0; tooth + 1 < teeth && j < 1u << tooth; j++) {
                hf_comb_entry(&entry, &c, block, j);
                hf_point_from_affine(&sum, &entry);
                hf_point_add_affine(&sum, &q);
                hf_point_to_affine(&entry, &sum);
                hf_entry_write(entries, j + (1u << tooth), &entry);
            }
            for (unsigned doubled = 1; doubled < c.spacing; doubled++) {
                hf_point_double(&base);
            }
        }
        entries += (size_t)64 << (teeth - 1);
    }
    return HF_OK;
}
#endif

#endif
