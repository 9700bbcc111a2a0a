//! What a render lacks, and may have lost on the way.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::{Job, code};
use crate::support::repository::service_account;
use crate::support::world::reason;

#[test]
fn g80_a_file_that_a_render_cut_short_holds_its_role() {
    let (ours, other) = (service_account("bar", "a"), service_account("bar", "b"));
    let (cut, _) = ours.split_once("annotations:").expect("annotations");
    for (text, why) in [
        ("", "it is empty"),
        ("---\n", "it is empty"),
        (other.trim_end(), "no line break"),
        (&*format!("{cut}annotations:\n"), "cut off"),
        ("apiVersion: v1\nkind: Status\n", "Status"),
    ] {
        let (job, first) = Job::new(&["a", "b"]);
        let second = job.commit("two");
        job.write("second", "kept.yaml", &other);
        let file = job.write("second", "apps/all.yaml", text);
        let run = job.compared(("second", &second), ("first", &first)).ends(7);
        assert_eq!(code(&run, 0), "change-unreadable", "{text}");
        assert!(reason(&run, 0).contains(why), "{}", reason(&run, 0));
        std::fs::remove_file(file).expect("it is there");
        // A link to what is read anyway hides nothing.
        let link = PathBuf::from(job.place("second")).join("linked");
        symlink("apps", link).expect("a link");
        let run = job.compared(("second", &second), ("first", &first));
        assert_eq!(run.ends(0).changes()[0], "k8s-sa_bar_a quarantine done");
    }
}

#[test]
fn g80_a_quarantined_role_is_deleted_only_if_nothing_hides_its_service_account() {
    // No other pipeline reads what is out of these paths.
    let paths = ["--path", "apps"];
    let (job, first) = Job::of(&["a", "b"], &paths);
    let second = job.commit("two");
    job.render("second", &["b"]);
    let compared = |new: (&str, &str), base: (&str, &str), prune: &[&str]| {
        let render = ["--directory", &job.place(new.0), "--commit", new.1];
        let base = [
            "--base-directory",
            &job.place(base.0),
            "--base-commit",
            base.1,
        ];
        job.run(&[&render, &base, &paths[..], prune].concat())
    };
    compared(("second", &second), ("first", &first), &[]).ends(0);
    let third = job.commit("three");
    job.render("third", &["b"]);
    let ends = |base: &str, commit: &str| {
        compared(("third", &third), (base, commit), &["--prune-after", "0"])
    };
    let templated = service_account("bar", "a").replace("name: a\n", "name: {{ .name }}\n");
    let templated = templated.replace("bar_a", "bar_z");
    let broken = job.write("third", "apps/moved.yaml", &templated);
    assert_eq!(
        code(&ends("second", &second).ends(7), 0),
        "change-unreadable"
    );
    std::fs::remove_file(broken).expect("it is there");
    // What was there before the role was written last is no witness of what was there then.
    for render in ["first", "third"] {
        job.write(render, "other/a.yaml", &service_account("bar", "a"));
    }
    assert_eq!(
        code(&ends("first", &first).ends(7), 0),
        "declared-elsewhere"
    );
    job.write("second", "other/a.yaml", &service_account("bar", "a"));
    let run = ends("second", &second).ends(0);
    assert_eq!(run.changes()[0], "k8s-sa_bar_a delete done");
}

#[test]
fn g80_a_path_that_the_base_does_not_have_held_nothing() {
    let (job, first) = Job::new(&["a", "b"]);
    let second = job.commit("two");
    job.render("second", &["b"]);
    job.write("second", "new/c.yaml", &service_account("bar", "c"));
    let read = |paths: &[&str]| {
        let render = ["--directory", &job.place("second"), "--commit", &second];
        let base = [
            "--base-directory",
            &job.place("first"),
            "--base-commit",
            &first,
        ];
        let paths: Vec<&str> = paths.iter().flat_map(|path| ["--path", path]).collect();
        job.run(&[&render, &base, &paths[..]].concat())
    };
    let run = read(&["new"]).ends(7);
    assert_eq!(code(&run, 0), "not-in-base", "{}", run.stdout);
    let run = read(&["apps", "new"]).ends(0);
    assert_eq!(run.changes()[0], "k8s-sa_bar_a quarantine done");
}
