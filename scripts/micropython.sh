#!/bin/bash
# Put a real MicroPython 1.25 (unix port) into .cache/micropython, without compiling and without touching the
# system: Debian trixie's package and its libraries, fetched by apt (which checks their signatures) with a
# package list of its own, and unpacked privately. Works as any user. Safe to run again.
#   HOLDFAST_DEBIAN_MIRROR=URI  use this Debian mirror instead of the one that apt is configured with
#   HOLDFAST_MICROPYTHON=PATH   use this interpreter (unix port, 1.25 or newer) instead of fetching one
set -eu
cd "$(dirname "$0")/.."
. scripts/trixie.sh
DEST=.cache/micropython
VERSION=1.25.0+ds-1  # pinned; its libraries are not, because point releases move them
PACKAGES=("micropython=$VERSION" libc6 libmbedtls21 libmbedcrypto16 libmbedx509-7 libffi8 libgcc-s1)
PROBE='import sys, hashlib, cryptolib, socket, asyncio; assert sys.implementation.version >= (1, 25)'

die() { echo "micropython: $*" >&2; exit 1; }
works() { "$1" -c "$PROBE" >/dev/null 2>&1; }

wanted=${HOLDFAST_MICROPYTHON:-$VERSION}
if [ "$(cat $DEST/.stamp 2>/dev/null)" = "$wanted" ] && works $DEST/micropython; then
  exit 0
fi
mkdir -p .cache

if [ -n "${HOLDFAST_MICROPYTHON:-}" ]; then
  works "$HOLDFAST_MICROPYTHON" || die "$HOLDFAST_MICROPYTHON is no MicroPython >= 1.25 with cryptolib, socket and asyncio."
  rm -rf $DEST && mkdir -p $DEST
  printf '#!/bin/sh\nexec "%s" "$@"\n' "$HOLDFAST_MICROPYTHON" > $DEST/micropython
  chmod +x $DEST/micropython
  echo "$wanted" > $DEST/.stamp
  exit 0
fi

{ command -v apt-get && command -v dpkg-deb; } >/dev/null \
  || die "the tests need MicroPython >= 1.25 (unix port): this script fetches it with apt, which is not here; install it yourself and set HOLDFAST_MICROPYTHON to its path."

WORK=$PWD/.cache/micropython.new
rm -rf "$WORK"
mkdir -p "$WORK/root"
trap 'rm -rf "$WORK"' EXIT
trixie_apt "$WORK/apt" deb \
  || die "apt has no Debian mirror configured; set HOLDFAST_DEBIAN_MIRROR to one, or HOLDFAST_MICROPYTHON to an interpreter."
fetch() { private_apt update && (cd "$WORK" && private_apt download "${PACKAGES[@]}"); }

echo "micropython: fetching MicroPython $VERSION with apt"
# A mirror can move under a fresh package list (404): a second look settles it.
fetch || { echo "micropython: once more with a fresh package list" >&2; rm -f "$WORK"/*.deb; fetch; } \
  || die "apt could not fetch MicroPython from the Debian mirror: see its message above."
for deb in "$WORK"/*.deb; do
  dpkg-deb -x "$deb" "$WORK/root"
done
rm -rf "$WORK"/*.deb "$WORK/apt"

# Debian trixie's own loader and C library run it, so that an older system's do not matter.
loader=$(cd "$WORK/root" && find usr -name 'ld-linux*.so.*' | head -1)
libs=$(cd "$WORK/root" && dirname "$(find usr -name libc.so.6 | head -1)")
cat > "$WORK/micropython" <<EOF
#!/bin/sh
R=\$(dirname "\$(readlink -f "\$0")")/root
exec "\$R/$loader" --library-path "\$R/$libs" "\$R/usr/bin/micropython" "\$@"
EOF
chmod +x "$WORK/micropython"
works "$WORK/micropython" || die "the fetched MicroPython does not run here: $("$WORK/micropython" -c "$PROBE" 2>&1 | tail -1)"
echo "$wanted" > "$WORK/.stamp"
rm -rf $DEST && mv "$WORK" $DEST
