# hf_native in the firmware: make -C ports/PORT USER_C_MODULES=/path/to/native/bind ...
# Needs python3 for the generator's table; teeth and blocks as in native/include/hf_p256.h, 6 1 is 2 KB of flash.
HF_BIND := $(USERMOD_DIR)
HF_NATIVE := $(abspath $(HF_BIND)/../..)
HF_TABLE := $(BUILD)/hf_native

SRC_USERMOD_C += $(HF_BIND)/modhf_native.c
SRC_USERMOD_LIB_C += $(addprefix $(HF_NATIVE)/src/,hf_sha256.c hf_hmac.c hf_aes.c hf_aes_ccm.c hf_p256.c \
  hf_cbor.c hf_cose.c hf_claims.c hf_fields.c hf_scope.c hf_token.c hf_token_cnf.c hf_token_open.c hf_token_rules.c)
CFLAGS_USERMOD += -I$(HF_NATIVE)/include -I$(HF_NATIVE)/src -I$(HF_TABLE)

# Where the field of P-256 is in assembly.
ifneq ($(filter -mcpu=cortex-m0 -mcpu=cortex-m0plus,$(CFLAGS)),)
HF_ASM := hf_p256_armv6m.S
else ifneq ($(filter -mcpu=cortex-m4 -mcpu=cortex-m7 -mcpu=cortex-m33,$(CFLAGS)),)
HF_ASM := hf_p256_armv7em.S
endif
ifneq ($(HF_ASM),)
SRC_USERMOD_LIB_ASM += $(HF_NATIVE)/asm/$(HF_ASM)
CFLAGS_USERMOD += -DHF_P256_ASM=1
endif

HF_MADE := $(shell mkdir -p $(HF_TABLE) && python3 $(HF_NATIVE)/../scripts/p256_generator.py 6 1 $(HF_TABLE)/hf_p256_generator.h || echo failed)
ifneq ($(HF_MADE),)
$(error the table of the generator could not be made)
endif
