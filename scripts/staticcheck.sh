#!/usr/bin/env bash
# Runs the pinned staticcheck, built once into the cache. Configured by staticcheck.conf.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pins.sh"
. "$here/cache.sh"

# For this machine, whatever target the caller's environment is set up for. GOBIN and a foreign GOOS
# exclude each other.
build() {
  env -u GOOS -u GOARCH GOFLAGS= CGO_ENABLED=0 GOBIN="$1" \
    go install "honnef.co/go/tools/cmd/staticcheck@$STATICCHECK_VERSION"
}

# Built by the same Go as the code: an older one cannot read the newer one's packages.
tool=$TYTO_CACHE/build/staticcheck-$STATICCHECK_VERSION-$(go env GOVERSION)
cached "$tool" 1 build
exec "$tool/staticcheck" "$@"
