@ Where the firmware finds what is in this ROM (RP2040 datasheet, section 2.8.3.1): vectors, a magic word, the address of
@ the lookup, and tables of 16-bit addresses under two-letter codes.
    .syntax unified
    .cpu cortex-m0plus

    .section .vectors, "a"
    .word 0x20042000
    .word start + 1
    .word stop + 1
    .word stop + 1
    .byte 'M', 'u', 1, 3
    .hword functions
    .hword data
    .hword look_up + 1

    .macro function first, second, name
    .byte \first, \second
    .hword \name + 1
    .endm

    .section .rodata
    .balign 4
functions:
    function 'M', 'S', fill
    function 'S', '4', fill
    function 'M', 'C', copy
    function 'C', '4', copy
    function 'P', '3', count_ones
    function 'L', '3', leading_zeros
    function 'T', '3', trailing_zeros
    function 'R', '3', reverse
    function 'I', 'F', nothing
    function 'E', 'X', nothing
    function 'F', 'C', nothing
    function 'C', 'X', nothing
    function 'R', 'E', flash_erase
    function 'R', 'P', flash_program
    function 'U', 'B', stop
    .word 0
data:
    .byte 'S', 'F'
    .hword floats
    .byte 'S', 'D'
    .hword doubles
    .word 0

    .balign 4
@ Arithmetic and conversions of 32-bit floats, in the order of the SDK's boot/sf_table.h; what the firmware has code of its
@ own for, and comparisons, stop here.
floats:
    .word __aeabi_fadd, __aeabi_fsub, __aeabi_fmul, __aeabi_fdiv
    .word stop + 1, stop + 1, stop + 1
    .word __aeabi_f2iz, stop + 1, __aeabi_f2uiz, stop + 1
    .word __aeabi_i2f, stop + 1, __aeabi_ui2f, stop + 1
    .word stop + 1, stop + 1, stop + 1, stop + 1, stop + 1, stop + 1
    .word stop + 1, stop + 1
    .word __aeabi_l2f, stop + 1, __aeabi_ul2f, stop + 1
    .word __aeabi_f2lz, stop + 1, __aeabi_f2ulz, stop + 1
    .word __aeabi_f2d
@ The same for floats of 64 bits.
doubles:
    .word __aeabi_dadd, __aeabi_dsub, __aeabi_dmul, __aeabi_ddiv
    .word stop + 1, stop + 1, stop + 1
    .word __aeabi_d2iz, stop + 1, __aeabi_d2uiz, stop + 1
    .word __aeabi_i2d, stop + 1, __aeabi_ui2d, stop + 1
    .word stop + 1, stop + 1, stop + 1, stop + 1, stop + 1, stop + 1
    .word stop + 1, stop + 1
    .word __aeabi_l2d, stop + 1, __aeabi_ul2d, stop + 1
    .word __aeabi_d2lz, stop + 1, __aeabi_d2ulz, stop + 1
    .word __aeabi_d2f
