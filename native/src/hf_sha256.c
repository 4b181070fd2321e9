/* hf_sha256.h: rolled loops, for size; bytes are loaded one by one, so any alignment will do.
 *
 * On x86-64 with HF_P256_X86 the processor's own instructions are used, if the processor has them at run time.
 */
#include "hf_sha256.h"

#include "hf_port.h"

/* FIPS 180-4 section 4.2.2 */
static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* FIPS 180-4 section 5.3.3 */
static const uint32_t INITIAL[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

#if defined(HF_P256_X86) && HF_P256_X86 && !defined(__clang__) /* whose __builtin_cpu_supports does not know "sha" */
#define HF_SHA256_X86 1
#include "hf_sha256_x86.h"
#endif

static inline uint32_t rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline uint32_t load_be(const uint8_t b[4])
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void store_be(uint8_t b[4], uint32_t x)
{
    b[0] = (uint8_t)(x >> 24);
    b[1] = (uint8_t)(x >> 16);
    b[2] = (uint8_t)(x >> 8);
    b[3] = (uint8_t)x;
}

/* The eight variables of FIPS 180-4 section 6.2.2: b c d are a, and f g h are e, of the three rounds before. So a round
 * moves nothing: it reads the pairs of the four rounds before and writes its own behind them. */
struct pair {
    uint32_t a;
    uint32_t e;
};

/* Words 16 to 31 from words 0 to 15. */
static void schedule(uint32_t *w)
{
    for (unsigned i = 0; i < 16; i++, w++) {
        uint32_t early = w[1];
        uint32_t late = w[14];
        uint32_t sigma0 = rotr(rotr(early, 11) ^ early, 7) ^ early >> 3; /* turned by 7 and 18 */
        uint32_t sigma1 = rotr(rotr(late, 2) ^ late, 17) ^ late >> 10; /* turned by 17 and 19 */
        w[16] = sigma1 + w[9] + sigma0 + w[0];
    }
}

/* Sixteen rounds from past[0..3] to past[16..19]. */
static void rounds(struct pair *past, const uint32_t *w, const uint32_t *constant)
{
    for (const uint32_t *end = w + 16; w != end; past++) {
        uint32_t e = past[3].e;
        uint32_t t = rotr(rotr(rotr(e, 14) ^ e, 5) ^ e, 6); /* turned by 6, 11 and 25 */
        t += past[1].e ^ (e & (past[2].e ^ past[1].e));
        t += past[0].e + *constant++ + *w++;
        past[4].e = past[0].a + t;
        uint32_t a = past[3].a;
        uint32_t b = past[2].a;
        t += (a & b) | (past[1].a & (a | b));
        past[4].a = t + rotr(rotr(rotr(a, 9) ^ a, 11) ^ a, 2); /* turned by 2, 13 and 22 */
    }
}

/* FIPS 180-4 section 6.2.2 */
static void compress(uint32_t state[8], const uint8_t block[HF_SHA256_BLOCK_LEN])
{
    uint32_t w[32];
    struct pair past[4 + 16];
#if defined(HF_SHA256_X86)
    if (hf_sha256_x86_is_here()) { /* not covered: the other processor */
        hf_sha256_x86_compress(state, block);
        return;
    }
#endif
    for (size_t i = 0; i < 16; i++) {
        w[i] = load_be(block + 4 * i);
    }
    for (unsigned i = 0; i < 4; i++) {
        past[16 + i].a = state[3 - i];
        past[16 + i].e = state[7 - i];
    }
    for (unsigned i = 0; i < 64; i += 16) {
        hf_memcpy(past, past + 16, 4 * sizeof past[0]);
        rounds(past, w, ROUND + i);
        if (i < 48) {
            schedule(w);
            hf_memcpy(w, w + 16, 16 * sizeof w[0]);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        state[3 - i] += past[16 + i].a;
        state[7 - i] += past[16 + i].e;
    }
    hf_wipe(w, sizeof w);
    hf_wipe(past, sizeof past);
}

void hf_sha256_init(struct hf_sha256 *hash)
{
    hf_memcpy(hash->state, INITIAL, sizeof INITIAL);
    hash->len_low = 0;
    hash->len_high = 0;
}

void hf_sha256_update(struct hf_sha256 *hash, const uint8_t *message, size_t message_len)
{
    size_t filled = hash->len_low & (HF_SHA256_BLOCK_LEN - 1);
    uint32_t len_low = hash->len_low + (uint32_t)message_len;
    hash->len_high += (uint32_t)(message_len >> 16 >> 16) + (len_low < hash->len_low);
    hash->len_low = len_low;
    while (message_len) {
        size_t room = HF_SHA256_BLOCK_LEN - filled;
        size_t part = message_len < room ? message_len : room;
        if (part == HF_SHA256_BLOCK_LEN) {
            compress(hash->state, message);
        } else {
            hf_memcpy(hash->block + filled, message, part);
            filled += part;
            if (filled == HF_SHA256_BLOCK_LEN) {
                compress(hash->state, hash->block);
                filled = 0;
            }
        }
        message += part;
        message_len -= part;
    }
}

/* FIPS 180-4 section 5.1.1: a one, zeros, and the length in bits. */
void hf_sha256_final(struct hf_sha256 *hash, uint8_t digest[HF_SHA256_LEN])
{
    size_t filled = hash->len_low & (HF_SHA256_BLOCK_LEN - 1);
    hash->block[filled++] = 0x80;
    if (filled > HF_SHA256_BLOCK_LEN - 8) {
        hf_memset(hash->block + filled, 0, HF_SHA256_BLOCK_LEN - filled);
        compress(hash->state, hash->block);
        filled = 0;
    }
    hf_memset(hash->block + filled, 0, HF_SHA256_BLOCK_LEN - 8 - filled);
    store_be(hash->block + 56, hash->len_high << 3 | hash->len_low >> 29);
    store_be(hash->block + 60, hash->len_low << 3);
    compress(hash->state, hash->block);
    for (size_t i = 0; i < 8; i++) {
        store_be(digest + 4 * i, hash->state[i]);
    }
    hf_wipe(hash, sizeof *hash);
}

void hf_sha256(const uint8_t *message, size_t message_len, uint8_t digest[HF_SHA256_LEN])
{
    struct hf_sha256 hash;
    hf_sha256_init(&hash);
    hf_sha256_update(&hash, message, message_len);
    hf_sha256_final(&hash, digest);
}
