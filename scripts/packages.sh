#!/bin/bash
# Build the Debian packages of the server and the hub and their container images, from this tree and without a registry
# of images: `make packages`. As root on Debian 12 it installs what is missing. Packages of Python and of Debian come from
# wherever pip and apt of this machine take them. Safe to run again. Call it after scripts/setup.sh.
#   build/packages             holdfast-server_*.deb, holdfast-hub_*.deb, a list of what is in each, SHA256SUMS
#   .cache/packages/base       a bare Debian 12 with Python, on which tests install them and images stand
#   .cache/packages/systemd    packages of systemd, which one test adds to that and starts
#   .cache/packages/images     images localhost/holdfast-server and localhost/holdfast-hub, in a store of buildah's own:
#                              scripts/packages.sh buildah images
set -eu
cd "$(dirname "$0")/.."
cache=$PWD/.cache/packages
out=$PWD/build/packages
say() { echo "packages: $*" >&2; }

# Without user namespaces, overlays and a runtime: a store of plain folders, and a command runs in a chroot.
store() { buildah --storage-driver vfs --root "$cache/images" --runroot "$cache/images.run" "$@"; }
if [ "${1:-}" = buildah ]; then
  store "${@:2}"
  exit
fi

missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
[ -e "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || missing+=(python3-dev)
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v buildah >/dev/null || missing+=(buildah)
command -v systemd-analyze >/dev/null || missing+=(systemd)
PATH=$PATH:/usr/sbin command -v mosquitto >/dev/null || missing+=(mosquitto)
/usr/bin/python3 -c 'import yaml' 2>/dev/null || missing+=(python3 python3-yaml)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "needs ${missing[*]}; on Debian: sudo apt-get install ${missing[*]}"
    exit 1
  fi
  say "installing ${missing[*]} with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update || { say "apt-get update failed: see its message above."; exit 1; }
  apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}" >/dev/null \
    || { say "apt-get could not install ${missing[*]}: see its message above."; exit 1; }
  scripts/setup.sh # which builds the C core now that it can
fi
if [ "$(id -u)" != 0 ]; then
  say "a base system and images are root's to build: sudo scripts/packages.sh"
  exit 1
fi

mkdir -p "$cache" "$out"
if [ ! -d "$cache/base" ] || [ ! -d "$cache/systemd" ]; then
  say "making a bare Debian 12"
  # No manuals and translations: nobody reads them in a test or an image. dpkg unpacks without fsync: it may be lost.
  rm -rf "$cache/base.part" "$cache/systemd"
  mkdir "$cache/systemd"
  export SYSTEMD=$cache/systemd
  mmdebstrap --quiet --mode=root --format=directory --variant=apt --include=python3,adduser \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --customize-hook='rm "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap' \
    --customize-hook='rm -f "$1"/var/cache/apt/archives/*.deb' \
    --customize-hook='APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq --yes --download-only install systemd >/dev/null' \
    --customize-hook='mv "$1"/var/cache/apt/archives/*.deb "$SYSTEMD"' bookworm "$cache/base.part" \
    || { say "mmdebstrap could not make a base system: see its message above."; exit 1; }
  rm -rf "$cache/base"
  mv "$cache/base.part" "$cache/base"
fi

rm -f "$out"/*.deb "$out"/*.json
.venv/bin/python scripts/pack "$out"
(cd "$out" && sha256sum -- *.deb *.json >SHA256SUMS)

build() { store build --quiet --isolation chroot --format docker "$@" >/dev/null; }
if [ -z "$(store images --quiet --filter reference=localhost/holdfast-base)" ]; then
  printf 'FROM scratch\nCOPY base /\nCMD ["/bin/sh"]\n' \
    | build --tag holdfast-base --file - --ignorefile /dev/null "$cache"
fi
for role in server hub; do
  build --pull-never --build-arg BASE=localhost/holdfast-base --tag "holdfast-$role" \
    --file "$PWD/packaging/container/Containerfile.$role" "$out"
done
store images --filter 'reference=localhost/holdfast-*'
