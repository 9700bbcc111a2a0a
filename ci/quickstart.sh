#!/usr/bin/env bash
# The main job from end to end, without AWS: a repository of manifests, a sandbox IAM, and the roles
# that come of it. Builds the program first. Everything it makes is in a directory of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

# PROGRAM=PATH takes one that is built already.
[ -n "${PROGRAM:-}" ] || cargo build --locked --quiet
program="$(realpath "${PROGRAM:-${CARGO_TARGET_DIR:-target}/debug/irsa-gitops}")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A repository of rendered manifests, with one commit.
cp -R fixtures/quickstart/manifests "$work/apps"
cp fixtures/quickstart/iam.json "$work/iam.json"
git -C "$work/apps" init --quiet --initial-branch main
git -C "$work/apps" remote add origin https://github.com/acme/apps
git -C "$work/apps" add .
# Always the same commit, so that the README can show its id.
export GIT_AUTHOR_DATE=2026-03-01T12:00:00Z GIT_COMMITTER_DATE=2026-03-01T12:00:00Z
git -C "$work/apps" -c user.name="Ann Author" -c user.email=ann@example.com \
  commit --quiet --message "Declare the roles of bar/foo and shop/cart.v2"

export IRSA_GITOPS_SANDBOX="$work/iam.json"
export IRSA_GITOPS_CLUSTER_NAME=prod
export IRSA_GITOPS_OIDC_PROVIDER=oidc.eks.eu-west-1.amazonaws.com/id/14758F1AFD44C09B7992073CCF00B43D

show() { printf '\n$ irsa-gitops %s\n' "$*"; (cd "$work/apps" && "$program" "$@"); }

show plan
show apply
show plan --all
printf '\n$ cat iam.json\n'
cat "$work/iam.json"
