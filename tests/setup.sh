#!/bin/sh
# Installs what the tests need besides Go: redis-server, to compare every reply
# with, redis-cli and redis-benchmark as real clients, a browser for pages, and
# what makes and breaks networks for tests/netns, where that can run.
set -u
missing=
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v redis-cli >/dev/null || missing="$missing redis-tools"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
if [ "$(uname)" = Linux ] && [ "$(id -u)" = 0 ]; then
  { command -v ip && command -v tc; } >/dev/null || missing="$missing iproute2"
  command -v nft >/dev/null || missing="$missing nftables"
fi
if [ "$(uname)" != Linux ] || [ "$(id -u)" != 0 ]; then
  echo "NOT TRIED here: tests/netns, a cluster on hosts of its own. Only root on Linux may make network namespaces."
fi
[ -z "$missing" ] && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "installing$missing for the tests"
  log=$(mktemp)
  # Debian starts a service it installs; these tests start their own.
  if { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    rm -f "$log"
    exit 0
  fi
  tail -n 5 "$log"
  rm -f "$log"
fi
echo "The tests need$missing, which could not be installed here."
echo "On Debian or Ubuntu: sudo apt-get install$missing"
exit 1
