//! Rendered branches: every commit is a bot's, and a trailer says which one people know.

use crate::support::repository::service_account;
use crate::support::world::{World, reason};

const KEY: &str = "Source-Commit";
const TAG: &str = "role.k8s.aws/source-commit";

/// A commit of the bot, rendered from another one.
fn render(world: &World, trailer: &str) -> String {
    world
        .repository
        .commit(&format!("Render\n\nSee the source.\n\n{trailer}\n"))
}

fn sync(world: &World) -> crate::support::cli::Run {
    world.sync(&["--source-commit-trailer", KEY])
}

#[test]
fn g84_roles_plans_and_explanations_name_the_commit_that_people_know() {
    let world = World::new(&["a", "b"]);
    let (one, two) = ("1".repeat(40), "2".repeat(40));
    let first = render(
        &world,
        &format!("Source-Commit: {one} Bea Source <bea@example.com>"),
    );
    let run = sync(&world).ends(0);
    let source = run.json()["clusters"][0]["sourceCommit"].clone();
    assert_eq!(source["commit"], one);
    assert_eq!(source["author"], "Bea Source");
    let tag = world.tag("a", TAG);
    assert_eq!(tag, Some(format!("{one} Bea Source")));
    // The order of runs is that of the commits that are read.
    assert_eq!(world.tag("a", "role.k8s.aws/last-commit"), Some(first));
    world.repository.remove("apps/a.yaml");
    render(&world, &format!("source-commit: {two} Cid"));
    for format in ["human", "markdown"] {
        let plan = [
            "plan",
            "--mode",
            "sync",
            "--source-commit-trailer",
            KEY,
            "--format",
            format,
        ];
        let shown = world.print(&plan).ends(0).stdout;
        let rendered = format!("{} of Cid", &two[..12]);
        assert_eq!(shown.matches(&rendered).count(), 2, "{shown}");
    }
    let explain = ["explain", "bar/a", "--source-commit-trailer", KEY];
    let explained = world.run(&explain).ends(0).json();
    assert_eq!(explained["lastChangedBy"]["source"]["commit"], two);
    assert_eq!(explained["lastChangedBy"]["source"]["author"], "Cid");
    assert_eq!(
        explained["current"]["sourceCommit"],
        format!("{one} Bea Source")
    );
    let run = sync(&world).ends(0);
    let said = reason(&run, 0);
    assert!(
        said.contains(&two[..12]) && said.contains("of Cid, rendered as"),
        "{said}"
    );
    let removed = &run.json()["clusters"][0]["changes"][0]["removedBy"]["source"];
    assert_eq!(removed["author"], "Cid");
}

#[test]
fn g84_the_author_is_that_of_the_source_commit_where_it_is_here() {
    let world = World::new(&["a"]);
    let known = world.repository.head();
    render(&world, &format!("Source-Commit: {known}"));
    let run = sync(&world).ends(0);
    assert_eq!(
        run.json()["clusters"][0]["sourceCommit"]["author"],
        "Ann Author"
    );
    assert_eq!(world.tag("a", TAG), Some(format!("{known} Ann Author")));
}

#[test]
fn g84_what_no_trailer_says_is_not_said() {
    let unknown = "1".repeat(40);
    let word = format!("Source-Commit: {unknown}");
    for (message, tag) in [
        (format!("Render\n\n{word}"), Some(unknown.clone())),
        // Another key, no id, no trailer but text, and none at all.
        (format!("Render\n\nOther: {unknown}"), None),
        ("Render\n\nSource-Commit: main".to_owned(), None),
        (format!("Render\n\n{word}\n\nand more text"), None),
        ("Render".to_owned(), None),
    ] {
        let world = World::new(&["a"]);
        world.repository.commit(&message);
        sync(&world).ends(0);
        assert_eq!(world.tag("a", TAG), tag, "{message}");
    }
    // Without the flag a trailer is part of the message.
    let world = World::new(&["a"]);
    render(&world, &word);
    let run = world.sync(&[]).ends(0);
    assert_eq!(world.tag("a", TAG), None);
    assert!(run.json()["clusters"][0].get("sourceCommit").is_none());
    let plan = world.run(&[
        "plan",
        "--full",
        "--exit-code",
        "--source-commit-trailer",
        KEY,
    ]);
    assert_eq!(
        plan.ends(0).changes(),
        Vec::<String>::new(),
        "it is no difference"
    );
    let run = world
        .print(&["plan", "--source-commit-trailer", "Source Commit"])
        .ends(2);
    assert!(
        run.stderr.contains("not the key of a trailer"),
        "{}",
        run.stderr
    );
    let run = world
        .print(&["plan", "--tag", "role.k8s.aws/source-commit=x"])
        .ends(2);
    assert!(run.stderr.contains("this program sets that tag itself"));
}

#[test]
fn g84_without_room_for_it_the_tag_is_left_out_and_nothing_else() {
    let tags: Vec<String> = (0..42).map(|n| format!("k{n}=v")).collect();
    let with_tags: Vec<&str> = tags
        .iter()
        .flat_map(|tag| ["--tag", tag.as_str()])
        .collect();
    let world = World::with(&[("apps/a.yaml", &service_account("bar", "a"))]);
    world.sync(&with_tags).ends(0);
    // Two more of somebody else: 50.
    world.set_tag("a", "x", "1");
    world.set_tag("a", "y", "2");
    world.edit(|state| {
        let roles = state["roles"].as_array_mut().expect("roles").iter_mut();
        for role in roles.filter(|role| role["name"] == "k8s-sa_bar_a") {
            role["trustPolicy"]["Statement"][0]["Action"] = "sts:AssumeRole".into();
        }
    });
    let head = render(&world, &format!("Source-Commit: {}", "1".repeat(40)));
    let run = world.sync(&[&["--source-commit-trailer", KEY][..], &with_tags].concat());
    assert_eq!(run.ends(0).changes(), ["k8s-sa_bar_a update done"]);
    assert_eq!(world.tag("a", "role.k8s.aws/last-commit"), Some(head));
    assert_eq!(world.tag("a", TAG), None);
}
