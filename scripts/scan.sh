#!/usr/bin/env bash
# Scans this computer as "make scan" promises: the user's home, /tmp and the critical places of the
# system, with the rules and indicators in the arguments, and says in the end where the report is.
#
#   scripts/scan.sh [flags for tyto scan]
set -euo pipefail
cd "$(dirname "$0")/.."

report=$PWD/tyto-report

# Where people and intruders leave programs, and what starts with the system. Not all of /usr: its
# libraries and documents take long and tell little.
places=("$HOME" /tmp /etc /bin /sbin /lib/systemd /usr/bin /usr/sbin /usr/local /var/spool/cron
  /var/tmp /dev/shm /boot /opt /root)

# Each place once: /bin is often a link to /usr/bin, and /root may be the home.
mapfile -t places < <(realpath --canonicalize-existing --quiet "${places[@]}" | awk '!seen[$0]++')

status=0
bin/tyto scan "$@" --report "$report.html" --report "$report.jsonl" "${places[@]}" || status=$?
case $status in
0) result="complete, nothing found" ;;
1) result="complete, with findings" ;;
3) result="nothing found, but not everything could be examined" ;;
4) result="with findings, and not everything could be examined" ;;
*) exit "$status" ;;
esac
printf '\nScan %s.\nReport: %s.html\n' "$result" "$report"
