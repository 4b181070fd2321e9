/* Points of P-256 in XYZZ coordinates: x = X/ZZ, y = Y/ZZZ, ZZ^3 = ZZZ^2; the point at infinity has ZZ = 0.
 *
 * Adding an affine point costs 8 multiplications and 2 squarings, one squaring less than with Jacobian coordinates,
 * which is what combs do most. Formulas of the Explicit-Formulas Database (madd-2008-s, add-2008-s, dbl-2008-s-1, with
 * a = -3). Every addition is complete: equal and opposite points and infinity have their branches.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_POINT_H
#define HF_P256_POINT_H

typedef struct {
    hf_u256_t x, y; /* Montgomery form, reduced */
} hf_affine_t;

typedef struct {
    hf_u256_t x, y, zz, zzz;
} hf_point_t;

static int hf_point_is_infinity(const hf_point_t *a)
{
    return hf_u256_is_zero(&a->zz);
}

static void hf_point_set_infinity(hf_point_t *r)
{
    for (int i = 0; i < HF_LIMBS; i++) {
        r->x.v[i] = r->y.v[i] = r->zz.v[i] = r->zzz.v[i] = 0;
    }
}

static void hf_point_from_affine(hf_point_t *r, const hf_affine_t *a)
{
    r->x = a->x;
    r->y = a->y;
    r->zz = HF_ONE;
    r->zzz = HF_ONE;
}

static void hf_affine_negate(hf_affine_t *a)
{
    static const hf_u256_t zero = {{0}};
    hf_fe_sub(&a->y, &zero, &a->y);
}

/* a = 2a. The curve has no point of order two, so only infinity stays where it is. */
static void hf_point_double(hf_point_t *a)
{
    hf_u256_t u, v, w, s, m, t;
    if (hf_point_is_infinity(a)) {
        return;
    }
    hf_fe_add(&u, &a->y, &a->y);
    hf_fe_sqr(&v, &u);
    hf_fe_mul(&w, &u, &v);
    hf_fe_mul(&s, &a->x, &v);
    hf_fe_sub(&t, &a->x, &a->zz); /* 3 X^2 - 3 ZZ^2 = 3 (X - ZZ) (X + ZZ) */
    hf_fe_add(&u, &a->x, &a->zz);
    hf_fe_mul(&t, &t, &u);
    hf_fe_add(&m, &t, &t);
    hf_fe_add(&m, &m, &t);
    hf_fe_sqr(&a->x, &m);
    hf_fe_sub(&a->x, &a->x, &s);
    hf_fe_sub(&a->x, &a->x, &s);
    hf_fe_sub(&t, &s, &a->x);
    hf_fe_mul(&t, &t, &m);
    hf_fe_mul(&u, &w, &a->y);
    hf_fe_sub(&a->y, &t, &u);
    hf_fe_mul(&a->zz, &a->zz, &v);
    hf_fe_mul(&a->zzz, &a->zzz, &w);
}

/* The rest of an addition: p = U2 - U1 and rr = S2 - S1, not both zero; u1, s1 as in the formulas; they may be
 * a's x and y. a gets X3 and Y3, and its zz and zzz are multiplied by p^2 and p^3. */
static void hf_point_add_tail(hf_point_t *a, const hf_u256_t *p, const hf_u256_t *rr, const hf_u256_t *u1,
                              const hf_u256_t *s1)
{
    hf_u256_t pp, ppp, q, t;
    hf_fe_sqr(&pp, p);
    hf_fe_mul(&ppp, p, &pp);
    hf_fe_mul(&q, u1, &pp);
    hf_fe_mul(&t, s1, &ppp);
    hf_fe_sqr(&a->x, rr);
    hf_fe_sub(&a->x, &a->x, &ppp);
    hf_fe_sub(&a->x, &a->x, &q);
    hf_fe_sub(&a->x, &a->x, &q);
    hf_fe_sub(&q, &q, &a->x);
    hf_fe_mul(&q, &q, rr);
    hf_fe_sub(&a->y, &q, &t);
    hf_fe_mul(&a->zz, &a->zz, &pp);
    hf_fe_mul(&a->zzz, &a->zzz, &ppp);
}

/* a = a + b */
static void hf_point_add_affine(hf_point_t *a, const hf_affine_t *b)
{
    hf_u256_t p, rr;
    if (hf_point_is_infinity(a)) {
        hf_point_from_affine(a, b);
        return;
    }
    hf_fe_mul(&p, &b->x, &a->zz);
    hf_fe_sub(&p, &p, &a->x);
    hf_fe_mul(&rr, &b->y, &a->zzz);
    hf_fe_sub(&rr, &rr, &a->y);
    if (hf_u256_is_zero(&p)) {
        if (hf_u256_is_zero(&rr)) {
            hf_point_double(a);
        } else {
            hf_point_set_infinity(a);
        }
        return;
    }
    hf_point_add_tail(a, &p, &rr, &a->x, &a->y);
}

/* a = a + b, or a - b when negative; b may not be a */
static void hf_point_add(hf_point_t *a, const hf_point_t *b, int negative)
{
    static const hf_u256_t zero = {{0}};
    hf_u256_t u1, s1, p, rr;
    if (hf_point_is_infinity(b)) { /* not covered: callers add multiples of a point by less than its order */
        return; /* not covered: as above */
    }
    if (hf_point_is_infinity(a)) {
        *a = *b;
        if (negative) {
            hf_fe_sub(&a->y, &zero, &a->y);
        }
        return;
    }
    hf_fe_mul(&u1, &a->x, &b->zz);
    hf_fe_mul(&s1, &a->y, &b->zzz);
    hf_fe_mul(&p, &b->x, &a->zz);
    hf_fe_mul(&rr, &b->y, &a->zzz);
    if (negative) {
        hf_fe_sub(&rr, &zero, &rr);
    }
    hf_fe_sub(&p, &p, &u1);
    hf_fe_sub(&rr, &rr, &s1);
    if (hf_u256_is_zero(&p)) {
        if (hf_u256_is_zero(&rr)) {
            hf_point_double(a);
        } else {
            hf_point_set_infinity(a);
        }
        return;
    }
    hf_fe_mul(&a->zz, &a->zz, &b->zz);
    hf_fe_mul(&a->zzz, &a->zzz, &b->zzz);
    hf_point_add_tail(a, &p, &rr, &u1, &s1);
}

/* Whether the affine point is this one: x ZZ = X and y ZZZ = Y. */
static int hf_point_is_affine(const hf_point_t *a, const hf_affine_t *b)
{
    hf_u256_t x, y;
    hf_fe_mul(&x, &b->x, &a->zz);
    hf_fe_mul(&y, &b->y, &a->zzz);
    if (hf_point_is_infinity(a)) { /* not covered: no entry of a table is */
        return 0; /* not covered: as above */
    }
    return hf_u256_equal(&x, &a->x) && hf_u256_equal(&y, &a->y);
}

/* in: x || y big-endian; returns 0 unless both are below p and y^2 = x^3 - 3x + b. */
static int hf_affine_load(hf_affine_t *r, const uint8_t bytes[64])
{
    hf_u256_t x, y, left, right, t;
    hf_u256_from_be(&x, bytes);
    hf_u256_from_be(&y, bytes + 32);
    if (!hf_u256_less(&x, &HF_P) || !hf_u256_less(&y, &HF_P)) {
        return 0;
    }
    hf_fe_mul(&r->x, &x, &HF_RR);
    hf_fe_mul(&r->y, &y, &HF_RR);
    hf_fe_sqr(&left, &r->y);
    hf_fe_sqr(&right, &r->x);
    hf_fe_mul(&right, &right, &r->x);
    hf_fe_add(&t, &r->x, &r->x);
    hf_fe_add(&t, &t, &r->x);
    hf_fe_sub(&right, &right, &t);
    hf_fe_add(&right, &right, &HF_B);
    return hf_u256_equal(&left, &right);
}

#endif
