/* The field of P-256 on x86-64 with mulx, adcx and adox; the same functions as hf_p256_field64.h.
 *
 * A product is four rows; after each row its lowest limb m is cleared by adding m * p, which is m << 32 over the two
 * limbs above and m * (2^64 - 2^32 + 1) = (m - (m << 32)) + ((m - (m >> 32)) << 64) over the two above those: no
 * multiplication. adcx and adox keep two carry chains going in a row.
 * Part of hf_p256: include through hf_p256_curve.h only.
 */
#ifndef HF_P256_FIELD_X86_H
#define HF_P256_FIELD_X86_H

/* Rows of assembly, laid out by hand. */
/* clang-format off */

/* Add m * p where m is the lowest of five limbs; m becomes the carry-free high part. Spoils rax, rcx, rdx. */
#define HF_CLEAR(m) \
    "movq %%" m ", %%rax\n\tshlq $32, %%rax\n\t"  \
    "movq %%" m ", %%rcx\n\tshrq $32, %%rcx\n\t"  \
    "movq %%" m ", %%rdx\n\tsubq %%rax, %%rdx\n\t" \
    "sbbq %%rcx, %%" m "\n\t"

#define HF_CLEAR_ROW(m, t1, t2, t3, t4, t5)                                          \
    HF_CLEAR(m)                                                                       \
    "addq %%rax, %%" t1 "\n\tadcq %%rcx, %%" t2 "\n\tadcq %%rdx, %%" t3 "\n\t"      \
    "adcq %%" m ", %%" t4 "\n\tadcq $0, %%" t5 "\n\t"

/* (t0 .. t4, t5) += a * b[offset], t5 being new */
#define HF_ROW(offset, t0, t1, t2, t3, t4, t5)                                        \
    "xorl %%" t5 "d, %%" t5 "d\n\t"                                                  \
    "movq " offset "(%[b]), %%rdx\n\t"                                                \
    "mulxq 0(%[a]), %%rax, %%rcx\n\tadcxq %%rax, %%" t0 "\n\tadoxq %%rcx, %%" t1 "\n\t"  \
    "mulxq 8(%[a]), %%rax, %%rcx\n\tadcxq %%rax, %%" t1 "\n\tadoxq %%rcx, %%" t2 "\n\t"  \
    "mulxq 16(%[a]), %%rax, %%rcx\n\tadcxq %%rax, %%" t2 "\n\tadoxq %%rcx, %%" t3 "\n\t" \
    "mulxq 24(%[a]), %%rax, %%rcx\n\tadcxq %%rax, %%" t3 "\n\tadoxq %%rcx, %%" t4 "\n\t" \
    "adcxq %%" t5 ", %%" t4 "\n\tadoxq %%" t5 ", %%" t5 "\n\tadcq $0, %%" t5 "\n\t"

/* r = (t4, t3 .. t0) less p if that is not negative; u0 .. u3 are spare. Spoils rcx and rdx: no operand is in them. */
#define HF_FINISH(t0, t1, t2, t3, t4, u0, u1, u2, u3)                                 \
    "movl $0xffffffff, %%ecx\n\tmovabsq $0xffffffff00000001, %%rdx\n\t"               \
    "movq %%" t0 ", %%" u0 "\n\tsubq $-1, %%" u0 "\n\t"                               \
    "movq %%" t1 ", %%" u1 "\n\tsbbq %%rcx, %%" u1 "\n\t"                             \
    "movq %%" t2 ", %%" u2 "\n\tsbbq $0, %%" u2 "\n\t"                                \
    "movq %%" t3 ", %%" u3 "\n\tsbbq %%rdx, %%" u3 "\n\t"                             \
    "sbbq $0, %%" t4 "\n\t"                                                           \
    "cmovcq %%" t0 ", %%" u0 "\n\tcmovcq %%" t1 ", %%" u1 "\n\t"                      \
    "cmovcq %%" t2 ", %%" u2 "\n\tcmovcq %%" t3 ", %%" u3 "\n\t"                      \
    "movq %%" u0 ", 0(%[r])\n\tmovq %%" u1 ", 8(%[r])\n\t"                            \
    "movq %%" u2 ", 16(%[r])\n\tmovq %%" u3 ", 24(%[r])\n\t"

/* r = a * b / 2^256 mod p */
static inline void hf_fe_mul(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    __asm__("movq 0(%[b]), %%rdx\n\t"
            "mulxq 0(%[a]), %%r8, %%r9\n\t"
            "mulxq 8(%[a]), %%rax, %%r10\n\taddq %%rax, %%r9\n\t"
            "mulxq 16(%[a]), %%rax, %%r11\n\tadcq %%rax, %%r10\n\t"
            "mulxq 24(%[a]), %%rax, %%r12\n\tadcq %%rax, %%r11\n\tadcq $0, %%r12\n\t"
            "xorl %%r13d, %%r13d\n\t"
            HF_CLEAR_ROW("r8", "r9", "r10", "r11", "r12", "r13")
            HF_ROW("8", "r9", "r10", "r11", "r12", "r13", "r8")
            HF_CLEAR_ROW("r9", "r10", "r11", "r12", "r13", "r8")
            HF_ROW("16", "r10", "r11", "r12", "r13", "r8", "r9")
            HF_CLEAR_ROW("r10", "r11", "r12", "r13", "r8", "r9")
            HF_ROW("24", "r11", "r12", "r13", "r8", "r9", "r10")
            HF_CLEAR_ROW("r11", "r12", "r13", "r8", "r9", "r10")
            HF_FINISH("r12", "r13", "r8", "r9", "r10", "rax", "r11", "r14", "r15")
            :
            : [r] "r"(r), [a] "r"(a), [b] "r"(b)
            : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
}

/* One step of reducing the low half of a square: no carry leaves it, since the half stays below 2^256. */
#define HF_CLEAR_HALF(m, t1, t2, t3)                                                  \
    HF_CLEAR(m)                                                                       \
    "addq %%rax, %%" t1 "\n\tadcq %%rcx, %%" t2 "\n\tadcq %%rdx, %%" t3 "\n\tadcq $0, %%" m "\n\t"

/* (t1, t0) = 2 (t1, t0) + a[offset]^2, in both carry chains */
#define HF_SQUARE(offset, t0, t1)                                                     \
    "movq " offset "(%[a]), %%rdx\n\tmulxq %%rdx, %%rcx, %%rax\n\t"                   \
    "adcxq %%" t0 ", %%" t0 "\n\tadoxq %%rcx, %%" t0 "\n\t"                           \
    "adcxq %%" t1 ", %%" t1 "\n\tadoxq %%rax, %%" t1 "\n\t"

/* r = a * a / 2^256 mod p */
static inline void hf_fe_sqr(hf_u256_t *r, const hf_u256_t *a)
{
    __asm__("movq 0(%[a]), %%rdx\n\t"
            "mulxq 8(%[a]), %%r9, %%r10\n\t"
            "mulxq 16(%[a]), %%rax, %%r11\n\taddq %%rax, %%r10\n\t"
            "mulxq 24(%[a]), %%rax, %%r12\n\tadcq %%rax, %%r11\n\tadcq $0, %%r12\n\t"
            "movq 8(%[a]), %%rdx\n\txorl %%r13d, %%r13d\n\t"
            "mulxq 16(%[a]), %%rax, %%rcx\n\tadcxq %%rax, %%r11\n\tadoxq %%rcx, %%r12\n\t"
            "mulxq 24(%[a]), %%rax, %%rcx\n\tadcxq %%rax, %%r12\n\tadoxq %%rcx, %%r13\n\tadcq $0, %%r13\n\t"
            "movq 16(%[a]), %%rdx\n\t"
            "mulxq 24(%[a]), %%rax, %%r14\n\taddq %%rax, %%r13\n\tadcq $0, %%r14\n\t"
            "xorl %%r15d, %%r15d\n\tmovl $0, %%r8d\n\t"
            HF_SQUARE("0", "r8", "r9")
            HF_SQUARE("8", "r10", "r11")
            HF_SQUARE("16", "r12", "r13")
            HF_SQUARE("24", "r14", "r15")
            HF_CLEAR_HALF("r8", "r9", "r10", "r11")
            HF_CLEAR_HALF("r9", "r10", "r11", "r8")
            HF_CLEAR_HALF("r10", "r11", "r8", "r9")
            HF_CLEAR_HALF("r11", "r8", "r9", "r10")
            "xorl %%eax, %%eax\n\t"
            "addq %%r8, %%r12\n\tadcq %%r9, %%r13\n\tadcq %%r10, %%r14\n\tadcq %%r11, %%r15\n\tadcq $0, %%rax\n\t"
            HF_FINISH("r12", "r13", "r14", "r15", "rax", "r8", "r9", "r10", "r11")
            :
            : [r] "r"(r), [a] "r"(a)
            : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
}

/* r = a + b mod p */
static inline void hf_fe_add(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    __asm__("movq 0(%[a]), %%r8\n\tmovq 8(%[a]), %%r9\n\tmovq 16(%[a]), %%r10\n\tmovq 24(%[a]), %%r11\n\t"
            "xorl %%eax, %%eax\n\t"
            "addq 0(%[b]), %%r8\n\tadcq 8(%[b]), %%r9\n\tadcq 16(%[b]), %%r10\n\tadcq 24(%[b]), %%r11\n\t"
            "adcq $0, %%rax\n\t"
            HF_FINISH("r8", "r9", "r10", "r11", "rax", "r12", "r13", "r14", "r15")
            :
            : [r] "r"(r), [a] "r"(a), [b] "r"(b)
            : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
}

/* r = a - b mod p */
static inline void hf_fe_sub(hf_u256_t *r, const hf_u256_t *a, const hf_u256_t *b)
{
    __asm__("movq 0(%[a]), %%r8\n\tmovq 8(%[a]), %%r9\n\tmovq 16(%[a]), %%r10\n\tmovq 24(%[a]), %%r11\n\t"
            "movabsq $0xffffffff00000001, %%rdx\n\t"
            "subq 0(%[b]), %%r8\n\tsbbq 8(%[b]), %%r9\n\tsbbq 16(%[b]), %%r10\n\tsbbq 24(%[b]), %%r11\n\t"
            "sbbq %%rax, %%rax\n\t" /* all ones when the difference went below zero: add p then */
            "movl %%eax, %%ecx\n\tandq %%rax, %%rdx\n\t"
            "addq %%rax, %%r8\n\tadcq %%rcx, %%r9\n\tadcq $0, %%r10\n\tadcq %%rdx, %%r11\n\t"
            "movq %%r8, 0(%[r])\n\tmovq %%r9, 8(%[r])\n\tmovq %%r10, 16(%[r])\n\tmovq %%r11, 24(%[r])\n\t"
            :
            : [r] "r"(r), [a] "r"(a), [b] "r"(b)
            : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory");
}
/* clang-format on */

#endif
