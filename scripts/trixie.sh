# shellcheck shell=bash
# To be sourced: an apt of our own that sees Debian trixie only, beside the system's, as any user. It uses the mirror
# and the signing keys that the system's apt is configured with, and never goes unsigned.
#   trixie_apt DIR TYPES    set it up in the new folder DIR, for TYPES (deb, deb-src); fails when there is no mirror
#   private_apt ARG...      then call it
#   HOLDFAST_DEBIAN_MIRROR=URI  use this Debian mirror instead of the one that apt is configured with

# The Debian mirrors that apt already uses, one URI a line: apt's own view first, which knows both file formats,
# then the files themselves for an apt too old or too restricted to tell.
mirrors() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null || true
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null \
    | sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' || true
  cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\).*/\1/p' || true
}

trixie_apt() {
  local apt=$1 types=$2 mirror keyring
  mirror=${HOLDFAST_DEBIAN_MIRROR:-$(mirrors | grep -m1 '/debian/\?$' || true)}
  [ -n "$mirror" ] || return 1
  mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
  keyring=$(sed -n 's/^Signed-By: *\(\/.*debian-archive.*\)/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -1)
  [ -f "$keyring" ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  {
    printf 'Types: %s\nURIs: %s\nSuites: trixie\nComponents: main\n' "$types" "$mirror"
    # Without the keyring file, apt trusts the keys that it has by other means; it never goes unsigned.
    if [ -f "$keyring" ]; then echo "Signed-By: $keyring"; fi
  } > "$apt/parts/trixie.sources"
  # apt's own configuration (proxies, certificates) less its hooks and sources, plus folders of our own. Docker images
  # have a hook that empties the system's archive folder, which is none of our business.
  {
    apt-config dump | grep -v 'Invoke\|^Dir::\|^Dir "'
    cat <<CONF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/parts";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
CONF
  } > "$apt/apt.conf"
  TRIXIE_APT_CONF=$apt/apt.conf
}
private_apt() { APT_CONFIG=$TRIXIE_APT_CONF apt-get -qq "$@"; }
