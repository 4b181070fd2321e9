#!/bin/bash
# Write requirements.lock and requirements-cwt.lock anew: the newest versions that pyproject.toml allows, with
# hashes and without the name of any package index. Run it on the oldest Python we support (3.11).
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${HOLDFAST_PYTHON:-python3.11}" -m venv "$tools"
"$tools/bin/pip" install -q pip-tools==7.6.2
compile() {
  "$tools/bin/pip-compile" -q --generate-hashes --strip-extras --allow-unsafe --no-header --resolver=backtracking \
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links "$@"
}
compile --upgrade --all-extras --all-build-deps -o requirements.lock pyproject.toml
echo 'cwt==3.3.0' | compile --upgrade -o requirements-cwt.lock -
echo "lock: wrote requirements.lock and requirements-cwt.lock"
