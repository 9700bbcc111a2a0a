//! Rows of the fault table that no other file covers.

use serde_json::json;

use crate::support::cli::{Cli, role};
use crate::support::iam_server::{Fault, IamServer};
use crate::support::repository::{Repository, service_account};
use crate::support::world::{World, reason};

#[test]
fn a29_c11_a_role_that_the_listing_does_not_show_yet_is_not_made_twice() {
    let repository = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    let server = IamServer::empty();
    let apply = || {
        let arguments = ["apply", "--format", "json"];
        Cli::new(repository.path(), &arguments)
            .endpoint(&server.url)
            .run()
    };
    apply().ends(0);
    // The record was not made in this second.
    server.state(|state| {
        let tags = state.roles.iter_mut().flat_map(|role| &mut role.tags);
        for tag in tags.filter(|tag| tag.key == "role.k8s.aws/applied") {
            tag.value = format!("{}@2026-01-01T00:00:00Z", repository.head());
        }
    });
    let made = server.state(|state| state.roles.clone());
    let nothing = "<ListRolesResponse><ListRolesResult><Roles/><IsTruncated>false</IsTruncated>\
        </ListRolesResult></ListRolesResponse>";
    server.script(vec![("ListRoles", 0, Fault::Garbage(200, nothing))]);
    assert_eq!(apply().ends(0).changes(), ["k8s-sa_bar_a create done"]);
    assert_eq!(server.state(|state| state.roles.clone()), made);
}

#[test]
fn a35_a36_last_use_is_shown_and_changes_nothing() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.edit(|state| role(state, 0)["lastUsed"] = json!("2026-11-24T08:00:00Z"));
    world.repository.remove("apps/a.yaml");
    world.repository.remove("apps/b.yaml");
    world.declare("c");
    world.repository.commit("Remove a and b");
    let run = world.sync(&[]).ends(0);
    let expected = [
        "k8s-sa_bar_a quarantine done",
        "k8s-sa_bar_b quarantine done",
    ];
    assert_eq!(run.changes()[..2], expected);
    assert!(
        reason(&run, 0).contains("last used 2026-11-24"),
        "{}",
        reason(&run, 0)
    );
    assert!(
        reason(&run, 1).contains("never used"),
        "{}",
        reason(&run, 1)
    );
}

#[test]
fn g14_a_file_beyond_the_limit_is_refused_by_its_header() {
    let world = World::new(&["a"]);
    let file = std::fs::File::create(world.repository.path().join("big.yaml"));
    file.expect("a file")
        .set_len(257 * 1024 * 1024)
        .expect("zeros");
    world.repository.commit("too large");
    let run = world.run(&["apply"]).ends(4);
    assert!(
        run.stdout.contains("`big.yaml` has 269484032 bytes"),
        "{}",
        run.stdout
    );
    assert!(world.role("a").is_null());
}

#[test]
fn g38_g39_a_file_beyond_the_limit_is_told_once_wherever_it_is_stored() {
    let world = World::new(&["a"]);
    let file = std::fs::File::create(world.repository.path().join("000.yaml"));
    file.expect("a file")
        .set_len(257 * 1024 * 1024)
        .expect("zeros");
    let blob = world.repository.git(&["hash-object", "-w", "000.yaml"]);
    world.repository.remove("000.yaml");
    for n in 0..200 {
        let entry = format!("100644,{blob},{n:03}.yaml");
        world
            .repository
            .git(&["update-index", "--add", "--cacheinfo", &entry]);
    }
    world
        .repository
        .git(&["commit", "--quiet", "--message", "too large"]);
    let said = "`000.yaml` has 269484032 bytes; the limit is 268435456; \
        the same file stands under 200 names";
    for stored in ["loose", "packed"] {
        if stored == "packed" {
            world.repository.git(&["repack", "-a", "-d", "-q"]);
        }
        let run = world.run(&["apply"]).ends(4);
        assert!(run.stdout.contains(said), "{stored}: {}", run.stdout);
        assert_eq!(run.stdout.matches(".yaml").count(), 1, "{}", run.stdout);
    }
    world.run(&["plan", "--path", "apps"]).ends(0);
}

#[test]
fn g33_a_file_of_an_earlier_commit_has_the_same_limit() {
    let world = World::new(&["a", "b"]);
    world.run(&["apply"]).ends(0);
    let large = |name: &str| {
        let file = std::fs::File::create(world.repository.path().join(name)).expect("a file");
        file.set_len(257 * 1024 * 1024).expect("zeros");
    };
    world.repository.remove("apps/a.yaml");
    world.repository.commit("remove a");
    let changes = world.run(&["plan", "--mode", "sync"]).ends(0).changes();
    assert_eq!(changes, ["k8s-sa_bar_a quarantine"]);
    large("big.yaml");
    world.repository.commit("too large");
    world.repository.remove("big.yaml");
    world.repository.commit("away with it");
    let before = world.role("a");
    for arguments in [&["apply", "--mode", "sync"][..], &["explain", "bar/a"]] {
        let run = world.run(arguments).ends(4);
        let said = "`big.yaml` has 269484032 bytes";
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert!(run.stderr.contains("an earlier commit"), "{}", run.stderr);
    }
    assert_eq!(world.role("a"), before);
    world.run(&["plan"]).ends(0);
}

#[test]
fn s10_s11_no_file_of_the_repository_sets_or_hides_anything() {
    let world = World::new(&["a"]);
    for name in [".irsa-gitops.yaml", "irsa-gitops.yaml", "clusters.yaml"] {
        world
            .repository
            .write(name, "clusters: [{name: other, paths: [nowhere]}]\n");
    }
    for name in [
        ".irsa-gitops-ignore",
        ".gitignore",
        ".gitattributes",
        ".helmignore",
    ] {
        world
            .repository
            .write(name, "apps/*\napps/a.yaml export-ignore\n");
    }
    world.repository.git(&["add", "--all", "--force"]);
    world.repository.commit("settings of its own");
    let run = world.run(&["plan"]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a create"]);
    assert_eq!(run.json()["clusters"][0]["name"], "prod");
}

#[test]
fn s12_without_credentials_what_can_be_checked_is_checked() {
    let world = World::new(&["a"]);
    let first = world.repository.head();
    world.declare("b");
    world.repository.commit("b");
    let run = |arguments: &[&str]| {
        let all = [arguments, &["--format", "json"]].concat();
        Cli::new(world.repository.path(), &all)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .run()
    };
    run(&["lint"]).ends(0);
    let range = format!("{first}..HEAD");
    assert_eq!(
        run(&["diff", &range]).ends(0).changes(),
        ["k8s-sa_bar_b create"]
    );
    let refused = run(&["plan"]).ends(6);
    assert!(refused.stdout.contains("credentials"), "{}", refused.stdout);
}

#[test]
fn s16_paths_are_no_patterns() {
    let world = World::new(&["a"]);
    for path in ["*", "apps/*.yaml", "(a+)+$", &"*a".repeat(2000)] {
        world.run(&["plan", "--path", path]).ends(4);
    }
}

#[test]
fn p2_a_signal_before_the_first_write_ends_with_its_code_and_a_report() {
    let repository = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    for verb in ["plan", "apply"] {
        let server = IamServer::empty();
        let hour = std::time::Duration::from_secs(3600);
        server.script(vec![("ListRoles", 0, Fault::Delayed(hour))]);
        let arguments = [verb, "--format", "json"];
        let child = Cli::new(repository.path(), &arguments)
            .endpoint(&server.url)
            .start();
        while !server.calls().iter().any(|call| call == "ListRoles") {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let kill = std::process::Command::new("kill")
            .arg(child.id().to_string())
            .status();
        assert!(kill.expect("kill can be run").success());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(143), "{verb}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("nothing was written"), "{text}");
    }
}

#[test]
fn p9_it_reads_within_its_limits_whatever_a_repository_holds() {
    let world = World::new(&["a"]);
    let bomb: String = (0..9).fold("a0: &a0 [x, x, x]\n".to_owned(), |text, n| {
        let aliases = vec![format!("*a{n}"); 9].join(", ");
        format!("{text}a{}: &a{} [{aliases}]\n", n + 1, n + 1)
    });
    let key = "# security.kaluza.com/iam-role-managed\n";
    world.repository.write("bomb.yaml", format!("{key}{bomb}"));
    world
        .repository
        .write("deep.yaml", format!("{key}a: {}", "[".repeat(100_000)));
    world
        .repository
        .write("long.yaml", format!("{key}a: {}\n", "x".repeat(20_000_000)));
    world.repository.commit("bombs");
    let program = env!("CARGO_BIN_EXE_irsa-gitops");
    // Address space, of which the program with debug information maps a part that it never touches.
    let command = "ulimit -v 900000 && exec \"$0\" lint --no-cache --format json";
    let output = std::process::Command::new("sh")
        .args(["-c", command, program])
        .current_dir(world.repository.path())
        .output()
        .expect("sh can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert_eq!(text.matches("limit-exceeded").count(), 2, "{text}");
}
