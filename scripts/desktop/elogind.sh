#!/usr/bin/env bash
# Fetches elogind, a logind that runs without systemd, for tests, and prints the folder that it is in.
#
# It is unpacked into the cache, not installed: its package would replace systemd's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cache.sh"

# fetch STAGE downloads the distribution's packages and unpacks them.
fetch() {
  mkdir "$1/packages"
  (cd "$1/packages" && chmod 755 . && apt-get -o APT::Sandbox::User=root download -q elogind libelogind0)
  for package in "$1"/packages/*.deb; do
    dpkg -x "$package" "$1"
  done
  rm -r "$1/packages"
}

version=$(apt-cache show --no-all-versions elogind 2>/dev/null | sed -n 's/^Version: //p')
if [ -z "$version" ]; then
  [ -x "$TYTO_CACHE/elogind/lib/elogind/elogind" ] || die "no package elogind; run: apt-get update"
else
  cached "$TYTO_CACHE/elogind" "elogind $version" fetch
fi
echo "$TYTO_CACHE/elogind"
