//! Real Git repositories in a temporary directory, built by git itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A repository with a work tree; deleted when it goes out of scope.
pub struct Repository {
    directory: TempDir,
}

impl Repository {
    pub fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let repository = Self { directory };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    /// A repository with these files in one commit.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self::new();
        for (path, text) in files {
            repository.write(path, text);
        }
        repository.commit("first");
        repository
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.path().join(path);
        std::fs::create_dir_all(file.parent().expect("below the root")).expect("a directory");
        std::fs::write(&file, text).expect("a file");
        file
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.path().join(path)).expect("a file that is there");
    }

    /// Commits everything; returns the full commit id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.head()
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git, without anybody's configuration, and returns what it printed.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(self.path(), arguments)
    }
}

/// Runs git in a directory, without anybody's configuration.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .args([
            "-c",
            "user.name=Ann Author",
            "-c",
            "user.email=ann@example.com",
        ])
        .args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .expect("git can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A ServiceAccount as the controller's README has it.
pub fn service_account(namespace: &str, name: &str) -> String {
    format!(
        "apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}
  namespace: {namespace}
  annotations:
    security.kaluza.com/iam-role-managed: \"true\"
    eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/k8s-sa_{namespace}_{name}
"
    )
}

/// A repository with so many ServiceAccounts, `bar/app-0` and so on, in one file.
pub fn accounts(count: usize) -> Repository {
    let text: String = (0..count)
        .map(|n| format!("---\n{}", service_account("bar", &format!("app-{n}"))))
        .collect();
    Repository::with(&[("apps.yaml", &text)])
}
