/* ECDSA verification on P-256 (FIPS 186-5 section 6.4.2; RFC 9053 section 2.1 calls it ES256).
 *
 * A device is provisioned with the public key of its authorization server, so multiples of that key can be computed
 * ahead, as those of the generator are. hf_p256_verify_fixed uses both; hf_p256_verify takes any key.
 *
 * Everything here is public: keys are public keys, hashes and signatures travel in the clear. Running time depends on
 * all of them. Never call it with a secret.
 */
#ifndef HF_P256_H
#define HF_P256_H

#include <stddef.h>
#include <stdint.h>

#include "hf_status.h"

#define HF_P256_POINT_LEN 64  /* x || y, big-endian, as in COSE_Key */
#define HF_P256_HASH_LEN 32
#define HF_P256_SIG_LEN 64    /* r || s, big-endian, RFC 9053 section 2.1 */

/* A table of multiples of a key: a header of 4 bytes (version, teeth, blocks, 0), then blocks << (teeth - 1) affine
 * points of 64 bytes, x and y each times 2^256 mod p, little-endian. The same bytes serve every core. */
#define HF_P256_TABLE_VERSION 1
#define HF_P256_TABLE_HEAD_LEN 4
#define HF_P256_MIN_TEETH 3
#define HF_P256_MAX_TEETH 8
#define HF_P256_MAX_BLOCKS 8
#define HF_P256_TABLE_LEN(teeth, blocks) ((size_t)HF_P256_TABLE_HEAD_LEN + ((size_t)(blocks) << ((teeth) - 1)) * 64u)

/* Check that a public key is a point of the curve, with both coordinates below p.
 *   in:  point[64] public
 *   ret: HF_OK | HF_MALFORMED_KEY
 */
enum hf_status hf_p256_check_point(const uint8_t point[HF_P256_POINT_LEN]);

/* Verify a signature by any key.
 *   in:  point[64], hash[32], sig[64], all public
 *   ret: HF_OK | HF_MALFORMED_KEY | HF_NOT_AUTHENTIC
 *   stack: <= 1.6 KB with 32-bit limbs
 */
enum hf_status hf_p256_verify(const uint8_t point[HF_P256_POINT_LEN], const uint8_t hash[HF_P256_HASH_LEN],
                              const uint8_t sig[HF_P256_SIG_LEN]);

/* Verify a signature by the key whose table this is. The table must have passed hf_p256_table_check since it was read
 * from where it is kept: this function only checks that it is long enough for what its header says.
 *   in:  table[table_len], hash[32], sig[64], all public
 *   ret: HF_OK | HF_MALFORMED_KEY (the header) | HF_NOT_AUTHENTIC
 *   stack: <= 0.9 KB with 32-bit limbs
 */
enum hf_status hf_p256_verify_fixed(const uint8_t *table, size_t table_len, const uint8_t hash[HF_P256_HASH_LEN],
                                    const uint8_t sig[HF_P256_SIG_LEN]);

/* Make the table of a key. Meant for the host that provisions; works anywhere. Not there in a build with HF_P256_SMALL.
 *   in:  point[64]; teeth HF_P256_MIN_TEETH..HF_P256_MAX_TEETH, blocks 1..HF_P256_MAX_BLOCKS
 *   out: table[table_len], table_len == HF_P256_TABLE_LEN(teeth, blocks)
 *   ret: HF_OK | HF_MALFORMED_KEY | HF_LOCAL (sizes)
 */
enum hf_status hf_p256_table_make(const uint8_t point[HF_P256_POINT_LEN], unsigned teeth, unsigned blocks,
                                  uint8_t *table, size_t table_len);

/* Check that a table holds the multiples of this very key and nothing else, by computing each anew. About the work of
 * one hf_p256_verify: do it once when the table is loaded. A wrong table is refused here, and can forge nothing.
 *   in:  table[table_len], point[64]
 *   ret: HF_OK | HF_MALFORMED_KEY
 */
enum hf_status hf_p256_table_check(const uint8_t *table, size_t table_len, const uint8_t point[HF_P256_POINT_LEN]);

#endif
