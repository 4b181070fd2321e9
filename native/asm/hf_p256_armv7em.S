/* The field of P-256 on ARMv7E-M (Cortex-M4, M7; M33 with DSP), with R = 2^256: what hf_p256_field_asm32.h declares.
 *
 * UMAAL multiplies and adds two limbs without a carry, so that a row of a product is one instruction a limb. All numbers
 * are public: a branch may depend on them.
 */
    .syntax unified
    .cpu cortex-m4
    .thumb
    .text

/* The frame of a product: its sixteen limbs, then the pushed registers, r0 (where the result goes) first. */
    .equ FRAME, 64

/* One limb of a (r1) times four of b (r3 to r6): column \out leaves in \s0, the next four are \s1, \s2, \s3, \carry,
 * which comes in as what is to be added to column \out. */
    .macro STEP i, out, s0, s1, s2, s3, carry
    ldr r12, [r1, #4 * \i]
    umaal \s0, \carry, r12, r3
    umaal \s1, \carry, r12, r4
    umaal \s2, \carry, r12, r5
    umaal \s3, \carry, r12, r6
    str \s0, [sp, #4 * (\out)]
    .endm

    .macro FIRST i, s0, s1, s2, s3, carry
    mov \carry, #0
    STEP \i, \i, \s0, \s1, \s2, \s3, \carry
    .endm

    .macro SECOND i, s0, s1, s2, s3, carry
    ldr \carry, [sp, #4 * (\i + 4)]
    STEP \i, \i + 4, \s0, \s1, \s2, \s3, \carry
    .endm

/* All eight limbs of a times r3 to r6 */
    .macro PASS step, out
    .irp zero, r7, r8, r9, r10
    mov \zero, #0
    .endr
    \step 0, r7, r8, r9, r10, r11
    \step 1, r8, r9, r10, r11, r7
    \step 2, r9, r10, r11, r7, r8
    \step 3, r10, r11, r7, r8, r9
    \step 4, r11, r7, r8, r9, r10
    \step 5, r7, r8, r9, r10, r11
    \step 6, r8, r9, r10, r11, r7
    \step 7, r9, r10, r11, r7, r8
    str r10, [sp, #4 * \out]
    str r11, [sp, #4 * \out + 4]
    str r7, [sp, #4 * \out + 8]
    str r8, [sp, #4 * \out + 12]
    .endm

/* void hf_p256_fe_sqr(uint32_t r[8], const uint32_t a[8]) */
    .global hf_p256_fe_sqr
    .type hf_p256_fe_sqr, %function
    .thumb_func
hf_p256_fe_sqr:
    mov r2, r1

/* void hf_p256_fe_mul(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]) */
    .global hf_p256_fe_mul
    .type hf_p256_fe_mul, %function
    .thumb_func
hf_p256_fe_mul:
    push {r0, r4-r11, lr}
    sub sp, #FRAME
    ldm r2!, {r3-r6}
    PASS FIRST, 8
    ldm r2, {r3-r6}
    PASS SECOND, 12

/* Montgomery's reduction: adding m p 2^(32 i), m = limb i, adds m at limbs i + 3, i + 6 and i + 8 and takes it from limb
 * i + 7. First all eight m, in r0 to r7, and the carry for limb 8, which may be -1, in r12. */
    ldm sp, {r0-r7}
    mov r12, #0
    adds r3, r0
    adcs r4, r1
    adcs r5, r2
    adcs r6, r3
    adcs r7, r4
    adc r12, r12, #0
    adds r6, r0
    adcs r7, r1
    adc r12, r12, #0
    subs r7, r0
    sbc r12, r12, #0
/* Limbs 8 to 10, with a signed carry in r11. */
    add lr, sp, #32
    ldm lr, {r8-r10}
    asr lr, r12, #31
    adds r8, r12
    adcs r9, lr
    adcs r10, lr
    adc r11, lr, #0
    .macro THREE add, carry, x, y, z
    \add\()s r8, \x
    \carry\()s r9, \y
    \carry\()s r10, \z
    \carry r11, r11, #0
    .endm
    THREE add, adc, r0, r1, r2
    THREE add, adc, r2, r3, r4
    THREE add, adc, r5, r6, r7
    THREE sub, sbc, r1, r2, r3
    ldr r0, [sp, #FRAME]
    stm r0!, {r8-r10}
/* Limbs 11 to 15, with the carry in r1. */
    add lr, sp, #44
    ldm lr, {r8-r10, r12, lr}
    asr r1, r11, #31
    adds r8, r11
    adcs r9, r1
    adcs r10, r1
    adcs r12, r1
    adcs lr, r1
    adc r1, r1, #0
    .macro FIVE add, carry, v, w, x, y, z
    \add\()s r8, \v
    \carry\()s r9, \w
    \carry\()s r10, \x
    \carry\()s r12, r12, \y
    \carry\()s lr, lr, \z
    \carry r1, r1, #0
    .endm
    FIVE add, adc, r3, r4, r5, r6, r7
    FIVE add, adc, r5, r6, r7, #0, #0
    FIVE sub, sbc, r4, r5, r6, r7, #0
    stm r0, {r8-r10, r12, lr}
    sub r0, #12
    mov r3, lr
    add sp, #FRAME + 4
    pop {r4-r11, lr}

/* r0[8], with the carry r1 above and its highest limb in r3, is below 2p: take p from it unless it is below p. Only when
 * that limb is all ones may the number be p without a carry. */
finish:
    cbnz r1, minus_p
    adds r3, #1
    beq 1f
    bx lr
1:  push {r0, lr}
    bl minus_p
    pop {r0, lr}
    bcc plus_p
    bx lr

/* r0[8] -= p by adding 2^256 - p; sets carry when it was p or more. Adding -1 with carry is subtracting 0. */
    .thumb_func
minus_p:
    ldm r0, {r1-r3, r12}
    adds r1, #1
    adcs r2, r2, #0
    adcs r3, r3, #0
    sbcs r12, r12, #0
    stm r0!, {r1-r3, r12}
    ldm r0, {r1-r3, r12}
    sbcs r1, r1, #0
    sbcs r2, r2, #0
    sbcs r3, r3, #1
    adcs r12, r12, #0
    stm r0, {r1-r3, r12}
    bx lr

/* r0[8] += p */
    .thumb_func
plus_p:
    ldm r0, {r1-r3, r12}
    subs r1, #1
    sbcs r2, r2, #0
    sbcs r3, r3, #0
    adcs r12, r12, #0
    stm r0!, {r1-r3, r12}
    ldm r0, {r1-r3, r12}
    adcs r1, r1, #0
    adcs r2, r2, #0
    adcs r3, r3, #1
    sbcs r12, r12, #0
    stm r0, {r1-r3, r12}
    bx lr

    .macro EIGHT_LIMBS first, rest
    push {r4-r11}
    ldm r1, {r4-r11}
    ldm r2!, {r1, r3, r12}
    \first r4, r1
    \rest r5, r3
    \rest r6, r12
    ldm r2!, {r1, r3, r12}
    \rest r7, r1
    \rest r8, r3
    \rest r9, r12
    ldm r2!, {r1, r3}
    \rest r10, r1
    \rest r11, r3
    stm r0, {r4-r11}
    .endm

/* void hf_p256_fe_add(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]) */
    .global hf_p256_fe_add
    .type hf_p256_fe_add, %function
    .thumb_func
hf_p256_fe_add:
    EIGHT_LIMBS adds, adcs
    mov r1, #0
    adc r1, r1, #0
    mov r3, r11
    pop {r4-r11}
    b finish

/* void hf_p256_fe_sub(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]) */
    .global hf_p256_fe_sub
    .type hf_p256_fe_sub, %function
    .thumb_func
hf_p256_fe_sub:
    EIGHT_LIMBS subs, sbcs
    pop {r4-r11}
    bcc plus_p
    bx lr
