#!/usr/bin/env bash
# Gets a Chromium for the browser tests, once, by apt. Without the right to install, the tests that need it are skipped and say so.
set -euo pipefail
command -v chromium >/dev/null && exit 0
as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo -n env "$@"; fi; }
if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
  printf '\033[1m%s\033[0m\n' "installing Chromium (apt)" >&2
  as_root DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 update -qq >/dev/null || true # an old list may do
  as_root DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null && exit 0
fi
echo "install-chromium: no chromium, and no right to install it; the browser tests are skipped (Debian, Ubuntu: apt-get install chromium)" >&2
