/* The field of P-256 on ARMv6-M (Cortex-M0, M0+), with R = 2^256: what hf_p256_field_asm32.h declares.
 *
 * These cores multiply 32 x 32 bits to the low 32 only, so a product of two limbs is four products of halves. A product
 * of eight limbs by eight is three of four by four (Karatsuba), each by columns. All numbers are public: a branch may
 * depend on them. Cycles are those of the Cortex-M0+ with its one-cycle multiplier.
 */
    .syntax unified
    .cpu cortex-m0
    .thumb
    .text

/* The frame of a product: operands of four limbs, the product, the middle product, the three arguments. */
    .equ LEFT, 0
    .equ RIGHT, 16
    .equ T, 32
    .equ MIDDLE, 96
    .equ OUT, 128
    .equ A, 132
    .equ B, 136
    .equ FRAME, 140

/* (c2, c1, c0) += r2 + (r4 + r1) << 16 + r0 << 32; spoils r1 and r4. r8 is 1 << 16. */
    .macro ACCUMULATE c0, c1, c2, twice=0
    adds r4, r1
    bcc 1f
    add r0, r8
1:  lsls r1, r4, #16
    lsrs r4, r4, #16
    adds r2, r1
    adcs r0, r4
    movs r1, #0
    adds \c0, r2
    adcs \c1, r0
    adcs \c2, r1
    .if \twice
    adds \c0, r2
    adcs \c1, r0
    adcs \c2, r1
    .endif
    .endm

/* (c2, c1, c0) += the limb at i times the limb at j; spoils r0 to r4. 24 cycles */
    .macro PRODUCT i, j, c0, c1, c2, twice=0
    ldr r0, [sp, #\i]
    ldr r1, [sp, #\j]
    uxth r2, r0
    lsrs r0, r0, #16
    lsrs r3, r1, #16
    uxth r1, r1
    movs r4, r2
    muls r4, r3, r4
    muls r2, r1, r2
    muls r1, r0, r1
    muls r0, r3, r0
    ACCUMULATE \c0, \c1, \c2, \twice
    .endm

/* (c2, c1, c0) += the square of the limb at i; spoils r0 to r4. 16 cycles */
    .macro SQUARE i, c0, c1, c2
    ldr r0, [sp, #\i]
    uxth r2, r0
    lsrs r0, r0, #16
    movs r1, r2
    muls r1, r0, r1
    muls r2, r2, r2
    muls r0, r0, r0
    lsls r4, r1, #17
    lsrs r1, r1, #15
    adds r2, r4
    adcs r0, r1
    movs r1, #0
    adds \c0, r2
    adcs \c1, r0
    adcs \c2, r1
    .endm

/* Store a column's limb; its register is the next column's third. */
    .macro STORE limb, c0
    mov r0, r9
    str \c0, [r0, #4 * \limb]
    movs \c0, #0
    .endm

/* r9[8] = LEFT * RIGHT; spoils r0 to r7 */
    .thumb_func
multiply4:
    movs r5, #0
    movs r6, #0
    movs r7, #0
    PRODUCT LEFT, RIGHT, r5, r6, r7
    STORE 0, r5
    PRODUCT LEFT, RIGHT + 4, r6, r7, r5
    PRODUCT LEFT + 4, RIGHT, r6, r7, r5
    STORE 1, r6
    PRODUCT LEFT, RIGHT + 8, r7, r5, r6
    PRODUCT LEFT + 4, RIGHT + 4, r7, r5, r6
    PRODUCT LEFT + 8, RIGHT, r7, r5, r6
    STORE 2, r7
    PRODUCT LEFT, RIGHT + 12, r5, r6, r7
    PRODUCT LEFT + 4, RIGHT + 8, r5, r6, r7
    PRODUCT LEFT + 8, RIGHT + 4, r5, r6, r7
    PRODUCT LEFT + 12, RIGHT, r5, r6, r7
    STORE 3, r5
    PRODUCT LEFT + 4, RIGHT + 12, r6, r7, r5
    PRODUCT LEFT + 8, RIGHT + 8, r6, r7, r5
    PRODUCT LEFT + 12, RIGHT + 4, r6, r7, r5
    STORE 4, r6
    PRODUCT LEFT + 8, RIGHT + 12, r7, r5, r6
    PRODUCT LEFT + 12, RIGHT + 8, r7, r5, r6
    STORE 5, r7
    PRODUCT LEFT + 12, RIGHT + 12, r5, r6, r7
    STORE 6, r5
    STORE 7, r6
    bx lr

#if HF_P256_SMALL < 2
/* r9[8] = LEFT * LEFT; spoils r0 to r7 */
    .thumb_func
square4:
    movs r5, #0
    movs r6, #0
    movs r7, #0
    SQUARE LEFT, r5, r6, r7
    STORE 0, r5
    PRODUCT LEFT, LEFT + 4, r6, r7, r5, 1
    STORE 1, r6
    PRODUCT LEFT, LEFT + 8, r7, r5, r6, 1
    SQUARE LEFT + 4, r7, r5, r6
    STORE 2, r7
    PRODUCT LEFT, LEFT + 12, r5, r6, r7, 1
    PRODUCT LEFT + 4, LEFT + 8, r5, r6, r7, 1
    STORE 3, r5
    PRODUCT LEFT + 4, LEFT + 12, r6, r7, r5, 1
    SQUARE LEFT + 8, r6, r7, r5
    STORE 4, r6
    PRODUCT LEFT + 8, LEFT + 12, r7, r5, r6, 1
    STORE 5, r7
    SQUARE LEFT + 12, r5, r6, r7
    STORE 6, r5
    STORE 7, r6
    bx lr
#endif

/* r0[4] = |low half - high half| of r1[8]; r6 = all ones if the difference is negative, else 0; spoils r0 to r7 */
    .thumb_func
distance:
    ldmia r1!, {r2-r5}
    ldr r6, [r1]
    subs r2, r6
    ldr r6, [r1, #4]
    sbcs r3, r6
    ldr r6, [r1, #8]
    sbcs r4, r6
    ldr r6, [r1, #12]
    sbcs r5, r6
    sbcs r6, r6
    eors r2, r6
    eors r3, r6
    eors r4, r6
    eors r5, r6
    lsrs r7, r6, #31
    adds r2, r7
    movs r7, #0
    adcs r3, r7
    adcs r4, r7
    adcs r5, r7
    stmia r0!, {r2-r5}
    bx lr

    .macro ENTER
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
    sub sp, #FRAME
    str r0, [sp, #OUT]
    str r1, [sp, #A]
    movs r3, #1
    lsls r3, r3, #16
    mov r8, r3
    .endm

/* Copy a half of an argument to an operand's place. */
    .macro OPERAND argument, half, place
    ldr r1, [sp, #\argument]
    .if \half
    adds r1, #16
    .endif
    ldmia r1!, {r2-r5}
    add r0, sp, #\place
    stmia r0!, {r2-r5}
    .endm

    .macro INTO place
    add r0, sp, #\place
    mov r9, r0
    .endm

/* void hf_p256_fe_sqr(uint32_t r[8], const uint32_t a[8]) */
    .global hf_p256_fe_sqr
    .type hf_p256_fe_sqr, %function
    .thumb_func
hf_p256_fe_sqr:
#if HF_P256_SMALL >= 2 /* half a kilobyte less, and a square costs what a product does */
    mov r2, r1
#else
    ENTER
    add r0, sp, #LEFT
    bl distance
    INTO MIDDLE
    bl square4
    OPERAND A, 0, LEFT
    INTO T
    bl square4
    OPERAND A, 1, LEFT
    INTO T + 32
    bl square4
    movs r2, #0
    mvns r2, r2
    b combine
#endif

/* void hf_p256_fe_mul(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]) */
    .global hf_p256_fe_mul
    .type hf_p256_fe_mul, %function
    .thumb_func
hf_p256_fe_mul:
    ENTER
    str r2, [sp, #B]
    add r0, sp, #LEFT
    bl distance
    mov r10, r6
    ldr r1, [sp, #B]
    add r0, sp, #RIGHT
    bl distance
    mov r7, r10
    eors r6, r7
    mvns r6, r6
    mov r10, r6
    INTO MIDDLE
    bl multiply4
    OPERAND A, 0, LEFT
    OPERAND B, 0, RIGHT
    INTO T
    bl multiply4
    OPERAND A, 1, LEFT
    OPERAND B, 1, RIGHT
    INTO T + 32
    bl multiply4
    mov r2, r10

/* T is (high product, low product). Add low + high - (the product of differences, or minus it when r2 is 0) in the
 * middle: r2 is all ones to subtract MIDDLE. What should be added at limb 12 goes to r11 and is added in reducing. */
combine:
    mov r10, r2
    ldr r4, [sp, #T + 16]
    ldr r0, [sp, #T + 32]
    adds r4, r0
    ldr r5, [sp, #T + 20]
    ldr r0, [sp, #T + 36]
    adcs r5, r0
    ldr r6, [sp, #T + 24]
    ldr r0, [sp, #T + 40]
    adcs r6, r0
    ldr r7, [sp, #T + 28]
    ldr r0, [sp, #T + 44]
    adcs r7, r0
    movs r3, #0
    movs r1, #0
    adcs r3, r1
    .macro PLUS_TO add, from, limb, to
    ldr r0, [sp, #T + \from]
    \add r0, \limb
    str r0, [sp, #T + \to]
    .endm
    PLUS_TO adds, 0, r4, 16
    PLUS_TO adcs, 4, r5, 20
    PLUS_TO adcs, 8, r6, 24
    PLUS_TO adcs, 12, r7, 28
    movs r2, #0
    adcs r2, r3
    adds r4, r2
    adcs r5, r1
    adcs r6, r1
    adcs r7, r1
    adcs r3, r1
    PLUS_TO adds, 48, r4, 32
    PLUS_TO adcs, 52, r5, 36
    PLUS_TO adcs, 56, r6, 40
    PLUS_TO adcs, 60, r7, 44
    adcs r3, r1
    mov r2, r10
    lsrs r0, r2, #1     /* carry in: minus M is its complement and one */
    .irp limb, 0, 4, 8, 12, 16, 20, 24, 28
    ldr r0, [sp, #T + 16 + \limb]
    ldr r1, [sp, #MIDDLE + \limb]
    eors r1, r2
    adcs r0, r1
    str r0, [sp, #T + 16 + \limb]
    .endr
    adcs r3, r2
    mov r11, r3

/* Montgomery's reduction: adding m p 2^(32 i), m = limb i, adds m at limbs i + 3, i + 6 and i + 8 and takes it from limb
 * i + 7. First all eight m; after this they are r0 to r3, r12, r9, r6, r7, with r4 = 0 and the carry for limb 8, which
 * may be -1, in r5. */
    ldr r0, [sp, #T]
    ldr r1, [sp, #T + 4]
    ldr r2, [sp, #T + 8]
    ldr r3, [sp, #T + 12]
    adds r3, r0
    ldr r4, [sp, #T + 16]
    adcs r4, r1
    ldr r5, [sp, #T + 20]
    adcs r5, r2
    ldr r6, [sp, #T + 24]
    adcs r6, r3
    ldr r7, [sp, #T + 28]
    adcs r7, r4
    mov r9, r5
    movs r5, #0
    adcs r5, r5
    mov r12, r4
    movs r4, #0
    adds r6, r0
    adcs r7, r1
    adcs r5, r4
    subs r7, r0
    sbcs r5, r4
    mov r10, r6

/* Then limbs 8 to 15, each a sum with a signed carry from the one below. */
    .macro PLUS sum, carry, limb
    adds \sum, \limb
    adcs \carry, r4
    .endm
    .macro MINUS sum, carry, limb
    subs \sum, \limb
    sbcs \carry, r4
    .endm
    .macro CARRY sum, new, old
    asrs \new, \old, #31
    PLUS \sum, \new, \old
    .endm
    .macro PLUS_AT sum, carry, spare, limb
    ldr \spare, [sp, #T + 4 * \limb]
    PLUS \sum, \carry, \spare
    .endm
    .macro PLUS_HIGH sum, carry, spare, limb
    mov \spare, \limb
    PLUS \sum, \carry, \spare
    .endm
    .macro MINUS_HIGH sum, carry, spare, limb
    mov \spare, \limb
    MINUS \sum, \carry, \spare
    .endm
    CARRY r0, r6, r5                /* 8: m0 - m1 + m2 + m5 */
    PLUS_AT r0, r6, r5, 8
    PLUS r0, r6, r2
    PLUS_HIGH r0, r6, r5, r9
    MINUS r0, r6, r1
    CARRY r1, r5, r6                /* 9: m1 - m2 + m3 + m6 */
    PLUS_AT r1, r5, r6, 9
    PLUS r1, r5, r3
    PLUS_HIGH r1, r5, r6, r10
    MINUS r1, r5, r2
    CARRY r2, r6, r5                /* 10: m2 - m3 + m4 + m7 */
    PLUS_AT r2, r6, r5, 10
    PLUS r2, r6, r7
    PLUS_HIGH r2, r6, r5, r12
    MINUS r2, r6, r3
    CARRY r3, r5, r6                /* 11: m3 - m4 + m5 */
    PLUS_AT r3, r5, r6, 11
    PLUS_HIGH r3, r5, r6, r9
    MINUS_HIGH r3, r5, r6, r12
    ldr r6, [sp, #OUT]
    stmia r6!, {r0-r3}
    ldr r0, [sp, #T + 48]           /* 12: m4 - m5 + m6 */
    CARRY r0, r6, r5
    PLUS_HIGH r0, r6, r5, r11
    PLUS_HIGH r0, r6, r5, r12
    PLUS_HIGH r0, r6, r5, r10
    MINUS_HIGH r0, r6, r5, r9
    ldr r1, [sp, #T + 52]           /* 13: m5 - m6 + m7 */
    CARRY r1, r5, r6
    PLUS r1, r5, r7
    PLUS_HIGH r1, r5, r6, r9
    MINUS_HIGH r1, r5, r6, r10
    ldr r2, [sp, #T + 56]           /* 14: m6 - m7 */
    CARRY r2, r6, r5
    PLUS_HIGH r2, r6, r5, r10
    MINUS r2, r6, r7
    ldr r3, [sp, #T + 60]           /* 15: m7 */
    CARRY r3, r5, r6
    PLUS r3, r5, r7
    ldr r6, [sp, #OUT]
    adds r6, #16
    stmia r6!, {r0-r3}
    mov r1, r5
    ldr r0, [sp, #OUT]
    add sp, #FRAME
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7

/* r0[8], with the carry r1 above and its highest limb in r3, is below 2p: take p from it unless it is below p. Returns
 * for a function that saved r4 to r7 and lr. Only when that limb is all ones may the number be p without a carry. */
finish:
    cmp r1, #0
    bne 1f
    adds r3, #1
    beq 2f
    pop {r4-r7, pc}
1:  bl minus_p
    pop {r4-r7, pc}
2:  bl minus_p
    bcs 3f
    subs r0, #32
    bl plus_p
3:  pop {r4-r7, pc}

/* r0[8] -= p by adding 2^256 - p; leaves r0 behind the number and carry set when it was p or more */
    .thumb_func
minus_p:
    mov r1, r0
    movs r2, #0
    mvns r3, r2
    ldmia r0!, {r4-r7}
    adds r4, #1
    adcs r5, r2
    adcs r6, r2
    adcs r7, r3
    stmia r1!, {r4-r7}
    ldmia r0!, {r4-r7}
    adcs r4, r3
    adcs r5, r3
    movs r3, #1
    mvns r3, r3
    adcs r6, r3
    adcs r7, r2
    stmia r1!, {r4-r7}
    bx lr

/* r0[8] += p */
    .thumb_func
plus_p:
    mov r1, r0
    movs r2, #0
    mvns r3, r2
    ldmia r0!, {r4-r7}
    adds r4, r3
    adcs r5, r3
    adcs r6, r3
    adcs r7, r2
    stmia r1!, {r4-r7}
    ldmia r0!, {r4-r7}
    adcs r4, r2
    adcs r5, r2
    movs r3, #1
    adcs r6, r3
    mvns r3, r2
    adcs r7, r3
    stmia r1!, {r4-r7}
    bx lr

    .macro TWO_LIMBS first, second
    ldmia r1!, {r4, r5}
    ldmia r2!, {r6, r7}
    \first r4, r6
    \second r5, r7
    stmia r0!, {r4, r5}
    .endm

/* void hf_p256_fe_add(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]) */
    .global hf_p256_fe_add
    .type hf_p256_fe_add, %function
    .thumb_func
hf_p256_fe_add:
    push {r4-r7, lr}
    TWO_LIMBS adds, adcs
    TWO_LIMBS adcs, adcs
    TWO_LIMBS adcs, adcs
    TWO_LIMBS adcs, adcs
    movs r1, #0
    adcs r1, r1
    movs r3, r5
    subs r0, #32
    b finish

/* void hf_p256_fe_sub(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]) */
    .global hf_p256_fe_sub
    .type hf_p256_fe_sub, %function
    .thumb_func
hf_p256_fe_sub:
    push {r4-r7, lr}
    TWO_LIMBS subs, sbcs
    TWO_LIMBS sbcs, sbcs
    TWO_LIMBS sbcs, sbcs
    TWO_LIMBS sbcs, sbcs
    bcs 1f
    subs r0, #32
    bl plus_p
1:  pop {r4-r7, pc}
