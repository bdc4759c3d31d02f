#!/usr/bin/env bash
# Runs a Windows program in Tyto's Wine prefix: scripts/wine/run.sh bin/tyto.exe version
# Also serves as "go test -exec".
set -euo pipefail
wine=$("$(dirname "$0")/setup.sh")
export WINEPREFIX=$wine/prefix WINEDEBUG=${WINEDEBUG:--all} WINEDLLOVERRIDES='mscoree=;mshtml='
export LC_ALL=C.UTF-8 # in another, such as the bare C of a CI machine, names beyond ASCII do not exist
unset DISPLAY
exec wine "$@"
