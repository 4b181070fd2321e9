#!/bin/bash
# Run the dual suite on MicroPython 1.23 to 1.29: builds of WebAssembly from npm, pinned with their hashes by
# tests/tools/dialects/package-lock.json. Safe to run again. Call it after scripts/setup.sh.
#   dialects.sh [VERSION...]   1.23 1.24 1.25 1.26 1.27 1.28 1.29; all when none is named
# Where there is no node with npm, both come from PyPI. What these builds lack, and what is left out because of it, says
# tests/tools/dialects/suite.py. They say nothing about boards' memory: it grows.
set -eu
cd "$(dirname "$0")/.."
ROOT=$PWD
WASM=$ROOT/.cache/wasm
TOOLS=tests/tools/dialects

die() { echo "dialects: $*" >&2; exit 1; }
[ -x .venv/bin/python ] || die "no .venv: run scripts/setup.sh first."
mkdir -p "$WASM"

. scripts/node.sh
need_node
PATH=$NODE_PATH_FRONT${NODE_PATH_FRONT:+:}$PATH

if [ "$(cat "$WASM/.stamp" 2>/dev/null)" != "$(sha256sum < $TOOLS/package-lock.json)" ]; then
  cp $TOOLS/package.json $TOOLS/package-lock.json "$WASM/"
  (cd "$WASM" && npm ci --silent) || die "npm could not install the builds: see its message above."
  sha256sum < $TOOLS/package-lock.json > "$WASM/.stamp"
fi

[ $# -gt 0 ] || set -- 1.23 1.24 1.25 1.26 1.27 1.28 1.29
# As many at once as there are cores; each says what it has to say when it ends.
one() {
  local said
  said=$(node $TOOLS/dialects.mjs "$WASM/node_modules/micropython-$1/micropython.mjs" . 2>&1)
  local code=$?
  printf '=== MicroPython %s\n%s\n' "$1" "$said"
  return $code
}
export -f one
export TOOLS WASM
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'one {}' || die "a version failed: see FAIL above."
