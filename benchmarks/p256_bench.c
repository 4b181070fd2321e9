/* Time one ES256 verifier on many signatures: a program for each, chosen by BENCH_*, so that none is in the other's way.
 *
 * Standard input: count[4], table_len[4] (little-endian), point[64], table[table_len], then count times hash[32] sig[64].
 * Argument: seconds of processor time to spend. Prints nanoseconds a verification; fails unless every signature is good.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_COUNT 1024
static uint8_t point[65] = {4}, table[70000], hashes[MAX_COUNT][32], sigs[MAX_COUNT][64];
static uint32_t count, table_len;

#if BENCH_OPENSSL
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
static EVP_PKEY_CTX *context;
static uint8_t der[MAX_COUNT][80];
static size_t der_len[MAX_COUNT];
static void prepare(void)
{
    EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *pkey = EVP_PKEY_new();
    EC_KEY_oct2key(key, point, 65, NULL);
    EVP_PKEY_assign_EC_KEY(pkey, key);
    context = EVP_PKEY_CTX_new(pkey, NULL);
    EVP_PKEY_verify_init(context);
    for (uint32_t i = 0; i < count; i++) { /* DER outside of what is timed */
        ECDSA_SIG *s = ECDSA_SIG_new();
        ECDSA_SIG_set0(s, BN_bin2bn(sigs[i], 32, NULL), BN_bin2bn(sigs[i] + 32, 32, NULL));
        uint8_t *at = der[i];
        der_len[i] = (size_t)i2d_ECDSA_SIG(s, &at);
        ECDSA_SIG_free(s);
    }
}
static int good(uint32_t i)
{
    return EVP_PKEY_verify(context, der[i], der_len[i], hashes[i], 32) == 1;
}
#else
#include "hf_p256.h"
static void prepare(void)
{
    if (table_len && hf_p256_table_check(table, table_len, point + 1) != HF_OK) {
        exit(3);
    }
}
static int good(uint32_t i)
{
    return (table_len ? hf_p256_verify_fixed(table, table_len, hashes[i], sigs[i])
                      : hf_p256_verify(point + 1, hashes[i], sigs[i])) == HF_OK;
}
#if BENCH_OTHER
enum hf_status hf_p256_verify_fixed(const uint8_t *a, size_t b, const uint8_t *c, const uint8_t *d)
{
    (void)a, (void)b, (void)c, (void)d;
    return HF_LOCAL;
}
enum hf_status hf_p256_table_check(const uint8_t *a, size_t b, const uint8_t *c)
{
    (void)a, (void)b, (void)c;
    return HF_LOCAL;
}
#endif
#endif

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    double budget = argc > 1 ? atof(argv[1]) : 0.2, began, spent;
    unsigned long done = 0, right = 0;
    if (!fread(&count, 4, 1, stdin) || !fread(&table_len, 4, 1, stdin) || !fread(point + 1, 64, 1, stdin) ||
        count > MAX_COUNT || table_len > sizeof table || fread(table, 1, table_len, stdin) != table_len) {
        return 2;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!fread(hashes[i], 32, 1, stdin) || !fread(sigs[i], 64, 1, stdin)) {
            return 2;
        }
    }
    prepare();
    for (uint32_t i = 0; i < 16; i++) {
        right += (unsigned long)good(i); /* warm */
    }
    right = 0;
    began = seconds();
    do {
        for (uint32_t i = 0; i < 16; i++, done++) {
            right += (unsigned long)good((uint32_t)(done % count));
        }
        spent = seconds() - began;
    } while (spent < budget);
    printf("%.1f\n", spent * 1e9 / (double)done);
    return right != done;
}
