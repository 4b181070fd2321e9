#!/bin/bash
# Make .venv with Holdfast (every role and the test tools, pinned by requirements.lock) and .venv-cwt with
# python-cwt, which cannot live beside cbor2 6. Safe to run again: it does nothing when nothing changed.
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

# The lock is measured on 3.11, so that is looked for first; python3 of another name is as good if it runs.
find_python() {
  for name in "${HOLDFAST_PYTHON:-python3.11}" python3.12 python3.13 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}
can_make_venvs() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

PYTHON=$(find_python || true)
if [ -z "$PYTHON" ] || ! can_make_venvs "$PYTHON"; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing python3 and python3-venv with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update || die "apt-get update failed: see its message above."
    apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends python3 python3-venv ca-certificates >/dev/null \
      || die "apt-get could not install python3-venv: see its message above."
    PYTHON=$(find_python || true)
  fi
  [ -n "$PYTHON" ] || die "Holdfast needs Python 3.11 or newer; on Debian: sudo apt-get install python3 python3-venv"
  can_make_venvs "$PYTHON" \
    || die "$PYTHON has no venv module; on Debian: sudo apt-get install python3-venv"
fi

# venv_for DIR LOCK EXTRA-INPUT: a venv that holds exactly LOCK. The stamp names everything that it depends on.
venv_for() {
  dir=$1 lock=$2 also=${3:-}
  stamp=$( (echo "$PWD"; "$PYTHON" -V; cat "$lock" ${also:+"$also"}) | sha256sum | cut -d' ' -f1)
  if [ -x "$dir/bin/python" ] && [ "$(cat "$dir/.stamp" 2>/dev/null)" = "$stamp" ]; then
    return 0
  fi
  say "installing $lock into $dir"
  # A venv of another folder or interpreter is replaced; one that only fell behind is brought up to date.
  "$dir/bin/pip" --version >/dev/null 2>&1 || "$PYTHON" -m venv --clear "$dir"
  rm -f "$dir/.stamp"
  "$dir/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$lock" \
    || die "pip could not install $lock: see its message above (is the package index reachable?)."
  if [ -n "$also" ]; then
    # The distribution had this name: what an old .venv has of it names commands in files that are gone.
    "$dir/bin/python" -m pip uninstall -q -y --disable-pip-version-check holdfast 2>/dev/null
    "$dir/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . \
      || die "pip could not install Holdfast itself: see its message above."
    "$dir/bin/python" -m pip check >/dev/null \
      || die "$lock does not satisfy pyproject.toml: run scripts/lock.sh and look at 'pip check'."
  fi
  echo "$stamp" > "$dir/.stamp"
}

venv_for .venv requirements.lock pyproject.toml
venv_for .venv-cwt requirements-cwt.lock

# The C core for CPython: an optional speed-up, so a machine without a compiler goes on without it, and is told.
core=$(find native/bind/cffi native/bind/hf_token_items.h native/src native/include scripts/p256_generator.py -type f ! -path '*/__pycache__/*' \
  | LC_ALL=C sort | xargs cat | sha256sum | cut -d' ' -f1)
if [ "$(cat .cache/native-core 2>/dev/null)" != "$core" ] || [ ! -e native/holdfast_core/_native.abi3.so ]; then
  mkdir -p .cache
  if .venv/bin/python native/bind/cffi/build_native.py >/dev/null; then echo "$core" > .cache/native-core; fi
fi
say "ready: .venv/bin/holdfast"
