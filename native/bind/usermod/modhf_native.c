/* The module hf_native of MicroPython: the C core's primitives on objects with the buffer protocol.
 *
 * One source for both forms: a user C module, which is part of the firmware, and a native module (.mpy), which is
 * a file. It checks lengths, calls and converts; it decides nothing. hf_native.pyi is the interface, and
 * holdfast_core/crypto_hf.py the only caller.
 */
#if defined(HF_NATMOD)
#include "py/dynruntime.h"
#define m_malloc_maybe(len) m_realloc_maybe(NULL, (len), false)
#else
#include "py/runtime.h"
#endif
#include "py/objstr.h"
#include "py/objtuple.h"

#include "hf_aes_ccm.h"
#include "hf_hmac.h"
#include "hf_p256.h"
#include "hf_port.h"
#include "hf_sha256.h"

/* The bytes of an argument, of any number. */
static mp_buffer_info_t bytes_of(mp_obj_t object)
{
    mp_buffer_info_t bytes;
    mp_get_buffer_raise(object, &bytes, MP_BUFFER_READ);
    return bytes;
}

/* One place that raises, for size. */
__attribute__((noinline, noreturn)) static void wrong_length(void)
{
    mp_raise_ValueError(MP_ERROR_TEXT("length"));
}

/* The bytes of an argument that has len of them. Raises ValueError otherwise. */
static const uint8_t *fixed(mp_obj_t object, size_t len)
{
    mp_buffer_info_t bytes = bytes_of(object);
    if (bytes.len != len) {
        wrong_length();
    }
    return bytes.buf;
}

/* A bytes object whose content is still to be written. So memory runs out before there are secrets, or not at all. The
 * object has no hash yet: MicroPython makes it when it needs one. */
static mp_obj_t blank_bytes(size_t len, uint8_t **content)
{
    *content = m_malloc(len + 1);
    (*content)[len] = 0; /* as all of MicroPython's end */
    mp_obj_str_t *bytes = MP_OBJ_TO_PTR(mp_obj_new_bytes(NULL, 0));
    bytes->hash = 0;
    bytes->len = len;
    bytes->data = *content;
    return MP_OBJ_FROM_PTR(bytes);
}

static mp_obj_t status_of(enum hf_status status)
{
    return MP_OBJ_NEW_SMALL_INT(status);
}

static mp_obj_t sha256(mp_obj_t message)
{
    uint8_t *digest;
    mp_buffer_info_t m = bytes_of(message);
    mp_obj_t result = blank_bytes(HF_SHA256_LEN, &digest);
    hf_sha256(m.buf, m.len, digest);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_1(sha256_obj, sha256);

static mp_obj_t hmac_sha256(mp_obj_t key, mp_obj_t message)
{
    uint8_t *tag;
    mp_buffer_info_t k = bytes_of(key);
    mp_buffer_info_t m = bytes_of(message);
    mp_obj_t result = blank_bytes(HF_HMAC_LEN, &tag);
    hf_hmac_sha256(k.buf, k.len, m.buf, m.len, tag);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_2(hmac_sha256_obj, hmac_sha256);

static mp_obj_t equal(mp_obj_t left, mp_obj_t right)
{
    mp_buffer_info_t a = bytes_of(left);
    mp_buffer_info_t b = bytes_of(right);
    return mp_obj_new_bool(a.len == b.len && hf_memcmp_ct(a.buf, b.buf, a.len) == 0);
}
static MP_DEFINE_CONST_FUN_OBJ_2(equal_obj, equal);

/* What seal and open share. args: key, tag_len, nonce, aad, text. None when the core refuses the text. */
static mp_obj_t ccm(const mp_obj_t *args, bool sealing)
{
    struct hf_aes_ccm ccm;
    uint8_t *out;
    mp_buffer_info_t key = bytes_of(args[0]);
    size_t tag_len = (size_t)mp_obj_get_int(args[1]);
    const uint8_t *nonce = fixed(args[2], HF_AES_CCM_NONCE_LEN);
    mp_buffer_info_t aad = bytes_of(args[3]);
    mp_buffer_info_t in = bytes_of(args[4]);
    if (tag_len > HF_AES_CCM_MAX_TAG_LEN) {
        wrong_length();
    }
    size_t len = sealing ? in.len + tag_len : in.len > tag_len ? in.len - tag_len : 0;
    mp_obj_t result = blank_bytes(len, &out);
    if (hf_aes_ccm_init(&ccm, key.buf, key.len, tag_len) != HF_OK) {
        wrong_length();
    }
    enum hf_status status = sealing ? hf_aes_ccm_seal(&ccm, nonce, aad.buf, aad.len, in.buf, in.len, out)
                                    : hf_aes_ccm_open(&ccm, nonce, aad.buf, aad.len, in.buf, in.len, out);
    hf_aes_ccm_wipe(&ccm);
    if (status != HF_OK) {
        m_del(uint8_t, out, len + 1);
        return mp_const_none;
    }
    return result;
}

static mp_obj_t ccm_seal(size_t n_args, const mp_obj_t *args)
{
    (void)n_args;
    return ccm(args, true);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(ccm_seal_obj, 5, 5, ccm_seal);

static mp_obj_t ccm_open(size_t n_args, const mp_obj_t *args)
{
    (void)n_args;
    return ccm(args, false);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(ccm_open_obj, 5, 5, ccm_open);

static mp_obj_t p256_check_point(mp_obj_t point)
{
    return status_of(hf_p256_check_point(fixed(point, HF_P256_POINT_LEN)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(p256_check_point_obj, p256_check_point);

static mp_obj_t p256_verify(mp_obj_t point, mp_obj_t hash, mp_obj_t signature)
{
    return status_of(hf_p256_verify(fixed(point, HF_P256_POINT_LEN), fixed(hash, HF_P256_HASH_LEN),
                                    fixed(signature, HF_P256_SIG_LEN)));
}
static MP_DEFINE_CONST_FUN_OBJ_3(p256_verify_obj, p256_verify);

static mp_obj_t p256_verify_fixed(mp_obj_t table, mp_obj_t hash, mp_obj_t signature)
{
    mp_buffer_info_t t = bytes_of(table);
    return status_of(
        hf_p256_verify_fixed(t.buf, t.len, fixed(hash, HF_P256_HASH_LEN), fixed(signature, HF_P256_SIG_LEN)));
}
static MP_DEFINE_CONST_FUN_OBJ_3(p256_verify_fixed_obj, p256_verify_fixed);

static mp_obj_t p256_table_check(mp_obj_t table, mp_obj_t point)
{
    mp_buffer_info_t t = bytes_of(table);
    return status_of(hf_p256_table_check(t.buf, t.len, fixed(point, HF_P256_POINT_LEN)));
}
static MP_DEFINE_CONST_FUN_OBJ_2(p256_table_check_obj, p256_table_check);

#if HF_P256_SMALL /* tables are made on the host */
#define HF_TABLE_MAKE(EXPORT)
#else
#define HF_TABLE_MAKE(EXPORT) EXPORT(MP_QSTR_p256_table_make, p256_table_make_obj)

static mp_obj_t p256_table_make(mp_obj_t point, mp_obj_t teeth, mp_obj_t blocks)
{
    const uint8_t *p = fixed(point, HF_P256_POINT_LEN);
    mp_int_t t = mp_obj_get_int(teeth);
    mp_int_t b = mp_obj_get_int(blocks);
    if (t < HF_P256_MIN_TEETH || t > HF_P256_MAX_TEETH || b < 1 || b > HF_P256_MAX_BLOCKS) {
        wrong_length();
    }
    size_t table_len = HF_P256_TABLE_LEN(t, b);
    uint8_t *table = m_malloc(table_len);
    if (hf_p256_table_make(p, (unsigned)t, (unsigned)b, table, table_len) != HF_OK) {
        mp_raise_ValueError(MP_ERROR_TEXT("point"));
    }
    return mp_obj_new_bytearray_by_ref(table_len, table);
}
static MP_DEFINE_CONST_FUN_OBJ_3(p256_table_make_obj, p256_table_make);
#endif

#include "hf_native_token.h"

/* Both forms list the module's functions from here. The names are spelled out: the program that
 * collects them reads this text. */
#define HF_NATIVE_FUNCTIONS(EXPORT) \
    EXPORT(MP_QSTR_sha256, sha256_obj) \
    EXPORT(MP_QSTR_hmac_sha256, hmac_sha256_obj) \
    EXPORT(MP_QSTR_equal, equal_obj) \
    EXPORT(MP_QSTR_ccm_seal, ccm_seal_obj) \
    EXPORT(MP_QSTR_ccm_open, ccm_open_obj) \
    EXPORT(MP_QSTR_p256_check_point, p256_check_point_obj) \
    EXPORT(MP_QSTR_p256_verify, p256_verify_obj) \
    EXPORT(MP_QSTR_p256_verify_fixed, p256_verify_fixed_obj) \
    EXPORT(MP_QSTR_p256_table_check, p256_table_check_obj) \
    HF_TABLE_MAKE(EXPORT) \
    EXPORT(MP_QSTR_rules_read, rules_read_obj) \
    EXPORT(MP_QSTR_token_verify, token_verify_obj)

#if defined(HF_NATMOD)
#define HF_STORE(name, object) mp_store_global(name, MP_OBJ_FROM_PTR(&object));
mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args)
{
    MP_DYNRUNTIME_INIT_ENTRY(void)
    n_args;
    (void)n_kw;
    (void)args;
    HF_NATIVE_FUNCTIONS(HF_STORE)
    MP_DYNRUNTIME_INIT_EXIT
}
#else
#define HF_ROW(name, object) {MP_ROM_QSTR(name), MP_ROM_PTR(&object)},
static const mp_rom_map_elem_t globals_table[] = {{MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_hf_native)},
                                                  HF_NATIVE_FUNCTIONS(HF_ROW)};
static MP_DEFINE_CONST_DICT(globals, globals_table);
const mp_obj_module_t hf_native_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR_hf_native, hf_native_module);
#endif
