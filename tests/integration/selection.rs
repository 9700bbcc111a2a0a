//! A configuration file and flags beside it: what is selected, and what would be ignored.

use crate::support::cli::{Cli, ISSUER, roles, state};
use crate::support::repository::service_account;
use crate::support::world::World;

/// A role in each of two clusters, which no variable names.
fn world() -> World {
    let green = |name| service_account("bar", name).replace("k8s-sa_", "green_");
    let files = [
        ("blue/foo.yaml", &*service_account("bar", "foo")),
        ("green/foo.yaml", &*green("foo")),
    ];
    World {
        environment: vec![
            ("IRSA_GITOPS_CLUSTER_NAME", ""),
            ("IRSA_GITOPS_OIDC_PROVIDER", ""),
        ],
        ..World::with(&files)
    }
}

fn names(world: &World) -> Vec<String> {
    let name = |role: &serde_json::Value| role["name"].as_str().map(str::to_owned);
    roles(&state(&world.iam()))
        .iter()
        .filter_map(name)
        .collect()
}

const CLUSTERS: &str = "clusters:
- name: blue
  paths: [blue]
  account: '123456789012'
- name: green
  paths: [green]
  rolePrefix: green
  account: '123456789012'
";

/// Every verb with what it needs besides, about blue's only role.
const VERBS: [&[&str]; 8] = [
    &["lint"],
    &["diff", "HEAD..HEAD"],
    &["plan"],
    &["apply"],
    &["roles"],
    &["explain", "bar/foo"],
    &["adopt", "k8s-sa_bar_foo"],
    &["iam-policy", "--for", "apply"],
];

#[test]
fn i12_a_cluster_name_selects_among_those_of_the_file() {
    let world = world();
    let config = world.write("clusters.yaml", CLUSTERS);
    let shared = ["--config", &config, "--oidc-provider", ISSUER];
    for verb in VERBS {
        let run = |name: &str| {
            let all = [verb, &shared, &["--cluster-name", name]].concat();
            world.print(&all)
        };
        let unknown = run("gren").ends(2);
        for said in [
            "no cluster `gren`",
            "did you mean `green`?",
            "`blue`, `green`",
            &config,
        ] {
            assert!(
                unknown.stderr.contains(said),
                "{verb:?}: {}",
                unknown.stderr
            );
        }
        let known = run("blue");
        assert_ne!(known.code, 2, "{verb:?}: {}", known.stderr);
        let said = known.stdout + &known.stderr;
        assert!(!said.contains("green"), "{verb:?}: {said}");
    }
    assert_eq!(names(&world), ["k8s-sa_bar_foo"]);
    let apply = |names: &[&str]| {
        let names = names.iter().flat_map(|name| ["--cluster-name", name]);
        let all: Vec<&str> = ["apply"].into_iter().chain(shared).chain(names).collect();
        world.print(&all)
    };
    apply(&["gr*"]).ends(0);
    assert_eq!(names(&world), ["green_bar_foo", "k8s-sa_bar_foo"]);
    for all in [&[][..], &["blue", "green"], &["*"], &["bl?e,green"]] {
        assert!(apply(all).ends(0).stdout.contains("green"), "{all:?}");
    }
    // One of several is still to be chosen where only one can be meant.
    let adopt = ["adopt", "k8s-sa_bar_foo", "--cluster-name", "*"];
    let run = world.print(&[&adopt[..], &shared].concat()).ends(2);
    assert!(run.stderr.contains("`blue`, `green`"), "{}", run.stderr);
}

#[test]
fn i12_a_saved_plan_is_for_the_clusters_that_were_selected() {
    let world = world();
    let config = world.write("clusters.yaml", CLUSTERS);
    let plan = world.write("plan.json", "");
    let run = |verb: &[&str], name: &str| {
        let shared = [
            "--config",
            &config,
            "--oidc-provider",
            ISSUER,
            "--cluster-name",
            name,
        ];
        world.print(&[verb, &shared].concat())
    };
    run(&["plan", "--out", &plan], "*").ends(0);
    let fewer = run(&["apply", "--plan", &plan], "blue").ends(5);
    assert!(
        fewer.stderr.contains("made for the clusters blue, green"),
        "{}",
        fewer.stderr
    );
    run(&["plan", "--out", &plan], "green").ends(0);
    run(&["apply", "--plan", &plan], "*").ends(5);
    run(&["apply", "--plan", &plan], "green").ends(0);
    assert_eq!(names(&world), ["green_bar_foo"]);
}

#[test]
fn i12_one_list_of_flags_is_good_for_every_verb() {
    let world = world();
    let shared = [
        "--cluster-name",
        "prod",
        "--oidc-provider",
        ISSUER,
        "--account",
        "123456789012",
        "--region",
        "eu-west-1",
        "--audience",
        "sts.amazonaws.com",
        "--tag",
        "team=a",
        "--max-session-duration",
        "3600",
        "--role-path",
        "/",
        "--role-prefix",
        "k8s-sa",
        "--managed-by",
        "us",
    ];
    for verb in VERBS {
        let run = world.print(&[verb, &shared].concat());
        assert_ne!(run.code, 2, "{verb:?}: {}", run.stderr);
        let run = world
            .print(&[verb, &shared, &["--cluster-name", "other"]].concat())
            .ends(2);
        assert!(run.stderr.contains("--config"), "{verb:?}: {}", run.stderr);
        // What a verb does not need is checked all the same.
        let run = world
            .print(&[verb, &shared, &["--tag", "x"]].concat())
            .ends(2);
        assert!(run.stderr.contains("KEY=VALUE"), "{verb:?}: {}", run.stderr);
    }
}

/// Each key of the file with a value, its flag, another spelling of the value, and another value.
const KEYS: [(&str, &str, &str, &str, &str); 14] = [
    ("paths", "blue", "--path", "./blue/", "green"),
    (
        "oidcProvider",
        ISSUER,
        "--oidc-provider",
        "",
        "oidc.example.com/2",
    ),
    ("rolePrefix", "k8s-sa", "--role-prefix", "k8s-sa", "other"),
    ("rolePath", "/", "--role-path", "/", "/x/"),
    (
        "account",
        "'123456789012'",
        "--account",
        "123456789012",
        "210987654321",
    ),
    ("region", "eu-west-1", "--region", "eu-west-1", "us-east-1"),
    (
        "audience",
        "sts.amazonaws.com",
        "--audience",
        "sts.amazonaws.com",
        "none",
    ),
    (
        "permissionsBoundary",
        "arn:aws:iam::aws:policy/X",
        "--permissions-boundary",
        "arn:aws:iam::aws:policy/X",
        "arn:aws:iam::aws:policy/Y",
    ),
    (
        "maxSessionDuration",
        "3600",
        "--max-session-duration",
        "3600",
        "7200",
    ),
    ("managedBy", "us", "--managed-by", "us", "them"),
    ("tags", "[a=1]", "--tag", "a=1", "a=2"),
    ("tokenPath", "/token", "--token-path", "/token", "/other"),
    (
        "roleArn",
        "arn:aws:iam::123456789012:role/a",
        "--role-arn",
        "arn:aws:iam::123456789012:role/a",
        "arn:aws:iam::123456789012:role/b",
    ),
    (
        "assumeRole",
        "arn:aws:iam::123456789012:role/a",
        "--assume-role",
        "arn:aws:iam::123456789012:role/a",
        "arn:aws:iam::123456789012:role/b",
    ),
];

#[test]
fn i13_a_flag_that_the_file_contradicts_is_an_error_and_not_ignored() {
    let world = world();
    let https = format!("https://{ISSUER}/");
    for (key, value, flag, same, other) in KEYS {
        let same = if same.is_empty() { &https } else { same };
        let pair = match key {
            "tokenPath" => "  roleArn: arn:aws:iam::123456789012:role/a\n",
            "roleArn" => "  tokenPath: /token\n",
            _ => "",
        };
        let issuer = match key {
            "oidcProvider" => String::new(),
            _ => format!("  oidcProvider: {ISSUER}\n"),
        };
        let account = match key {
            "account" => "",
            _ => "  account: '123456789012'\n",
        };
        let rest = format!("{issuer}{account}{pair}");
        let config = world.write("c.yaml", &format!("- name: blue\n  {key}: {value}\n{rest}"));
        let silent = world.write("silent.yaml", &format!("- name: blue\n{rest}"));
        let variable = flag
            .trim_start_matches('-')
            .replace('-', "_")
            .to_uppercase();
        let variable = format!("IRSA_GITOPS_{variable}");
        for verb in VERBS {
            let help = world.print(&[verb[0], "--help"]).stdout;
            if !help.contains(&format!("{flag} <")) {
                continue;
            }
            let with = |config: &str, value: &str| {
                world.print(&[verb, &["--config", config, flag, value]].concat())
            };
            let run = with(&config, other).ends(2);
            let said =
                format!("{flag} is `{other}`, but configuration file {config}, cluster `blue` has");
            assert!(run.stderr.contains(&said), "{verb:?}: {}", run.stderr);
            // Equal, and where the file says nothing.
            for (config, value) in [(&config, same), (&silent, same)] {
                let run = with(config, value);
                assert_ne!(run.code, 2, "{verb:?} {flag}: {}", run.stderr);
            }
        }
        let run = world
            .cli(&["plan", "--config", &config])
            .env(Box::leak(variable.clone().into_boxed_str()), other);
        let run = run.run().ends(2);
        let said = [
            format!("{variable} is `{other}`"),
            format!("unset {variable}"),
        ];
        assert!(
            said.iter().all(|said| run.stderr.contains(said)),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn i13_a_variable_is_named_and_a_flag_before_it() {
    let world = world();
    let config = world.write("clusters.yaml", CLUSTERS);
    let plan = ["plan", "--config", &config, "--oidc-provider", ISSUER];
    let name = |cli: Cli| cli.env("IRSA_GITOPS_CLUSTER_NAME", "prod");
    let run = name(world.cli(&plan)).run().ends(2);
    assert!(
        run.stderr.contains("IRSA_GITOPS_CLUSTER_NAME: "),
        "{}",
        run.stderr
    );
    let flag = [&plan[..], &["--cluster-name", "prod"]].concat();
    let run = name(world.cli(&flag)).run().ends(2);
    assert!(
        run.stderr.contains("error: --cluster-name: "),
        "{}",
        run.stderr
    );
    // Of those that are not selected nothing is said.
    let only = [
        &plan[..],
        &["--cluster-name", "green", "--role-prefix", "green"],
    ]
    .concat();
    world.print(&only).ends(0);
    world
        .print(&[&plan[..], &["--role-prefix", "green", "--path", "blue"]].concat())
        .ends(2);
}
