//! Saved plans after a merge: what was approved on a branch is applied on the branch that it came to.

use crate::support::cli::{Cli, Run, state};
use crate::support::repository::service_account;
use crate::support::world::{World, message};

const SYNC: [&str; 2] = ["--mode", "sync"];

/// A world with roles, and the plan of branch `topic`, which makes one, repairs one and retires one.
struct Approved {
    world: World,
    plan: String,
    planned: String,
}

impl Approved {
    fn new() -> Self {
        let world = World::new(&["drifted", "gone", "stays"]);
        world.run(&["apply"]).ends(0);
        let git = |arguments: &[&str]| world.repository.git(arguments);
        git(&["checkout", "--quiet", "-b", "topic"]);
        world.declare("new");
        world.repository.commit("new");
        world.repository.remove("apps/gone.yaml");
        let planned = world.repository.commit("gone");
        git(&["checkout", "--quiet", "main"]);
        world.edit(|state| {
            for role in state["roles"].as_array_mut().expect("roles") {
                if role["name"] == "k8s-sa_bar_drifted" {
                    role["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into();
                }
            }
        });
        let file = world.directory.path().join("plan.json");
        let plan = file.display().to_string();
        let run = ["plan", "--revision", "topic", "--out", &plan];
        let run = world.run(&[&run[..], &SYNC].concat()).ends(0);
        assert_eq!(run.changes().len(), 3, "{:?}", run.changes());
        Self {
            world,
            plan,
            planned,
        }
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.world.repository.git(arguments)
    }

    /// As a merge by squash makes it.
    fn squash(&self) -> String {
        self.git(&["merge", "--quiet", "--squash", "topic"]);
        self.world.repository.commit("squashed")
    }

    fn apply(&self, flags: &[&str]) -> Run {
        let apply = ["apply", "--plan", &self.plan];
        self.world.run(&[&apply[..], &SYNC, flags].concat())
    }

    /// Applies what was approved, at the tip of `main`.
    fn is_applied(&self) {
        self.git(&["branch", "--quiet", "--delete", "--force", "topic"]);
        let head = self.git(&["rev-parse", "main"]);
        let run = self.apply(&["--revision", "main", "--require-reachable-from", "main"]);
        let run = run.ends(0);
        assert_eq!(
            run.changes(),
            [
                "k8s-sa_bar_drifted update done",
                "k8s-sa_bar_gone quarantine done",
                "k8s-sa_bar_new create done"
            ]
        );
        assert_eq!(run.json()["commit"], head);
        for name in ["drifted", "new", "gone"] {
            let tag = self.world.tag(name, "role.k8s.aws/last-commit");
            assert_eq!(tag.as_deref(), Some(head.as_str()), "{name}");
        }
        let tag = self.world.tag("gone", "role.k8s.aws/quarantined-by");
        assert_eq!(tag.as_deref(), Some(head.as_str()));
        // Once: nothing of it is left to be done.
        self.apply(&["--revision", "main"]).ends(5);
        assert_eq!(
            self.world.sync(&[]).ends(0).changes(),
            ["k8s-sa_bar_gone orphan"]
        );
    }

    /// Applies nothing, says that the plan is stale, and what differs.
    fn is_stale(&self, revision: &str, differing: &[&str]) {
        let before = state(&self.world.iam());
        let commit = self.git(&["rev-parse", revision]);
        let run = self.apply(&["--revision", revision]).ends(5);
        let text = message(&run);
        for said in [&["plan is stale", &self.planned, &commit][..], differing].concat() {
            assert!(text.contains(said), "{said}: {text}");
        }
        for other in [
            "bar/stays",
            "bar/drifted",
            "bar/new",
            "bar/gone",
            "bar/more",
        ] {
            let differs = differing.iter().any(|said| said.starts_with(other));
            assert!(differs || !text.contains(other), "{other}: {text}");
        }
        assert_eq!(state(&self.world.iam()), before);
    }
}

#[test]
fn c45_a_saved_plan_is_applied_after_a_squash_merge() {
    let approved = Approved::new();
    approved.squash();
    approved.is_applied();
}

#[test]
fn c45_a_saved_plan_is_applied_after_a_rebase_merge_and_other_commits() {
    let approved = Approved::new();
    let world = &approved.world;
    // What declares nothing, and what says the same at another place.
    world.repository.write("README.md", "# Apps");
    world
        .repository
        .write("apps/config.yaml", "kind: ConfigMap\n");
    let commented = format!("# Owned by team bar\n{}", service_account("bar", "stays"));
    world.repository.write("apps/stays.yaml", commented);
    approved.git(&["mv", "apps/drifted.yaml", "moved.yaml"]);
    world.repository.commit("meanwhile");
    approved.git(&["cherry-pick", "main..topic"]);
    world.repository.write("README.md", "# Apps and more");
    world.repository.commit("later");
    approved.is_applied();
}

#[test]
fn c45_without_a_revision_it_is_the_commit_of_the_plan() {
    let approved = Approved::new();
    approved.squash();
    let run = approved
        .apply(&["--require-reachable-from", "main"])
        .ends(5);
    let hint = run.json()["error"]["hint"].to_string();
    assert!(hint.contains("--revision main"), "{hint}");
    let run = approved.apply(&[]).ends(0);
    assert_eq!(run.json()["commit"], approved.planned);
    let tag = approved.world.tag("new", "role.k8s.aws/commit");
    assert_eq!(tag, Some(approved.planned.clone()));
}

#[test]
fn c46_a_revision_that_declares_otherwise_makes_the_plan_stale() {
    let approved = Approved::new();
    let world = &approved.world;
    // Not merged yet; `HEAD` counts where it is given.
    let unmerged = [
        "bar/new (not declared any more)",
        "bar/gone (not declared when it was planned)",
    ];
    approved.is_stale("main", &unmerged);
    approved.is_stale("HEAD", &unmerged);
    let run = Cli::new(
        world.repository.path(),
        &[
            &["apply", "--format", "json", "--plan", &approved.plan],
            &SYNC[..],
        ]
        .concat(),
    );
    let run = run
        .sandbox(&world.iam())
        .env("IRSA_GITOPS_REVISION", "main");
    assert!(message(&run.run().ends(5)).contains(unmerged[0]));
    approved.squash();
    world.declare("more");
    world.repository.commit("more");
    approved.is_stale("main", &["bar/more (not declared when it was planned)"]);
    world.repository.remove("apps/more.yaml");
    let audience = "    eks.amazonaws.com/audience: other.example.com\n";
    let other = service_account("bar", "new") + audience;
    world.repository.write("apps/new.yaml", other);
    world.repository.commit("another audience");
    approved.is_stale("main", &["bar/new (declared otherwise)"]);
    let unmanaged = service_account("bar", "stays").replace("\"true\"", "\"false\"");
    world.repository.write("apps/stays.yaml", unmanaged);
    world.declare("new");
    world.repository.commit("unmanaged");
    approved.is_stale("main", &["bar/stays (declared otherwise)"]);
    world.declare("stays");
    world.repository.commit("as it was planned");
    approved.is_applied();
}

#[test]
fn c46_order_and_the_reference_are_those_of_the_given_commit() {
    let approved = Approved::new();
    let squashed = approved.squash();
    let world = &approved.world;
    let before = state(&world.iam());
    // One that declares the same, on a line that is not `main`.
    approved.git(&["checkout", "--quiet", "-b", "other"]);
    world.repository.commit("nothing");
    approved.git(&["checkout", "--quiet", "main"]);
    let other = ["--revision", "other", "--require-reachable-from", "main"];
    let text = message(&approved.apply(&other).ends(5));
    assert!(text.contains("is not in the history of `main`"), "{text}");
    // What was applied is newer than the plan's commit, and than the one that is given.
    world.edit(|state| *state = before.clone());
    let newer = world.repository.commit("newer");
    world.run(&["apply", "--mode", "create-only"]);
    let text = message(&approved.apply(&["--revision", &squashed]).ends(9));
    assert!(
        text.contains("is newer than") && text.contains(&newer),
        "{text}"
    );
}

#[test]
fn c46_an_edited_plan_is_refused_at_a_revision_too() {
    let approved = Approved::new();
    approved.squash();
    let before = state(&approved.world.iam());
    let text = std::fs::read_to_string(&approved.plan).expect("a plan");
    for edited in [
        text.replace("bar/new", "bar/more"),
        text.replace(&approved.planned, &approved.git(&["rev-parse", "main"])),
        text.replace("plan/v2", "plan/v1"),
        text.replacen("\"desired\"", "\"desire\"", 1),
    ] {
        assert_ne!(edited, text);
        std::fs::write(&approved.plan, edited).expect("written");
        let run = approved.apply(&["--revision", "main"]).ends(5);
        assert!(
            message(&run).contains("cannot be used"),
            "{}",
            message(&run)
        );
    }
    std::fs::write(&approved.plan, text).expect("written");
    let run = approved
        .apply(&["--revision", "main", "--tag", "team=a"])
        .ends(5);
    assert!(message(&run).contains("--tag"), "{}", message(&run));
    assert_eq!(state(&approved.world.iam()), before);
    approved.is_applied();
}
