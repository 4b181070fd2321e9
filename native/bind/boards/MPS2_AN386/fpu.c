/* Switch the FPU on where the firmware sets up its serial line, which it does first (Armv7-M, B3.2.20: CPACR). */
#include <stdint.h>

void __real_uart_init(void);
void __wrap_uart_init(void);

void __wrap_uart_init(void)
{
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20;
    __asm__ __volatile__("dsb; isb");
    __real_uart_init();
}
