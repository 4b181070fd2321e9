/* hf_oscore.h, first half: the context and its replay window, the option's value, nonces, AADs and the AEAD. */
#include "hf_oscore.h"

#include "hf_aes_ccm.h"
#include "hf_hkdf.h"
#include "hf_labels.h"
#include "hf_oscore_parts.h"
#include "hf_port.h"

#define OSCORE_VERSION 1 /* RFC 8613 section 5.4 */
#define CBOR_UINT_1 0x18
#define CBOR_BYTES 0x40
#define CBOR_BYTES_1 0x58
#define CBOR_TEXT 0x60
#define CBOR_ARRAY 0x80
#define CBOR_NULL 0xf6
#define KNOWN_FLAGS (HF_L_OSCFLAG_PIV_LEN | HF_L_OSCFLAG_KID | HF_L_OSCFLAG_KID_CONTEXT)
#define MAX_INFO_LEN (1 + 1 + HF_OSCORE_MAX_ID_LEN + 2 + HF_OSCORE_MAX_ID_CONTEXT_LEN + 2 + 4 + 2)
#define MAX_AAD_LEN 40

size_t hf_oscore_tag_len(const struct hf_oscore_ctx *ctx)
{
    return hf_ccm_alg(ctx->alg)->tag_len;
}

/* --- writing a little CBOR: shortest heads for arguments below 256 --- */

static uint8_t *put_head(uint8_t *at, unsigned major, size_t argument)
{
    if (argument < 24) {
        *at++ = (uint8_t)(major | argument);
    } else {
        *at++ = (uint8_t)(major | CBOR_UINT_1);
        *at++ = (uint8_t)argument;
    }
    return at;
}

static uint8_t *put_string(uint8_t *at, unsigned major, const void *bytes, size_t len)
{
    at = put_head(at, major, len);
    if (len) {
        hf_memcpy(at, bytes, len);
    }
    return at + len;
}

/* --- the context --- */

/* Expand the key of one side, or the Common IV for none (RFC 8613 section 3.2.1). */
static void expand(const struct hf_oscore_ctx *ctx, const uint8_t prk[HF_HMAC_LEN], const struct hf_oscore_side *side,
                   uint8_t *out, size_t out_len)
{
    uint8_t info[MAX_INFO_LEN];
    uint8_t *at = put_head(info, CBOR_ARRAY, 5);
    at = side != NULL ? put_string(at, CBOR_BYTES, side->id, side->id_len) : put_head(at, CBOR_BYTES, 0);
    if (ctx->has_id_context) {
        at = put_string(at, CBOR_BYTES, ctx->id_context, ctx->id_context_len);
    } else {
        *at++ = CBOR_NULL;
    }
    at = put_head(at, 0, ctx->alg);
    at = side != NULL ? put_string(at, CBOR_TEXT, "Key", 3) : put_string(at, CBOR_TEXT, "IV", 2);
    at = put_head(at, 0, out_len);
    (void)hf_hkdf_expand(prk, info, (size_t)(at - info), out, out_len); /* out_len is 13, 16 or 32 */
}

static bool same(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || hf_memcmp(a, b, a_len) == 0);
}

static void set_id(struct hf_oscore_side *side, const uint8_t *id, size_t id_len)
{
    side->id_len = (uint8_t)id_len;
    if (id_len) {
        hf_memcpy(side->id, id, id_len);
    }
}

enum hf_status hf_oscore_derive(struct hf_oscore_ctx *ctx, const struct hf_oscore_input *input)
{
    uint8_t prk[HF_HMAC_LEN];
    size_t key_len = hf_ccm_alg(input->alg)->key_len;
    if (key_len == 0) {
        return HF_UNSUPPORTED_ALG;
    }
    if (input->sender_id_len > HF_OSCORE_MAX_ID_LEN || input->recipient_id_len > HF_OSCORE_MAX_ID_LEN ||
        (input->id_context && input->id_context_len > HF_OSCORE_MAX_ID_CONTEXT_LEN) ||
        same(input->sender_id, input->sender_id_len, input->recipient_id, input->recipient_id_len)) {
        return HF_LOCAL;
    }
    hf_memset(ctx, 0, sizeof *ctx);
    ctx->window.initialised = 1;
    ctx->alg = (uint8_t)input->alg;
    set_id(&ctx->sender, input->sender_id, input->sender_id_len);
    set_id(&ctx->recipient, input->recipient_id, input->recipient_id_len);
    if (input->id_context) {
        ctx->has_id_context = 1;
        ctx->id_context_len = (uint8_t)input->id_context_len;
        hf_memcpy(ctx->id_context, input->id_context, input->id_context_len);
    }
    hf_hkdf_extract(input->master_salt, input->master_salt_len, input->master_secret, input->master_secret_len, prk);
    expand(ctx, prk, &ctx->sender, ctx->sender.key, key_len);
    expand(ctx, prk, &ctx->recipient, ctx->recipient.key, key_len);
    expand(ctx, prk, NULL, ctx->common_iv, HF_OSCORE_IV_LEN);
    hf_wipe(prk, sizeof prk);
    return HF_OK;
}

void hf_oscore_wipe(struct hf_oscore_ctx *ctx)
{
    hf_wipe(ctx, sizeof *ctx);
}

/* --- the replay window --- */

enum hf_status hf_oscore_window_check(const struct hf_oscore_window *window, uint64_t number)
{
    if (number >= window->next) {
        return HF_OK;
    }
    uint64_t behind = window->next - 1 - number;
    if (behind >= HF_OSCORE_WINDOW_SIZE || window->seen >> (unsigned)behind & 1) {
        return HF_REPLAY_DETECTED;
    }
    return HF_OK;
}

void hf_oscore_window_record(struct hf_oscore_window *window, uint64_t number)
{
    if (number < window->next) {
        window->seen |= (uint32_t)1 << (unsigned)(window->next - 1 - number);
        return;
    }
    uint64_t ahead = number + 1 - window->next;
    window->seen = ahead < HF_OSCORE_WINDOW_SIZE ? window->seen << (unsigned)ahead | 1 : 1;
    window->next = number + 1;
}

enum hf_status hf_oscore_accept(struct hf_oscore_ctx *ctx, struct hf_oscore_exchange *exchange)
{
    struct hf_oscore_window *window = &ctx->window;
    if (window->initialised) {
        if (hf_oscore_window_check(window, exchange->number) != HF_OK) {
            return HF_REPLAY_DETECTED;
        }
        hf_oscore_window_record(window, exchange->number);
    } else {
        window->initialised = 1;
        window->next = exchange->number + 1;
        window->seen = 0xffffffff;
    }
    exchange->fresh = 1;
    exchange->nonce_free = 1;
    return HF_OK;
}

/* --- the option's value and the Partial IV --- */

enum hf_status hf_oscore_decode_option(const uint8_t *value, size_t value_len, struct hf_oscore_option *option)
{
    hf_memset(option, 0, sizeof *option);
    if (value_len == 0) {
        return HF_OK;
    }
    unsigned flags = value[0];
    size_t at = 1;
    size_t piv_len = flags & HF_L_OSCFLAG_PIV_LEN;
    if (flags == 0 || (flags & ~(unsigned)KNOWN_FLAGS) || piv_len > HF_OSCORE_MAX_PIV_LEN || piv_len > value_len - at ||
        (piv_len > 1 && value[at] == 0)) {
        return HF_MALFORMED_OSCORE;
    }
    option->piv = value + at;
    option->piv_len = piv_len;
    at += piv_len;
    if (flags & HF_L_OSCFLAG_KID_CONTEXT) {
        if (at == value_len || value[at] > value_len - at - 1) {
            return HF_MALFORMED_OSCORE;
        }
        option->ids.kid_context = value + at + 1;
        option->ids.kid_context_len = value[at];
        at += 1 + option->ids.kid_context_len;
    }
    if (flags & HF_L_OSCFLAG_KID) {
        option->ids.kid = value + at;
        option->ids.kid_len = value_len - at;
    } else if (at != value_len) {
        return HF_MALFORMED_OSCORE;
    }
    return HF_OK;
}

/* All five bytes of a number; in words of 32 bits, since small cores call a function to shift 64. */
static void store_number(uint64_t number, uint8_t bytes[HF_OSCORE_MAX_PIV_LEN])
{
    uint32_t low = (uint32_t)number;
    bytes[0] = (uint8_t)(number >> 32);
    bytes[1] = (uint8_t)(low >> 24);
    bytes[2] = (uint8_t)(low >> 16);
    bytes[3] = (uint8_t)(low >> 8);
    bytes[4] = (uint8_t)low;
}

size_t hf_oscore_encode_piv(uint64_t number, uint8_t piv[HF_OSCORE_MAX_PIV_LEN])
{
    uint8_t bytes[HF_OSCORE_MAX_PIV_LEN];
    size_t zeros = 0;
    store_number(number, bytes);
    while (zeros < HF_OSCORE_MAX_PIV_LEN - 1 && bytes[zeros] == 0) {
        zeros++;
    }
    hf_memcpy(piv, bytes + zeros, sizeof bytes - zeros);
    return sizeof bytes - zeros;
}

uint64_t hf_oscore_decode_piv(const uint8_t *piv, size_t piv_len)
{
    uint32_t low = 0;
    uint32_t high = piv_len == HF_OSCORE_MAX_PIV_LEN ? piv[0] : 0;
    for (size_t i = high ? 1 : 0; i < piv_len; i++) {
        low = low << 8 | piv[i];
    }
    return (uint64_t)high << 32 | low;
}

bool hf_oscore_names(const struct hf_oscore_ctx *ctx, const struct hf_oscore_ids *ids)
{
    if (ids->kid && !same(ids->kid, ids->kid_len, ctx->recipient.id, ctx->recipient.id_len)) {
        return false;
    }
    return !ids->kid_context ||
           (ctx->has_id_context && same(ids->kid_context, ids->kid_context_len, ctx->id_context, ctx->id_context_len));
}

/* --- the AEAD --- */

/* The nonce (RFC 8613 section 5.2): size of the ID, the ID, the number, padded on the left, over the Common IV. */
static void make_nonce(const struct hf_oscore_ctx *ctx, const struct hf_oscore_side *side, uint64_t number,
                       uint8_t nonce[HF_OSCORE_IV_LEN])
{
    const size_t number_at = HF_OSCORE_IV_LEN - HF_OSCORE_MAX_PIV_LEN;
    hf_memset(nonce, 0, HF_OSCORE_IV_LEN);
    nonce[0] = side->id_len;
    hf_memcpy(nonce + number_at - side->id_len, side->id, side->id_len);
    store_number(number, nonce + number_at);
    for (size_t i = 0; i < HF_OSCORE_IV_LEN; i++) {
        nonce[i] ^= ctx->common_iv[i];
    }
}

/* The Enc_structure around the aad_array of a request (RFC 8613 section 5.4).  ret: its length */
static size_t make_aad(const struct hf_oscore_ctx *ctx, const struct hf_oscore_side *asking, uint64_t number,
                       uint8_t aad[MAX_AAD_LEN])
{
    uint8_t array[MAX_AAD_LEN / 2];
    uint8_t piv[HF_OSCORE_MAX_PIV_LEN];
    uint8_t *end = put_head(array, CBOR_ARRAY, 5);
    end = put_head(end, 0, OSCORE_VERSION);
    end = put_head(end, CBOR_ARRAY, 1);
    end = put_head(end, 0, ctx->alg);
    end = put_string(end, CBOR_BYTES, asking->id, asking->id_len);
    end = put_string(end, CBOR_BYTES, piv, hf_oscore_encode_piv(number, piv));
    end = put_head(end, CBOR_BYTES, 0); /* the Class I options: none are defined */
    uint8_t *at = put_head(aad, CBOR_ARRAY, 3);
    at = put_string(at, CBOR_TEXT, "Encrypt0", 8);
    at = put_head(at, CBOR_BYTES, 0);
    at = put_string(at, CBOR_BYTES, array, (size_t)(end - array));
    return (size_t)(at - aad);
}

/* What one use of the AEAD needs, except the text. */
struct use {
    struct hf_aes_ccm ccm;
    uint8_t nonce[HF_OSCORE_IV_LEN];
    uint8_t aad[MAX_AAD_LEN];
    size_t aad_len;
};

static enum hf_status prepare(struct use *use, const struct hf_oscore_ctx *ctx, const struct hf_oscore_binding *binding,
                              const struct hf_oscore_side *side)
{
    const struct hf_ccm_alg *alg = hf_ccm_alg(ctx->alg);
    make_nonce(ctx, binding->by_us ? &ctx->sender : &ctx->recipient, binding->number, use->nonce);
    use->aad_len = make_aad(ctx, binding->ours ? &ctx->sender : &ctx->recipient, binding->request, use->aad);
    return hf_aes_ccm_init(&use->ccm, side->key, alg->key_len, alg->tag_len); /* fails in what is no context */
}

enum hf_status hf_oscore_seal(const struct hf_oscore_ctx *ctx, const struct hf_oscore_binding *binding, uint8_t *text,
                              size_t text_len)
{
    struct use use;
    enum hf_status status = prepare(&use, ctx, binding, &ctx->sender);
    if (status == HF_OK) {
        status = hf_aes_ccm_seal(&use.ccm, use.nonce, use.aad, use.aad_len, text, text_len, text);
    }
    hf_wipe(&use, sizeof use);
    return status;
}

enum hf_status hf_oscore_open(const struct hf_oscore_ctx *ctx, const struct hf_oscore_binding *binding, uint8_t *sealed,
                              size_t sealed_len)
{
    struct use use;
    enum hf_status status = prepare(&use, ctx, binding, &ctx->recipient);
    if (status == HF_OK) {
        status = hf_aes_ccm_open(&use.ccm, use.nonce, use.aad, use.aad_len, sealed, sealed_len, sealed);
    }
    hf_wipe(&use, sizeof use);
    return status == HF_OK ? HF_OK : HF_DECRYPTION_FAILED;
}
