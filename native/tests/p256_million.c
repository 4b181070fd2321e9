/* COUNT random signatures, half of them damaged, by OpenSSL and by hf_p256 with and without a table: the same verdicts?
 * Usage: p256_million COUNT SEED. Links with libcrypto; prints one line and returns 0 when every verdict agreed.
 */
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hf_p256.h"

#define KEY_EVERY 2000

static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int openssl_says(EC_KEY *key, const uint8_t hash[32], const uint8_t sig[64])
{
    ECDSA_SIG *s = ECDSA_SIG_new();
    ECDSA_SIG_set0(s, BN_bin2bn(sig, 32, NULL), BN_bin2bn(sig + 32, 32, NULL));
    int good = ECDSA_do_verify(hash, 32, s, key) == 1;
    ECDSA_SIG_free(s);
    return good;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 1000, good = 0, wrong = 0;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) * 2654435761u + 88172645463325252u : 88172645463325252u;
    static uint8_t table[HF_P256_TABLE_LEN(HF_P256_MAX_TEETH, HF_P256_MAX_BLOCKS)];
    static const unsigned geometry[][2] = {{6, 1}, {8, 1}, {4, 2}, {8, 4}, {5, 1}, {7, 3}};
    size_t table_len = 0;
    uint8_t point[65] = {0};
    EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    for (long i = 0; i < count; i++) {
        if (i % KEY_EVERY == 0) {
            const unsigned *g = geometry[i / KEY_EVERY % 6];
            table_len = HF_P256_TABLE_LEN(g[0], g[1]);
            EC_KEY_generate_key(key);
            EC_POINT_point2oct(EC_KEY_get0_group(key), EC_KEY_get0_public_key(key), POINT_CONVERSION_UNCOMPRESSED,
                               point, sizeof point, NULL);
            if (hf_p256_table_make(point + 1, g[0], g[1], table, table_len) != HF_OK ||
                hf_p256_table_check(table, table_len, point + 1) != HF_OK) {
                puts("a table could not be made or checked");
                return 1;
            }
        }
        uint8_t hash[32], sig[64];
        for (int j = 0; j < 32; j++) {
            hash[j] = (uint8_t)(next() >> 32);
        }
        ECDSA_SIG *s = ECDSA_do_sign(hash, 32, key);
        BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32);
        ECDSA_SIG_free(s);
        if (next() >> 63) {
            uint64_t bit = next() >> 32 & 1023;
            uint8_t *at = bit < 512 ? &sig[bit >> 3] : &hash[bit >> 3 & 31];
            *at ^= (uint8_t)(1u << (bit & 7));
        }
        int expect = openssl_says(key, hash, sig);
        good += expect;
        wrong += (hf_p256_verify(point + 1, hash, sig) == HF_OK) != expect;
        wrong += (hf_p256_verify_fixed(table, table_len, hash, sig) == HF_OK) != expect;
    }
    EC_KEY_free(key);
    printf("%ld signatures, %ld good by OpenSSL, %ld verdicts of ours differ\n", count, good, wrong);
    return wrong != 0;
}
