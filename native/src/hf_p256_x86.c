/* hf_p256_x86.h: P-256 over the field that uses mulx, adcx and adox. */
#include "hf_p256_x86.h"

#define HF_LIMBS_HEADER "hf_p256_limbs64.h"
#define HF_FIELD_HEADER "hf_p256_field_x86.h"
#define HF_P256_NAME(name) hf_x86_##name
#include "hf_p256_curve.h"

enum hf_status hf_p256_x86_check_point(const uint8_t point[64])
{
    return hf_x86_check_point(point);
}

enum hf_status hf_p256_x86_verify(const uint8_t point[64], const uint8_t hash[32], const uint8_t sig[64])
{
    return hf_x86_verify(point, hash, sig);
}

enum hf_status hf_p256_x86_verify_fixed(const uint8_t *table, size_t table_len, const uint8_t hash[32],
                                        const uint8_t sig[64])
{
    return hf_x86_verify_fixed(table, table_len, hash, sig);
}

enum hf_status hf_p256_x86_table_make(const uint8_t point[64], unsigned teeth, unsigned blocks, uint8_t *table,
                                      size_t table_len)
{
    return hf_x86_table_make(point, teeth, blocks, table, table_len);
}

enum hf_status hf_p256_x86_table_check(const uint8_t *table, size_t table_len, const uint8_t point[64])
{
    return hf_x86_table_check(table, table_len, point);
}
