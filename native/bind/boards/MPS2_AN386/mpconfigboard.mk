# MicroPython's QEMU port on a Cortex-M4 with FPU, for which it has no board: its Cortex-M3 with another core, and the
# FPU switched on before anything runs.
include boards/MPS2_AN385/mpconfigboard.mk
QEMU_MACHINE = mps2-an386

CFLAGS := $(filter-out -mcpu=% -mfloat-abi=% -DMICROPY_HW_MCU_NAME=%,$(CFLAGS))
CFLAGS += -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard
CFLAGS += -DMICROPY_HW_MCU_NAME='"Cortex-M4"'
LDFLAGS += -Wl,--wrap=uart_init
SRC_C += boards/MPS2_AN386/fpu.c

MPY_CROSS_FLAGS := $(filter-out -march=%,$(MPY_CROSS_FLAGS)) -march=armv7emsp
