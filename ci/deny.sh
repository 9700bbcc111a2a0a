#!/usr/bin/env bash
# Checks the dependencies with cargo-deny, by ci/deny.toml: what may not come in, licences, sources, known
# vulnerabilities. Builds cargo-deny once for all clones, beside Cargo's own cache. Under CI it is an error if
# that fails; elsewhere it is said.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
root="${CARGO_HOME:-$HOME/.cargo}/tools/cargo-deny-$version"
if [ ! -x "$root/bin/cargo-deny" ]; then
  echo "building cargo-deny $version, once: this takes a few minutes"
  # It runs for a second; a small optimisation and no link-time one halve what building it takes.
  if ! CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_DEBUG=0 cargo install --quiet --locked "cargo-deny@$version" --root "$root"; then
    echo "NOT RUN: the dependencies were not checked, because cargo-deny $version could not be installed" >&2
    echo "hint: cargo install --locked cargo-deny@$version --root $root" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
  fi
fi

deny() { "$root/bin/cargo-deny" --config ci/deny.toml --locked "$@"; }

deny check bans licenses sources
# The database of vulnerabilities is a Git repository, which some machines have no way to.
if why=$(deny fetch db 2>&1); then
  deny --offline check advisories
else
  echo "NOT RUN: no dependency was checked for known vulnerabilities, because their database cannot be fetched:" >&2
  printf '%s\n' "$why" | sed 's/^/  /' >&2
  echo "hint: where it can be reached: cargo deny --config ci/deny.toml check advisories" >&2
fi
