#!/usr/bin/env bash
# The one test command: format, lints, tests, documentation, dependencies. Pipelines only call this.
set -euo pipefail
cd "$(dirname "$0")/.."

export CLIPPY_CONF_DIR="$PWD/ci"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
export INSTA_UPDATE=no

ci/packages.sh
ci/moto.sh
ci/sarif.sh

step() { printf '\n== %s\n' "$*"; }

step format
cargo fmt --check

step clippy
cargo clippy --locked --all-targets -- --deny warnings

step tests
cargo test --locked

step documentation
RUSTDOCFLAGS="--deny warnings" cargo doc --locked --no-deps --document-private-items --quiet

step quickstart
# The tests have built it; building it alone would build all dependencies again, with fewer features.
PROGRAM="${CARGO_TARGET_DIR:-target}/debug/irsa-gitops" ci/quickstart.sh

step recipes
ci/recipes.sh

step dependencies
ci/deny.sh
