/* The points of two combs added in pairs, before any doubling. Neighbours in a column are affine, so an addition is
 * 5 multiplications and a square where hf_point_add_affine has 8 and 3. All pairs share one inverse (Montgomery's
 * trick), and no pair waits for another. This is faster where an inverse costs less than 90 multiplications and where
 * there is stack for all points, 20 KB: with 64-bit limbs.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_BATCH_H
#define HF_P256_BATCH_H

/* A comb has blocks * ceil(256 / (teeth * blocks)) points, with 3 teeth at most 93. */
#define HF_BATCH_POINTS 192
#define HF_BATCH_COLUMNS 86
#define HF_BATCH_WORTH 14 /* fewer pairs than this are added faster one by one */

/* The points of each column, behind those of the columns before it */
typedef struct {
    hf_affine_t points[HF_BATCH_POINTS];
    unsigned counts[HF_BATCH_COLUMNS], columns;
} hf_batch_t;

static unsigned hf_batch_pairs(const hf_batch_t *b)
{
    unsigned pairs = 0;
    for (unsigned s = 0; s < b->columns; s++) {
        pairs += b->counts[s] / 2;
    }
    return pairs;
}

/* pair[1] = pair[0] + pair[1] for each pair, given the inverses of the differences of their x, which are spoiled. A step at
 * a time for all, so that a step of one pair need not wait for that of another. */
static void hf_pairs_add(hf_affine_t *const *pair, hf_u256_t *inverses, unsigned pairs)
{
    hf_u256_t t;
    for (unsigned i = 0; i < pairs; i++) {
        hf_fe_sub(&t, &pair[i][1].y, &pair[i][0].y);
        hf_fe_mul(&inverses[i], &inverses[i], &t); /* the slope */
    }
    for (unsigned i = 0; i < pairs; i++) {
        hf_fe_sqr(&t, &inverses[i]);
        hf_fe_sub(&t, &t, &pair[i][0].x);
        hf_fe_sub(&pair[i][1].x, &t, &pair[i][1].x);
    }
    for (unsigned i = 0; i < pairs; i++) {
        hf_fe_sub(&t, &pair[i][0].x, &pair[i][1].x);
        hf_fe_mul(&t, &t, &inverses[i]);
        hf_fe_sub(&pair[i][1].y, &t, &pair[i][0].y);
    }
}

/* Add the points of each column in pairs, which leaves half as many. When two of a pair have the same x, returns 0
 * and changes nothing: their sum needs another formula. */
static int hf_batch_add(hf_batch_t *b)
{
    hf_u256_t inverses[HF_BATCH_POINTS / 2], all = HF_ONE, difference;
    hf_affine_t *pair[HF_BATCH_POINTS / 2], *from = b->points, *to = b->points;
    unsigned pairs = 0;
    for (unsigned s = 0; s < b->columns; s++) {
        for (unsigned i = 1; i < b->counts[s]; i += 2, from += 2) {
            inverses[pairs] = all; /* first the product of the differences before */
            pair[pairs++] = from;
            hf_fe_sub(&difference, &from[1].x, &from[0].x);
            hf_fe_mul(&all, &all, &difference);
        }
        from += b->counts[s] & 1;
    }
    if (hf_u256_is_zero(&all)) {
        return 0;
    }
    hf_fe_inverse(&all, &all);
    for (unsigned i = pairs; i-- > 0;) {
        hf_fe_sub(&difference, &pair[i][1].x, &pair[i][0].x);
        hf_fe_mul(&inverses[i], &inverses[i], &all);
        hf_fe_mul(&all, &all, &difference);
    }
    hf_pairs_add(pair, inverses, pairs);
    from = b->points;
    for (unsigned s = 0; s < b->columns; s++) {
        for (unsigned i = 0; i < b->counts[s]; i += 2) {
            from += i + 1 < b->counts[s];
            *to++ = *from++;
        }
        b->counts[s] -= b->counts[s] / 2;
    }
    return 1;
}

/* Write the points of a comb's column; returns the place behind them. */
static hf_affine_t *hf_comb_take_column(hf_affine_t *to, const hf_comb_t *c, unsigned s)
{
    unsigned count = hf_comb_points(c, s), at = s;
    for (unsigned block = 0; block < count; block++) {
        at = hf_comb_take(to++, c, block, at);
    }
    return to;
}

/* sum = the sum of both combs; sum is infinity before. Returns 0 when only hf_comb_add_column can make the sum. */
static int hf_batch_sum(hf_point_t *sum, const hf_comb_t *g, const hf_comb_t *q)
{
    hf_batch_t b;
    hf_affine_t *end = b.points;
    b.columns = g->spacing > q->spacing ? g->spacing : q->spacing;
    for (unsigned s = 0; s < b.columns; s++) {
        hf_affine_t *start = end;
        end = hf_comb_take_column(end, g, s);
        end = hf_comb_take_column(end, q, s);
        b.counts[s] = (unsigned)(end - start);
    }
    while (hf_batch_pairs(&b) >= HF_BATCH_WORTH) {
        if (!hf_batch_add(&b)) {
            return 0;
        }
    }
    end = b.points;
    for (unsigned s = 0; s < b.columns; s++) {
        end += b.counts[s];
    }
    for (unsigned s = b.columns; s-- > 0;) {
        hf_point_double(sum);
        for (unsigned i = 0; i < b.counts[s]; i++) {
            hf_point_add_affine(sum, --end);
        }
    }
    return 1;
}

#endif
