/* hf_p256.h: the portable form, and on x86-64 the choice at run time of the one that uses mulx and adx.
 *
 * HF_P256_LIMB_BITS may be set to 32 to build the small-core arithmetic anywhere; by default it follows the compiler.
 * HF_P256_ASM is set by a build for a 32-bit core that also assembles that core's file in native/asm.
 * HF_P256_SMALL = 1 leaves out hf_p256_table_make, which only hosts need, and the multiples of any key, and inverts by
 * the shorter algorithm. On armv6m this is 1.8 KB less, and hf_p256_verify_fixed takes an eighth longer.
 * HF_P256_SMALL = 2, given to hf_p256_armv6m.S too, also leaves out its squares. This is half a kilobyte less, and
 * takes another eighth longer.
 */
#include "hf_p256.h"

#if !defined(HF_P256_LIMB_BITS)
#if defined(__SIZEOF_INT128__)
#define HF_P256_LIMB_BITS 64
#else
#define HF_P256_LIMB_BITS 32
#endif
#endif

#if HF_P256_LIMB_BITS == 64
#define HF_LIMBS_HEADER "hf_p256_limbs64.h"
#define HF_FIELD_HEADER "hf_p256_field64.h"
#else
#define HF_LIMBS_HEADER "hf_p256_limbs32.h"
#if HF_P256_ASM
#define HF_FIELD_HEADER "hf_p256_field_asm32.h"
#else
#define HF_FIELD_HEADER "hf_p256_field32.h"
#endif
#endif
#define HF_P256_NAME(name) hf_portable_##name
#include "hf_p256_curve.h"

#if HF_P256_X86
#include "hf_p256_x86.h"
#include <cpuid.h>

/* Whether the processor has BMI2 and ADX. gcc's runtime keeps the answer; older clangs do not know the name "adx". */
static int hf_p256_x86_can_run(void)
{
#if defined(__clang__)
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 8 & 1) && (b >> 19 & 1);
#else
    return __builtin_cpu_supports("adx") && __builtin_cpu_supports("bmi2"); /* not covered: one processor, one answer */
#endif
}
#define HF_CHOOSE(name, ...) (hf_p256_x86_can_run() ? hf_p256_x86_##name(__VA_ARGS__) : hf_portable_##name(__VA_ARGS__))
#else
#define HF_CHOOSE(name, ...) hf_portable_##name(__VA_ARGS__)
#endif

enum hf_status hf_p256_check_point(const uint8_t point[64])
{
    return HF_CHOOSE(check_point, point); /* not covered: the other processor */
}

enum hf_status hf_p256_verify(const uint8_t point[64], const uint8_t hash[32], const uint8_t sig[64])
{
    return HF_CHOOSE(verify, point, hash, sig); /* not covered: the other processor */
}

enum hf_status hf_p256_verify_fixed(const uint8_t *table, size_t table_len, const uint8_t hash[32],
                                    const uint8_t sig[64])
{
    return HF_CHOOSE(verify_fixed, table, table_len, hash, sig); /* not covered: the other processor */
}

#if !HF_P256_SMALL
enum hf_status hf_p256_table_make(const uint8_t point[64], unsigned teeth, unsigned blocks, uint8_t *table,
                                  size_t table_len)
{
    return HF_CHOOSE(table_make, point, teeth, blocks, table, table_len); /* not covered: the other processor */
}
#endif

enum hf_status hf_p256_table_check(const uint8_t *table, size_t table_len, const uint8_t point[64])
{
    return HF_CHOOSE(table_check, table, table_len, point); /* not covered: the other processor */
}
