#!/usr/bin/env bash
# Installs the programs and libraries that building Tyto needs, as far as they are missing.
#
#   scripts/install-deps.sh            for bin/tyto
#   scripts/install-deps.sh windows    also for bin/tyto.exe and its tests under Wine
#   scripts/install-deps.sh tests      also the programs that tests compare with
#   scripts/install-deps.sh desktop    also the desktops that tests of idle/ lock and unlock; groups can be joined
#
# Looks first, so it is quick and needs neither network nor privileges where everything is there.
# Go and git are expected: you have cloned this, and Go installs its own versions.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cache.sh"

missing=""

# need PACKAGE CHECK… notes that PACKAGE has to be installed when the check fails.
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
has() { command -v "$1"; }
compiler_has() { [ -e "$(${CC:-cc} -print-file-name="$1")" ]; }

for_linux() {
  need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
  need gcc has "${CC:-cc}"
  need libc6-dev compiler_has libc.a
  need libssl-dev compiler_has libcrypto.a
  need make has make
  need autoconf has autoreconf
  need automake has automake
  need libtool has libtoolize
  need pkg-config has pkg-config
  need bison has bison
  need flex has flex
}

for_windows() {
  need gcc-mingw-w64-x86-64-win32 has x86_64-w64-mingw32-gcc
  need wine has wine
  need wine64 has wine
}

# The tests that need these are skipped without them, but fail in CI.
for_tests() {
  need sqlite3 has sqlite3
  need unzip has unzip
  need p7zip-full has 7z
  need bubblewrap has bwrap
  need perl test -x /usr/bin/perl
  need python3 test -x /usr/bin/python3
}

# The tests that need these are skipped without them, but fail in CI. elogind is not installed, it would
# replace systemd's: see scripts/desktop/elogind.sh.
for_desktop() {
  need dbus has dbus-daemon
  need python3-dbusmock /usr/bin/python3 -c 'import dbusmock'
  need xvfb has Xvfb
  need xdotool has xdotool
  need xscreensaver has xscreensaver
  need mate-screensaver has mate-screensaver
}

install_missing() {
  local sudo=""
  command -v apt-get >/dev/null ||
    die "these are missing, under the names that Debian gives them:$missing. Install what your system calls them and run this again"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "as root, run: apt-get install$missing"
    sudo=sudo
  fi
  note "installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -q >&2
  # shellcheck disable=SC2086  # a list of packages
  $sudo apt-get install -q -y --no-install-recommends $missing >&2
}

command -v go >/dev/null || die "go is missing: get it from https://go.dev/dl (the version in go.mod or newer)"
command -v git >/dev/null || die "git is missing"
for_linux
for group in "$@"; do
  case $group in
  windows) for_windows ;;
  tests) for_tests ;;
  desktop) for_desktop ;;
  *) die "usage: install-deps.sh [windows] [tests] [desktop]" ;;
  esac
done
[ -z "$missing" ] || install_missing
case " $* " in *" desktop "*) "$here/desktop/elogind.sh" >/dev/null ;; esac
