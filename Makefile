# Holdfast. `make help` says what there is; each target makes the environment that it needs.
.PHONY: help demo device check test test-cores test-boards test-firmware test-firmware-all packages test-packages fuzz mutants lint bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    see the two stories, EKG and test tube, on this machine (makes .venv first)"
	@echo "make device  what holdfast device push and mip install on boards: build/device, .mpy by processor"
	@echo "make check   before each commit: lint, and the core and dual suites on CPython; under a minute, no C compiler"
	@echo "make test    every gate: format, lint, types, both interpreters, all tests"
	@echo "make test-cores   the C core on emulated Cortex-M and RISC-V; installs a gigabyte of compilers"
	@echo "make test-boards  every vector down every path, on emulated Cortex-M0, M3, M4, RV32 and Pico; the same compilers"
	@echo "make test-firmware   the tube story on an emulated Cortex-M3; test-firmware-all: also M0, M4, RV32 and Pico"
	@echo "make test-families   the tube story with the C core on a Cortex-M0, M4, RV32 and Pico, and the stack of the Pico"
	@echo "make nightly   what one run of .ci/run has no time for: all boards, all firmware, all versions of MicroPython"
	@echo "make test-dialects  the dual suite on MicroPython 1.23 to 1.29, as WebAssembly in node; VERSIONS=\"1.23 1.29\" for some"
	@echo "make fuzz    ten CPU-minutes of libFuzzer on the C core; FUZZ_CPU_MINUTES=600 make fuzz for ten hours of it"
	@echo "make mutants  leave out or bend each check of the trust path, and see that a test notices; hours. MUTANTS=\"policy --sample 20\""
	@echo "make lint    only format, lint and types, of Python, C and shell"
	@echo "make packages   Debian packages and container images of server and hub, in build/packages; wants root on Debian 12"
	@echo "make test-packages  the same, then installed in a bare Debian, run, removed, purged; and what systemd says of the units"
	@echo "make bench   tokens, OSCORE and signatures side by side with other libraries, and on small cores; then the hub beside aiocoap and mosquitto"
	@echo "make clean   remove everything that these targets made"

demo:
	@scripts/setup.sh
	@scripts/micropython.sh
	@.venv/bin/holdfast sim ekg
	@.venv/bin/holdfast sim tube --hub

# The C core goes along for each processor that scripts/natmod.sh ARCH... was run for; its compilers are for whoever has them.
device:
	@scripts/setup.sh
	@.venv/bin/python scripts/bundle packages

test:
	@scripts/setup.sh
	@scripts/toolchain.sh
	@scripts/micropython.sh
	@scripts/test.sh

test-cores:
	@scripts/setup.sh
	@scripts/toolchain.sh cores
	@.venv/bin/python -m pytest -q -m cores

test-boards:
	@scripts/setup.sh
	@scripts/toolchain.sh boards
	@scripts/boards.sh $(BOARDS)

test-firmware:
	@scripts/setup.sh
	@scripts/toolchain.sh boards
	@scripts/micropython.sh
	@scripts/natmod.sh armv7m
	@scripts/firmware.sh qemu-cortex-m3
	@.venv/bin/python -m pytest -q -m boards -k "not cortex-m0 and not cortex-m4 and not rv32 and not rp2040"

FAMILIES = qemu-cortex-m0 qemu-cortex-m4 qemu-rv32 rp2040
test-families:
	@scripts/setup.sh
	@scripts/toolchain.sh boards
	@scripts/micropython.sh
	@HOLDFAST_VARIANTS=native scripts/firmware.sh $(FAMILIES)
	@.venv/bin/python -m pytest -q -m boards -k "$(patsubst %,tube-%-native or,$(FAMILIES)) around_the_device" \
	  tests/sim/test_stories.py tests/device/test_board_pico.py

nightly: test-boards test-firmware-all test-dialects test-cores

test-firmware-all:
	@scripts/setup.sh
	@scripts/toolchain.sh boards
	@scripts/micropython.sh
	@scripts/natmod.sh armv7m
	@scripts/firmware.sh qemu-cortex-m3 qemu-cortex-m0 qemu-cortex-m4 qemu-rv32 rp2040
	@.venv/bin/python -m pytest -q -m boards

test-dialects:
	@scripts/setup.sh
	@scripts/dialects.sh $(VERSIONS)

fuzz:
	@scripts/setup.sh
	@scripts/toolchain.sh
	@.venv/bin/python tests/tools/fuzz_native.py $(FUZZ_CPU_MINUTES)

mutants:
	@scripts/setup.sh
	@scripts/toolchain.sh
	@scripts/micropython.sh
	@.venv/bin/python tests/tools/mutants.py $(MUTANTS)

packages:
	@scripts/setup.sh
	@scripts/packages.sh

test-packages: packages
	@.venv/bin/python -m pytest -q -m packages tests/packaging

check:
	@scripts/setup.sh
	@scripts/check.sh

lint:
	@scripts/setup.sh
	@scripts/lint.sh

bench:
	@scripts/setup.sh
	@scripts/toolchain.sh cores
	@PYTHONPATH=tests .venv/bin/python benchmarks/bench.py
	@PYTHONPATH=tests .venv/bin/python benchmarks/hub.py

clean:
	rm -rf .venv .venv-cwt .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
