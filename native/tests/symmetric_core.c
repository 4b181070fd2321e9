/* Entries with few arguments for the simulated core, whose caller passes four words in registers: each takes an array
 * of words, in the order of the arguments of the function that it calls; addresses are words here.
 */
#include "hf_aes_ccm.h"
#include "hf_oscore.h"

uint32_t hf_core_ccm(const uint32_t *a);
uint32_t hf_core_protect_request(const uint32_t *a);
uint32_t hf_core_protect_response(const uint32_t *a);

static void *at(uint32_t address)
{
    return (void *)(uintptr_t)address;
}

/* 0 seal or 1 open, key, key_len, tag_len, nonce, aad, aad_len, in, in_len, out */
uint32_t hf_core_ccm(const uint32_t *a)
{
    struct hf_aes_ccm ccm;
    enum hf_status status = hf_aes_ccm_init(&ccm, at(a[1]), a[2], a[3]);
    if (status == HF_OK) {
        status = a[0] ? hf_aes_ccm_open(&ccm, at(a[4]), at(a[5]), a[6], at(a[7]), a[8], at(a[9]))
                      : hf_aes_ccm_seal(&ccm, at(a[4]), at(a[5]), a[6], at(a[7]), a[8], at(a[9]));
    }
    return status;
}

uint32_t hf_core_protect_request(const uint32_t *a)
{
    return hf_oscore_protect_request(at(a[0]), a[1], at(a[2]), at(a[3]), a[4], at(a[5]));
}

uint32_t hf_core_protect_response(const uint32_t *a)
{
    return hf_oscore_protect_response(at(a[0]), at(a[1]), at(a[2]), at(a[3]), at(a[4]), a[5]);
}
