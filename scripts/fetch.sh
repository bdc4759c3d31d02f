#!/usr/bin/env bash
# Fetches the source archive of yara or openssl into the cache and prints its path.
#
#   scripts/fetch.sh yara|openssl
#
# Tried in this order:
#   1. the file named by LIBYARA_TARBALL or OPENSSL_TARBALL (for machines without a network);
#   2. the cache;
#   3. the package archive that this machine is already set up to use, whatever mirror that is;
#   4. upstream's release;
#   5. openssl only: the source package of the machine's own distribution, in whatever version it has.
#
# 1 to 4 must have the sum in pins.sh. 5 cannot have it, its archive's signature vouches for it; it is
# there because a distribution drops a version from its archive as soon as it ships the next security
# fix, and a machine that reaches nothing but such an archive could otherwise not build months from
# now. It is said aloud when it happens.
# shellcheck disable=SC2016  # $(REPO_URI) and its kin are apt's
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pins.sh"
. "$here/cache.sh"

downloads=$TYTO_CACHE/downloads

main() {
  mkdir -p "$downloads"
  case ${1:-} in
  yara) pinned "yara-$YARA_VERSION.tar.gz" "$YARA_SHA256" "${LIBYARA_TARBALL:-}" "$YARA_POOL" "$YARA_UPSTREAM" ||
    die "no yara $YARA_VERSION to be had. Fetch $YARA_UPSTREAM elsewhere and name the file in LIBYARA_TARBALL" ;;
  openssl) pinned "openssl-$OPENSSL_VERSION.tar.gz" "$OPENSSL_SHA256" "${OPENSSL_TARBALL:-}" "$OPENSSL_POOL" "$OPENSSL_UPSTREAM" ||
    from_source_package openssl ||
    die "no openssl $OPENSSL_VERSION to be had. Fetch $OPENSSL_UPSTREAM elsewhere and name the file in OPENSSL_TARBALL" ;;
  *) die "usage: fetch.sh yara|openssl" ;;
  esac
}

# pinned NAME SHA256 LOCAL POOL UPSTREAM prints the path of an archive with that sum, or fails. LOCAL
# and POOL may be empty.
pinned() {
  local name=$1 sum=$2 local_file=$3 pool=$4 upstream=$5 file=$downloads/$1 url
  if [ -n "$local_file" ]; then
    has_sum "$local_file" "$sum" || die "$local_file is not $name: its SHA-256 is not $sum"
    realpath "$local_file"
    return
  fi
  if has_sum "$file" "$sum"; then
    echo "$file"
    return
  fi
  for url in ${pool:+$(mirrors | sed "s|/*\$|/$pool|")} "$upstream"; do
    download "$url" "$file.part.$$" || continue
    if has_sum "$file.part.$$" "$sum"; then
      mv "$file.part.$$" "$file"
      echo "$file"
      return
    fi
    note "what came for $name has another SHA-256 than the one in pins.sh, dropped"
    rm -f "$file.part.$$"
  done
  return 1
}

has_sum() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

# mirrors prints the addresses of the package archives that apt uses here.
mirrors() {
  command -v apt-get >/dev/null || return 0
  apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | sort -u
}

# download URL FILE. apt's own downloader knows apt's proxies and transports; a mirror need not be
# reachable in any other way. It writes to a temporary name that its unprivileged helper may use.
download() {
  note "trying $1"
  { curl --fail --location --silent --show-error --connect-timeout 20 --retry 2 -o "$2" "$1" ||
    wget --quiet --timeout=20 --tries=2 -O "$2" "$1" ||
    /usr/lib/apt/apt-helper download-file "$1" "$2"; } >/dev/null 2>&1 || { rm -f "$2"; return 1; }
}

# from_source_package NAME prints the path of the upstream archive in NAME's newest source package.
# apt gets folders of its own, so that the machine's lists and sources stay as they are. It checks the
# signature of the archive's index, as always, and the index names the archive's sum.
from_source_package() {
  command -v apt-get >/dev/null || return 1
  local apt=$downloads/apt.$$ url name sum
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  apt-get indextargets --format 'deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
    sort -u >"$apt/sources.list"
  cat >"$apt/apt.conf" <<EOF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
EOF
  # A line is: 'URL' NAME SIZE SHA256:SUM
  read -r url name _ sum < <(export APT_CONFIG=$apt/apt.conf
    apt-get update -q >&2 && apt-get source --print-uris "$1" | grep '\.orig\.tar\.[a-z0-9]* ') || true
  rm -rf "$apt"
  [ -n "${sum:-}" ] || return 1
  url=${url#\'}
  note "the pinned version cannot be had; using the distribution's own $name"
  pinned "$name" "${sum#SHA256:}" "" "" "${url%\'}"
}

main "$@"
