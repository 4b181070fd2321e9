/* P-256 on ARMv7E-M (Cortex-M4, M7; M33 with DSP), with R = 2^256: what hf_p256_field_asm32.h declares.
 *
 * UMAAL multiplies and adds two limbs without a carry, so that a row of a product is one instruction a limb. The field's
 * inner forms (mul, sqr, add, three_halves, sub, sub_twice) take r0 to r2 and keep no register, so that point operations, which call them
 * only, save registers once. All numbers are public: a branch may depend on them.
 */
    .syntax unified
    .cpu cortex-m4
    .thumb
    .text

/* The frame of a product: its sixteen limbs, then r0 (where the result goes) and lr. */
    .equ FRAME, 64

/* One limb of a (r1) times four of b (r3 to r6): column \out leaves in \s0, the next four are \s1, \s2, \s3, \carry,
 * which comes in as what is to be added to column \out. */
    .macro STEP out, s0, s1, s2, s3, carry
    umaal \s0, \carry, r12, r3
    umaal \s1, \carry, r12, r4
    umaal \s2, \carry, r12, r5
    umaal \s3, \carry, r12, r6
    str \s0, [sp, #4 * (\out)]
    .endm

/* The reduction's m is limbs 0 to 7 as they become final; m goes to limb i + 3 at once, m of limb 1 to 7 too. */
    .macro FIRST i, s0, s1, s2, s3, carry
    ldr r12, [r1, #4 * \i]
    .if \i < 3
    mov \carry, #0
    .elseif \i < 7
    ldr \carry, [sp, #4 * (\i - 3)]
    .else
    ldr \carry, [sp, #4]
    .endif
    STEP \i, \s0, \s1, \s2, \s3, \carry
    .endm

    .macro SECOND i, s0, s1, s2, s3, carry
    ldr \carry, [sp, #4 * (\i + 4)]
    ldr r12, [r1, #4 * \i]
    STEP \i + 4, \s0, \s1, \s2, \s3, \carry
    .endm

/* All limbs of a but the lowest times r3 to r6, after that one's: r8 to r11 to begin with */
    .macro PASS step, out
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

/* r0[8] = r1[8] * r1[8] / 2^256. With a below 2^255 (else p - a, whose square is the same), 2a has eight limbs too, and
 * row i of the square is a_i times a_i, 2 a_(i+1) without its lowest bit, and the limbs of 2a above: r2 to r8 to begin
 * with. a lies where limbs 8 to 15 will be: limb i is written when a of i - 8 is done with. */
    .thumb_func
sqr:
    push {r0, lr}
    sub sp, #FRAME
    ldm r1, {r1-r8}
    cmp r8, #0
    bpl 1f
    mvn r1, r1
    mvn r2, r2
    mvn r3, r3
    mov r9, #0
    rsbs r4, r4, #0
    sbcs r5, r9, r5
    sbcs r6, r9, r6
    mov r0, #1
    sbcs r7, r0, r7
    mvn r9, r9
    sbc r8, r9, r8
1:  add r0, sp, #32
    stm r0, {r1-r8}
    adds r2, r2, r2
    .irp limb, r3, r4, r5, r6, r7, r8
    adcs \limb, \limb, \limb
    .endr
    str r8, [sp, #28]
    umull r0, r9, r1, r1
    str r0, [sp]
    mov r10, #0
    umaal r9, r10, r1, r2
    str r9, [sp, #4]
    mov r11, #0
    umaal r10, r11, r1, r3
    mov r12, r0             /* limb 3 gains m of 0, limb 4 m of 1, limb 6 m of 0, limb 7 m of 1 */
    umaal r11, r12, r1, r4
    mov lr, r9
    umaal r12, lr, r1, r5
    mov r2, #0
    umaal lr, r2, r1, r6
    umaal r2, r0, r1, r7
    umaal r0, r9, r1, r8    /* limbs 2 to 8: r10, r11, r12, lr, r2, r0, r9 */
    bic r3, r3, #1
    ldr r1, [sp, #36]
    mov r8, #0
    umaal r10, r8, r1, r1
    umaal r11, r8, r1, r3
    str r10, [sp, #8]
    str r11, [sp, #12]
    ldr r10, [sp, #28]
    umaal r12, r8, r1, r4
    umaal lr, r8, r1, r5
    umaal r2, r8, r1, r6
    umaal r0, r8, r1, r7
    umaal r9, r8, r1, r10   /* limbs 4 to 9: r12, lr, r2, r0, r9, r8 */
    bic r4, r4, #1
    ldr r1, [sp, #40]
    mov r3, #0
    umaal r12, r3, r1, r1
    umaal lr, r3, r1, r4
    umaal r2, r3, r1, r5
    umaal r0, r3, r1, r6
    umaal r9, r3, r1, r7
    umaal r8, r3, r1, r10   /* limbs 6 to 10: r2, r0, r9, r8, r3 */
    bic r5, r5, #1
    ldr r1, [sp, #44]
    mov r4, r11             /* limb 6 gains m of 3 */
    umaal r2, r4, r1, r1
    umaal r0, r4, r1, r5
    umaal r9, r4, r1, r6
    umaal r8, r4, r1, r7
    umaal r3, r4, r1, r10   /* limbs 8 to 11: r9, r8, r3, r4 */
    bic r6, r6, #1
    ldr r1, [sp, #48]
    mov r5, #0
    umaal r9, r5, r1, r1
    umaal r8, r5, r1, r6
    str r9, [sp, #32]
    str r8, [sp, #36]
    umaal r3, r5, r1, r7
    umaal r4, r5, r1, r10   /* limbs 10 to 12: r3, r4, r5 */
    bic r7, r7, #1
    ldr r1, [sp, #52]
    mov r6, #0
    umaal r3, r6, r1, r1
    umaal r4, r6, r1, r7
    str r3, [sp, #40]
    str r4, [sp, #44]
    umaal r5, r6, r1, r10   /* limbs 12, 13: r5, r6 */
    bic r10, r10, #1
    ldr r1, [sp, #56]
    mov r7, #0
    umaal r5, r7, r1, r1
    umaal r6, r7, r1, r10
    ldr r1, [sp, #60]
    mov r8, #0
    umaal r7, r8, r1, r1
    add r1, sp, #48
    stm r1, {r5-r8}
    mov r6, r2              /* limbs 4 to 7: r12, lr, r2, r0 */
    mov r7, r0
    ldm sp, {r0-r3}
    mov r4, r12
    adds r5, lr, r2         /* limb 5 gains m of 2 */
    adcs r6, r6, #0
    adcs r7, r4             /* and limb 7 m of 4 */
    b reduce

/* r0[8] = r1[8] * r2[8] / 2^256 */
    .thumb_func
mul:
    push {r0, lr}
    sub sp, #FRAME
    ldm r2!, {r3-r6}
    ldr r12, [r1]
    umull r7, r11, r12, r3
    mov r8, #0
    umaal r8, r11, r12, r4
    mov r9, #0
    umaal r9, r11, r12, r5
    mov r10, #0
    umaal r10, r11, r12, r6
    str r7, [sp]
    PASS FIRST, 8
    ldm r2, {r3-r6}
    mov r7, #0
    mov r8, #0
    ldr r9, [sp]        /* m of limb 0 to limb 6 */
    mov r10, #0
    SECOND 0, r7, r8, r9, r10, r11
    PASS SECOND, 12

/* Montgomery's reduction: adding m p 2^(32 i), m = limb i, adds m at limbs i + 3, i + 6 and i + 8 and takes it from limb
 * i + 7, which together are m 2^(32 (i + 7)) (2^32 - 1). What is left: at limb 7, m of 4, and m of 0 times 2^32 - 1;
 * then limbs 8 to 10, with their carries in r10 and r11. */
    ldm sp, {r0-r7}
    adds r7, r4
reduce:
    add r8, sp, #32
    ldm r8, {r8, r9, r12}
    mov r10, #0
    mov r11, #0
    mvn lr, #0
    adcs r8, r2
    adcs r9, r3
    adcs r12, r12, r4
    adc r11, r11, #0
    umaal r7, r10, r0, lr
    adds r8, r5
    adcs r9, r6
    adcs r12, r12, r7
    umaal r8, r10, r1, lr
    umaal r9, r10, r2, lr
    umaal r12, r10, r3, lr
    ldr r0, [sp, #FRAME]
    stm r0!, {r8, r9, r12}
/* Limbs 11 to 15; the flag is the second carry of limb 10. */
    add r1, sp, #44
    ldm r1, {r1, r2, r8, r9, r12}
    mov r3, #0
    adcs r1, r5
    adcs r2, r6
    adcs r8, r7
    adcs r9, r9, #0
    adcs r12, r12, #0
    adc r3, r3, #0
    adds r10, r11               /* the first to the third, which seldom has no room for it */
    bcs no_room
room:
    umaal r1, r10, r4, lr
    umaal r2, r10, r5, lr
    umaal r8, r10, r6, lr
    umaal r9, r10, r7, lr
    adds r12, r12, r10
    adc r3, r3, #0
    cbnz r3, above
below:
    stm r0, {r1, r2, r8, r9, r12}
    sub r0, #12
    add sp, #FRAME + 4
    pop {lr}

/* r0[8], whose highest limb is r12, is below 2^256: p or more only if that limb is all ones. */
doubt:
    adds r12, #1
    beq 1f
    bx lr
1:  push {r0, lr}
    bl minus_p
    pop {r0, lr}
    bcc plus_p
    bx lr

/* A carry: take p away by adding 2^256 - p, see minus_p; limbs 0 to 2 are where they belong already. */
above:
    sub r0, #12
    ldm r0, {r4-r6}
    adds r4, #1
    adcs r5, r5, #0
    adcs r6, r6, #0
    sbcs r1, r1, #0
    sbcs r2, r2, #0
    sbcs r8, r8, #0
    sbcs r9, r9, #1
    adc r12, r12, #0
    stm r0!, {r4-r6}
    b below

/* The carry of limb 11 that reduce had no room for goes to limb 12. */
no_room:
    adds r2, #1
    adcs r8, r8, #0
    adcs r9, r9, #0
    adcs r12, r12, #0
    adc r3, r3, #0
    b room

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

/* r4 to r11, which \first and \rest join with r2[8]; moves r2 */
    .macro EIGHT_LIMBS first, rest
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
    .endm

/* r4 to r11 plus or minus p where r1 is all ones and r3 is 1; nothing where they are 0 */
    .macro MASKED_P first, rest
    \first r4, r1
    \rest r5, r1
    \rest r6, r1
    \rest r7, #0
    \rest r8, #0
    \rest r9, #0
    \rest r10, r3
    \rest r11, r1
    .endm

/* r0[8] = r1[8] * 3/2 */
    .thumb_func
three_halves:
    mov r2, r1
    ldm r1, {r4-r11}
    and r1, r4, #1
    rsb r1, r1, #0
    and r3, r1, #1
    MASKED_P adds, adcs
    .irp limb, r11, r10, r9, r8, r7, r6, r5, r4
    rrxs \limb, \limb
    .endr
    b 1f

/* r0[8] = r1[8] + r2[8]. Without a carry, only a highest limb of all ones leaves a doubt. */
    .thumb_func
add:
    ldm r1, {r4-r11}
1:  EIGHT_LIMBS adds, adcs
    sbc r1, r1, r1      /* 0 with a carry, else -1 */
    mvn r1, r1
    and r3, r1, #1
    MASKED_P subs, sbcs
    stm r0, {r4-r11}
    mov r12, r11
    b doubt

/* r0[8] = r1[8] - 2 r2[8] */
    .thumb_func
sub_twice:
    ldm r1, {r4-r11}
    EIGHT_LIMBS subs, sbcs
    sbc r1, r1, r1      /* -1 with a borrow, else 0 */
    and r3, r1, #1
    MASKED_P adds, adcs
    sub r2, #32
    b 1f

/* r0[8] = r1[8] - r2[8] */
    .thumb_func
sub:
    ldm r1, {r4-r11}
1:  EIGHT_LIMBS subs, sbcs
    sbc r1, r1, r1
    and r3, r1, #1
    MASKED_P adds, adcs
    stm r0, {r4-r11}
    bx lr

/* What C calls: the same with registers kept. */
    .macro OUTER name, inner
    .global hf_p256_\name
    .type hf_p256_\name, %function
    .thumb_func
hf_p256_\name:
    push {r4-r11, lr}
    bl \inner
    pop {r4-r11, pc}
    .endm

    OUTER fe_mul, mul
    OUTER fe_sqr, sqr
    OUTER fe_add, add
    OUTER fe_sub, sub

/* Point operations: the argument's address is at AT above three numbers of their own. */
    .equ M, 0
    .equ S, 32
    .equ T, 64
    .equ AT, 96
    .equ ADDEND, 100
    .equ X, 256         /* and above: numbers of the point, or of the addend */
    .equ Y, X + 32
    .equ Z, X + 64
    .equ BX, 512
    .equ BY, BX + 32

    .macro OPERAND register, place
    .if \place >= BX
    ldr \register, [sp, #ADDEND]
    .if \place > BX
    adds \register, #\place - BX
    .endif
    .elseif \place >= X
    ldr \register, [sp, #AT]
    .if \place > X
    adds \register, #\place - X
    .endif
    .else
    add \register, sp, #\place
    .endif
    .endm

    .macro OP2 what, out, a
    OPERAND r1, \a
    .if \out == \a
    mov r0, r1
    .else
    OPERAND r0, \out
    .endif
    bl \what
    .endm

    .macro OP3 what, out, a, b
    OPERAND r2, \b
    OP2 \what, \out, \a
    .endm

/* void hf_p256_double(uint32_t point[24]): see hf_point_double, which is the same; infinity stays. */
    .global hf_p256_double
    .type hf_p256_double, %function
    .thumb_func
hf_p256_double:
    ldr r1, [r0, #64]
    cmp r1, #0
    beq 2f
1:  push {r0, r1, r4-r11, lr}
    sub sp, #AT
    OP2 sqr, T, Z
    OP3 sub, M, X, T
    OP3 add, T, X, T
    OP3 mul, M, M, T
    OP2 three_halves, M, M
    OP3 mul, Z, Z, Y
    OP2 sqr, T, Y
    OP3 mul, S, X, T
    OP2 sqr, T, T
    OP2 sqr, X, M
    OP3 sub_twice, X, X, S
    OP3 sub, S, S, X
    OP3 mul, S, S, M
    OP3 sub, Y, S, T
    add sp, #AT + 8
    pop {r4-r11, pc}
2:  push {r0, r4-r8, lr}
    adds r0, #64
    bl is_zero
    pop {r0, r4-r8, lr}
    bne 1b
    bx lr

/* int hf_p256_add_affine(uint32_t point[24], const uint32_t addend[16]): the sum; unless both have the same x: then the
 * point stays, and 1 says that they are equal, 2 that they are opposite. The point is not infinity. */
    .global hf_p256_add_affine
    .type hf_p256_add_affine, %function
    .thumb_func
hf_p256_add_affine:
    push {r0, r1, r4-r11, lr}
    sub sp, #AT
    OP2 sqr, T, Z
    OP3 mul, S, BX, T
    OP3 mul, T, T, Z
    OP3 mul, T, BY, T
    OP3 sub, S, S, X
    OP3 sub, M, T, Y
    ldr r0, [sp, #S]
    cbnz r0, 3f
    add r0, sp, #S
    bl is_zero
    beq 1f
3:
    OP3 mul, Z, Z, S
    OP2 sqr, T, S
    OP3 mul, S, S, T
    OP3 mul, T, X, T
    OP3 mul, Y, Y, S
    OP2 sqr, X, M
    OP3 sub, X, X, S
    OP3 sub_twice, X, X, T
    OP3 sub, T, T, X
    OP3 mul, T, T, M
    OP3 sub, Y, T, Y
    movs r0, #0
    b 2f
1:  mov r0, sp
    bl is_zero
    ite eq
    moveq r0, #1
    movne r0, #2
2:  add sp, #AT + 8
    pop {r4-r11, pc}

/* Sets eq when r0[8] is 0. */
    .thumb_func
is_zero:
    ldm r0, {r1-r8}
    .irp limb, r2, r3, r4, r5, r6, r7, r8
    orr r1, r1, \limb
    .endr
    cmp r1, #0
    bx lr
