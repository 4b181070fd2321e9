/* Arithmetic modulo n, the order of P-256, which makes two multipliers of a signature; and inverses modulo n or p.
 *
 * The inverse is the variable-time form of Bernstein and Yang's division steps (eprint 2019/266): HF_STEP_BITS steps at
 * a time on the low limbs give a 2x2 matrix, which is then applied to the whole numbers. A right shift of a negative
 * number is arithmetic on every compiler that this is built with; native/tests checks it.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_SCALAR_H
#define HF_P256_SCALAR_H

#if HF_LIMB_BITS == 64
#define HF_N_NEG_INV 0xccd1c8aaee00bc4fu /* -1/n mod 2^64 */
#else
#define HF_N_NEG_INV 0xee00bc4fu
#endif

#if HF_P256_SMALL
/* Euclid's binary algorithm in place of division steps: half as fast and a kilobyte shorter. */
typedef hf_u256_t hf_modulus_t;
#define HF_N_STEPS HF_N
#define HF_P_STEPS HF_P

/* r = 1/a mod m, 0 < a < m. Always x a = u and y a = v mod m, and v is odd. */
static void hf_inverse(hf_u256_t *r, const hf_u256_t *a, const hf_modulus_t *m)
{
    hf_u256_t u = *a, v = *m, x = {{1}}, y = {{0}}, t;
    do {
        while (!(u.v[0] & 1)) {
            hf_u256_halve(&u, 0);
            hf_u256_halve(&x, x.v[0] & 1 ? hf_u256_add(&x, &x, m) : 0);
        }
        if (hf_u256_less(&u, &v)) {
            t = u, u = v, v = t;
            t = x, x = y, y = t;
        }
        hf_u256_sub(&u, &u, &v);
        if (hf_u256_sub(&x, &x, &y)) {
            hf_u256_add(&x, &x, m);
        }
    } while (!hf_u256_is_zero(&u));
    *r = y;
}
#else
#if HF_LIMB_BITS == 64
#define HF_STEP_BITS 62
#define HF_STEP_LIMBS 5
typedef int64_t hf_step_t;
#define HF_CTZ(x) ((unsigned)__builtin_ctzll(x))
#else
#define HF_STEP_BITS 30
#define HF_STEP_LIMBS 9
typedef int32_t hf_step_t;
#define HF_CTZ(x) ((unsigned)__builtin_ctz(x))
#endif

#define HF_STEP_MASK (((hf_limb_t)1 << HF_STEP_BITS) - 1)

/* A signed number in limbs of HF_STEP_BITS; all but the last are in 0..2^HF_STEP_BITS - 1. */
typedef struct {
    hf_step_t v[HF_STEP_LIMBS];
} hf_steps_t;

#if defined(__clang__) || defined(__OPTIMIZE_SIZE__)
#define HF_UNROLL_STEPS
#else
#define HF_UNROLL_STEPS _Pragma("GCC unroll 9")
#endif

/* An odd modulus m, and 1/m mod 2^HF_STEP_BITS */
typedef struct {
    hf_steps_t m;
    hf_limb_t inverse;
} hf_modulus_t;

#if HF_LIMB_BITS == 64
static const hf_modulus_t HF_N_STEPS = {
    {{0x33b9cac2fc632551, 0x339beab69c5e7a13, 0x3ffffffffffffffb, 0x3fffffc00000003f, 0xff}}, 0x332e375511ff43b1u};
static const hf_modulus_t HF_P_STEPS = {{{0x3fffffffffffffff, 0x3ffffffff, 0x0, 0x3fffffc000000040, 0xff}},
                                        0x3fffffffffffffffu};
#else
static const hf_modulus_t HF_N_STEPS = {
    {{0x3c632551, 0xee72b0b, 0x3179e84f, 0x39beab69, 0x3fffffbc, 0x3fffffff, 0xfff, 0x3fffc000, 0xffff}}, 0x11ff43b1u};
static const hf_modulus_t HF_P_STEPS = {
    {{0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3f, 0x0, 0x0, 0x1000, 0x3fffc000, 0xffff}}, 0x3fffffffu};
#endif

/* HF_STEP_BITS division steps as a matrix: (f, g) * 2^HF_STEP_BITS becomes (u f + v g, q f + r g). */
typedef struct {
    hf_step_t u, v, q, r;
} hf_matrix_t;

static void hf_steps_from_u256(hf_steps_t *r, const hf_u256_t *a)
{
    for (unsigned i = 0; i < HF_STEP_LIMBS; i++) {
        unsigned at = i * HF_STEP_BITS;
        unsigned limb = at / HF_LIMB_BITS, shift = at % HF_LIMB_BITS;
        hf_limb_t bits = a->v[limb] >> shift;
        if (shift != 0 && limb + 1 < HF_LIMBS) {
            bits |= a->v[limb + 1] << (HF_LIMB_BITS - shift);
        }
        r->v[i] = (hf_step_t)(bits & HF_STEP_MASK);
    }
}

/* in: a in 0..2^256 - 1 */
static void hf_steps_to_u256(hf_u256_t *r, const hf_steps_t *a)
{
    for (unsigned i = 0; i < HF_LIMBS; i++) {
        r->v[i] = 0;
    }
    for (unsigned i = 0; i < HF_STEP_LIMBS; i++) {
        unsigned at = i * HF_STEP_BITS;
        unsigned limb = at / HF_LIMB_BITS, shift = at % HF_LIMB_BITS;
        r->v[limb] |= (hf_limb_t)a->v[i] << shift;
        if (shift > HF_LIMB_BITS - HF_STEP_BITS && limb + 1 < HF_LIMBS) {
            r->v[limb + 1] |= (hf_limb_t)a->v[i] >> (HF_LIMB_BITS - shift);
        }
    }
}

/* Take HF_STEP_BITS steps on the low limbs of f (odd) and g; returns the new eta, which is minus the paper's delta. */
static int hf_division_steps(hf_matrix_t *t, int eta, hf_limb_t f, hf_limb_t g)
{
    hf_limb_t u = 1, v = 0, q = 0, r = 1;
    int left = HF_STEP_BITS;
    for (;;) {
        /* all the steps that only halve g, and no more than are left */
        int zeros = (int)HF_CTZ(g | ((hf_limb_t)1 << left));
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        eta -= zeros;
        left -= zeros;
        if (left == 0) {
            break;
        }
        if (eta < 0) {
            hf_limb_t old = f;
            eta = -eta;
            f = g;
            g = (hf_limb_t)0 - old;
            old = u;
            u = q;
            q = (hf_limb_t)0 - old;
            old = v;
            v = r;
            r = (hf_limb_t)0 - old;
        }
        /* g + w f has as many low zeros as steps may be taken before f and g change places; f (f^2 - 2) is -1/f
         * modulo 64, since f^2 is 1 modulo 8 */
        int limit = eta + 1 < left ? eta + 1 : left;
        hf_limb_t mask = limit < 6 ? ((hf_limb_t)1 << limit) - 1 : 63;
        hf_limb_t w = (g * f * (f * f - 2)) & mask;
        g += f * w;
        q += u * w;
        r += v * w;
    }
    t->u = (hf_step_t)u;
    t->v = (hf_step_t)v;
    t->q = (hf_step_t)q;
    t->r = (hf_step_t)r;
    return eta;
}

/* (f, g) = t (f, g) / 2^HF_STEP_BITS, which is exact */
static void hf_steps_apply(hf_steps_t *f, hf_steps_t *g, const hf_matrix_t *t)
{
    hf_signed_wide_t cf = 0, cg = 0;
    HF_UNROLL_STEPS
    for (int i = 0; i < HF_STEP_LIMBS; i++) {
        hf_step_t fi = f->v[i], gi = g->v[i];
        cf += (hf_signed_wide_t)t->u * fi + (hf_signed_wide_t)t->v * gi;
        cg += (hf_signed_wide_t)t->q * fi + (hf_signed_wide_t)t->r * gi;
        if (i > 0) {
            f->v[i - 1] = (hf_step_t)((hf_limb_t)cf & HF_STEP_MASK);
            g->v[i - 1] = (hf_step_t)((hf_limb_t)cg & HF_STEP_MASK);
        }
        cf >>= HF_STEP_BITS;
        cg >>= HF_STEP_BITS;
    }
    f->v[HF_STEP_LIMBS - 1] = (hf_step_t)cf;
    g->v[HF_STEP_LIMBS - 1] = (hf_step_t)cg;
}

/* (d, e) = t (d, e) / 2^HF_STEP_BITS mod m; d and e stay above -2m and below m */
static void hf_steps_apply_modulo(hf_steps_t *d, hf_steps_t *e, const hf_matrix_t *t, const hf_modulus_t *m)
{
    int d_negative = d->v[HF_STEP_LIMBS - 1] < 0, e_negative = e->v[HF_STEP_LIMBS - 1] < 0;
    hf_step_t md = (d_negative ? t->u : 0) + (e_negative ? t->v : 0);
    hf_step_t me = (d_negative ? t->q : 0) + (e_negative ? t->r : 0);
    hf_signed_wide_t cd = (hf_signed_wide_t)t->u * d->v[0] + (hf_signed_wide_t)t->v * e->v[0];
    hf_signed_wide_t ce = (hf_signed_wide_t)t->q * d->v[0] + (hf_signed_wide_t)t->r * e->v[0];
    /* multiples of m that make the low limb zero */
    md -= (hf_step_t)((m->inverse * (hf_limb_t)cd + (hf_limb_t)md) & HF_STEP_MASK);
    me -= (hf_step_t)((m->inverse * (hf_limb_t)ce + (hf_limb_t)me) & HF_STEP_MASK);
    cd = ce = 0;
    HF_UNROLL_STEPS
    for (int i = 0; i < HF_STEP_LIMBS; i++) {
        hf_step_t di = d->v[i], ei = e->v[i];
        cd += (hf_signed_wide_t)t->u * di + (hf_signed_wide_t)t->v * ei + (hf_signed_wide_t)m->m.v[i] * md;
        ce += (hf_signed_wide_t)t->q * di + (hf_signed_wide_t)t->r * ei + (hf_signed_wide_t)m->m.v[i] * me;
        if (i > 0) {
            d->v[i - 1] = (hf_step_t)((hf_limb_t)cd & HF_STEP_MASK);
            e->v[i - 1] = (hf_step_t)((hf_limb_t)ce & HF_STEP_MASK);
        }
        cd >>= HF_STEP_BITS;
        ce >>= HF_STEP_BITS;
    }
    d->v[HF_STEP_LIMBS - 1] = (hf_step_t)cd;
    e->v[HF_STEP_LIMBS - 1] = (hf_step_t)ce;
}

static int hf_steps_is_zero(const hf_steps_t *a)
{
    int i = 0;
    while (i < HF_STEP_LIMBS && a->v[i] == 0) {
        i++;
    }
    return i == HF_STEP_LIMBS;
}

/* a = sign * a + k * m, limbs in range again; sign 1 or -1 */
static void hf_steps_adjust(hf_steps_t *a, hf_step_t sign, hf_step_t k, const hf_modulus_t *m)
{
    hf_step_t carry = 0;
    for (int i = 0; i < HF_STEP_LIMBS; i++) {
        carry += sign * a->v[i] + k * m->m.v[i];
        if (i < HF_STEP_LIMBS - 1) {
            a->v[i] = (hf_step_t)((hf_limb_t)carry & HF_STEP_MASK);
            carry >>= HF_STEP_BITS;
        } else {
            a->v[i] = carry;
        }
    }
}

/* r = 1/a mod m, 0 < a < m */
static void hf_inverse(hf_u256_t *r, const hf_u256_t *a, const hf_modulus_t *m)
{
    hf_steps_t d = {{0}}, e = {{1}}, f = m->m, g;
    int eta = -1;
    hf_steps_from_u256(&g, a);
    while (!hf_steps_is_zero(&g)) {
        hf_matrix_t t;
        hf_limb_t low_f = (hf_limb_t)f.v[0] | ((hf_limb_t)f.v[1] << HF_STEP_BITS);
        hf_limb_t low_g = (hf_limb_t)g.v[0] | ((hf_limb_t)g.v[1] << HF_STEP_BITS);
        eta = hf_division_steps(&t, eta, low_f, low_g);
        hf_steps_apply_modulo(&d, &e, &t, m);
        hf_steps_apply(&f, &g, &t);
    }
    /* f is now 1 or -1, and d is f times the inverse */
    if (d.v[HF_STEP_LIMBS - 1] < 0) {
        hf_steps_adjust(&d, 1, 1, m);
    }
    if (f.v[HF_STEP_LIMBS - 1] < 0) {
        hf_steps_adjust(&d, -1, 0, m);
    }
    if (d.v[HF_STEP_LIMBS - 1] < 0) {
        hf_steps_adjust(&d, 1, 1, m);
    }
    hf_steps_to_u256(r, &d);
}
#endif

/* r = a * b / 2^256 mod n, for a, b < 2^256 with a * b < n * 2^256 */
static void hf_scalar_mul(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    hf_limb_t t[HF_LIMBS + 1] = {0};
    for (int i = 0; i < HF_LIMBS; i++) {
        hf_wide_t sum = 0;
        for (int j = 0; j < HF_LIMBS; j++) {
            sum = (hf_wide_t)a->v[i] * b->v[j] + t[j] + (hf_limb_t)(sum >> HF_LIMB_BITS);
            t[j] = (hf_limb_t)sum;
        }
        sum = (hf_wide_t)t[HF_LIMBS] + (hf_limb_t)(sum >> HF_LIMB_BITS);
        t[HF_LIMBS] = (hf_limb_t)sum;
        hf_limb_t above = (hf_limb_t)(sum >> HF_LIMB_BITS);
        hf_limb_t m = t[0] * (hf_limb_t)HF_N_NEG_INV;
        sum = (hf_wide_t)m * HF_N.v[0] + t[0];
        for (int j = 1; j < HF_LIMBS; j++) {
            sum = (hf_wide_t)m * HF_N.v[j] + t[j] + (hf_limb_t)(sum >> HF_LIMB_BITS);
            t[j - 1] = (hf_limb_t)sum;
        }
        sum = (hf_wide_t)t[HF_LIMBS] + (hf_limb_t)(sum >> HF_LIMB_BITS);
        t[HF_LIMBS - 1] = (hf_limb_t)sum;
        t[HF_LIMBS] = above + (hf_limb_t)(sum >> HF_LIMB_BITS);
    }
    hf_u256_t low;
    for (int i = 0; i < HF_LIMBS; i++) {
        low.v[i] = t[i];
    }
    if (t[HF_LIMBS] || !hf_u256_less(&low, &HF_N)) {
        hf_u256_sub(&low, &low, &HF_N);
    }
    *r = low;
}

#endif
