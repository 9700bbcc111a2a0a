//! What the environment says beside the variables of flags: tokens and settings for Git, where the cache
//! is, and which pipeline runs this.
//!
//! A variable that is empty is one that is not set: CI systems set to nothing what nobody gave a value.

use std::path::PathBuf;

mod git;
mod pipeline;

pub(crate) use git::credentials;
pub(crate) use pipeline::{context, step_summary};

/// What the program reads from the environment beside the variables of its flags, and what for.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    (
        "IRSA_GITOPS_GIT_TOKEN",
        "token for the Git host of a URL, whichever it is",
    ),
    ("GIT_TOKEN", "the same, under a name that other tools use"),
    (
        "GITHUB_TOKEN`, `GH_TOKEN",
        "token that is shown to the host of `GITHUB_SERVER_URL` only (github.com if that is not set)",
    ),
    (
        "GITLAB_TOKEN`, `CI_JOB_TOKEN",
        "token that is shown to `CI_SERVER_HOST` only (gitlab.com if that is not set)",
    ),
    (
        "SSH_AUTH_SOCK",
        "the ssh agent, for ssh URLs without `--ssh-key`",
    ),
    (
        "GIT_CONFIG_GLOBAL`, `GIT_CONFIG_SYSTEM`, `GIT_CONFIG_NOSYSTEM`, `GIT_CONFIG_COUNT",
        "where Git's configuration is, as git has it",
    ),
    (
        "GIT_SSL_CAINFO",
        "refused, as what it adds would be ignored; `SSL_CERT_FILE` is read",
    ),
    ("https_proxy", "proxy for https URLs of Git, and for AWS"),
    ("all_proxy", "the same for AWS; Git does not read it"),
    (
        "AWS_CA_BUNDLE",
        "certificates by which AWS, or a proxy before it, is known",
    ),
    (
        "SSL_CERT_FILE`, `SSL_CERT_DIR",
        "certificates by which hosts of https URLs are known",
    ),
    (
        "AWS_PROFILE`, `AWS_REGION",
        "and the others that every AWS SDK reads: credentials, region and endpoints",
    ),
    (
        "XDG_CACHE_HOME`, `HOME",
        "where the cache is without `--cache-dir`; keys and known hosts of ssh are in `HOME`",
    ),
    (
        "GITHUB_STEP_SUMMARY",
        "file that `--format github` appends its summary to",
    ),
    (
        "GITHUB_SERVER_URL`, `GITHUB_REPOSITORY`, `GITHUB_RUN_ID`, `GITHUB_SHA",
        "host and run of a workflow, for the links of a report",
    ),
    (
        "GITHUB_ACTION_REPOSITORY`, `GITHUB_ACTION_REF",
        "where the action comes from, for the links of SARIF to this reference",
    ),
    (
        "CI_SERVER_URL`, `CI_JOB_URL`, `CI_COMMIT_SHA`, `CI_SERVER_PORT",
        "host, page and commit of a job on GitLab, for the same",
    ),
    (
        "CI",
        "nobody is asked before a write, even on a terminal (`false` and `0`: as if it were not set)",
    ),
    (
        "COLUMNS",
        "how wide the columns of `roles` and the help may be",
    ),
    ("NO_COLOR", "no colours"),
];

/// The value of a variable, if it is set.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The same for the path of a file, which need not be text.
fn file(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// Where the cache is if no flag says so, as the XDG Base Directory Specification has it; nowhere to keep
/// one is no fault.
pub(crate) fn cache_directory() -> Option<PathBuf> {
    let base = file("XDG_CACHE_HOME").or_else(|| Some(file("HOME")?.join(".cache")));
    let base = base.filter(|base| base.is_absolute());
    base.map(|base| base.join("irsa-gitops"))
}
