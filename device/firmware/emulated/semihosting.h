/* Asking the emulator for a service of the host: semihosting, as Arm and RISC-V define it. */
#ifndef HF_SEMIHOSTING_H
#define HF_SEMIHOSTING_H

#include <stdint.h>

#define SEMIHOSTING_OPEN 0x01u
#define SEMIHOSTING_CLOSE 0x02u
#define SEMIHOSTING_WRITE 0x05u
#define SEMIHOSTING_READ 0x06u
#define SEMIHOSTING_SEEK 0x0au
#define SEMIHOSTING_GET_CMDLINE 0x15u

/* Modes of OPEN, those of fopen. */
#define SEMIHOSTING_READ_BINARY 1u   /* "rb" */
#define SEMIHOSTING_UPDATE_BINARY 3u /* "r+b" */

static inline int32_t semihosting(uint32_t operation, const void *arguments)
{
#if defined(__riscv)
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = arguments;
    __asm__ __volatile__(".option push\n"
                         ".option norvc\n"
                         ".balign 16\n" /* the three must be on one page */
                         "slli x0, x0, 0x1f\n"
                         "ebreak\n"
                         "srai x0, x0, 7\n"
                         ".option pop\n"
                         : "+r"(a0)
                         : "r"(a1)
                         : "memory");
    return (int32_t)a0;
#else
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ __volatile__("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
#endif
}

#endif
