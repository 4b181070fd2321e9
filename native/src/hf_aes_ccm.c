/* hf_aes_ccm.h: each call of the cipher takes one step of the MAC and makes one block of key stream.
 *
 * The MAC needs one call for each of its blocks: B_0, the associated data and the text. The second block of a call is
 * the key stream that is needed next: S_1 until the text begins, then S_(i + 1) along with text block i. S_0, which
 * covers the tag, goes along with the last block. So CCM costs one call of the pair for each block of the MAC, no more.
 */
#include "hf_aes_ccm.h"

#include "hf_aes.h"
#include "hf_labels.h"
#include "hf_port.h"

#define BLOCK HF_AES_BLOCK_LEN
#define LENGTH_FIELD 2 /* L of RFC 3610 */

/* One message under way. */
struct run {
    const struct hf_aes_ccm *ccm;
    const uint8_t *nonce;
    unsigned counter;   /* of the key stream to make next, during the associated data */
    unsigned filled;    /* bytes of the MAC's block that are mixed in */
    uint8_t mac[BLOCK];
    uint8_t stream[BLOCK];
};

/* Encrypt the MAC's block, and make the key stream of a counter (RFC 3610 sections 2.2 and 2.3). */
static void step(struct run *run, unsigned counter)
{
    run->stream[0] = LENGTH_FIELD - 1;
    hf_memcpy(run->stream + 1, run->nonce, HF_AES_CCM_NONCE_LEN);
    run->stream[14] = (uint8_t)(counter >> 8);
    run->stream[15] = (uint8_t)counter;
    hf_aes_encrypt_pair(run->ccm->round_keys, run->ccm->rounds, run->mac, run->stream);
    run->filled = 0;
}

/* Mix associated data into the MAC. */
static void absorb(struct run *run, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        run->mac[run->filled++] ^= bytes[i];
        if (run->filled == BLOCK) {
            step(run, run->counter);
        }
    }
}

/* B_0 and the associated data behind its length, each padded with zeros. Leaves the first key stream that is needed. */
static void start(struct run *run, const struct hf_aes_ccm *ccm, const uint8_t *nonce, const uint8_t *aad,
                  size_t aad_len, size_t text_len)
{
    uint8_t prefix[6] = {
        0xff, 0xfe, (uint8_t)(aad_len >> 16 >> 8), (uint8_t)(aad_len >> 16), (uint8_t)(aad_len >> 8), (uint8_t)aad_len};
    size_t prefix_at = aad_len < 0xff00 ? 4 : 0;
    run->ccm = ccm;
    run->nonce = nonce;
    run->counter = text_len ? 1 : 0;
    run->mac[0] = (uint8_t)((aad_len ? 0x40 : 0) | (ccm->tag_len - 2) / 2 << 3 | (LENGTH_FIELD - 1));
    hf_memcpy(run->mac + 1, nonce, HF_AES_CCM_NONCE_LEN);
    run->mac[14] = (uint8_t)(text_len >> 8);
    run->mac[15] = (uint8_t)text_len;
    step(run, run->counter);
    if (aad_len) {
        absorb(run, prefix + prefix_at, sizeof prefix - prefix_at);
        absorb(run, aad, aad_len);
        if (run->filled) {
            step(run, run->counter);
        }
    }
}

/* Encrypt or decrypt in[len] to out[len], which may be the same; the MAC is always over plaintext. */
static void crypt(struct run *run, const uint8_t *in, size_t len, uint8_t *out, int sealing)
{
    unsigned counter = 1;
    while (len) {
        size_t part = len < BLOCK ? len : BLOCK;
        for (size_t i = 0; i < part; i++) {
            uint8_t before = in[i];
            uint8_t after = before ^ run->stream[i];
            run->mac[i] ^= sealing ? before : after;
            out[i] = after;
        }
        in += part;
        out += part;
        len -= part;
        step(run, len ? ++counter : 0);
    }
}

/* Make the tag of what has been absorbed, in run->mac. */
static void finish(struct run *run)
{
    for (unsigned i = 0; i < BLOCK; i++) {
        run->mac[i] ^= run->stream[i];
    }
}

enum hf_status hf_aes_ccm_init(struct hf_aes_ccm *ccm, const uint8_t *key, size_t key_len, size_t tag_len)
{
    if ((key_len != 16 && key_len != 32) || (tag_len != 8 && tag_len != 16)) {
        return HF_LOCAL;
    }
    ccm->rounds = (uint8_t)hf_aes_expand_key(ccm->round_keys, key, key_len);
    hf_aes_forget();
    ccm->tag_len = (uint8_t)tag_len;
    return HF_OK;
}

void hf_aes_ccm_wipe(struct hf_aes_ccm *ccm)
{
    hf_wipe(ccm, sizeof *ccm);
}

enum hf_status hf_aes_ccm_seal(const struct hf_aes_ccm *ccm, const uint8_t nonce[HF_AES_CCM_NONCE_LEN],
                               const uint8_t *aad, size_t aad_len, const uint8_t *text, size_t text_len,
                               uint8_t *sealed)
{
    struct run run;
    if (text_len > HF_AES_CCM_MAX_TEXT_LEN || aad_len >> 16 >> 16) {
        return HF_LOCAL;
    }
    start(&run, ccm, nonce, aad, aad_len, text_len);
    crypt(&run, text, text_len, sealed, 1);
    finish(&run);
    hf_memcpy(sealed + text_len, run.mac, ccm->tag_len);
    hf_wipe(&run, sizeof run);
    hf_aes_forget();
    return HF_OK;
}

enum hf_status hf_aes_ccm_open(const struct hf_aes_ccm *ccm, const uint8_t nonce[HF_AES_CCM_NONCE_LEN],
                               const uint8_t *aad, size_t aad_len, const uint8_t *sealed, size_t sealed_len,
                               uint8_t *text)
{
    struct run run;
    size_t text_len = sealed_len - ccm->tag_len;
    if (sealed_len < ccm->tag_len || text_len > HF_AES_CCM_MAX_TEXT_LEN) {
        return HF_NOT_AUTHENTIC;
    }
    if (aad_len >> 16 >> 16) {
        return HF_LOCAL;
    }
    start(&run, ccm, nonce, aad, aad_len, text_len);
    crypt(&run, sealed, text_len, text, 0);
    finish(&run);
    uint32_t difference = hf_memcmp_ct(run.mac, sealed + text_len, ccm->tag_len);
    hf_wipe(&run, sizeof run);
    hf_aes_forget();
    HF_CT_UNPOISON(&difference, sizeof difference); /* whether a message is authentic is public */
    if (difference) {
        hf_wipe(text, text_len);
        return HF_NOT_AUTHENTIC;
    }
    return HF_OK;
}

const struct hf_ccm_alg *hf_ccm_alg(int32_t label)
{
    static const struct hf_ccm_alg algs[] = {
        {HF_L_ALG_AES_CCM_16_64_128, 16, 8},
        {HF_L_ALG_AES_CCM_16_64_256, 32, 8},
        {HF_L_ALG_AES_CCM_16_128_128, 16, 16},
        {HF_L_ALG_AES_CCM_16_128_256, 32, 16},
        {0, 0, 0},
    };
    const struct hf_ccm_alg *alg = algs;
    while (alg->key_len != 0 && alg->alg != label) {
        alg++;
    }
    return alg;
}
