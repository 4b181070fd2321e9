/* Points of P-256 in Jacobian coordinates: x = X/Z^2, y = Y/Z^3; the point at infinity has Z = 0.
 *
 * Doubling costs 4 multiplications and 4 squarings, adding an affine point 8 and 3; there is no other addition. Formulas
 * as in Guide to Elliptic Curve Cryptography (2004), algorithms 3.21 and 3.22, with a = -3. The addition is complete:
 * equal and opposite points and infinity have their branches.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_POINT_H
#define HF_P256_POINT_H

typedef struct {
    hf_u256_t x, y; /* Montgomery form, reduced */
} hf_affine_t;

typedef struct {
    hf_u256_t x, y, z;
} hf_point_t;

static int hf_point_is_infinity(const hf_point_t *a)
{
    return hf_u256_is_zero(&a->z);
}

static void hf_point_set_infinity(hf_point_t *r)
{
    for (int i = 0; i < HF_LIMBS; i++) {
        r->x.v[i] = r->y.v[i] = r->z.v[i] = 0;
    }
}

static void hf_point_from_affine(hf_point_t *r, const hf_affine_t *a)
{
    r->x = a->x;
    r->y = a->y;
    r->z = HF_ONE;
}

static void hf_affine_negate(hf_affine_t *a)
{
    static const hf_u256_t zero = {{0}};
    hf_fe_sub(&a->y, &zero, &a->y);
}

#if HF_POINT_ASM
void hf_p256_double(hf_point_t *a);
int hf_p256_add_affine(hf_point_t *a, const hf_affine_t *b);
#define hf_point_double hf_p256_double
#define hf_point_add_other hf_p256_add_affine
#else
/* a = a/2 */
static void hf_fe_halve(hf_u256_t *a)
{
    hf_u256_halve(a, a->v[0] & 1 ? hf_u256_add(a, a, &HF_P) : 0);
}

/* a = 2a. The curve has no point of order two, so only infinity stays where it is. */
static void hf_point_double(hf_point_t *a)
{
    hf_u256_t m, s, t;
    if (hf_point_is_infinity(a)) {
        return;
    }
    hf_fe_sqr(&t, &a->z); /* m = 3/2 (X^2 - Z^4) = 3/2 (X - Z^2) (X + Z^2) */
    hf_fe_sub(&m, &a->x, &t);
    hf_fe_add(&t, &a->x, &t);
    hf_fe_mul(&m, &m, &t);
    t = m;
    hf_fe_halve(&t);
    hf_fe_add(&m, &m, &t);
    hf_fe_mul(&a->z, &a->z, &a->y); /* half of the usual Z, so no Y is doubled */
    hf_fe_sqr(&t, &a->y);
    hf_fe_mul(&s, &a->x, &t);
    hf_fe_sqr(&t, &t);
    hf_fe_sqr(&a->x, &m);
    hf_fe_sub(&a->x, &a->x, &s);
    hf_fe_sub(&a->x, &a->x, &s);
    hf_fe_sub(&s, &s, &a->x);
    hf_fe_mul(&s, &s, &m);
    hf_fe_sub(&a->y, &s, &t);
}

/* a = a + b, and 0; unless both have the same x: then a stays, and 1 says that they are equal, 2 that they are opposite.
 * a is not infinity. */
static int hf_point_add_other(hf_point_t *a, const hf_affine_t *b)
{
    hf_u256_t p, r, s, t;
    hf_fe_sqr(&t, &a->z);
    hf_fe_mul(&p, &b->x, &t);
    hf_fe_mul(&t, &t, &a->z);
    hf_fe_mul(&r, &b->y, &t);
    hf_fe_sub(&p, &p, &a->x);
    hf_fe_sub(&r, &r, &a->y);
    if (hf_u256_is_zero(&p)) {
        return hf_u256_is_zero(&r) ? 1 : 2;
    }
    hf_fe_mul(&a->z, &a->z, &p);
    hf_fe_sqr(&t, &p);
    hf_fe_mul(&p, &p, &t);
    hf_fe_mul(&s, &a->x, &t);
    hf_fe_mul(&t, &a->y, &p);
    hf_fe_sqr(&a->x, &r);
    hf_fe_sub(&a->x, &a->x, &p);
    hf_fe_sub(&a->x, &a->x, &s);
    hf_fe_sub(&a->x, &a->x, &s);
    hf_fe_sub(&s, &s, &a->x);
    hf_fe_mul(&s, &s, &r);
    hf_fe_sub(&a->y, &s, &t);
    return 0;
}
#endif

/* a = a + b */
static void hf_point_add_affine(hf_point_t *a, const hf_affine_t *b)
{
    int same = 0;
    if (hf_point_is_infinity(a)) {
        hf_point_from_affine(a, b);
    } else {
        same = hf_point_add_other(a, b);
    }
    if (same == 1) {
        hf_point_double(a);
    } else if (same == 2) {
        hf_point_set_infinity(a);
    }
}

/* r = a, given 1/Z */
static void hf_point_scale(hf_affine_t *r, const hf_point_t *a, const hf_u256_t *inverse)
{
    hf_u256_t t;
    hf_fe_sqr(&t, inverse);
    hf_fe_mul(&r->x, &a->x, &t);
    hf_fe_mul(&t, &t, inverse);
    hf_fe_mul(&r->y, &a->y, &t);
}

/* r = 1/a mod p in Montgomery form, a not 0: the inverse of a 2^256 times 2^512, by which a product divides each time */
static void hf_fe_inverse(hf_u256_t *r, const hf_u256_t *a)
{
    hf_inverse(r, a, &HF_P_STEPS);
    hf_fe_mul(r, r, &HF_RR);
    hf_fe_mul(r, r, &HF_RR);
}

/* in: a is not infinity */
static void hf_point_to_affine(hf_affine_t *r, const hf_point_t *a)
{
    hf_u256_t inverse;
    hf_fe_inverse(&inverse, &a->z);
    hf_point_scale(r, a, &inverse);
}

/* Whether y^2 = x^3 - 3x + b. */
static int hf_affine_is_on_curve(const hf_affine_t *a)
{
    hf_u256_t left, right, t;
    hf_fe_sqr(&left, &a->y);
    hf_fe_sqr(&right, &a->x);
    hf_fe_mul(&right, &right, &a->x);
    hf_fe_add(&t, &a->x, &a->x);
    hf_fe_add(&t, &t, &a->x);
    hf_fe_sub(&right, &right, &t);
    hf_fe_add(&right, &right, &HF_B);
    return hf_u256_equal(&left, &right);
}

static int hf_affine_is_reduced(const hf_affine_t *a)
{
    return hf_u256_less(&a->x, &HF_P) && hf_u256_less(&a->y, &HF_P);
}

/* in: x || y big-endian; returns 0 unless both are below p and the point is on the curve. */
static int hf_affine_load(hf_affine_t *r, const uint8_t bytes[64])
{
    hf_u256_from_be(&r->x, bytes);
    hf_u256_from_be(&r->y, bytes + 32);
    if (!hf_affine_is_reduced(r)) {
        return 0;
    }
    hf_fe_mul(&r->x, &r->x, &HF_RR);
    hf_fe_mul(&r->y, &r->y, &HF_RR);
    return hf_affine_is_on_curve(r);
}

#endif
