/* Other libraries' ES256 behind hf_p256_verify, to be measured by the same programs. Their sources are fetched when the
 * benchmark runs (p256.py) and are no part of this repository.
 */
#include "hf_p256.h"

#if BENCH_P256M
#include "p256-m.h"
enum hf_status hf_p256_verify(const uint8_t point[64], const uint8_t hash[32], const uint8_t sig[64])
{
    return p256_ecdsa_verify(sig, point, hash, 32) == P256_SUCCESS ? HF_OK : HF_NOT_AUTHENTIC;
}
#else
#include "bearssl.h"
#if BENCH_BEARSSL == 15
#define VERIFY(...) br_ecdsa_i15_vrfy_raw(&br_ec_p256_m15, __VA_ARGS__)
#else
#define VERIFY(...) br_ecdsa_i31_vrfy_raw(&br_ec_p256_m31, __VA_ARGS__)
#endif
enum hf_status hf_p256_verify(const uint8_t point[64], const uint8_t hash[32], const uint8_t sig[64])
{
    uint8_t octets[65];
    br_ec_public_key key = {BR_EC_secp256r1, octets, 65};
    octets[0] = 4;
    for (int i = 0; i < 64; i++) {
        octets[i + 1] = point[i];
    }
    return VERIFY(hash, 32, &key, sig, 64) ? HF_OK : HF_NOT_AUTHENTIC;
}
#endif
