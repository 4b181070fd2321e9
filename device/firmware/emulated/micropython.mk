# The board's own parts for MicroPython's QEMU port. HF_CRYPTOLIB=1: also a cryptolib, for firmware without the native core.
EMULATED := $(USERMOD_DIR)
SRC_USERMOD_C += $(EMULATED)/emulated.c
LDFLAGS_USERMOD += -Wl,--wrap=pyexec_friendly_repl
CFLAGS_USERMOD += -I$(EMULATED) -I$(TOP)/shared -DMP_CONFIGFILE='"mpconfig_emulated.h"'
ifeq ($(HF_CRYPTOLIB),1)
EMULATED_CORE := $(abspath $(EMULATED)/../../../native)
SRC_USERMOD_C += $(EMULATED)/cryptolib.c
SRC_USERMOD_LIB_C += $(EMULATED_CORE)/src/hf_aes.c
CFLAGS_USERMOD += -I$(EMULATED_CORE)/include -I$(EMULATED_CORE)/src
endif
