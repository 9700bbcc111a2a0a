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
# Many tests wait, one of them minutes for a storm of throttling to pass; more threads than processors go on meanwhile.
RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(getconf _NPROCESSORS_ONLN) * 2))}" cargo test --locked

step documentation
# There are no examples: naming them has dependencies get the features that clippy has checked them with, the AWS
# SDK among them, instead of being checked again with fewer.
RUSTDOCFLAGS="--deny warnings" cargo doc --locked --no-deps --lib --examples --document-private-items --quiet

step quickstart
# The tests have built it; building it alone would build all dependencies again, with fewer features.
PROGRAM="${CARGO_TARGET_DIR:-target}/debug/irsa-gitops" ci/quickstart.sh

step recipes
ci/recipes.sh

step dependencies
ci/deny.sh
