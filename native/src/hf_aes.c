/* hf_aes.h: AES on bits.
 *
 * Eight words hold two blocks: bit 8 * row + 2 * column + block of word i is bit i of that byte of the FIPS 197 state.
 * So the S-box is a circuit of and, xor and not on whole words, a shift of rows turns bits within bytes of a word, and
 * mixing columns turns words by whole bytes. Round keys are the same for both blocks, so every other bit of them is
 * enough, and two words of a key fit into one.
 *
 * On x86-64 with HF_P256_X86 the processor's own instructions are used, if the processor has them at run time.
 */
#include "hf_aes.h"

#include "hf_port.h"

#if defined(HF_P256_X86) && HF_P256_X86
#define HF_AES_X86 1
#include "hf_aes_x86.h"
#endif

#define FORGET_LEN 400 /* more than the frames below hf_aes_ccm_seal take with each of our compilers */

static inline uint32_t load_le(const uint8_t b[4])
{
    return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

static inline void store_le(uint8_t b[4], uint32_t x)
{
    b[0] = (uint8_t)x;
    b[1] = (uint8_t)(x >> 8);
    b[2] = (uint8_t)(x >> 16);
    b[3] = (uint8_t)(x >> 24);
}

static inline uint32_t rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

/* Exchange the bits of *x under mask << shift with those of *y under mask. */
static inline void swap_bits(uint32_t *x, uint32_t *y, uint32_t mask, unsigned shift)
{
    uint32_t differ = (*x >> shift ^ *y) & mask;
    *y ^= differ;
    *x ^= differ << shift;
}

/* Between eight words of four bytes each, and the bitsliced form; its own inverse. Word 2 * column + block holds a
 * column, row 0 in its lowest byte: an 8 x 8 transposition of bits in each byte, in three rounds of exchanges. */
static void transpose(uint32_t q[8])
{
    for (unsigned i = 0; i < 8; i += 2) {
        swap_bits(&q[i], &q[i + 1], 0x55555555, 1);
    }
    for (unsigned i = 0; i < 8; i += 1 + (i & 1) * 2) {
        swap_bits(&q[i], &q[i + 2], 0x33333333, 2);
    }
    for (unsigned i = 0; i < 4; i++) {
        swap_bits(&q[i], &q[i + 4], 0x0f0f0f0f, 4);
    }
}

/* The S-box as the circuit of J. Boyar and R. Peralta, "A depth-16 circuit for the AES S-box" (2011): 34 ands and 94
 * xors and nots, its gates in its order and under its names. x0 and s0 are the highest bits of a byte. */
static void sub_bytes(uint32_t q[8])
{
    uint32_t x0 = q[7], x1 = q[6], x2 = q[5], x3 = q[4], x4 = q[3], x5 = q[2], x6 = q[1], x7 = q[0];

    /* top: linear */
    uint32_t y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5;
    uint32_t t0 = x1 ^ x2;
    uint32_t y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14, y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8;
    uint32_t t1 = x4 ^ y12;
    uint32_t y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7, y10 = y15 ^ t0, y11 = y20 ^ y9, y7 = x7 ^ y11;
    uint32_t y17 = y10 ^ y11, y19 = y10 ^ y8, y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;

    /* middle: inversion in the field of 256 elements */
    uint32_t t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & x7) ^ t2;
    uint32_t t7 = y13 & y16, t9 = (y5 & y1) ^ t7, t11 = (y2 & y7) ^ t7;
    uint32_t t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12;
    uint32_t t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19, t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18;
    uint32_t t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
    uint32_t t30 = t23 ^ t24, t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24;
    uint32_t t34 = t23 ^ t33, t35 = t27 ^ t33, t36 = t24 & t35, t37 = t36 ^ t34;
    uint32_t t38 = t27 ^ t36, t40 = t25 ^ (t29 & t38);
    uint32_t t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37, t45 = t42 ^ t41;
    uint32_t z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1, z5 = t29 & y7;
    uint32_t z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4;
    uint32_t z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2, z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;

    /* bottom: linear, with the constant 0x63 as nots */
    uint32_t t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10, t50 = z2 ^ z12, t51 = z2 ^ z5;
    uint32_t t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7, t55 = z16 ^ z17, t56 = z12 ^ t48, t57 = t50 ^ t53;
    uint32_t t58 = z4 ^ t46, t59 = z3 ^ t54, t60 = t46 ^ t57, t61 = z14 ^ t57, t62 = t52 ^ t58, t63 = t49 ^ t58;
    uint32_t t64 = z4 ^ t59, t65 = t61 ^ t62, t66 = z1 ^ t63, t67 = t64 ^ t65;
    uint32_t s3 = t53 ^ t66;
    q[7] = t59 ^ t63;
    q[6] = ~(t64 ^ s3);
    q[5] = ~(t55 ^ t67);
    q[4] = s3;
    q[3] = t51 ^ t66;
    q[2] = t47 ^ t65;
    q[1] = ~(t56 ^ t62);
    q[0] = ~(t48 ^ t60);
}

/* Turn row r, which is byte r of every word, down by 2 r bits: by four in rows 2 and 3, then by two in rows 1 and 3. */
static void shift_rows(uint32_t q[8])
{
    for (unsigned i = 0; i < 8; i++) {
        uint32_t x = q[i];
        uint32_t differ = (x ^ x >> 4) & 0x0f0f0000;
        x ^= differ ^ differ << 4;
        q[i] = (x & 0x00ff00ff) | (x >> 2 & 0x3f003f00) | (x << 6 & 0xc000c000);
    }
}

/* Column a becomes 2 a[r] + 3 a[r + 1] + a[r + 2] + a[r + 3] = 2 s[r] + a[r + 1] + s[r + 2] with s[r] = a[r] + a[r + 1].
 * Doubling moves bits up by one word and takes the highest back in at bits 0, 1, 3 and 4 (x^8 = x^4 + x^3 + x + 1). */
static void mix_columns(uint32_t q[8])
{
    uint32_t high = q[7] ^ rotr(q[7], 8);
    uint32_t doubled = high;
    for (unsigned i = 0; i < 8; i++) {
        uint32_t next_row = rotr(q[i], 8);
        uint32_t sum = q[i] ^ next_row;
        q[i] = doubled ^ next_row ^ rotr(sum, 16);
        doubled = sum ^ (0x0d >> i & 1 ? high : 0); /* of bit i + 1 */
    }
}

static void add_round_key(uint32_t q[8], const uint32_t round_key[4])
{
    for (size_t i = 0; i < 4; i++) {
        uint32_t even = round_key[i] & 0x55555555;
        uint32_t odd = round_key[i] & 0xaaaaaaaa;
        q[2 * i] ^= even | even << 1;
        q[2 * i + 1] ^= odd | odd >> 1;
    }
}

/* The S-box on the four bytes of a word (FIPS 197 section 5.2). */
static uint32_t sub_word(uint32_t word)
{
    uint32_t q[8];
#if defined(HF_AES_X86)
    if (hf_aes_x86_is_here()) { /* not covered: the other processor */
        return hf_aes_x86_sub_word(word);
    }
#endif
    hf_memset(q, 0, sizeof q);
    q[0] = word;
    transpose(q);
    sub_bytes(q);
    transpose(q);
    return q[0];
}

/* Four words of the key schedule become a bitsliced round key. */
static void slice_round_key(uint32_t round_key[4])
{
    uint32_t q[8];
#if defined(HF_AES_X86)
    if (hf_aes_x86_is_here()) { /* not covered: the other processor */
        return;
    }
#endif
    for (size_t i = 0; i < 4; i++) {
        q[2 * i] = round_key[i];
        q[2 * i + 1] = round_key[i];
    }
    transpose(q);
    for (size_t i = 0; i < 4; i++) {
        round_key[i] = (q[2 * i] & 0x55555555) | (q[2 * i + 1] & 0xaaaaaaaa);
    }
}

unsigned hf_aes_expand_key(uint32_t *round_keys, const uint8_t *key, size_t key_len)
{
    unsigned key_words = (unsigned)key_len / 4;
    unsigned rounds = key_words + 6;
    uint32_t constant = 1; /* x^(i - 1): 9 doublings for 128-bit keys, of which one overflows */
    for (size_t i = 0; i < key_words; i++) {
        round_keys[i] = load_le(key + 4 * i);
    }
    for (unsigned i = key_words; i < 4 * (rounds + 1); i++) {
        uint32_t word = round_keys[i - 1];
        if ((i & (key_words - 1)) == 0) {
            word = sub_word(rotr(word, 8)) ^ constant;
            constant = constant == 0x80 ? 0x1b : constant << 1;
        } else if (key_words == 8 && (i & 7) == 4) {
            word = sub_word(word);
        }
        round_keys[i] = round_keys[i - key_words] ^ word;
    }
    for (size_t i = 0; i <= rounds; i++) {
        slice_round_key(round_keys + 4 * i);
    }
    return rounds;
}

void hf_aes_encrypt_pair(const uint32_t *round_keys, unsigned rounds, uint8_t a[HF_AES_BLOCK_LEN],
                         uint8_t b[HF_AES_BLOCK_LEN])
{
    uint32_t q[8];
#if defined(HF_AES_X86)
    if (hf_aes_x86_is_here()) { /* not covered: the other processor */
        hf_aes_x86_encrypt_pair(round_keys, rounds, a, b);
        return;
    }
#endif
    for (size_t i = 0; i < 4; i++) {
        q[2 * i] = load_le(a + 4 * i);
        q[2 * i + 1] = load_le(b + 4 * i);
    }
    transpose(q);
    add_round_key(q, round_keys);
    for (size_t round = 1; round <= rounds; round++) {
        sub_bytes(q);
        shift_rows(q);
        if (round != rounds) {
            mix_columns(q);
        }
        add_round_key(q, round_keys + 4 * round);
    }
    transpose(q);
    for (size_t i = 0; i < 4; i++) {
        store_le(a + 4 * i, q[2 * i]);
        store_le(b + 4 * i, q[2 * i + 1]);
    }
}

__attribute__((noinline)) void hf_aes_forget(void)
{
    uint8_t below[FORGET_LEN];
    hf_wipe(below, sizeof below);
}
