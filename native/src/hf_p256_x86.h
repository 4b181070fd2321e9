/* hf_p256.h's functions with the x86-64 field; only for processors with BMI2 and ADX. hf_p256.c chooses. */
#ifndef HF_P256_X86_H
#define HF_P256_X86_H

#include "hf_p256.h"

enum hf_status hf_p256_x86_check_point(const uint8_t point[64]);
enum hf_status hf_p256_x86_verify(const uint8_t point[64], const uint8_t hash[32], const uint8_t sig[64]);
enum hf_status hf_p256_x86_verify_fixed(const uint8_t *table, size_t table_len, const uint8_t hash[32],
                                        const uint8_t sig[64]);
enum hf_status hf_p256_x86_table_make(const uint8_t point[64], unsigned teeth, unsigned blocks, uint8_t *table,
                                      size_t table_len);
enum hf_status hf_p256_x86_table_check(const uint8_t *table, size_t table_len, const uint8_t point[64]);

#endif
