//! A repository, a sandbox beside it, and runs over both: what most tests of the binary start from.

use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use super::cli::{Cli, Run, sandbox, state};
use super::repository::{Repository, service_account};

/// A repository, a sandbox beside it, and runs over both.
pub struct World {
    pub repository: Repository,
    pub directory: TempDir,
    /// What is set for every run besides.
    pub environment: Vec<(&'static str, &'static str)>,
}

impl World {
    /// ServiceAccounts in namespace `bar`, in the directory `apps`.
    pub fn new(accounts: &[&str]) -> Self {
        let declared = accounts.iter().map(|name| {
            let file = format!("apps/{name}.yaml");
            (file, service_account("bar", name))
        });
        let declared: Vec<_> = declared.collect();
        let files = declared.iter().map(|(file, text)| (&**file, &**text));
        Self::with(&files.collect::<Vec<_>>())
    }

    /// A first commit of these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::without_account(files);
        sandbox(world.directory.path());
        world
    }

    /// The same without a file of the sandbox.
    pub fn without_account(files: &[(&str, &str)]) -> Self {
        Self {
            repository: Repository::with(files),
            directory: TempDir::new().expect("a directory"),
            environment: vec![],
        }
    }

    pub fn declare(&self, name: &str) {
        self.repository
            .write(&format!("apps/{name}.yaml"), service_account("bar", name));
    }

    pub fn iam(&self) -> PathBuf {
        self.file("iam.json")
    }

    /// A file beside the repository.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes such a file, and names it.
    pub fn write(&self, name: &str, text: &str) -> String {
        let file = self.file(name);
        std::fs::write(&file, text).expect("a file");
        file.display().to_string()
    }

    pub fn cli(&self, arguments: &[&str]) -> Cli {
        let cli = Cli::new(self.repository.path(), arguments).sandbox(&self.iam());
        let set = |cli: Cli, (key, value): &(&str, &str)| cli.env(key, value);
        self.environment.iter().fold(cli, set)
    }

    /// A run that reports in JSON.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.print(&[arguments, &["--format", "json"]].concat())
    }

    /// A run that reports as it is told to.
    pub fn print(&self, arguments: &[&str]) -> Run {
        self.cli(arguments).run()
    }

    pub fn sync(&self, arguments: &[&str]) -> Run {
        self.run(&[&["apply", "--mode", "sync"], arguments].concat())
    }

    pub fn edit(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut state = state(&self.iam());
        change(&mut state);
        std::fs::write(self.iam(), state.to_string()).expect("written");
    }

    pub fn role(&self, name: &str) -> serde_json::Value {
        let state = state(&self.iam());
        let roles = state["roles"].as_array().cloned().unwrap_or_default();
        roles
            .into_iter()
            .find(|role| role["name"] == format!("k8s-sa_bar_{name}"))
            .unwrap_or_default()
    }

    pub fn tag(&self, name: &str, key: &str) -> Option<String> {
        let role = self.role(name);
        let tags = role["tags"].as_array().cloned().unwrap_or_default();
        tags.iter()
            .find(|tag| tag["key"] == key)
            .and_then(|tag| tag["value"].as_str().map(str::to_owned))
    }

    /// Has the record say that a commit was applied.
    pub fn set_applied(&self, commit: &str) {
        self.edit(|state| {
            let roles = state["roles"].as_array_mut().expect("roles").iter_mut();
            let tags = roles.filter(|role| role["name"] == "k8s-sa_=prod");
            for tag in tags.flat_map(|role| role["tags"].as_array_mut().expect("tags")) {
                if tag["key"] == "role.k8s.aws/applied" {
                    tag["value"] = format!("{commit} 2026-01-01T00:00:00Z").into();
                }
            }
        });
    }

    pub fn set_tag(&self, name: &str, key: &str, value: &str) {
        self.edit(|state| {
            for role in state["roles"].as_array_mut().expect("roles") {
                if role["name"] == format!("k8s-sa_bar_{name}") {
                    let tags = role["tags"].as_array_mut().expect("tags");
                    tags.retain(|tag| tag["key"] != key);
                    tags.push(json!({ "key": key, "value": value }));
                }
            }
        });
    }
}

pub fn reason(run: &Run, index: usize) -> String {
    run.json()["clusters"][0]["changes"][index]["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

pub fn message(run: &Run) -> String {
    run.json()["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
