//! Whom ssh trusts, as OpenSSH's own files say it.

use std::process::Command;

use tempfile::TempDir;

use crate::support::cli::{Cli, Run, not_run};
use crate::support::git_host::SshHost;
use crate::support::repository::{Repository, git, service_account};

/// A host with `acme/apps.git`, and the home of a user.
struct Hosted {
    home: TempDir,
    host: SshHost,
    user: String,
}

fn hosted() -> Option<Hosted> {
    let home = TempDir::new().expect("a directory");
    let repository = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    let source = repository.path().to_str().expect("UTF-8");
    git(
        home.path(),
        &["clone", "--quiet", "--bare", source, "apps.git"],
    );
    std::fs::create_dir(home.path().join(".ssh")).expect("a directory");
    let Some(host) = SshHost::start(home.path()) else {
        not_run("there is no sshd");
        return None;
    };
    let user = Command::new("id")
        .arg("-un")
        .output()
        .expect("id can be run");
    let user = String::from_utf8(user.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned();
    Some(Hosted { home, host, user })
}

impl Hosted {
    fn lint(&self, host: &str) -> Run {
        let path = self.home.path().display();
        let url = format!("ssh://{}@{host}{path}/apps.git", self.user);
        let key = self.host.key.to_str().expect("UTF-8");
        Cli::new(self.home.path(), &["lint", &url, "--ssh-key", key]).run()
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.home.path().join(".ssh").join(name);
        std::fs::write(file, text).expect("a file");
    }
}

#[test]
fn g66_revoked_keys_patterns_and_authorities_in_known_hosts() {
    let Some(hosted) = hosted() else { return };
    let (port, key) = (hosted.host.port, hosted.host.host_key.trim());
    let plain = format!("[127.0.0.1]:{port} {key}\n");
    let run = |known_hosts: &str| {
        hosted.write("known_hosts", known_hosts);
        hosted.lint(&format!("127.0.0.1:{port}"))
    };
    run(&plain).ends(0);
    run(&format!("[127.0.0.*]:{port} {key}\n")).ends(0);
    run(&format!("[127.*]:{port},!other {key}\n")).ends(0);
    for revoked in [
        format!("{plain}@revoked * {key}\n"),
        format!("@revoked [127.0.0.1]:{port} {key}\n{plain}"),
    ] {
        let error = run(&revoked).ends(6).stderr;
        assert!(error.contains("is revoked in known_hosts"), "{error}");
        assert!(!error.contains("then add it"), "{error}");
    }
    // Another key that is revoked says nothing of this one.
    let other = std::fs::read_to_string(hosted.host.key.with_extension("pub")).expect("a key");
    run(&format!("{plain}@revoked * {other}\n")).ends(0);
    for (unknown, said) in [
        (format!("@cert-authority * {other}\n"), "@cert-authority"),
        (
            format!("[127.*]:{port},![127.0.0.1]:{port} {key}\n"),
            "is not in known_hosts",
        ),
        (format!("[127.*]:{port} {other}\n"), "is not in known_hosts"),
    ] {
        let error = run(&unknown).ends(6).stderr;
        assert!(error.contains(said), "{error}");
        assert!(error.contains("SHA256:"), "{error}");
    }
}

#[test]
fn g67_an_alias_of_ssh_config_is_told_with_the_url_that_is_meant() {
    let Some(hosted) = hosted() else { return };
    let (port, key) = (hosted.host.port, hosted.host.host_key.trim());
    hosted.write("known_hosts", &format!("[127.0.0.1]:{port} {key}\n"));
    let text = format!("Host work\n  HostName 127.0.0.1\n  Port {port}\n");
    hosted.write("config", &text);
    let error = hosted.lint("work").ends(6).stderr;
    assert!(error.contains("alias of ~/.ssh/config"), "{error}");
    let meant = format!("stands for: 127.0.0.1:{port};");
    assert!(error.contains(&meant), "{error}");
    hosted.lint(&format!("127.0.0.1:{port}")).ends(0);
    // What is no alias is a host that cannot be reached.
    let error = hosted.lint("nowhere.invalid").ends(6).stderr;
    assert!(!error.contains("alias"), "{error}");
}
