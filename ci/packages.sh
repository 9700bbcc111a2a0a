#!/usr/bin/env bash
# Installs what building and testing need, where packages may be installed and something is missing.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need cc gcc
need pkg-config pkg-config
need git git
need python3 python3
need chromium chromium
pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev)
[ -x /usr/sbin/sshd ] || missing+=(openssh-server)
command -v ssh-keygen >/dev/null 2>&1 || missing+=(openssh-client)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)

[ "${#missing[@]}" -gt 0 ] || exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "installing: ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "NOT INSTALLED (needs root and apt-get): ${missing[*]}" >&2
fi
