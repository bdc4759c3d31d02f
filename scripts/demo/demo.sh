#!/usr/bin/env bash
# Shows the whole loop on this computer: a sandbox server and an agent start, a harmless script that behaves
# like a dropper is started and runs on, since nobody knows it; the sandbox runs it and judges it malicious; it is
# quarantined; its indicators find a second copy and what it dropped elsewhere.
#
#   make demo                      or: TYTO=path/to/tyto REPORT=path/to/report.html scripts/demo/demo.sh
#
# Everything happens in a temporary folder with two small file systems of its own, one of which is the only one that
# is watched, and which is gone afterwards. What stays is the report of the hunt and, beside it, the agent's events.
# It needs root: the kernel lets nobody else hold accesses to files.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tyto=${TYTO:-$here/../../bin/tyto}
report=${REPORT:-tyto-demo-report.html}
events=$(dirname "$report")/tyto-demo-events.txt

die() {
  echo "demo: $*" >&2
  exit 1
}
[ "$(uname -s)" = Linux ] || die "it shows what only Linux has"
[ "$(id -u)" = 0 ] || die "run it as root: only root may hold accesses to files (fanotify)"
[ -x "$tyto" ] || die "there is no $tyto: run make first"
command -v bwrap >/dev/null || die "bubblewrap is missing: scripts/install-deps.sh tests"

dir=$(mktemp -d /tmp/tyto-demo-XXXXXX)
home=$dir/home
stick=$dir/stick
server=
agent=
finish() {
  code=$?
  trap - EXIT
  set +e
  [ -z "$agent" ] || { kill "$agent" && wait "$agent"; } 2>/dev/null || true
  [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
  if [ "$code" != 0 ]; then
    for log in server.log agent.log agent/events.jsonl; do
      echo "--- the end of $log:"
      tail -n 40 "$dir/$log" 2>/dev/null || true
    done
  fi
  umount "$home" "$stick" 2>/dev/null || true
  rm -rf --one-file-system "$dir"
  exit "$code"
}
trap finish EXIT

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# await SECONDS COMMAND… waits until the command succeeds.
await() {
  local left=$(($1 * 5))
  shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || die "waited in vain for: $*"
    sleep 0.2
  done
}

export TYTO_SOCKET=$dir/agent.sock
happened() { "$tyto" agent events --id "$1" --limit 1000 | grep -F -- "${2:-$1}"; }

step "A made-up computer, with a home folder and a stick, each a file system of its own"
mkdir "$home" "$stick"
mount -t tmpfs -o size=16m,mode=0755 tyto-demo "$stick"
mount -t tmpfs -o size=64m,mode=0755 tyto-demo "$home"
mkdir -p "$home"/{ann,bob,carol}
echo "$home: ann, bob, carol"
echo "$stick: not watched"

step "A sandbox server starts, with certificates of its own"
"$tyto" sandbox serve --data "$dir/server" --listen 127.0.0.1:0 --engine static,jail >"$dir/server.log" 2>&1 &
server=$!
await 60 grep -q '^Pin' "$dir/server.log"
address=$(sed -n 's|.*listens at https://\([^/]*\)/.*|\1|p' "$dir/server.log")
sed 's/^/  /;/^  Pin/q' "$dir/server.log"

step "The agent starts; its policy asks this server, and acts on what it says"
cat >"$dir/policy.yaml" <<POLICY
events: {system_log: "off"}
sandbox:
  servers:
    - address: $address
      ca: $dir/server/tls/ca.pem
  intercept:
    exec: true
    open: true
    file_systems: [$home]
  response:
    quarantine: true
    scan_critical: true
    task: {run: now, areas: [], paths: [$home, $stick], quarantine: true}
POLICY
chmod 600 "$dir/policy.yaml"
"$tyto" policy check "$dir/policy.yaml"
"$tyto" agent run --policy "$dir/policy.yaml" --data "$dir/agent" >"$dir/agent.log" 2>&1 &
agent=$!
await 60 "$tyto" agent status
"$tyto" sandbox status || true

step "Ann starts what she believes to be an invoice. Nobody knows it: it runs on"
install -m 755 "$here/dropper.sh" "$home/ann/invoice.sh"
HOME=$home/ann "$home/ann/invoice.sh"
install -m 755 "$home/ann/.cache/.fonts/.fontd" "$home/carol/fontd"
# Where accesses are noticed, the verdict itself would have the copy taken away: here only the hunt can find it.
install -m 755 "$here/dropper.sh" "$stick/copy-of-invoice.sh"
ls -A "$home"/{ann,bob,carol} "$stick"

step "The sandbox runs it in a jail, and says malicious"
await 120 happened TY-701 malicious
"$tyto" agent events --id TY-701 | sed 's/^/  /'

step "It is quarantined, and indicators are made of what it did"
await 60 happened TY-501 invoice.sh
await 60 happened TY-730
await 60 test ! -e "$home/ann/invoice.sh"
cat "$dir"/agent/sandbox/indicators/*.ioc | grep -E '<Content|<short_description' | sed 's/^ */  /' | head -n 20

step "They find the second copy and the dropped program elsewhere; the critical areas are scanned"
await 120 test ! -e "$stick/copy-of-invoice.sh"
for found in "$stick/copy-of-invoice.sh" "$home/ann/.cache/.fonts/.fontd" "$home/carol/fontd"; do
  await 60 happened TY-401 "\"$found\""
done
echo "The copy is gone. The dropped program is told and left: by itself, no sandbox has judged it malicious."
await 120 happened TY-603
task=$("$tyto" task list | awk '/^sandbox-[0-9a-f]+ / {print $1}' | head -n 1)
await 120 happened TY-309 "$task"
"$tyto" task results "$task" | sed 's/^/  /' || true

step "Somebody brings it again: it is refused before it runs"
# The agent may be faster and take it away before it is started: then it is brought once more.
for _ in 1 2 3 4 5; do
  install -m 755 "$here/dropper.sh" "$home/carol/again.sh" || true
  if HOME=$home/carol "$home/carol/again.sh" 2>"$dir/refused"; then
    die "it ran"
  fi
  cat "$dir/refused"
  ! grep -q 'not permitted' "$dir/refused" || break
done
await 60 happened TY-703

step "The report"
await 120 test ! -e "$home/carol/again.sh"
"$tyto" quarantine list --vault "$dir/agent/quarantine" | sed 's/^/  /'
"$tyto" task results "$task" --report "$report" >/dev/null || true # its code tells of findings
[ -s "$report" ] || die "there is no report"
rm -f "$events"
(umask 077 && "$tyto" agent events --limit 1000 >"$events")
sed 's/^/  /' "$events"
if [ -n "${SUDO_UID:-}" ]; then
  chown -h "$SUDO_UID:${SUDO_GID:-}" "$report" "$events" # who called sudo wants to read them
fi
step "That was it: ask, remember, queue, react, hunt."
echo "What the hunt found: $(realpath "$report")"
echo "What happened:       $(realpath "$events")"
