#!/bin/bash
# What to run before each commit: format, lint and types, and the core and dual suites on CPython. It wants no C compiler
# and no MicroPython, and takes less than a minute on two processors. `make check` makes the environment first.
set -eu
cd "$(dirname "$0")/.."
BIN=.venv/bin
. scripts/gates.sh

# Left out here, and run by `make test`: a file that asks MicroPython, one that asks the C core, and a test of 11 s.
dual() {
  gate "dual suite on CPython" $BIN/python -m pytest -q tests/dual --deselect tests/dual/test_out_of_memory.py::EachPort
}
core() {
  gate "core suite" $BIN/python -m pytest -q tests/core \
    --ignore tests/core/test_verdicts_agree.py --ignore tests/core/test_crypto_providers.py
}
lint_and_dual() { scripts/lint.sh; dual; }
together lint_and_dual core
echo "=== checked in $SECONDS s"
