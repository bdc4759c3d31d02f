#!/usr/bin/env bash
# Prints what a shell needs so that plain go commands build and test Tyto for a target:
#
#   eval "$(scripts/env.sh linux)"   && go test ./rules
#   eval "$(scripts/env.sh windows)" && go vet ./...
#
# One target per shell. Builds libyara first when need be. When something fails it prints "false", so
# that the eval fails too.
#
# Besides what go itself reads it sets TYTO_EXTLDFLAGS, the flags with which the C linker makes a
# binary that runs on any machine: go build -ldflags "-extldflags '$TYTO_EXTLDFLAGS'" ./cmd/tyto
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pins.sh"
. "$here/cache.sh"
trap '[ $? -eq 0 ] || echo false' EXIT

# yara_static: link libyara and what it needs from archives.
# osusergo: resolve users without glibc, whose static form would load plug-ins of the machine it happens to
# run on; netgo, on Linux, hosts likewise. Windows resolves hosts itself: companies have rules for that.
# sqlite_omit_load_extension: no database can make SQLite load code into Tyto, and nothing of it calls
# dlopen, which a static binary cannot do.
tags=yara_static,osusergo,sqlite_omit_load_extension

# The functions that sealed.c replaces; it says why.
sealed_functions="dlopen getaddrinfo freeaddrinfo gethostbyname"

main() {
  case ${1:-} in
  linux) tags=$tags,netgo && linux ;;
  windows) windows ;;
  *) die "usage: env.sh linux|windows" ;;
  esac
  export_line CGO_ENABLED 1
  # Ours first: flags that the user has set, also other tags, keep the last word.
  export_line GOFLAGS "-tags=$tags ${GOFLAGS-}"
}

linux() {
  local yara
  yara=$("$here/libyara.sh" linux)
  if [ "$yara" != system ]; then
    identify "$yara"
    export_line PKG_CONFIG_PATH "$yara/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
    export_line PATH "$yara/bin:$PATH"
  fi
  # Named by its content, as go links again only when a flag changes.
  local sealed
  sealed=$TYTO_CACHE/build/sealed-$(cksum <"$here/sealed.c" | cut -d ' ' -f 1)
  cached "$sealed" 1 compile_sealed
  # shellcheck disable=SC2086  # a list of functions
  export_line TYTO_EXTLDFLAGS "-static $sealed/sealed.o $(printf -- '-Wl,--wrap=%s ' $sealed_functions)"
}

compile_sealed() { ${CC:-cc} -O2 -Wall -Wextra -Werror -c "$here/sealed.c" -o "$1/sealed.o"; }

windows() {
  local yara
  yara=$("$here/libyara.sh" windows)
  identify "$yara"
  export_line GOOS windows
  export_line GOARCH amd64
  export_line CC x86_64-w64-mingw32-gcc
  # Only these folders: what pkg-config knows of this machine's libraries is of no use to Windows.
  export_line PKG_CONFIG_PATH ""
  export_line PKG_CONFIG_LIBDIR "$yara/lib/pkgconfig:$TYTO_CACHE/build/openssl-windows-amd64/lib/pkgconfig"
  export_line TYTO_EXTLDFLAGS "-static"
}

# identify FOLDER makes go's build cache tell one libyara from another: it looks at these flags, but
# neither at what pkg-config answers nor at the library.
identify() {
  local others # what an earlier env.sh in this shell has said is about another library
  others=$(sed -E 's/-DTYTO_LIBYARA=[^ ]* -I[^ ]* ?//g' <<<"${CGO_CPPFLAGS-}")
  export_line CGO_CPPFLAGS "-DTYTO_LIBYARA=$(cksum <"$1/.recipe" | tr ' ' _) -I$1/include $others"
}

export_line() { printf 'export %s=%q\n' "$1" "$2"; }

main "$@"
