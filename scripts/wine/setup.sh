#!/usr/bin/env bash
# Makes the Wine prefix in which the Windows tests run, once, into the cache, and prints its folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cache.sh"

build() {
  local stage=$1
  export WINEPREFIX=$stage/prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=;mshtml='
  export LC_ALL=C.UTF-8
  unset DISPLAY
  wine wineboot --init
  wineserver --wait
  local system32=$WINEPREFIX/drive_c/windows/system32
  [ -e "$system32/bcryptprimitives.dll" ] ||
    x86_64-w64-mingw32-gcc -O2 -s -shared -o "$system32/bcryptprimitives.dll" "$here/bcryptprimitives.c" -ladvapi32
  x86_64-w64-mingw32-gcc -O2 -s -o "$stage/sleeper.exe" "$here/sleeper.c"
}

cached "$TYTO_CACHE/wine" "$(WINEDEBUG=-all wine --version) recipe 2" build
echo "$TYTO_CACHE/wine"
