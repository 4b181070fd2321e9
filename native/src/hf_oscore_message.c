/* hf_oscore.h, second half: sorting the options of whole messages, in place.
 *
 * Protecting moves options and payload to the end of the buffer and writes from the front: first the outer options,
 * then the inner options, which take no more room than the options that were read. Unprotecting keeps the Class U
 * options of the outer message, puts the inner options behind them, and merges both. Heads only shrink: in the merged
 * order the option before another has at least the number that the one before it had in its own order.
 */
#include "hf_coap.h"
#include "hf_labels.h"
#include "hf_oscore.h"
#include "hf_oscore_parts.h"
#include "hf_port.h"

/* RFC 8613 figure 5: Class U only, and no Class E. Everything else, known or not, is Class E (section 4.1). */
static bool is_outer(uint32_t number)
{
    return number == HF_L_OPT_URI_HOST || number == HF_L_OPT_URI_PORT || number == HF_L_OPT_PROXY_SCHEME;
}

/* The bit of an outer option in a set. */
static unsigned bit_of(uint32_t number)
{
    return number == HF_L_OPT_URI_HOST ? 1 : number == HF_L_OPT_URI_PORT ? 2 : 4;
}

/* --- protecting --- */

/* What a message of our own looks like. */
struct survey {
    size_t options_at;
    size_t outer_len; /* outer options with the OSCORE option among them, encoded */
    bool observed;    /* has an Observe option */
    bool registers;   /* whose value is 0 */
};

/* Whether an Observe value, as a number, registers (RFC 7641 section 2). */
static bool registers(const struct hf_coap_option *observe)
{
    uint8_t any = 0;
    for (size_t i = 0; i < observe->value_len; i++) {
        any |= observe->value[i];
    }
    return any == HF_L_OBSERVE_REGISTER;
}

static void count_outer(struct survey *survey, uint32_t *before, uint32_t number, size_t value_len)
{
    survey->outer_len += hf_coap_head_len(number - *before, value_len) + value_len;
    *before = number;
}

/* Check a message before anything is changed.  ret: HF_OK | HF_LOCAL */
static enum hf_status look_through(uint8_t *message, size_t message_len, size_t option_len, struct survey *survey)
{
    struct hf_coap_reader reader;
    struct hf_coap_option option;
    enum hf_coap_step next;
    uint32_t before = 0;
    bool counted = false;
    hf_memset(survey, 0, sizeof *survey);
    if (hf_coap_open(&reader, message, message_len) != HF_OK) {
        return HF_LOCAL;
    }
    survey->options_at = (size_t)(reader.at - message);
    while ((next = hf_coap_next(&reader, &option)) == HF_COAP_OPTION) {
        if (option.number == HF_L_OPT_OSCORE || option.number == HF_L_OPT_PROXY_URI) {
            return HF_LOCAL; /* nested, or RFC 8613 section 4.1.3.3, which is not supported */
        }
        if (option.number == HF_L_OPT_OBSERVE) {
            if (survey->observed) {
                return HF_LOCAL;
            }
            survey->observed = true;
            survey->registers = registers(&option);
        } else if (!is_outer(option.number)) {
            continue;
        }
        if (!counted && option.number > HF_L_OPT_OSCORE) {
            counted = true;
            count_outer(survey, &before, HF_L_OPT_OSCORE, option_len);
        }
        count_outer(survey, &before, option.number, option.value_len);
    }
    if (!counted) {
        count_outer(survey, &before, HF_L_OPT_OSCORE, option_len);
    }
    return next == HF_COAP_END ? HF_OK : HF_LOCAL;
}

/* Write the outer options, with the OSCORE option at its place.  ret: where the next byte goes */
static uint8_t *put_outer(uint8_t *at, struct hf_coap_reader reader, const uint8_t *value, size_t value_len)
{
    struct hf_coap_option option;
    uint32_t before = 0;
    bool written = false;
    while (hf_coap_next(&reader, &option) == HF_COAP_OPTION) {
        if (!is_outer(option.number) && option.number != HF_L_OPT_OBSERVE) {
            continue;
        }
        if (!written && option.number > HF_L_OPT_OSCORE) {
            written = true;
            at = hf_coap_put(at, HF_L_OPT_OSCORE - before, value, value_len);
            before = HF_L_OPT_OSCORE;
        }
        at = hf_coap_put(at, option.number - before, option.value, option.value_len);
        before = option.number;
    }
    return written ? at : hf_coap_put(at, HF_L_OPT_OSCORE - before, value, value_len);
}

/* Write the inner options, and the payload behind its marker.  ret: where the tag goes */
static uint8_t *put_inner(uint8_t *at, struct hf_coap_reader reader, bool is_request)
{
    struct hf_coap_option option;
    uint32_t before = 0;
    while (hf_coap_next(&reader, &option) == HF_COAP_OPTION) {
        if (is_outer(option.number)) {
            continue;
        }
        if (option.number == HF_L_OPT_OBSERVE && !is_request) {
            option.value_len = 0; /* RFC 8613 section 4.1.3.5.2 */
        }
        at = hf_coap_put(at, option.number - before, option.value, option.value_len);
        before = option.number;
    }
    if (reader.at != reader.end) {
        size_t payload_len = (size_t)(reader.end - reader.at);
        *at++ = HF_COAP_MARKER;
        hf_memmove(at, reader.at, payload_len);
        at += payload_len;
    }
    return at;
}

/* Protect a message that look_through accepts, with this OSCORE option value.  ret: HF_OK | HF_LOCAL (lengths) */
static enum hf_status protect(const struct hf_oscore_ctx *ctx, const struct hf_oscore_binding *binding,
                              const struct survey *survey, const uint8_t *value, size_t value_len, uint8_t *message,
                              size_t *message_len, size_t size)
{
    size_t tag_len = hf_oscore_tag_len(ctx);
    size_t rest_len = *message_len - survey->options_at;
    size_t head_len = survey->outer_len + 2; /* marker and code */
    if (tag_len == 0 || rest_len > 65534 || *message_len > size || size - *message_len < head_len + tag_len) {
        return HF_LOCAL; /* no context; 65534: with the code, the longest text of CCM */
    }
    uint8_t code = message[1];
    bool is_request = hf_coap_is_request(code);
    struct hf_coap_reader reader = {message + size - rest_len, message + size, 0};
    hf_memmove(reader.at, message + survey->options_at, rest_len);
    uint8_t *at = put_outer(message + survey->options_at, reader, value, value_len);
    *at++ = HF_COAP_MARKER;
    uint8_t *text = at;
    *at++ = code;
    at = put_inner(at, reader, is_request);
    if (is_request) {
        message[1] = survey->observed ? HF_L_CODE_FETCH : HF_L_CODE_POST;
    } else {
        message[1] = survey->observed ? HF_L_CODE_CONTENT : HF_L_CODE_CHANGED;
    }
    *message_len = (size_t)(at - message) + tag_len;
    return hf_oscore_seal(ctx, binding, text, (size_t)(at - text));
}

/* The value of a request's option: all three fields, the kid context only if there is one. */
static size_t encode_request_option(const struct hf_oscore_ctx *ctx, uint64_t number,
                                    uint8_t value[HF_OSCORE_MAX_OPTION_LEN])
{
    size_t piv_len = hf_oscore_encode_piv(number, value + 1);
    uint8_t *at = value + 1 + piv_len;
    value[0] = (uint8_t)(piv_len | HF_L_OSCFLAG_KID);
    if (ctx->has_id_context) {
        value[0] |= HF_L_OSCFLAG_KID_CONTEXT;
        *at++ = ctx->id_context_len;
        hf_memcpy(at, ctx->id_context, ctx->id_context_len);
        at += ctx->id_context_len;
    }
    hf_memcpy(at, ctx->sender.id, ctx->sender.id_len);
    return (size_t)(at - value) + ctx->sender.id_len;
}

enum hf_status hf_oscore_protect_request(const struct hf_oscore_ctx *ctx, uint64_t number, uint8_t *message,
                                         size_t *message_len, size_t size, struct hf_oscore_exchange *exchange)
{
    uint8_t value[HF_OSCORE_MAX_OPTION_LEN];
    struct survey survey;
    struct hf_oscore_binding binding = {number, number, true, true};
    if (number >= HF_OSCORE_NUMBER_END) {
        return HF_LOCAL;
    }
    size_t value_len = encode_request_option(ctx, number, value);
    if (look_through(message, *message_len, value_len, &survey) != HF_OK || !hf_coap_is_request(message[1])) {
        return HF_LOCAL;
    }
    enum hf_status status = protect(ctx, &binding, &survey, value, value_len, message, message_len, size);
    if (status == HF_OK) {
        hf_memset(exchange, 0, sizeof *exchange);
        exchange->number = number;
        exchange->ours = 1;
        exchange->observe = survey.registers;
    }
    return status;
}

enum hf_status hf_oscore_protect_response(const struct hf_oscore_ctx *ctx, struct hf_oscore_exchange *exchange,
                                          const uint64_t *number, uint8_t *message, size_t *message_len, size_t size)
{
    uint8_t value[1 + HF_OSCORE_MAX_PIV_LEN];
    size_t value_len = 0;
    struct survey survey;
    /* Without a number of its own a response uses the request's nonce, made from the ID of the peer that asked. */
    struct hf_oscore_binding binding = {exchange->number, exchange->number, exchange->ours, exchange->ours};
    if (exchange->ours || (number ? *number >= HF_OSCORE_NUMBER_END : !exchange->nonce_free)) {
        return HF_LOCAL;
    }
    if (number) {
        binding.number = *number;
        binding.by_us = true;
        value_len = hf_oscore_encode_piv(*number, value + 1);
        value[0] = (uint8_t)value_len++;
    }
    if (look_through(message, *message_len, value_len, &survey) != HF_OK || !hf_coap_is_response(message[1]) ||
        (survey.observed && !exchange->observe)) {
        return HF_LOCAL;
    }
    enum hf_status status = protect(ctx, &binding, &survey, value, value_len, message, message_len, size);
    if (status == HF_OK) {
        exchange->nonce_free = 0;
    }
    return status;
}

/* --- unprotecting --- */

/* A message from outside, taken apart. */
struct parts {
    struct hf_coap_reader outer; /* before the first option; ends before the marker */
    uint8_t *payload;
    size_t payload_len;
    struct hf_oscore_option option;
};

/* Take a message apart (RFC 8613 section 2).  ret: HF_OK | HF_MALFORMED_COAP | HF_MALFORMED_OSCORE */
static enum hf_status take_apart(uint8_t *message, size_t message_len, struct parts *parts)
{
    struct hf_coap_reader reader;
    struct hf_coap_option option;
    enum hf_coap_step next;
    const uint8_t *value = NULL;
    size_t value_len = 0;
    unsigned count = 0;
    if (hf_coap_open(&reader, message, message_len) != HF_OK) {
        return HF_MALFORMED_COAP;
    }
    parts->outer = reader;
    while ((next = hf_coap_next(&reader, &option)) == HF_COAP_OPTION) {
        if (option.number == HF_L_OPT_OSCORE) {
            value = option.value;
            value_len = option.value_len;
            count += count < 2;
        }
    }
    if (next != HF_COAP_END) {
        return HF_MALFORMED_COAP;
    }
    if (count != 1 || reader.at == reader.end) {
        return HF_MALFORMED_OSCORE;
    }
    parts->payload = reader.at;
    parts->payload_len = (size_t)(reader.end - reader.at);
    parts->outer.end = reader.at - 1;
    return hf_oscore_decode_option(value, value_len, &parts->option);
}

/* The contents of the plaintext, found in place. */
struct inner {
    struct hf_coap_reader options; /* before the first; ends before the marker */
    uint8_t *payload;
    size_t payload_len; /* 0: no payload, and no marker */
    unsigned outer;     /* set of the Class U options that are inside, against the rules: these count */
    bool observed;
    bool registers;
    uint8_t code;
};

/* Read plaintext text[text_len].  ret: HF_OK | HF_MALFORMED_OSCORE */
static enum hf_status read_inner(uint8_t *text, size_t text_len, struct inner *inner)
{
    struct hf_coap_option option;
    enum hf_coap_step next;
    hf_memset(inner, 0, sizeof *inner);
    if (text_len == 0) {
        return HF_MALFORMED_OSCORE;
    }
    struct hf_coap_reader reader = {text + 1, text + text_len, 0};
    inner->code = text[0];
    inner->options = reader;
    while ((next = hf_coap_next(&reader, &option)) == HF_COAP_OPTION) {
        if (option.number == HF_L_OPT_OSCORE) {
            return HF_MALFORMED_OSCORE;
        }
        if (is_outer(option.number)) {
            inner->outer |= bit_of(option.number);
        }
        if (option.number == HF_L_OPT_OBSERVE && !inner->observed) {
            inner->observed = true;
            inner->registers = registers(&option);
        }
    }
    inner->payload = reader.at;
    inner->payload_len = (size_t)(reader.end - reader.at);
    inner->options.end = reader.at - (inner->payload_len ? 1 : 0);
    return next == HF_COAP_END ? HF_OK : HF_MALFORMED_OSCORE;
}

/* Keep the Class U options of the outer message that the inner one does not have, moved to the front. */
static void keep_outer(struct hf_coap_reader *outer, unsigned inside)
{
    struct hf_coap_reader reader = *outer;
    struct hf_coap_option option;
    uint32_t before = 0;
    uint8_t *at = outer->at;
    while (hf_coap_next(&reader, &option) == HF_COAP_OPTION) {
        if (is_outer(option.number) && !(inside & bit_of(option.number))) {
            at = hf_coap_put(at, option.number - before, option.value, option.value_len);
            before = option.number;
        }
    }
    outer->end = at;
}

static void reverse(uint8_t *from, uint8_t *to)
{
    while (from < to) {
        uint8_t first = *from;
        *from++ = *--to;
        *to = first;
    }
}

/* Exchange the neighbours [from, middle) and [middle, to). */
static void rotate(uint8_t *from, uint8_t *middle, uint8_t *to)
{
    reverse(from, middle);
    reverse(middle, to);
    reverse(from, to);
}

/* Merge outer options and inner options, which begin where the outer ones end, from where the outer ones begin.
 * While outer options are left, an inner option that goes before them first changes places with them.
 *   ret: end of the merged options */
static uint8_t *merge(struct hf_coap_reader outer, struct hf_coap_reader inner)
{
    struct hf_coap_option option;
    struct hf_coap_option other;
    uint32_t before = 0;
    uint8_t *at = outer.at;
    for (;;) {
        struct hf_coap_reader after_outer = outer;
        struct hf_coap_reader after_inner = inner;
        bool take_outer = hf_coap_next(&after_outer, &option) == HF_COAP_OPTION;
        bool take_inner = hf_coap_next(&after_inner, &other) == HF_COAP_OPTION;
        if (take_outer && (!take_inner || option.number < other.number)) {
            outer = after_outer;
        } else if (take_inner) {
            size_t moved_len = (size_t)(outer.end - outer.at);
            if (moved_len) {
                rotate(outer.at, inner.at, after_inner.at);
            }
            outer.end = after_inner.at;
            outer.at = after_inner.at - moved_len;
            inner = after_inner;
            option = other;
            option.value -= moved_len;
        } else {
            return at;
        }
        at = hf_coap_put(at, option.number - before, option.value, option.value_len);
        before = option.number;
    }
}

/* Write the original message.  ret: its length */
static size_t put_together(uint8_t *message, struct parts *parts, struct inner *inner)
{
    size_t options_len = (size_t)(inner->options.end - inner->options.at);
    keep_outer(&parts->outer, inner->outer);
    hf_memmove(parts->outer.end, inner->options.at, options_len);
    inner->options.at = parts->outer.end;
    inner->options.end = inner->options.at + options_len;
    uint8_t *at = merge(parts->outer, inner->options);
    if (inner->payload_len) {
        *at++ = HF_COAP_MARKER;
        hf_memmove(at, inner->payload, inner->payload_len);
        at += inner->payload_len;
    }
    message[1] = inner->code;
    return (size_t)(at - message);
}

/* Decrypt and read the payload; a plaintext that is refused is wiped. */
static enum hf_status open_payload(const struct hf_oscore_ctx *ctx, const struct hf_oscore_binding *binding,
                                   const struct parts *parts, bool (*is_right)(uint8_t code), bool may_observe,
                                   struct inner *inner)
{
    enum hf_status status = hf_oscore_open(ctx, binding, parts->payload, parts->payload_len);
    if (status != HF_OK) {
        return status;
    }
    size_t text_len = parts->payload_len - hf_oscore_tag_len(ctx);
    HF_CT_UNPOISON(parts->payload, text_len); /* authentic: time may depend on it, since its receiver reads it */
    status = read_inner(parts->payload, text_len, inner);
    if (status != HF_OK || !is_right(inner->code) || (inner->observed && !may_observe)) {
        hf_wipe(parts->payload, text_len);
        return HF_MALFORMED_OSCORE;
    }
    return HF_OK;
}

enum hf_status hf_oscore_read_ids(const uint8_t *message, size_t message_len, struct hf_oscore_ids *ids)
{
    struct parts parts;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): dropping const is safe, since take_apart only reads */
    enum hf_status status = take_apart((uint8_t *)(uintptr_t)message, message_len, &parts);
    if (status == HF_OK) {
        *ids = parts.option.ids;
    }
    return status;
}

enum hf_status hf_oscore_unprotect_request(struct hf_oscore_ctx *ctx, uint8_t *message, size_t *message_len,
                                           struct hf_oscore_exchange *exchange)
{
    struct parts parts;
    struct inner inner;
    enum hf_status status = take_apart(message, *message_len, &parts);
    if (status != HF_OK) {
        return status;
    }
    if (!parts.option.piv_len || !parts.option.ids.kid) {
        return HF_MALFORMED_OSCORE;
    }
    if (!hf_oscore_names(ctx, &parts.option.ids)) {
        return HF_UNKNOWN_CONTEXT;
    }
    uint64_t number = hf_oscore_decode_piv(parts.option.piv, parts.option.piv_len);
    struct hf_oscore_binding binding = {number, number, false, false};
    bool fresh = ctx->window.initialised;
    if (fresh && hf_oscore_window_check(&ctx->window, number) != HF_OK) {
        return HF_REPLAY_DETECTED;
    }
    status = open_payload(ctx, &binding, &parts, hf_coap_is_request, true, &inner);
    if (fresh && status != HF_DECRYPTION_FAILED) { /* an authentic message counts, even if it makes no sense */
        hf_oscore_window_record(&ctx->window, number);
    }
    if (status == HF_OK) {
        *message_len = put_together(message, &parts, &inner);
        hf_memset(exchange, 0, sizeof *exchange);
        exchange->number = number;
        exchange->observe = inner.observed && inner.registers;
        exchange->fresh = fresh;
        exchange->nonce_free = fresh; /* before a restart an old request may have been answered under its nonce */
    }
    return status;
}

enum hf_status hf_oscore_unprotect_response(const struct hf_oscore_ctx *ctx, struct hf_oscore_exchange *exchange,
                                            uint8_t *message, size_t *message_len)
{
    struct parts parts;
    struct inner inner;
    struct hf_oscore_binding binding = {exchange->number, exchange->number, true, true};
    enum hf_status status = take_apart(message, *message_len, &parts);
    if (status != HF_OK) {
        return status;
    }
    if (!hf_oscore_names(ctx, &parts.option.ids)) {
        return HF_UNKNOWN_CONTEXT;
    }
    uint64_t last = 0;
    if (parts.option.piv_len) {
        binding.number = hf_oscore_decode_piv(parts.option.piv, parts.option.piv_len);
        binding.by_us = false;
        last = binding.number + 1;
    }
    if (exchange->done || (exchange->any && last <= exchange->last)) {
        return HF_REPLAY_DETECTED;
    }
    status = open_payload(ctx, &binding, &parts, hf_coap_is_response, exchange->observe, &inner);
    if (status == HF_OK) {
        *message_len = put_together(message, &parts, &inner);
        exchange->last = last;
        exchange->any = 1;
        exchange->done = !inner.observed;
    }
    return status;
}
