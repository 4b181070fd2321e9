# shellcheck shell=bash
# Sourced by scripts/check.sh and scripts/test.sh, from the root of the tree: gates, and two rows of them at once. A gate
# that fails ends the run.
#   gate NAME COMMAND [ARG...]   run the command, and say how long it took
#   together FIRST SECOND        two functions of gates, each on a processor; what the second prints comes after the first
PASSED=()
gate() {
  local name=$1 began=$SECONDS
  shift
  echo "=== $name"
  "$@" || { echo; echo "=== FAILED: $name (after: ${PASSED[*]:-nothing})" >&2; exit 1; }
  PASSED+=("$name,")
  echo "=== $name: good, $((SECONDS - began)) s"
}

together() {
  output=$(mktemp)
  set -m  # the second row is a process group of its own, so that it can be ended whole
  ("$2") > "$output" 2>&1 &
  second=$!
  set +m
  trap 'kill -- -"$second" 2>/dev/null || true; cat "$output"; rm -f "$output"' EXIT
  "$1"
  wait "$second" || exit 1
  cat "$output"
  rm -f "$output"
  trap - EXIT
}
