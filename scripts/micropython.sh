#!/bin/bash
# Put a real MicroPython 1.25 (unix port) into .cache/micropython, without compiling and without touching the
# system: Debian trixie's package and its libraries, fetched by apt (which checks their signatures) with a
# package list of its own, and unpacked privately. Works as any user. Safe to run again.
#   HOLDFAST_DEBIAN_MIRROR=URI  use this Debian mirror instead of the one that apt is configured with
#   HOLDFAST_MICROPYTHON=PATH   use this interpreter (unix port, 1.25 or newer) instead of fetching one
set -eu
cd "$(dirname "$0")/.."
DEST=.cache/micropython
VERSION=1.25.0+ds-1  # pinned; its libraries are not, because point releases move them
PACKAGES="micropython=$VERSION libc6 libmbedtls21 libmbedcrypto16 libmbedx509-7 libffi8 libgcc-s1"
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

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null \
  || die "the tests need MicroPython >= 1.25 (unix port): this script fetches it with apt, which is not here; install it yourself and set HOLDFAST_MICROPYTHON to its path."

# The Debian mirrors that apt already uses, one URI a line: apt's own view first, which knows both file formats,
# then the files themselves for an apt too old or too restricted to tell.
mirrors() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null || true
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null \
    | sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' || true
  cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\).*/\1/p' || true
}
MIRROR=${HOLDFAST_DEBIAN_MIRROR:-$(mirrors | grep -m1 '/debian/\?$' || true)}
[ -n "$MIRROR" ] \
  || die "apt has no Debian mirror configured; set HOLDFAST_DEBIAN_MIRROR to one, or HOLDFAST_MICROPYTHON to an interpreter."

WORK=$PWD/.cache/micropython.new
rm -rf "$WORK"
mkdir -p "$WORK/root" "$WORK/apt/parts" "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial"
trap 'rm -rf "$WORK"' EXIT
KEYRING=$(sed -n 's/^Signed-By: *\(\/.*debian-archive.*\)/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -1)
[ -f "$KEYRING" ] || KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
{
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\n' "$MIRROR"
  # Without the keyring file, apt trusts the keys that it has by other means; it never goes unsigned.
  if [ -f "$KEYRING" ]; then echo "Signed-By: $KEYRING"; fi
} > "$WORK/apt/parts/trixie.sources"

# apt's own configuration (proxies, certificates) less its hooks and sources, plus folders of our own. Docker images
# have a hook that empties the system's archive folder, which is none of our business.
{
  apt-config dump | grep -v 'Invoke\|^Dir::\|^Dir "'
  cat <<EOF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$WORK/apt/parts";
Dir::State::lists "$WORK/apt/lists";
Dir::Cache "$WORK/apt/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
EOF
} > "$WORK/apt/apt.conf"
private_apt() { APT_CONFIG="$WORK/apt/apt.conf" apt-get -qq "$@"; }
fetch() { private_apt update && (cd "$WORK" && private_apt download $PACKAGES); }

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
