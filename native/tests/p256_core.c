/* hf_p256 as a program for qemu's user mode, without a C library: records on standard input, answers on standard output.
 *
 * A record is a letter and its operands:  g point[64] hash[32] sig[64]: verify;  f len[4, little-endian] table[len]
 * hash[32] sig[64]: verify_fixed;  c len[4] table[len] point[64]: table_check; the answer is the status, one byte.
 * x a[32] b[32], little-endian numbers below p: the answer is a * b / 2^256, a * a / 2^256, a + b, a - b mod p.
 * HF_CORE_ONLY_VERIFY: only g, and hf_p256_verify comes from elsewhere (another library, for comparison).
 */
#if HF_CORE_ONLY_VERIFY
#include "hf_p256.h"
#else
#include "../src/hf_p256.c"
#endif

#if defined(__arm__)
static long system_call(long number, long a, long b, long c)
{
    register long r7 __asm__("r7") = number;
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
    return r0;
}
#define CALL_EXIT 1
#define CALL_READ 3
#define CALL_WRITE 4
#else
static long system_call(long number, long a, long b, long c)
{
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
}
#define CALL_EXIT 93
#define CALL_READ 63
#define CALL_WRITE 64
#endif

void _start(void);

static int take(uint8_t *to, size_t n)
{
    size_t have = 0;
    while (have < n) {
        long got = system_call(CALL_READ, 0, (long)(to + have), (long)(n - have));
        if (got <= 0) {
            return 0;
        }
        have += (size_t)got;
    }
    return 1;
}

static void give(const uint8_t *from, size_t n)
{
    system_call(CALL_WRITE, 1, (long)from, (long)n);
}

#if !HF_CORE_ONLY_VERIFY
static uint8_t table[HF_P256_TABLE_LEN(HF_P256_MAX_TEETH, HF_P256_MAX_BLOCKS)];

static size_t take_table(void)
{
    uint8_t len[4];
    take(len, 4);
    size_t table_len = len[0] | (size_t)len[1] << 8 | (size_t)len[2] << 16;
    take(table, table_len);
    return table_len;
}

static void numbers(void)
{
    uint8_t in[64], out[128];
    hf_u256_t a, b, r;
    take(in, 64);
    hf_u256_from_le(&a, in);
    hf_u256_from_le(&b, in + 32);
    r = a;
    hf_fe_mul(&r, &r, &b);
    hf_u256_to_le(out, &r);
    r = a;
    hf_fe_sqr(&r, &r);
    hf_u256_to_le(out + 32, &r);
    r = b;
    hf_fe_add(&r, &a, &r);
    hf_u256_to_le(out + 64, &r);
    r = b;
    hf_fe_sub(&r, &a, &r);
    hf_u256_to_le(out + 96, &r);
    give(out, 128);
}
#endif

void _start(void)
{
    uint8_t letter, in[160], status;
    while (take(&letter, 1)) {
        status = HF_LOCAL;
        if (letter == 'g') {
            take(in, 160);
            status = (uint8_t)hf_p256_verify(in, in + 64, in + 96);
        }
#if !HF_CORE_ONLY_VERIFY
        if (letter == 'x') {
            numbers();
            continue;
        }
        if (letter == 'f') {
            size_t len = take_table();
            take(in, 96);
            status = (uint8_t)hf_p256_verify_fixed(table, len, in, in + 32);
        }
        if (letter == 'c') {
            size_t len = take_table();
            take(in, 64);
            status = (uint8_t)hf_p256_table_check(table, len, in);
        }
#endif
        give(&status, 1);
    }
    system_call(CALL_EXIT, 0, 0, 0);
}
