#!/bin/bash
# See that what builds and examines the C core is there: gcc, clang with its sanitizers and libFuzzer, the headers of
# libc and Python, clang-tidy, cppcheck, valgrind, which proves constant time, and mosquitto, the broker that the tests of
# MQTT talk to. As root on Debian it installs what is missing; otherwise it says what to install. Safe to run again. Call
# it after scripts/setup.sh.
#   scripts/toolchain.sh cores    also what the emulated cores and the benchmarks want: compilers for Arm and RISC-V,
#                                 qemu, and OpenSSL to measure against
#   scripts/toolchain.sh boards   also what MicroPython on emulated boards wants: the same, libraries, and whole machines
set -eu
cd "$(dirname "$0")/.."

compiles() { echo '#include <stdlib.h>' | "${CC:-gcc}" -x c -fsyntax-only - 2>/dev/null; }
python_include() { .venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["include"])'; }

missing=()
command -v "${CC:-gcc}" >/dev/null || missing+=(gcc)
compiles || missing+=(libc6-dev)
[ -e "$(python_include)/Python.h" ] || missing+=(python3-dev)
command -v valgrind >/dev/null || missing+=(valgrind)
PATH=$PATH:/usr/sbin command -v mosquitto >/dev/null || missing+=(mosquitto)
# Whether clang links a fuzz target under the sanitizers.
fuzzes() {
  echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return p == 0 && n; }' \
    | clang -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null
}
fuzzes || missing+=(clang libclang-rt-14-dev)  # of Debian 12
# Whether gcc links for 32 bits under the sanitizers, where this machine would run that.
narrow() { echo 'int main(void) { return 0; }' | gcc -m32 -fsanitize=address,undefined -x c - -o /dev/null 2>/dev/null; }
[ "$(uname -m)" != x86_64 ] || narrow || missing+=(gcc-multilib)
command -v clang-tidy >/dev/null || missing+=(clang-tidy)
command -v cppcheck >/dev/null || missing+=(cppcheck)
if [ "${1:-}" = cores ]; then
  command -v arm-none-eabi-gcc >/dev/null || missing+=(gcc-arm-none-eabi libnewlib-arm-none-eabi)
  command -v riscv64-unknown-elf-gcc >/dev/null || missing+=(gcc-riscv64-unknown-elf)
  command -v qemu-arm >/dev/null || missing+=(qemu-user)
  echo '#include <openssl/evp.h>' | "${CC:-gcc}" -x c -fsyntax-only - 2>/dev/null || missing+=(libssl-dev)
fi
if [ "${1:-}" = boards ]; then
  command -v make >/dev/null || missing+=(make)
  command -v arm-none-eabi-gcc >/dev/null || missing+=(gcc-arm-none-eabi libnewlib-arm-none-eabi)
  command -v riscv64-unknown-elf-gcc >/dev/null || missing+=(gcc-riscv64-unknown-elf)
  [ -e /usr/lib/picolibc/riscv64-unknown-elf ] || missing+=(picolibc-riscv64-unknown-elf)
  command -v qemu-system-arm >/dev/null || missing+=(qemu-system-arm)
  command -v qemu-system-riscv32 >/dev/null || missing+=(qemu-system-misc)
  command -v cmake >/dev/null || missing+=(cmake)
  command -v bzip2 >/dev/null || missing+=(bzip2)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "toolchain: installing ${missing[*]} with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update || { echo "toolchain: apt-get update failed: see its message above." >&2; exit 1; }
  apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}" >/dev/null \
    || { echo "toolchain: apt-get could not install ${missing[*]}: see its message above." >&2; exit 1; }
  exec scripts/setup.sh  # which builds the C core now that it can
fi
echo "toolchain: the tests of the C core need ${missing[*]}; on Debian: sudo apt-get install ${missing[*]}" >&2
exit 1
