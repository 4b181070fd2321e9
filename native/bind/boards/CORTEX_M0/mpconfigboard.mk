# MicroPython's QEMU port on the Cortex-M0 of a nRF51, its MICROBIT, whose flash of another size takes a linker script.
include boards/MICROBIT/mpconfigboard.mk
LDSCRIPT = boards/CORTEX_M0/nrf51.ld
