/* hf_sha256.h: rolled loops, for size; bytes are loaded one by one, so any alignment will do. */
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

/* The message schedule keeps the last 16 words only: the word of round i, 16 <= i < 64, replaces that of i - 16. */
static inline uint32_t schedule(uint32_t w[16], unsigned i)
{
    uint32_t early = w[(i + 1) & 15];
    uint32_t late = w[(i + 14) & 15];
    uint32_t sigma0 = rotr(early, 7) ^ rotr(early, 18) ^ early >> 3;
    uint32_t sigma1 = rotr(late, 17) ^ rotr(late, 19) ^ late >> 10;
    return w[i & 15] += sigma0 + w[(i + 9) & 15] + sigma1;
}

/* FIPS 180-4 section 6.2.2 */
static void compress(uint32_t state[8], const uint8_t block[HF_SHA256_BLOCK_LEN])
{
    uint32_t w[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned i = 0; i < 64; i++) {
        uint32_t word = i < 16 ? (w[i] = load_be(block + 4 * i)) : schedule(w, i);
        uint32_t t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g))) + ROUND[i] + word;
        uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
    hf_wipe(w, sizeof w);
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
