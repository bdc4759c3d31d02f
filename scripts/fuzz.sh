#!/usr/bin/env bash
# Runs each fuzz target of the given packages (default: all) for FUZZTIME (default 20s), one after the
# other, and stops at the first that finds something. go test can fuzz only one target at a time.
set -euo pipefail
[ $# -gt 0 ] || set -- ./...

go list -f '{{.ImportPath}}' "$@" | while read -r package; do
  go test -list '^Fuzz' "$package" </dev/null | { grep '^Fuzz' || true; } | while read -r target; do
    echo "$package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" -fuzzminimizetime 20x "$package" </dev/null
  done
done
