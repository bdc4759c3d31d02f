#!/usr/bin/env bash
# Makes sure that a libyara exists that Tyto can be linked with statically.
#
#   scripts/libyara.sh linux|windows
#
# Prints its folder, or "system" when the system's own libyara serves. Takes a minute the first
# time (and five of OpenSSL for Windows), nothing later. The folder also holds the commands
# yara and yarac of the same build: the tests hold Tyto's matches against them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pins.sh"
. "$here/cache.sh"

# The modules that public rule sets import. cuckoo and magic stay off: they need further libraries,
# and nothing on a scanned machine would feed them.
modules="--with-crypto --enable-dex --enable-macho"

main() {
  case ${1:-} in
  linux)
    if system_libyara_serves; then
      echo system
      return
    fi
    target=linux-$(go env GOHOSTARCH)
    libcrypto=$(pkg-config --modversion libcrypto)
    make_libyara ;;
  windows)
    target=windows-amd64
    openssl=$("$here/openssl-windows.sh")
    libcrypto=$(cat "$openssl/.recipe")
    make_libyara --host=x86_64-w64-mingw32 \
      CPPFLAGS="-I$openssl/include" LDFLAGS="-L$openssl/lib" LIBS="-lws2_32 -lgdi32 -lcrypt32" ;;
  *) die "usage: libyara.sh linux|windows" ;;
  esac
  echo "$prefix"
}

# make_libyara OPTION… builds libyara for $target unless the cache has it, and again when $libcrypto,
# which it is compiled and linked with, is another one.
make_libyara() {
  prefix=$TYTO_CACHE/build/libyara-$YARA_VERSION-$target
  cached "$prefix" "yara $YARA_VERSION recipe $YARA_RECIPE with libcrypto $libcrypto" build "$@"
}

build() {
  local stage=${!#} source
  set -- "${@:1:$#-1}"
  source=$("$here/fetch.sh" yara)
  mkdir "$stage/work"
  tar -xf "$source" -C "$stage/work" --strip-components=1
  cd "$stage/work"
  autoreconf -fi
  # shellcheck disable=SC2086  # a list of options
  ./configure --prefix="$prefix" --disable-shared --enable-static $modules CFLAGS="-O2 -g0" "$@"
  make -j"$(nproc)"
  make install DESTDIR="$stage/root"
  mv "$stage/root$prefix"/* "$stage/"
  cd /
  rm -rf "$stage/work" "$stage/root"
}

# system_libyara_serves says whether the system's libyara is new enough, static, and has what rules
# need. Distributions differ in how they build it, so the question is put to the library itself: a
# program that compiles such rules must link statically and run. The yara command must be there too,
# of the same version: it is the oracle of the tests.
system_libyara_serves() {
  local version probe status
  version=$(pkg-config --modversion yara 2>/dev/null) || return 1
  case $(pkg-config --variable=prefix yara) in "$TYTO_CACHE"/*) return 1 ;; esac # ours, by an earlier env.sh
  pkg-config --atleast-version="$YARA_MINIMUM" yara || return 1
  [ "$(yara --version 2>/dev/null)" = "$version" ] || return 1
  probe=$(mktemp)
  # shellcheck disable=SC2046  # a list of flags
  ${CC:-cc} -o "$probe" "$here/libyara-probe.c" $(pkg-config --static --cflags yara) -static \
    $(pkg-config --static --libs yara) 2>/dev/null && "$probe" 2>/dev/null && status=0 || status=1
  rm -f "$probe"
  return "$status"
}

main "$@"
