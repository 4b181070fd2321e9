#!/bin/bash
# Format, lint and types of everything that is written here: Python, C and shell. It changes no file. `make lint` makes
# the environment first; to run only this, call scripts/setup.sh once.
set -eu
cd "$(dirname "$0")/.."
BIN=.venv/bin
. scripts/gates.sh

clang_format() { find native device benchmarks -name '*.[ch]' -print0 | xargs -0 $BIN/clang-format --dry-run -Werror; }

gate "ruff format" $BIN/ruff format --check --quiet .
gate "ruff check" $BIN/ruff check --quiet .
gate "mypy --strict" $BIN/mypy
gate "bundle" $BIN/python scripts/bundle check
gate "clang-format" clang_format
gate "shellcheck" $BIN/shellcheck scripts/*.sh .ci/run packaging/debian/{postinst,prerm,postrm,dispatch,holdfast-role,container}
