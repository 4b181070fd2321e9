#!/bin/bash
# Put the type stubs of MicroPython's ports into .cache/stubs/PORT, as tests/device/stubs/PORT.lock pins them: what
# tests/device/test_stubs.py checks the device code against. Safe to run again. Call it after scripts/setup.sh.
set -eu
cd "$(dirname "$0")/.."

die() { echo "stubs: $*" >&2; exit 1; }
[ -x .venv/bin/python ] || die "no .venv: run scripts/setup.sh first."
for lock in tests/device/stubs/*.lock; do
  port=$(basename "$lock" .lock)
  out=.cache/stubs/$port
  stamp=$(sha256sum < "$lock")
  [ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ] && continue
  echo "stubs: installing $lock into $out"
  rm -rf "$out"
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes --target "$out" -r "$lock" \
    || die "pip could not install $lock: see its message above (is the package index reachable?)."
  echo "$stamp" > "$out/.stamp"
done
