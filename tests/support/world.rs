//! A repository, a sandbox beside it, and runs over both: what most tests of the binary start from.

use serde_json::json;
use tempfile::TempDir;

use super::cli::{Cli, Run, sandbox, state};
use super::repository::{Repository, service_account};

/// A repository, a sandbox beside it, and runs over both.
pub struct World {
    pub repository: Repository,
    pub directory: TempDir,
}

impl World {
    pub fn new(accounts: &[&str]) -> Self {
        let world = Self {
            repository: Repository::new(),
            directory: TempDir::new().expect("a directory"),
        };
        sandbox(world.directory.path());
        for name in accounts {
            world.declare(name);
        }
        world.repository.commit("first");
        world
    }

    pub fn declare(&self, name: &str) {
        self.repository
            .write(&format!("apps/{name}.yaml"), service_account("bar", name));
    }

    pub fn iam(&self) -> std::path::PathBuf {
        self.directory.path().join("iam.json")
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        let all = [arguments, &["--format", "json"]].concat();
        Cli::new(self.repository.path(), &all)
            .sandbox(&self.iam())
            .run()
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
