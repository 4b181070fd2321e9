/* P-256 verification over whichever field the including file has chosen; everything is static, so that one program can
 * hold it twice (a portable field and one for the processor at hand).
 *
 * The including file defines HF_LIMBS_HEADER and HF_FIELD_HEADER, and gives hf_p256.h's functions their names through
 * HF_P256_NAME.
 */
#ifndef HF_P256_CURVE_H
#define HF_P256_CURVE_H

#include "hf_p256.h"

#include HF_LIMBS_HEADER
#include "hf_p256_int.h"

static const hf_u256_t HF_P = HF_256(0xffffffff, 0x00000001, 0x00000000, 0x00000000, 0x00000000, 0xffffffff,
                                     0xffffffff, 0xffffffff);
static const hf_u256_t HF_N = HF_256(0xffffffff, 0x00000000, 0xffffffff, 0xffffffff, 0xbce6faad, 0xa7179e84,
                                     0xf3b9cac2, 0xfc632551);
/* 2^256 mod p, 2^512 mod p, 2^512 mod n, and the curve's b times 2^256 mod p */
static const hf_u256_t HF_ONE = HF_256(0x00000000, 0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff, 0x00000000,
                                       0x00000000, 0x00000001);
static const hf_u256_t HF_RR = HF_256(0x00000004, 0xfffffffd, 0xffffffff, 0xfffffffe, 0xfffffffb, 0xffffffff,
                                      0x00000000, 0x00000003);
static const hf_u256_t HF_RR_N = HF_256(0x66e12d94, 0xf3d95620, 0x2845b239, 0x2b6bec59, 0x4699799c, 0x49bd6fa6,
                                        0x83244c95, 0xbe79eea2);
static const hf_u256_t HF_B = HF_256(0xdc30061d, 0x04874834, 0xe5a220ab, 0xf7212ed6, 0xacf005cd, 0x78843090,
                                     0xd89cdf62, 0x29c4bddf);

#include HF_FIELD_HEADER
#include "hf_p256_point.h"
#include "hf_p256_scalar.h"
#include "hf_p256_comb.h"
#include "hf_p256_generator.h"

/* Two multipliers and r of a signature (FIPS 186-5 section 6.4.2 steps 1 to 4); returns 0 when r or s is out of range. */
static int hf_signature_open(hf_u256_t *u1, hf_u256_t *u2, hf_u256_t *r, const uint8_t hash[32],
                             const uint8_t sig[64])
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
    hf_scalar_inverse(&w, &s);
    hf_scalar_mul(&w, &w, &HF_RR_N);
    hf_scalar_mul(u1, &e, &w);
    hf_scalar_mul(u2, r, &w);
    return 1;
}

/* Whether the x of a, modulo n, is r (steps 6 and 7). x may be r or, when that is below p, r + n. */
static int hf_point_has_x(const hf_point_t *a, const hf_u256_t *r)
{
    hf_u256_t x, other;
    if (hf_point_is_infinity(a)) {
        return 0;
    }
    hf_fe_mul(&x, r, &HF_RR);
    hf_fe_mul(&x, &x, &a->zz);
    if (hf_u256_equal(&x, &a->x)) {
        return 1;
    }
    if (hf_u256_add(&other, r, &HF_N) || !hf_u256_less(&other, &HF_P)) {
        return 0;
    }
    hf_fe_mul(&x, &other, &HF_RR);
    hf_fe_mul(&x, &x, &a->zz);
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
    for (unsigned s = g.spacing > q.spacing ? g.spacing : q.spacing; s-- > 0;) {
        hf_point_double(&sum);
        hf_comb_add_column(&sum, &g, s);
        hf_comb_add_column(&sum, &q, s);
    }
    return hf_point_has_x(&sum, &r) ? HF_OK : HF_NOT_AUTHENTIC;
}

/* --- any key: u2 * Q by a window of signed odd digits, u1 * G by the generator's comb in the last doublings --- */

#define HF_WINDOW (HF_LIMB_BITS == 64 ? 5 : 4) /* a small core has no kilobyte of stack for 8 points */
#define HF_WINDOW_POINTS (1 << (HF_WINDOW - 2)) /* Q, 3Q, 5Q, 7Q, .. */
#define HF_MAX_DIGITS 257

/* Digits of k, least significant first: each 0 or odd, |d| < 2^(HF_WINDOW - 1), with HF_WINDOW - 1 zeros after it. */
static void hf_window_digits(int8_t digits[HF_MAX_DIGITS], const hf_u256_t *k)
{
    unsigned carry = 0;
    for (unsigned i = 0; i < HF_MAX_DIGITS;) {
        unsigned bit = i < 256 ? hf_u256_bit(k, i) : 0;
        if (bit == carry) {
            digits[i++] = 0;
            continue;
        }
        unsigned window = carry;
        for (unsigned j = 0; j < HF_WINDOW; j++) {
            window += (i + j < 256 ? hf_u256_bit(k, i + j) : 0) << j;
        }
        carry = window >> (HF_WINDOW - 1) & 1;
        digits[i] = (int8_t)((int)window - (carry ? 1 << HF_WINDOW : 0));
        for (unsigned j = 1; j < HF_WINDOW && i + j < HF_MAX_DIGITS; j++) {
            digits[i + j] = 0;
        }
        i += HF_WINDOW;
    }
}

static enum hf_status HF_P256_NAME(verify)(const uint8_t point[64], const uint8_t hash[32], const uint8_t sig[64])
{
    hf_comb_t g;
    hf_u256_t u1, u2, r;
    hf_affine_t q;
    hf_point_t odd[HF_WINDOW_POINTS], sum;
    int8_t digits[HF_MAX_DIGITS];
    (void)hf_comb_open(&g, hf_p256_generator, sizeof hf_p256_generator); /* the build's own table */
    if (!hf_affine_load(&q, point)) {
        return HF_MALFORMED_KEY;
    }
    if (!hf_signature_open(&u1, &u2, &r, hash, sig)) {
        return HF_NOT_AUTHENTIC;
    }
    hf_comb_set(&g, &u1);
    hf_window_digits(digits, &u2);
    hf_point_from_affine(&odd[0], &q);
    sum = odd[0];
    hf_point_double(&sum);
    for (int i = 1; i < HF_WINDOW_POINTS; i++) {
        odd[i] = odd[i - 1];
        hf_point_add(&odd[i], &sum, 0);
    }
    hf_point_set_infinity(&sum);
    for (int i = HF_MAX_DIGITS - 1; i >= 0; i--) {
        hf_point_double(&sum);
        if (digits[i] != 0) {
            hf_point_add(&sum, &odd[(digits[i] < 0 ? -digits[i] : digits[i]) >> 1], digits[i] < 0);
        }
        hf_comb_add_column(&sum, &g, (unsigned)i);
    }
    return hf_point_has_x(&sum, &r) ? HF_OK : HF_NOT_AUTHENTIC;
}

/* --- tables --- */

/* r = 1/a mod p by a^(p - 2); only for making tables */
static void hf_fe_inverse(hf_u256_t *r, const hf_u256_t *a)
{
    static const hf_u256_t two = {{2}};
    hf_u256_t e, power = HF_ONE;
    hf_u256_sub(&e, &HF_P, &two);
    for (unsigned i = 256; i-- > 0;) {
        hf_fe_sqr(&power, &power);
        if (hf_u256_bit(&e, i)) {
            hf_fe_mul(&power, &power, a);
        }
    }
    *r = power;
}

static void hf_entry_write(uint8_t out[64], const hf_point_t *a)
{
    hf_u256_t inverse, t;
    hf_fe_inverse(&inverse, &a->zzz);
    hf_fe_mul(&t, &a->y, &inverse);
    hf_u256_to_le(out + 32, &t);
    hf_fe_mul(&t, &a->zz, &inverse); /* 1/Z, whose square is 1/ZZ */
    hf_fe_sqr(&t, &t);
    hf_fe_mul(&t, &t, &a->x);
    hf_u256_to_le(out, &t);
}

static enum hf_status HF_P256_NAME(table_make)(const uint8_t point[64], unsigned teeth, unsigned blocks,
                                               uint8_t *table, size_t table_len)
{
    hf_comb_t c;
    hf_affine_t q;
    hf_point_t base;
    hf_walk_t walk;
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
        hf_walk_start(&walk, &base, &c);
        do {
            hf_entry_write(entries + (size_t)walk.index * 64, &walk.point);
        } while (hf_walk_next(&walk, &c));
        entries += (size_t)64 << (teeth - 1);
    }
    return HF_OK;
}

static enum hf_status HF_P256_NAME(table_check)(const uint8_t *table, size_t table_len, const uint8_t point[64])
{
    hf_comb_t c;
    hf_affine_t q, entry;
    hf_point_t base;
    hf_walk_t walk;
    if (!hf_comb_open(&c, table, table_len) || !hf_affine_load(&q, point)) {
        return HF_MALFORMED_KEY;
    }
    hf_point_from_affine(&base, &q);
    for (unsigned block = 0; block < c.blocks; block++) {
        hf_walk_start(&walk, &base, &c);
        do {
            hf_comb_entry(&entry, &c, block, walk.index);
            if (!hf_u256_less(&entry.x, &HF_P) || !hf_u256_less(&entry.y, &HF_P) ||
                !hf_point_is_affine(&walk.point, &entry)) {
                return HF_MALFORMED_KEY;
            }
        } while (hf_walk_next(&walk, &c));
    }
    return HF_OK;
}

#endif
