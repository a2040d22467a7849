#!/bin/sh
# What a trace costs: throughput and processor time of writes with all topics off and
# on, by turns on one cluster, then the medians. sh tests/bench/tracecost.sh [CLIENTS [ROUNDS]]
set -eu
bin=${RAFTKV:-.build/raftkv} port=${PORT:-27301} clients=${1:-64} rounds=${2:-5}
dir=$(mktemp -d)
trap '"$bin" down --data "$dir" >/dev/null; rm -rf "$dir"' EXIT
trap "exit 1" INT TERM
"$bin" up --detach --data "$dir" --redis-port $port --http-port $((port + 3)) --peer-port $((port + 6)) >/dev/null
addrs=127.0.0.1:$port,127.0.0.1:$((port + 1)),127.0.0.1:$((port + 2))
trace() {
  for i in 3 4 5; do curl -sf -X PUT -d "{\"topics\":[$1]}" "http://127.0.0.1:$((port + i))/v1/log" >/dev/null; done
}
ticks() {
  for pid in $("$bin" status --data "$dir" --json | python3 -c 'import json,sys
for n in json.load(sys.stdin)["nodes"]: print(n["pid"])'); do cut -d' ' -f14,15 "/proc/$pid/stat"; done | awk '{s += $1 + $2} END {print s}'
}
load() { "$bin" bench --addr "$addrs" --clients "$clients" --reads 0 --fill=false --quiet --json "$@"; }
load --duration 2s >/dev/null
for round in $(seq "$rounds"); do
  for mode in off on; do
    if [ $mode = on ]; then trace '"all"'; else trace ''; fi
    before=$(ticks)
    load --duration 4s --warmup 0s >"$dir/result"
    echo "$mode $(($(ticks) - before)) $(tr -d '\n' <"$dir/result")"
  done
done | python3 -c '
import json, statistics, sys
rows = {"off": [], "on": []}
for line in sys.stdin:
    mode, ticks, result = line.split(None, 2)
    result = json.loads(result)
    ops = result["writes"]["requests"]
    rows[mode].append((result["writes"]["per_second"], int(ticks) * 10000 / ops))
for what, i in ("writes/s", 0), ("processor us a write", 1):
    off, on = (statistics.median(r[i] for r in rows[m]) for m in ("off", "on"))
    print(f"{what:22} off {off:10.1f}   on {on:10.1f}   {100 * (on / off - 1):+.1f}%   of", len(rows["on"]), "rounds")
'
