//! What was found in files is remembered: it may mislead a plan, and never a write.

use std::fs;
use std::path::PathBuf;

use irsa_gitops::manifest::{Extractor, VERSION};
use sha2::{Digest, Sha256};

use crate::support::cli::{Cli, Run};
use crate::support::repository::service_account;
use crate::support::world::World;

struct Remembering {
    world: World,
}

impl Remembering {
    fn new(files: &[(&str, &str)]) -> Self {
        let world = World::with(files);
        Self { world }
    }

    fn cache(&self) -> PathBuf {
        self.world.file("cache")
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let cli: Cli = self.world.cli(&[arguments, &["--format", "json"]].concat());
        cli.env("IRSA_GITOPS_NO_CACHE", "false")
            .env("IRSA_GITOPS_CACHE_DIR", self.cache())
            .run()
    }

    fn facts(&self, look: &str) -> PathBuf {
        self.cache().join(format!("found-{VERSION}{look}.facts"))
    }

    /// The id of a file at the commit that is read.
    fn id(&self, path: &str) -> String {
        let id = self
            .world
            .repository
            .git(&["rev-parse", &format!("HEAD:{path}")]);
        id.trim().to_owned()
    }

    /// Takes the content of a file out of the repository.
    fn lose(&self, path: &str) {
        let id = self.id(path);
        let object = format!(".git/objects/{}/{}", &id[..2], &id[2..]);
        fs::remove_file(self.world.repository.path().join(object)).expect("a loose object");
    }

    /// Says of a file that it holds what another one holds, in a cache that is in order.
    fn poison(&self, path: &str, text: &str) {
        let extract = Extractor::default().declarations(&"x.yaml".into(), text.as_bytes());
        let fact = extract
            .and_then(|extract| extract.to_bytes())
            .expect("a fact");
        let id = self.id(path);
        let bytes = (0..id.len()).step_by(2);
        let id: Vec<u8> = bytes
            .map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("hex"))
            .collect();
        let length = u32::try_from(fact.len()).expect("short").to_le_bytes();
        let content = [&[1, 0, 0, 0], &id[..], &length, &fact].concat();
        let head = b"irsa-gitops facts 1\n";
        let file = [&head[..], &Sha256::digest(&content), &content].concat();
        fs::create_dir_all(self.cache()).expect("a directory");
        fs::write(self.facts(""), file).expect("written");
    }
}

#[test]
fn s37_every_verb_says_the_same_from_what_it_remembers() {
    let plain = service_account("bar", "plain");
    let audience = service_account("bar", "audience") + "    eks.amazonaws.com/audience: \"x y\"\n";
    let unmanaged = service_account("bar", "off").replace("\"true\"", "\"false\"");
    let bare = service_account("bar", "bare").replace("  namespace: bar\n", "");
    let json = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"listed","annotations":{"security.kaluza.com/iam-role-managed":"true"}}}]}"#;
    let wrong = service_account("bar", "wrong").replace("\"true\"", "yes");
    let files = [
        ("a.yaml", &*plain),
        ("copy.yaml", &unmanaged),
        ("b.yaml", &audience),
        ("bar/c.yaml", &bare),
        ("bar/d.json", json),
        ("e.yaml", &wrong),
        ("f.yaml", &(service_account("bar", "f") + "---\nx: [\n")),
        ("g.yaml", "kind: Note\n"),
    ];
    let place = Remembering::new(&files);
    place
        .world
        .repository
        .write("h.yaml", service_account("bar", "h"));
    place.world.repository.commit("one more");
    for rule in [&[][..], &["--namespace-from", "{namespace}/*"]] {
        for verb in [&["lint"][..], &["diff", "HEAD~1..HEAD"], &["plan", "--all"]] {
            let run = |more: &[&str]| place.run(&[verb, rule, more].concat()).stdout;
            let cold = run(&["--no-cache"]);
            for time in 0..3 {
                assert_eq!(run(&[]), cold, "{verb:?} {rule:?} {time}");
            }
        }
    }
}

#[test]
fn s37_what_is_remembered_is_not_read_again_before_something_is_written() {
    let foo = service_account("bar", "foo");
    let place = Remembering::new(&[("a.yaml", &foo), ("b.yaml", "kind: Note\n")]);
    let cold = place.run(&["plan"]).ends(0);
    place.run(&["lint"]).ends(0);
    place.lose("a.yaml");
    assert_eq!(place.run(&["plan"]).ends(0).stdout, cold.stdout);
    place.run(&["lint"]).ends(0);
    place.run(&["plan", "--mode", "sync"]).ends(4);
    let before = fs::read(place.world.iam()).expect("a sandbox");
    place.run(&["apply"]).ends(4);
    assert_eq!(fs::read(place.world.iam()).expect("a sandbox"), before);
}

#[test]
fn s37_a_poisoned_fact_misleads_a_plan_and_never_a_write() {
    let place = Remembering::new(&[("a.yaml", &service_account("bar", "foo"))]);
    place.poison("a.yaml", &service_account("kube-system", "evil"));
    let plan = place.run(&["plan"]).ends(0);
    assert_eq!(plan.changes(), ["k8s-sa_kube-system_evil create"]);
    let sync = place.run(&["plan", "--mode", "sync"]).ends(0);
    assert_eq!(sync.changes(), ["k8s-sa_bar_foo create"]);
    let apply = place.run(&["apply"]).ends(0);
    assert_eq!(apply.changes(), ["k8s-sa_bar_foo create done"]);
    assert!(
        apply.stderr.contains("the cache hides manifests"),
        "{}",
        apply.stderr
    );
}

#[test]
fn s37_facts_that_make_no_sense_count_for_nothing() {
    let place = Remembering::new(&[("a.yaml", &service_account("bar", "foo"))]);
    let cold = place.run(&["plan"]).ends(0);
    let whole = fs::read(place.facts("")).expect("facts");
    let head = whole.len() - 10;
    for damaged in [
        &whole[..head],
        &whole[10..],
        b"",
        b"irsa-gitops facts 2\n",
        b"\0\xff",
    ] {
        fs::write(place.facts(""), damaged).expect("written");
        assert_eq!(place.run(&["plan"]).ends(0).stdout, cold.stdout);
        assert_eq!(
            fs::read(place.facts("")).expect("facts"),
            whole,
            "it is mended"
        );
    }
    // A name that Kubernetes does not have.
    place.poison("a.yaml", &service_account("bar", "evil"));
    let file = fs::read(place.facts("")).expect("facts");
    let bad = String::from_utf8_lossy(&file[52..]).into_owned();
    assert!(bad.contains("\"evil\""), "{bad}");
    let at = file
        .windows(6)
        .position(|part| part == b"\"evil\"")
        .expect("its name");
    let mut content = file[52..].to_vec();
    content[at - 52 + 1] = b'_';
    let head = &file[..20];
    let file = [head, &Sha256::digest(&content), &content].concat();
    fs::write(place.facts(""), file).expect("written");
    assert_eq!(place.run(&["plan"]).ends(0).stdout, cold.stdout);
}

#[test]
fn s37_lint_takes_nothing_from_a_plan_that_read_less() {
    let foo = service_account("bar", "foo");
    let place = Remembering::new(&[("a.yaml", &format!("{foo}---\nx: [\n"))]);
    for _ in 0..2 {
        place.run(&["plan"]).ends(0);
        assert_eq!(place.run(&["lint"]).ends(4).codes(), ["invalid-yaml"]);
    }
}

#[test]
fn s37_mode_sync_and_what_is_told_not_to_remember_nothing() {
    let place = Remembering::new(&[("a.yaml", &service_account("bar", "foo"))]);
    place.run(&["plan", "--mode", "sync"]).ends(0);
    place.run(&["plan", "--no-cache"]).ends(0);
    place.run(&["lint", "--no-cache"]).ends(0);
    assert!(!place.cache().exists());
    let status = place.world.repository.git(&["status", "--porcelain"]);
    assert_eq!(status, "", "and never in the repository");
}
