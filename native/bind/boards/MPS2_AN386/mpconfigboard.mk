# MicroPython's QEMU port on a Cortex-M4 with FPU, for which it has no board: its Cortex-M3 with another core, and the
# FPU switched on before anything runs.
include boards/MPS2_AN385/mpconfigboard.mk
QEMU_MACHINE = mps2-an386

# Recursive, as the port's is: what it adds later is expanded later.
CORTEX_M3_CFLAGS := $(CFLAGS)
CFLAGS = $(filter-out -mcpu=cortex-m3 -mfloat-abi=soft -DMICROPY_HW_MCU_NAME=%,$(CORTEX_M3_CFLAGS))
CFLAGS += -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard
CFLAGS += -DMICROPY_HW_MCU_NAME='"Cortex-M4"'
LDFLAGS += -Wl,--wrap=uart_init
SRC_C += boards/MPS2_AN386/fpu.c

MPY_CROSS_FLAGS := $(filter-out -march=%,$(MPY_CROSS_FLAGS)) -march=armv7emsp
