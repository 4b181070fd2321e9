/* The module `cryptolib` as boards have it, AES in ECB and CBC, for firmware without the native core: it stands for the
 * board's own. MicroPython has it on top of mbedTLS, which its Debian source package does not carry.
 */
#include <string.h>

#include "hf_aes.h"
#include "py/runtime.h"

#define MODE_ECB 1
#define MODE_CBC 2

struct aes {
    mp_obj_base_t base;
    uint32_t round_keys[60];
    uint8_t chain[HF_AES_BLOCK_LEN];
    unsigned rounds;
    bool chained;
};

static mp_obj_t aes_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    mp_arg_check_num(n_args, n_kw, 2, 3, false);
    mp_buffer_info_t key;
    mp_get_buffer_raise(args[0], &key, MP_BUFFER_READ);
    mp_int_t mode = mp_obj_get_int(args[1]);
    if ((key.len != 16 && key.len != 32) || (mode != MODE_ECB && mode != MODE_CBC) ||
        (mode == MODE_CBC) != (n_args == 3)) {
        mp_raise_ValueError(NULL);
    }
    struct aes *aes = mp_obj_malloc(struct aes, type);
    aes->chained = mode == MODE_CBC;
    if (aes->chained) {
        mp_buffer_info_t chain;
        mp_get_buffer_raise(args[2], &chain, MP_BUFFER_READ);
        if (chain.len != HF_AES_BLOCK_LEN) {
            mp_raise_ValueError(NULL);
        }
        memcpy(aes->chain, chain.buf, HF_AES_BLOCK_LEN);
    }
    aes->rounds = hf_aes_expand_key(aes->round_keys, key.buf, key.len);
    return MP_OBJ_FROM_PTR(aes);
}

/* args: self, in[, out] */
static mp_obj_t aes_encrypt(size_t n_args, const mp_obj_t *args)
{
    struct aes *aes = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t in, out;
    mp_obj_t result = n_args > 2 ? args[2] : MP_OBJ_NULL;
    vstr_t fresh;
    mp_get_buffer_raise(args[1], &in, MP_BUFFER_READ);
    if (result == MP_OBJ_NULL) {
        vstr_init_len(&fresh, in.len);
        out.buf = fresh.buf;
        out.len = in.len;
    } else {
        mp_get_buffer_raise(result, &out, MP_BUFFER_WRITE);
    }
    if (in.len % HF_AES_BLOCK_LEN != 0 || out.len < in.len) {
        mp_raise_ValueError(NULL);
    }
    memmove(out.buf, in.buf, in.len);
    for (uint8_t *block = out.buf, *end = block + in.len; block < end; block += HF_AES_BLOCK_LEN) {
        for (unsigned i = 0; aes->chained && i < HF_AES_BLOCK_LEN; i++) {
            block[i] ^= aes->chain[i];
        }
        hf_aes_encrypt_pair(aes->round_keys, aes->rounds, block, block);
        memcpy(aes->chain, block, HF_AES_BLOCK_LEN);
    }
    return result == MP_OBJ_NULL ? mp_obj_new_bytes_from_vstr(&fresh) : result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(aes_encrypt_obj, 2, 3, aes_encrypt);

static const mp_rom_map_elem_t aes_members[] = {
    {MP_ROM_QSTR(MP_QSTR_encrypt), MP_ROM_PTR(&aes_encrypt_obj)},
};
static MP_DEFINE_CONST_DICT(aes_dict, aes_members);
static MP_DEFINE_CONST_OBJ_TYPE(aes_type, MP_QSTR_aes, MP_TYPE_FLAG_NONE, make_new, aes_new, locals_dict, &aes_dict);

static const mp_rom_map_elem_t members[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_cryptolib)},
    {MP_ROM_QSTR(MP_QSTR_aes), MP_ROM_PTR(&aes_type)},
};
static MP_DEFINE_CONST_DICT(module_dict, members);
const mp_obj_module_t emulated_cryptolib_module = {.base = {&mp_type_module}, .globals = (mp_obj_dict_t *)&module_dict};
MP_REGISTER_MODULE(MP_QSTR_cryptolib, emulated_cryptolib_module);
