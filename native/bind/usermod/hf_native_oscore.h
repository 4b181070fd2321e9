/* The OSCORE half of hf_native: whole messages, in place in a buffer of the caller. Part of modhf_native.c.
 *
 * A context and an exchange are bytearrays that the caller keeps. Their content is the core's: nothing here reads it.
 */
#include "hf_oscore.h"

#define HF_EXCHANGE_LEN 24
typedef char hf_exchange_len_is_right[sizeof(struct hf_oscore_exchange) == HF_EXCHANGE_LEN ? 1 : -1];

/* A struct of the core in a buffer that may be written. Raises ValueError on another length, or a slice that lies askew. */
static void *struct_in(mp_obj_t object, size_t len)
{
    mp_buffer_info_t bytes;
    mp_get_buffer_raise(object, &bytes, MP_BUFFER_RW);
    if (bytes.len != len || (uintptr_t)bytes.buf % sizeof(uint64_t) != 0) {
        wrong_length();
    }
    return bytes.buf;
}

static struct hf_oscore_ctx *ctx_in(mp_obj_t object)
{
    return struct_in(object, sizeof(struct hf_oscore_ctx));
}

static struct hf_oscore_exchange *exchange_in(mp_obj_t object)
{
    return struct_in(object, sizeof(struct hf_oscore_exchange));
}

/* The first `length` bytes of a buffer that may be written: a message, and the room behind it. */
static mp_buffer_info_t message_in(mp_obj_t object, mp_obj_t length, size_t *message_len)
{
    mp_buffer_info_t bytes;
    mp_int_t len = mp_obj_get_int(length);
    mp_get_buffer_raise(object, &bytes, MP_BUFFER_RW);
    if (len < 0 || (size_t)len > bytes.len) {
        wrong_length();
    }
    *message_len = (size_t)len;
    return bytes;
}

/* A sequence number: HF_OSCORE_MAX_PIV_LEN bytes, big-endian. */
static uint64_t number_in(mp_obj_t object)
{
    const uint8_t *bytes = fixed(object, HF_OSCORE_MAX_PIV_LEN);
    uint64_t number = 0;
    for (size_t i = 0; i < HF_OSCORE_MAX_PIV_LEN; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

/* The new length of a message, or the status below zero. */
static mp_obj_t length_or(enum hf_status status, size_t message_len)
{
    return MP_OBJ_NEW_SMALL_INT(status == HF_OK ? (mp_int_t)message_len : -(mp_int_t)status);
}

/* args: master secret, master salt, sender ID, recipient ID, ID context or None, alg. */
static mp_obj_t oscore_derive(size_t n_args, const mp_obj_t *args)
{
    (void)n_args;
    mp_buffer_info_t secret = bytes_of(args[0]);
    mp_buffer_info_t salt = bytes_of(args[1]);
    mp_buffer_info_t sender = bytes_of(args[2]);
    mp_buffer_info_t recipient = bytes_of(args[3]);
    mp_buffer_info_t context = {0};
    if (args[4] != mp_const_none) {
        context = bytes_of(args[4]);
        if (context.buf == NULL) { /* an empty bytearray, which is an ID context and not the lack of one */
            context.buf = "";
        }
    }
    const struct hf_oscore_input input = {
        /* clang-format off */
        .master_secret = secret.buf,  .master_secret_len = secret.len,
        .master_salt = salt.buf,      .master_salt_len = salt.len,
        .sender_id = sender.buf,      .sender_id_len = sender.len,
        .recipient_id = recipient.buf, .recipient_id_len = recipient.len,
        .id_context = context.buf,    .id_context_len = context.len,
        /* clang-format on */
        .alg = (int)mp_obj_get_int(args[5]),
    };
    struct hf_oscore_ctx *ctx = m_malloc(sizeof *ctx);
    mp_obj_t result = mp_obj_new_bytearray_by_ref(sizeof *ctx, ctx); /* before there are keys: it may fail */
    enum hf_status status = hf_oscore_derive(ctx, &input);
    return status == HF_OK ? result : status_of(status);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(oscore_derive_obj, 6, 6, oscore_derive);

static mp_obj_t oscore_wipe(mp_obj_t ctx)
{
    hf_oscore_wipe(ctx_in(ctx));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(oscore_wipe_obj, oscore_wipe);

static mp_obj_t bytes_or_none(const uint8_t *bytes, size_t len)
{
    return bytes == NULL ? mp_const_none : mp_obj_new_bytes(bytes, len);
}

static mp_obj_t oscore_read_ids(mp_obj_t message)
{
    struct hf_oscore_ids ids;
    mp_buffer_info_t m = bytes_of(message);
    enum hf_status status = hf_oscore_read_ids(m.buf, m.len, &ids);
    if (status != HF_OK) {
        return status_of(status);
    }
    mp_obj_t items[] = {bytes_or_none(ids.kid, ids.kid_len), bytes_or_none(ids.kid_context, ids.kid_context_len)};
    return mp_obj_new_tuple(2, items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(oscore_read_ids_obj, oscore_read_ids);

/* args: ctx, exchange, message, length, number */
static mp_obj_t oscore_protect_request(size_t n_args, const mp_obj_t *args)
{
    (void)n_args;
    size_t message_len;
    struct hf_oscore_ctx *ctx = ctx_in(args[0]);
    struct hf_oscore_exchange *exchange = exchange_in(args[1]);
    mp_buffer_info_t message = message_in(args[2], args[3], &message_len);
    uint64_t number = number_in(args[4]);
    enum hf_status status = hf_oscore_protect_request(ctx, number, message.buf, &message_len, message.len, exchange);
    return length_or(status, message_len);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(oscore_protect_request_obj, 5, 5, oscore_protect_request);

/* args: ctx, exchange, message, length */
static mp_obj_t oscore_unprotect_request(size_t n_args, const mp_obj_t *args)
{
    (void)n_args;
    size_t message_len;
    struct hf_oscore_ctx *ctx = ctx_in(args[0]);
    struct hf_oscore_exchange *exchange = exchange_in(args[1]);
    mp_buffer_info_t message = message_in(args[2], args[3], &message_len);
    enum hf_status status = hf_oscore_unprotect_request(ctx, message.buf, &message_len, exchange);
    return length_or(status, message_len);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(oscore_unprotect_request_obj, 4, 4, oscore_unprotect_request);

static mp_obj_t oscore_accept(mp_obj_t ctx, mp_obj_t exchange)
{
    return status_of(hf_oscore_accept(ctx_in(ctx), exchange_in(exchange)));
}
static MP_DEFINE_CONST_FUN_OBJ_2(oscore_accept_obj, oscore_accept);

/* args: ctx, exchange, message, length, number or None */
static mp_obj_t oscore_protect_response(size_t n_args, const mp_obj_t *args)
{
    (void)n_args;
    size_t message_len;
    uint64_t number = 0;
    struct hf_oscore_ctx *ctx = ctx_in(args[0]);
    struct hf_oscore_exchange *exchange = exchange_in(args[1]);
    mp_buffer_info_t message = message_in(args[2], args[3], &message_len);
    if (args[4] != mp_const_none) {
        number = number_in(args[4]);
    }
    enum hf_status status = hf_oscore_protect_response(ctx, exchange, args[4] == mp_const_none ? NULL : &number,
                                                       message.buf, &message_len, message.len);
    return length_or(status, message_len);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(oscore_protect_response_obj, 5, 5, oscore_protect_response);

/* args: ctx, exchange, message, length */
static mp_obj_t oscore_unprotect_response(size_t n_args, const mp_obj_t *args)
{
    (void)n_args;
    size_t message_len;
    struct hf_oscore_ctx *ctx = ctx_in(args[0]);
    struct hf_oscore_exchange *exchange = exchange_in(args[1]);
    mp_buffer_info_t message = message_in(args[2], args[3], &message_len);
    enum hf_status status = hf_oscore_unprotect_response(ctx, exchange, message.buf, &message_len);
    return length_or(status, message_len);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(oscore_unprotect_response_obj, 4, 4, oscore_unprotect_response);
