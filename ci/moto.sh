#!/usr/bin/env bash
# Installs moto, an IAM that nobody here wrote, below target/, once.
set -euo pipefail
cd "$(dirname "$0")/.."

version=5.2.5
directory="${CARGO_TARGET_DIR:-target}/moto"
[ -e "$directory/installed-$version" ] && exit 0
rm -rf "$directory"
if python3 -m venv "$directory" && "$directory/bin/pip" install --quiet --disable-pip-version-check "moto[server]==$version"; then
  touch "$directory/installed-$version"
else
  echo "NOT INSTALLED: moto, so the conformance suite runs on the sandbox alone" >&2
fi
