//! Passwords in the address of a repository, of whatever characters and wherever it is given.

use proptest::prelude::*;

use crate::support::cli::{Cli, Run};
use crate::support::world::World;

/// Where an address is given, and what is printed there.
fn runs(world: &World, before: &str, password: &str, after: &str) -> Vec<(&'static str, Run)> {
    let url = &format!("{before}{password}{after}");
    let inside = world.repository.path().join("apps");
    let inside = inside.to_str().expect("plain");
    let run = |arguments: &[&str]| {
        Cli::new(world.repository.path(), &[arguments, &["-vv"]].concat())
            .sandbox(&world.iam())
            // Nobody is there; and no name is looked up on the way.
            .env("https_proxy", "http://127.0.0.1:9")
    };
    let origin = ["config", "remote.origin.url", url];
    world.repository.git(&origin);
    vec![
        ("usage", run(&["roles", url]).run()),
        ("usage", run(&["lint", "--mode", url]).run()),
        ("address", run(&["lint", url]).run()),
        ("address", run(&["lint", "--format", "json", url]).run()),
        (
            "variable",
            run(&["plan"]).env("IRSA_GITOPS_REPO", url).run(),
        ),
        ("flag", run(&["explain", "bar/a", "--repo", url]).run()),
        ("elsewhere", run(&["lint", "--revision", url]).run()),
        ("elsewhere", run(&["explain", url]).run()),
        ("revision", run(&["diff", url]).run()),
        ("command", run(&["diff", url, inside]).run()),
        ("origin", run(&["lint", "--format", "json"]).run()),
        ("origin", run(&["apply", "--format", "markdown"]).run()),
    ]
}

fn check(before: &str, password: &str, after: &str) -> Result<(), TestCaseError> {
    let world = World::new(&["a"]);
    let known = runs(&World::new(&["a"]), before, "", after);
    let tag = |world: &World| world.tag("a", "role.k8s.aws/source").unwrap_or_default();
    for ((place, run), (_, known)) in runs(&world, before, password, after).iter().zip(known) {
        let all = format!("{}{}{}", run.stdout, run.stderr, tag(&world));
        let known = format!("{before}{after}{}{}", known.stdout, known.stderr);
        let characters: Vec<char> = password.chars().collect();
        for piece in characters.windows(4) {
            let piece: String = piece.iter().collect();
            let shows = all.contains(&piece) && !known.contains(&piece);
            prop_assert!(
                !shows,
                "{place} shows {piece} of {before}{password}{after}: {all}"
            );
        }
    }
    prop_assert!(tag(&world).contains("example.com"), "{}", tag(&world));
    Ok(())
}

#[test]
fn s20_a_password_that_no_parser_takes_for_one_is_shown_nowhere() {
    for (before, password, after) in [
        (
            "https://user:",
            "planted/secret@w",
            "@example.com/acme/apps",
        ),
        ("https://user:", "planted..secret", "@example.com/acme/apps"),
        ("https://user:", "1234/planted", "@example.com/acme/apps"),
        (
            "https://user:",
            "planted?secret#word",
            "@example.com/acme/apps",
        ),
        (
            "https://user:",
            "plan%40ted%2Fsecret",
            "@example.com/acme/apps",
        ),
        ("https://", "planted/secret", "@example.com/acme/apps"),
        ("user:", "planted/secret@word", "@example.com:acme/apps"),
        ("user:", "planted://secret", "@example.com:acme/apps"),
    ] {
        check(before, password, after).unwrap_or_else(|error| panic!("{error}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]
    #[test]
    fn s20_no_piece_of_any_password_reaches_an_output(password in "[!-~\u{a1}-\u{ff}]{4,20}") {
        check("https://user:", &password, "@example.com/acme/apps")?;
    }
}

#[test]
fn s20_an_address_without_a_password_is_shown_whole() {
    let world = World::new(&["a"]);
    for (address, shown) in [
        (
            "https://example.com/acme/a@b.git",
            "https://example.com/acme/a@b.git",
        ),
        ("git@example.com:acme/apps", "example.com:acme/apps"),
        ("/srv/git/a@b.git", "/srv/git/a@b.git"),
    ] {
        world
            .repository
            .git(&["config", "remote.origin.url", address]);
        let run = world.run(&["lint"]).ends(0);
        assert_eq!(run.json()["repository"], shown);
    }
    let caller = "arn:aws:sts::123456789012:assumed-role/Admin/ann@example.com";
    let run = world.run(&["lint", "--revision", caller]).ends(4);
    assert!(run.stderr.contains(caller), "{}", run.stderr);
}
