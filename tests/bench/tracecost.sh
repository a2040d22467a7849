#!/bin/sh
# What a trace costs: processor time of the three nodes for a write at a fixed rate, so
# that the work is equal, and as a second witness writes a second as fast as it goes;
# with the trace off, sampled as by default, and of every entry. By turns on one
# cluster, and the medians. sh tests/bench/tracecost.sh [CLIENTS [ROUNDS [GROUPS...]]]
set -eu
bin=${RAFTKV:-.build/raftkv} port=${PORT:-27301} rate=${RATE:-4000} modes=${MODES:-"off on full"}
clients=${1:-64} rounds=${2:-5}
shift $(($# < 2 ? $# : 2))
dir=$(mktemp -d)
trap '"$bin" down --data "$dir/data" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap "exit 1" INT TERM
addrs=127.0.0.1:$port,127.0.0.1:$((port + 1)),127.0.0.1:$((port + 2))
trace() {
  case $1 in off) order='{"topics":[]}' ;; on) order='{"topics":["all"],"sample":0}' ;; full) order='{"topics":["all"],"sample":1}' ;; esac
  for i in 3 4 5; do curl -sf -X PUT -d "$order" "http://127.0.0.1:$((port + i))/v1/log" >/dev/null; done
}
ticks() {
  for pid in $pids; do cut -d' ' -f14,15 "/proc/$pid/stat"; done | awk '{s += $1 + $2} END {print s}'
}
load() { "$bin" bench --addr "$addrs" --clients "$clients" --reads 0 --fill=false --warmup 0s --quiet --json "$@"; }
for groups in ${*:-1 3}; do
  "$bin" up --detach --data "$dir/data" --groups "$groups" --redis-port $port --http-port $((port + 3)) --peer-port $((port + 6)) >/dev/null
  pids=$("$bin" status --data "$dir/data" --json | python3 -c 'import json, sys
for n in json.load(sys.stdin)["nodes"]: print(n["pid"])')
  load --duration 2s >/dev/null
  for round in $(seq "$rounds"); do
    for mode in $modes; do
      trace "$mode"
      before=$(ticks)
      load --duration "${STEADY:-4s}" --rate "$rate" >"$dir/result"
      echo "$mode rate $(($(ticks) - before)) $(tr -d '\n' <"$dir/result")"
      load --duration "${FAST:-2s}" >"$dir/result"
      echo "$mode fast 0 $(tr -d '\n' <"$dir/result")"
    done
  done >"$dir/rows"
  "$bin" down --data "$dir/data" >/dev/null
  rm -rf "$dir/data"
  echo "$groups groups, $clients clients, medians of $rounds rounds (and the spread of the rounds' differences)"
  python3 - "$dir/rows" <<'PY'
import json, statistics, sys
cost, speed = {}, {}
for line in open(sys.argv[1]):
    mode, load, ticks, result = line.split(None, 3)
    writes = json.loads(result)["writes"]
    if load == "rate":
        cost.setdefault(mode, []).append(int(ticks) * 10000 / writes["requests"])
    else:
        speed.setdefault(mode, []).append(writes["per_second"])
for what, rows in ("processor us a write", cost), ("writes/s", speed):
    off = rows["off"]
    print(f"  {what:22} off {statistics.median(off):9.1f}", end="")
    for mode in rows:
        if mode != "off":
            # Rounds are compared with themselves: the machine drifts between them.
            diffs = sorted(100 * (x / y - 1) for x, y in zip(rows[mode], off))
            print(f"   {mode} {statistics.median(rows[mode]):9.1f} {statistics.median(diffs):+6.1f}% ({diffs[0]:+.1f} to {diffs[-1]:+.1f})", end="")
    print()
PY
done
