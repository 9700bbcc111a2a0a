//! The reach of a doubt: what is not understood holds the removals that it could hide, and no others.

use std::os::unix::fs::symlink;

use crate::support::cli::Cli;
use crate::support::repository::{git, service_account};
use crate::support::world::{World, message, reason};

const KEY: &str = "security.kaluza.com/iam-role-managed";
const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";

fn without_namespace(name: &str) -> String {
    service_account("bar", name).replace("  namespace: bar\n", "")
}

/// What becomes of the role of `bar/a` whose file is deleted, with other files that were there before,
/// came in the same commit, or came later.
fn fate(before: &[(&str, &str)], with: &[(&str, &str)], later: &[(&str, &str)]) -> String {
    let world = World::new(&["a", "b"]);
    let write = |files: &[(&str, &str)]| {
        for (path, text) in files {
            world.repository.write(path, text);
        }
    };
    write(before);
    world.repository.write("notes.yaml", "kind: Note\n");
    world.repository.commit("before");
    world.run(&["apply", "--mode", "sync"]);
    world.repository.remove("apps/a.yaml");
    write(with);
    world.repository.commit("Remove a");
    if !later.is_empty() {
        write(later);
        world.repository.commit("later");
    }
    let run = world.run(&["apply", "--mode", "sync"]);
    let changes = run.changes();
    let of_a = changes.iter().find(|change| change.contains("bar_a "));
    of_a.map_or_else(String::new, |change| {
        change.replace("k8s-sa_bar_a ", "").replace(" done", "")
    })
}

#[test]
fn m56_what_cannot_hold_the_annotation_holds_nobodys_role() {
    for text in [
        "{{- if .Values.x }}\nkind: ConfigMap\n{{ end }}\n",
        "\u{0}GITCRYPT\u{0}\u{1}\u{2}",
        LFS,
        "a: [\n",
        "kind: Note\n\tb: 1\n",
    ] {
        let file = [("other/x.yaml", text)];
        assert_eq!(fate(&file, &[], &[]), "quarantine", "before: {text}");
        assert_eq!(fate(&[], &[], &file), "quarantine", "later: {text}");
    }
    // What a Git LFS pointer stands for is not known, so it may have moved there.
    assert_eq!(fate(&[], &[("other/x.yaml", LFS)], &[]), "held");
    // Not even if it came with the removal, unless the ServiceAccount may have moved there.
    for text in ["q: [\n", "{{ if x }}\nname: b\n{{ end }}\n"] {
        let file = [("other/x.yaml", text)];
        assert_eq!(fate(&[], &file, &[]), "quarantine", "with it: {text}");
    }
    for text in ["name: a\na: [\n", "{{ if x }}\nname: a\n{{ end }}\n"] {
        let file = [("other/x.yaml", text)];
        assert_eq!(fate(&[], &file, &[]), "held", "with it: {text}");
    }
}

#[test]
fn m72_a_file_that_took_the_name_in_with_the_removal_holds_it_however_it_is_edited_since() {
    let template = |text: &str| format!("{{{{ if x }}}}\n{text}\n{{{{ end }}}}\n");
    let texts = ["name: a", "name: a\nx: 1", "name: b", "x: 1"].map(template);
    let [named, edited, other, none] = texts.each_ref().map(|text| ("other/x.yaml", text.as_str()));
    assert_eq!(fate(&[], &[named], &[edited]), "held");
    // It could not be parsed before either, and did not hold the name.
    assert_eq!(fate(&[none], &[named], &[]), "held");
    assert_eq!(fate(&[other], &[named], &[edited]), "held");
    // It could be parsed, and held the name of something else.
    let whole = ("other/x.yaml", "kind: Note\nname: a\n");
    assert_eq!(fate(&[whole], &[named], &[edited]), "held");
    // It held the name all along, or holds it no more, or got it later.
    assert_eq!(fate(&[named], &[edited], &[]), "quarantine");
    assert_eq!(fate(&[], &[named], &[other]), "quarantine");
    assert_eq!(fate(&[none], &[], &[named]), "quarantine");
}

#[test]
fn m56_what_is_as_it_was_before_the_removal_holds_nobodys_role() {
    let broken = format!("{{{{ if x }}}}\n{KEY}: \"true\"\n{{{{ end }}}}\n");
    let file = [("chart/sa.yaml", broken.as_str())];
    assert_eq!(fate(&file, &[], &[]), "quarantine");
    assert_eq!(fate(&[], &file, &[]), "held");
    assert_eq!(fate(&[], &[], &file), "held");
    // Changed, it may hold another ServiceAccount than before.
    let changed = format!("{broken}# another\n");
    let changed = [("chart/sa.yaml", changed.as_str())];
    assert_eq!(fate(&file, &changed, &[]), "held");
    assert_eq!(fate(&file, &[], &changed), "held");
}

#[test]
fn m56_a_service_account_without_a_namespace_is_one_of_its_name() {
    let (same, other) = (without_namespace("a"), without_namespace("z"));
    let templated = |name: &str| without_namespace("x").replace("name: x", name);
    for (text, expected) in [
        (same, "held"),
        (other, "quarantine"),
        (templated("name: ${NAME}"), "held"),
        (templated("name: web-${NAME}"), "quarantine"),
    ] {
        let file = [("other/x.yaml", text.as_str())];
        assert_eq!(fate(&[], &file, &[]), expected, "{text}");
        assert_eq!(fate(&[], &[], &file), expected, "later: {text}");
    }
}

#[test]
fn m56_a_doubt_that_came_later_keeps_what_is_quarantined() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let run = world.sync(&[]).ends(0);
    assert_eq!(run.changes(), ["k8s-sa_bar_a quarantine done"]);
    world.repository.write("x.yaml", without_namespace("a"));
    world.repository.commit("a ServiceAccount that may be it");
    let run = world.sync(&["--prune-after", "0"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert!(reason(&run, 0).contains("x.yaml"), "{}", reason(&run, 0));
    world.repository.write("x.yaml", without_namespace("z"));
    world.repository.commit("another one");
    let run = world.sync(&["--prune-after", "0"]).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a delete done"]);
}

#[test]
fn g50_submodules_and_links_hold_what_they_may_have_taken_in_since() {
    let world = World::new(&["a", "b"]);
    let root = world.repository.path();
    symlink("/elsewhere/dashboards", root.join("dashboards")).expect("a link");
    let entry = format!("160000,{},vendor", "1".repeat(40));
    world
        .repository
        .git(&["update-index", "--add", "--cacheinfo", &entry]);
    world.repository.git(&["add", "dashboards"]);
    world
        .repository
        .git(&["commit", "--quiet", "--message", "a link, a submodule"]);
    world.run(&["apply", "--mode", "sync"]);
    world.repository.git(&["rm", "--quiet", "apps/a.yaml"]);
    world
        .repository
        .git(&["commit", "--quiet", "--message", "Remove a"]);
    let plan = ["plan", "--mode", "sync"];
    let changes = world.run(&plan).changes();
    assert_eq!(changes, ["k8s-sa_bar_a quarantine"]);
    let entry = format!("160000,{},vendor", "2".repeat(40));
    world
        .repository
        .git(&["update-index", "--cacheinfo", &entry]);
    world
        .repository
        .git(&["commit", "--quiet", "--message", "a newer submodule"]);
    let run = world.run(&plan).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert!(reason(&run, 0).contains("vendor"), "{}", reason(&run, 0));
}

/// A link into a submodule is as little known as that, and as little of this repository.
#[test]
fn g50_a_link_into_a_submodule_is_a_note_and_holds_what_may_have_gone_there() {
    for link in ["apps/again.yaml", "apps/again"] {
        let world = World::new(&["a", "b"]);
        let repository = &world.repository;
        let root = repository.path();
        let point_to = |commit: char| {
            let entry = format!("160000,{},vendor", commit.to_string().repeat(40));
            repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
            repository.git(&["commit", "--quiet", "--message", "a submodule"]);
        };
        let add_link = || symlink("../vendor/apps/a", root.join(link)).expect("a link");
        let plan = ["plan", "--mode", "sync", "--path", "apps"];
        point_to('1');
        add_link();
        repository.git(&["add", link]);
        repository.git(&["commit", "--quiet", "--message", "a link"]);
        world.sync(&plan[3..]).ends(0);
        let severity = &world.run(&["lint"]).ends(0).json()["clusters"][0]["diagnostics"][0];
        assert_eq!(severity["severity"], "note");
        repository.git(&["rm", "--quiet", "apps/a.yaml"]);
        repository.git(&["commit", "--quiet", "--message", "Remove a"]);
        // Neither the link nor the submodule is what it was before the removal: then it is held.
        assert_eq!(world.run(&plan).changes(), ["k8s-sa_bar_a quarantine"]);
        point_to('2');
        let run = world.run(&plan).ends(7);
        assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
        assert!(reason(&run, 0).contains(link), "{}", reason(&run, 0));
    }
    let world = World::new(&["a", "b"]);
    let (repository, root) = (&world.repository, world.repository.path());
    let entry = format!("160000,{},vendor", "1".repeat(40));
    repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
    repository.git(&["commit", "--quiet", "--message", "a submodule"]);
    world.sync(&[]).ends(0);
    // The ServiceAccount's own file is there from now on, under its path.
    repository.git(&["rm", "--quiet", "apps/a.yaml"]);
    symlink("../vendor/a.yaml", root.join("apps/a.yaml")).expect("a link");
    repository.git(&["add", "apps/a.yaml"]);
    repository.git(&["commit", "--quiet", "--message", "a link"]);
    let run = world.sync(&[]).ends(7);
    assert_eq!(run.changes()[0], "k8s-sa_bar_a held");
}

#[test]
fn g50_a_link_to_a_directory_holds_what_that_may_have_taken_in_since() {
    let world = World::new(&["a", "b"]);
    let note = |text: &str| {
        let note = format!("kind: Note\ntext: {text}\n");
        world.repository.write("shared/note.yaml", note);
        world.repository.commit(text);
    };
    let link = world.repository.path().join("apps/shared");
    symlink("../shared", link).expect("a link");
    note("before");
    let paths = ["--path", "apps"];
    world.sync(&paths);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    let plan = [&["plan", "--mode", "sync"], &paths[..]].concat();
    assert_eq!(world.run(&plan).changes(), ["k8s-sa_bar_a quarantine"]);
    note("since");
    let run = world.run(&plan).ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    assert!(
        reason(&run, 0).contains("apps/shared"),
        "{}",
        reason(&run, 0)
    );
}

#[test]
fn g51_a_link_to_a_manifest_of_the_same_commit_is_that_manifest() {
    let world = World::new(&["b"]);
    let root = world.repository.path().to_owned();
    world
        .repository
        .write("base/a.yaml", service_account("bar", "a"));
    symlink("../base/a.yaml", root.join("apps/linked.yaml")).expect("a link");
    world.repository.commit("a link");
    let run = world.sync(&["--path", "apps"]).ends(0);
    assert_eq!(
        run.changes(),
        ["k8s-sa_bar_a create done", "k8s-sa_bar_b create done"]
    );
    // Where the manifest is in scope itself, the link adds nothing, not even a note.
    let run = world.run(&["lint"]).ends(0);
    assert_eq!(run.codes(), Vec::<String>::new());
    // A link out of the commit is not read, and what it leads to is not looked at.
    let secret = world.directory.path().join("secret.yaml");
    std::fs::write(&secret, service_account("bar", "secret")).expect("written");
    symlink(&secret, root.join("apps/out.yaml")).expect("a link");
    world.repository.commit("a link out of the repository");
    let run = world.run(&["lint"]).ends(4);
    assert_eq!(run.codes(), ["not-read"]);
    assert!(!run.stdout.contains("bar/secret"), "{}", run.stdout);
}

#[test]
fn m57_what_was_declared_out_of_the_paths_all_along_is_no_new_place() {
    for (is_new, expected) in [
        (false, "k8s-sa_bar_a quarantine done"),
        (true, "k8s-sa_bar_a held"),
    ] {
        let world = World::new(&["a", "b"]);
        let fixture = || {
            let text = service_account("bar", "a");
            world.repository.write("tests/fixture.yaml", text);
        };
        if !is_new {
            fixture();
        }
        world.repository.write("notes.yaml", "kind: Note\n");
        world.repository.commit("before");
        world.sync(&["--path", "apps"]).ends(0);
        world.repository.remove("apps/a.yaml");
        fixture();
        world.repository.commit("Remove a");
        let run = world.sync(&["--path", "apps"]);
        assert_eq!(run.changes(), [expected], "{}", run.stdout);
    }
}

#[test]
fn m56_a_doubt_keeps_what_is_quarantined_where_the_commit_of_the_quarantine_is_not_here() {
    let world = World::new(&["a", "b"]);
    world.sync(&[]).ends(0);
    world.repository.remove("apps/a.yaml");
    world.repository.commit("Remove a");
    world.sync(&[]).ends(0);
    world.repository.write("x.yaml", without_namespace("a"));
    world.repository.commit("a ServiceAccount that may be it");
    let due = ["apply", "--mode", "sync", "--prune-after", "0"];
    // A shallow clone does not have it.
    let clone = world.directory.path().join("clone");
    let (from, to) = (world.repository.path(), clone.to_str().expect("UTF-8"));
    let from = format!("file://{}", from.display());
    git(
        world.directory.path(),
        &["clone", "--quiet", "--depth", "1", &from, to],
    );
    let run = Cli::new(&clone, &[&due[..], &["--format", "json"]].concat());
    let run = run.sandbox(&world.iam()).run().ends(7);
    assert_eq!(run.changes(), ["k8s-sa_bar_a held"]);
    // Nor does a repository whose history was rewritten, which is told as that.
    for key in ["last-commit", "quarantined-by"] {
        world.set_tag("a", &format!("role.k8s.aws/{key}"), &"1".repeat(40));
    }
    let run = world.run(&due).ends(9);
    assert!(message(&run).contains("unknown"), "{}", message(&run));
}

#[test]
fn m141_an_error_that_names_the_role_by_its_arn_holds_it_whatever_its_age() {
    let own = service_account("bar", "a");
    let template = format!("{{{{- if .Values.x }}}}\n{own}{{{{- end }}}}\n");
    let edited = |from: &str, to: &str| own.replace(from, to);
    for text in [
        without_namespace("a"),
        edited("namespace: bar", "namespace: ${NS}"),
        edited("namespace: bar", "namespace: {{ .Release.Namespace }}"),
        edited("name: a", "name: ${APP}"),
        edited("apiVersion: v1", "apiVersion: ${VERSION}"),
        template,
    ] {
        let file = [("x/templates/o.yaml", text.as_str())];
        assert_eq!(fate(&file, &[], &[]), "held", "{text}");
        assert_eq!(fate(&[], &[], &file), "held", "later: {text}");
    }
    // What names no role, or another one, or is understood, or is not ours.
    let bare = without_namespace("a");
    for text in [
        service_account("other", "a"),
        bare.replace("123456789012", "210987654321"),
        bare.replace("bar_a", "bar_ab"),
        bare.replace("\"true\"", "\"false\""),
        bare.replace(KEY, "acme.example.com/managed"),
    ] {
        let file = [("x/o.yaml", text.as_str())];
        assert_eq!(fate(&file, &[], &[]), "quarantine", "{text}");
    }
}

#[test]
fn m143_a_namespace_whose_literal_parts_cannot_match_holds_nothing() {
    let other = service_account("bar", "a").replace("bar_a", "bar_z");
    for (namespace, expected) in [
        ("other-${NS}", "quarantine"),
        ("${NS}-prod", "quarantine"),
        ("\"{{ .Release.Namespace }}-x\"", "quarantine"),
        ("b${NS}", "held"),
        ("${NS}", "held"),
    ] {
        let text = other.replace("namespace: bar", &format!("namespace: {namespace}"));
        let file = [("x/o.yaml", text.as_str())];
        assert_eq!(fate(&[], &file, &[]), expected, "{namespace}");
        assert_eq!(fate(&[], &[], &file), expected, "later: {namespace}");
    }
}
