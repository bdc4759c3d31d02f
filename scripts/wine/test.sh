#!/usr/bin/env bash
# Runs the tests of the given packages as Windows programs under Wine.
#
#   scripts/wine/test.sh ./scanner/walk ./ioc…
#
# Passing here shows that the code for Windows runs, not that real Windows behaves like Wine.
# Flags for go test go into TESTFLAGS.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cache.sh"

# overlay prints the file for "go test -overlay". Wine 8 does not know the way in which Go removes
# folders; Go's own tests have a switch for the older way, which is turned on in a copy of that source.
overlay() {
  local original copy
  original=$(go env GOROOT)/src/internal/syscall/windows/at_windows.go
  copy=$scratch/at_windows.go
  sed 's/^var TestDeleteatFallback bool$/var TestDeleteatFallback = true/' "$original" >"$copy"
  ! cmp -s "$original" "$copy" || die "$original has changed: this Go needs another work-around for Wine"
  printf '{"Replace": {"%s": "%s"}}\n' "$original" "$copy" >"$scratch/overlay.json"
  echo "$scratch/overlay.json"
}

wine=$("$here/setup.sh")
scratch=$wine/overlay-$(go env GOVERSION) # a fixed place, so that go's build cache knows the copy again
mkdir -p "$scratch"
overlay=$(overlay)

"$here/run.sh" "$wine/sleeper.exe" </dev/null >/dev/null 2>&1 &
sleeper=$!
trap 'kill "$sleeper" 2>/dev/null; wait "$sleeper" 2>/dev/null || true' EXIT

# shellcheck disable=SC2086  # a list of flags
go test -overlay "$overlay" -exec "$here/run.sh" ${TESTFLAGS-} "$@"
