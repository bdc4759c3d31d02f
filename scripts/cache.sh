# shellcheck shell=bash
#
# The cache folder and the one way in which something gets into it. Sourced, after "set -eu".
#
# TYTO_CACHE (default $XDG_CACHE_HOME/tyto or ~/.cache/tyto) holds what takes minutes to make and
# does not belong to one checkout: libyara, OpenSSL, downloads, tools, the Wine prefix. "make clean"
# leaves it alone; deleting it costs time only.

TYTO_CACHE=${TYTO_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or TYTO_CACHE}/.cache}/tyto}

note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { note "$*"; exit 1; }

# cached DIR RECIPE COMMAND… makes DIR by running "COMMAND… STAGE", which fills the empty folder
# STAGE. Nothing happens when DIR was made by the same RECIPE before. DIR appears complete or not at
# all, and two scripts that want it at the same time make it once. COMMAND's output goes to a log
# that is shown when it fails.
cached() {
  local dir=$1 recipe=$2
  shift 2
  [ "$(cat "$dir/.recipe" 2>/dev/null)" = "$recipe" ] && return
  mkdir -p "$(dirname "$dir")"
  (
    flock 9
    [ "$(cat "$dir/.recipe" 2>/dev/null)" = "$recipe" ] && exit 0
    rm -rf "$dir".stage.* "$dir".old.* # what a killed run left; nobody else is here
    stage=$dir.stage.$$
    mkdir "$stage"
    note "making $dir, log in $dir.log"
    # Not "if ! …": that would switch off "set -e" inside COMMAND. The lock is not handed on: a
    # program that stays in the background would hold it.
    set +e
    (set -e; "$@" "$stage") >"$dir.log" 2>&1 9>&-
    status=$?
    set -e
    if [ "$status" -ne 0 ]; then
      tail -n 40 "$dir.log" >&2
      die "could not make $dir; the whole log is in $dir.log"
    fi
    echo "$recipe" >"$stage/.recipe"
    [ ! -e "$dir" ] || mv -T "$dir" "$dir.old.$$"
    mv -T "$stage" "$dir"
    rm -rf "$dir".old.*
  ) 9>"$dir.lock"
}
