//! Clones over real transports on loopback.

use std::path::Path;

use tempfile::TempDir;

use crate::support::cli::{Cli, Run, not_run};
use crate::support::git_host::{HttpsHost, SshHost};
use crate::support::repository::{Repository, git, service_account};

const TOKEN: &str = "planted-token";

/// A directory that holds `acme/apps.git`, and the id of its commit.
fn hosted() -> (TempDir, String) {
    let root = TempDir::new().expect("a directory");
    let repository = Repository::with(&[("apps/foo.yaml", &service_account("bar", "foo"))]);
    let commit = repository.head();
    let source = repository.path().to_str().expect("UTF-8");
    git(
        root.path(),
        &["clone", "--quiet", "--bare", source, "acme/apps.git"],
    );
    (root, commit)
}

fn lint(home: &Path, url: &str) -> Cli {
    Cli::new(home, &["lint", url, "--format", "json", "-vv"])
}

fn error(run: &Run) -> String {
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(!all.contains(TOKEN), "a secret shows: {all}");
    run.json()["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn https_with_a_token_from_the_environment_or_the_url() {
    let (root, commit) = hosted();
    let host = HttpsHost::start(root.path(), TOKEN, None);
    let url = format!("{}/acme/apps.git", host.url);
    let run = lint(root.path(), &url)
        .env("SSL_CERT_FILE", &host.authority)
        .env("IRSA_GITOPS_GIT_TOKEN", TOKEN)
        .run()
        .ends(0);
    assert_eq!(run.json()["commit"], commit);
    assert_eq!(run.json()["repository"], url);
    assert_eq!(error(&run), "");
    let with_token = url.replace("https://", &format!("https://x-access-token:{TOKEN}@"));
    let run = lint(root.path(), &with_token)
        .env("SSL_CERT_FILE", &host.authority)
        .run()
        .ends(0);
    assert_eq!(run.json()["repository"], url, "G4: no secret in a report");
    assert_eq!(error(&run), "");
}

#[test]
fn g2_a_refused_token_is_named_by_its_source_and_never_shown() {
    let (root, _) = hosted();
    let host = HttpsHost::start(root.path(), "another", None);
    let url = format!("{}/acme/apps.git", host.url);
    let run = lint(root.path(), &url)
        .env("SSL_CERT_FILE", &host.authority)
        .env("IRSA_GITOPS_GIT_TOKEN", TOKEN)
        .run()
        .ends(6);
    assert!(
        error(&run).contains("refused the credential from IRSA_GITOPS_GIT_TOKEN"),
        "{}",
        error(&run)
    );
    let run = lint(root.path(), &url)
        .env("SSL_CERT_FILE", &host.authority)
        .run()
        .ends(6);
    assert!(
        error(&run).contains("without a credential"),
        "{}",
        error(&run)
    );
}

#[test]
fn a_token_of_a_ci_system_is_shown_to_its_own_host_only() {
    let (root, _) = hosted();
    let host = HttpsHost::start(root.path(), TOKEN, None);
    let url = format!("{}/acme/apps.git", host.url);
    lint(root.path(), &url)
        .env("SSL_CERT_FILE", &host.authority)
        .env("GITHUB_TOKEN", TOKEN)
        .run()
        .ends(6);
    assert!(
        host.shown
            .lock()
            .expect("nobody panics")
            .iter()
            .all(String::is_empty)
    );
}

#[test]
fn s21_a_token_of_a_ci_system_is_shown_to_its_port_and_no_other() {
    let (root, commit) = hosted();
    let host = HttpsHost::start(root.path(), TOKEN, None);
    let url = format!("{}/acme/apps.git", host.url);
    let port = host.url.rsplit(':').next().expect("a port").to_owned();
    let run = |token: &str, variables: &[(&str, String)]| {
        let cli = lint(root.path(), &url)
            .env("SSL_CERT_FILE", &host.authority)
            .env(token, TOKEN);
        let set = |cli: Cli, (name, value): &(&str, String)| cli.env(name, value);
        let run = variables.iter().fold(cli, set).run();
        error(&run);
        let mut shown = host.shown.lock().expect("nobody panics");
        (run, shown.drain(..).any(|header| !header.is_empty()))
    };
    let server = |url: String| ("GITHUB_SERVER_URL", url);
    let gitlab = |port: &str| {
        let host = ("CI_SERVER_HOST", "localhost".to_owned());
        [host, ("CI_SERVER_PORT", port.to_owned())]
    };
    for (token, variables) in [
        ("GITHUB_TOKEN", &[server(host.url.clone())][..]),
        ("GH_TOKEN", &[server(format!("https://LOCALHOST:{port}/"))]),
        ("CI_JOB_TOKEN", &gitlab(&port)),
        ("GITLAB_TOKEN", &gitlab(&port)),
    ] {
        let (run, _) = run(token, variables);
        assert_eq!(run.ends(0).json()["commit"], commit, "{token}");
    }
    for (token, variables) in [
        (
            "GITHUB_TOKEN",
            &[server("https://localhost".to_owned())][..],
        ),
        ("GITHUB_TOKEN", &[server("https://localhost:9".to_owned())]),
        (
            "GITHUB_TOKEN",
            &[server(format!("https://127.0.0.1:{port}"))],
        ),
        ("CI_JOB_TOKEN", &gitlab("443")),
        ("CI_JOB_TOKEN", &gitlab("")),
        ("CI_JOB_TOKEN", &gitlab("nonsense")),
    ] {
        let (run, is_shown) = run(token, variables);
        run.ends(6);
        assert!(!is_shown, "{token} {variables:?}");
    }
}

#[test]
fn an_unknown_certificate_authority_is_refused() {
    let (root, _) = hosted();
    let host = HttpsHost::start(root.path(), TOKEN, None);
    let run = lint(root.path(), &format!("{}/acme/apps.git", host.url))
        .env("IRSA_GITOPS_GIT_TOKEN", TOKEN)
        .run()
        .ends(6);
    assert!(
        error(&run).contains("is not known to be what it says"),
        "{}",
        error(&run)
    );
    assert!(
        host.shown.lock().expect("nobody panics").is_empty(),
        "no credential before the host is known"
    );
}

#[test]
fn c44_a_short_token_mangles_no_message_of_a_host() {
    let (root, _) = hosted();
    let host = HttpsHost::start(root.path(), TOKEN, None);
    let message = |token: &str| {
        lint(root.path(), &format!("{}/acme/apps.git", host.url))
            .env("IRSA_GITOPS_GIT_TOKEN", token)
            .run()
            .ends(6)
            .json()["error"]["message"]
            .clone()
    };
    let whole = message("in-no-message");
    for token in ["e", "s", "cert", "ssl", "is"] {
        assert_eq!(message(token), whole, "{token}");
    }
}

#[test]
fn s17_a_redirect_to_another_host_is_not_followed() {
    let (root, _) = hosted();
    let other = HttpsHost::start(root.path(), TOKEN, None);
    let (second, _) = hosted();
    let host = HttpsHost::start(second.path(), TOKEN, Some(other.url.clone()));
    let run = lint(root.path(), &format!("{}/acme/apps.git", host.url))
        .env("SSL_CERT_FILE", &host.authority)
        .env("IRSA_GITOPS_GIT_TOKEN", TOKEN)
        .run()
        .ends(6);
    assert_ne!(error(&run), "");
    assert!(other.shown.lock().expect("nobody panics").is_empty());
}

#[test]
fn g3_ssh_with_a_key_file_and_a_known_host() {
    let (root, commit) = hosted();
    let Some(host) = SshHost::start(root.path()) else {
        return not_run("clones over ssh, because there is no sshd: ci/packages.sh");
    };
    let url = host.url(root.path());
    let key = host.key.to_str().expect("UTF-8");
    let run = || {
        Cli::new(
            root.path(),
            &["lint", &url, "--ssh-key", key, "--format", "json"],
        )
        .run()
    };
    // G3: unknown, then known, then changed.
    let unknown = run().ends(6);
    assert!(error(&unknown).contains("SHA256:"), "{}", error(&unknown));
    std::fs::create_dir(root.path().join(".ssh")).expect("a directory");
    let known_hosts = root.path().join(".ssh/known_hosts");
    let line = |key: &str| format!("[127.0.0.1]:{} {key}", host.port);
    std::fs::write(&known_hosts, line(&host.host_key)).expect("a file");
    assert_eq!(run().ends(0).json()["commit"], commit);
    let other = std::fs::read_to_string(host.key.with_extension("pub")).expect("a key");
    std::fs::write(&known_hosts, line(&other)).expect("a file");
    let changed = run().ends(6);
    assert!(error(&changed).contains("SHA256:"), "{}", error(&changed));
}

#[test]
fn p17_a_host_that_says_that_it_is_at_work_is_not_given_up() {
    let (root, commit) = hosted();
    let hook = root.path().join("hook");
    // Longer than a transfer may stand still before it is given up.
    let work = "for n in 1 2 3 4 5 6 7 8 9 10 11; do sleep 3; echo \"$n of 11\" >&2; done";
    std::fs::write(&hook, format!("#!/bin/sh\n{work}\nexec \"$@\"\n")).expect("a file");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, executable).expect("permissions");
    let line = format!(
        "SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=uploadpack.packObjectsHook GIT_CONFIG_VALUE_0={}",
        hook.display()
    );
    let Some(host) = SshHost::start_with(root.path(), &line) else {
        return not_run("clones over ssh, because there is no sshd: ci/packages.sh");
    };
    let known_hosts = root.path().join(".ssh/known_hosts");
    std::fs::create_dir(root.path().join(".ssh")).expect("a directory");
    let line = format!("[127.0.0.1]:{} {}", host.port, host.host_key);
    std::fs::write(known_hosts, line).expect("a file");
    let (url, key) = (host.url(root.path()), host.key.display().to_string());
    let arguments = ["lint", &url, "--ssh-key", &key, "--format", "json"];
    let start = std::time::Instant::now();
    let run = Cli::new(root.path(), &arguments).run().ends(0);
    assert_eq!(run.json()["commit"], commit);
    assert!(start.elapsed().as_secs() >= 33, "the host was at work");
    assert!(!run.stderr.contains("of 11"), "{}", run.stderr);
}

/// Sets a reference to a commit for each name, in one file, as a host keeps many.
fn add_references(root: &Path, commit: &str, names: impl Iterator<Item = String>) {
    let file = root.join("acme/apps.git/packed-refs");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let lines = before.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| format!("{line}\n"));
    let added = names.map(|name| format!("{commit} {name}\n"));
    std::fs::write(&file, lines.chain(added).collect::<String>()).expect("a file");
}

#[test]
fn p14_a_host_lists_its_references_once() {
    let (root, commit) = hosted();
    let pulls = (0..20_000).map(|n| format!("refs/pull/{n}/head"));
    let tags = (0..20_000).map(|n| format!("refs/tags/v{n}"));
    add_references(root.path(), &commit, pulls.chain(tags));
    let host = HttpsHost::start(root.path(), TOKEN, None);
    let url = format!("{}/acme/apps.git", host.url);
    for revision in ["HEAD", "main", "v19999", "refs/pull/7/head"] {
        let arguments = ["lint", &url, "--revision", revision, "--format", "json"];
        let run = Cli::new(root.path(), &arguments)
            .env("SSL_CERT_FILE", &host.authority)
            .env("IRSA_GITOPS_GIT_TOKEN", TOKEN)
            .run()
            .ends(0);
        assert_eq!(run.json()["commit"], commit, "{revision}");
        let asked: Vec<_> = host
            .asked
            .lock()
            .expect("nobody panics")
            .drain(..)
            .collect();
        let lists = asked.iter().filter(|(line, _)| line.starts_with("GET "));
        assert_eq!(lists.count(), 1, "{revision}");
    }
}
