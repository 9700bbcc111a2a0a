//! Packs: every way of reading a commit sees the same files, and damage is an error, never a gap.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use irsa_gitops::manifest::Extract;
use irsa_gitops::model::commit::CommitId;
use irsa_gitops::model::location::RepoPath;
use irsa_gitops::source::{
    Alternates, Blob, Cache, Changed, Credentials, Error, Facts, Remembered, Repository, Scope,
    directory,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::support::repository::{Repository as Fixture, service_account};

type Files = Vec<(RepoPath, Vec<u8>)>;

fn open(repository: &Path) -> Repository {
    let (credentials, refused) = (Credentials::default(), Alternates::Refused);
    let address = repository.to_str().expect("UTF-8");
    Repository::open(address, "HEAD", &credentials, refused, &|_| {}).expect("a repository")
}

/// What a commit holds, content and all.
fn read(repository: &Path, commit: &str) -> Result<Files, Error> {
    let refused = Alternates::Refused;
    let address = repository.to_str().expect("UTF-8");
    let git = Repository::open(address, "HEAD", &Credentials::default(), refused, &|_| {})?;
    let commit = CommitId::new(commit).expect("an id");
    let whole = |_: &RepoPath, content: &[u8]| Some(content.to_vec());
    let snapshot = git.read(&commit, &Scope::default(), None, None, &whole)?;
    Ok(snapshot.files)
}

/// What each commit changed, as lines: the commit, the blobs before and after, and the path.
fn changes(repository: &Path, commit: &str) -> Result<Vec<String>, Error> {
    let refused = Alternates::Refused;
    let address = repository.to_str().expect("UTF-8");
    let git = Repository::open(address, "HEAD", &Credentials::default(), refused, &|_| {})?;
    let commit = CommitId::new(commit).expect("an id");
    let mut lines = Vec::new();
    let mut note = |commit: &CommitId, changed: Vec<Changed>| {
        for Changed {
            path,
            before,
            after,
        } in changed
        {
            let [before, after] = [before, after].map(id);
            lines.push(format!("{commit} {before} {after} {path}"));
        }
        Ok(ControlFlow::Continue(()))
    };
    git.changes(&commit, &Scope::default(), &mut note)?;
    Ok(lines)
}

fn id(blob: Option<Blob>) -> String {
    let shown = blob.map(|blob| format!("{blob:?}"));
    shown.map_or_else(
        || "0".repeat(40),
        |shown| shown[5..shown.len() - 1].to_owned(),
    )
}

/// The same from Git.
fn changes_by_git(fixture: &Fixture, commit: &str) -> Vec<String> {
    let log = fixture.git(&[
        "log",
        "--first-parent",
        "--diff-merges=first-parent",
        "--raw",
        "--root",
        "--no-renames",
        "--no-abbrev",
        "--format=%H",
        commit,
    ]);
    let mut commit = "";
    let mut lines = Vec::new();
    for line in log.lines().filter(|line| !line.is_empty()) {
        let Some((entry, path)) = line.split_once('\t') else {
            commit = line;
            continue;
        };
        let ids: Vec<&str> = entry.split(' ').skip(2).take(2).collect();
        if [".yaml", ".json"].iter().any(|end| path.ends_with(end)) && ids[0] != ids[1] {
            lines.push(format!("{commit} {} {} {path}", ids[0], ids[1]));
        }
    }
    lines
}

/// Files that git packs as differences from each other, some of them twice.
fn history() -> Fixture {
    let fixture = Fixture::new();
    let long: String = (0..400)
        .map(|n| format!("line {n}: {}\n", n * 7919))
        .collect();
    for round in 0..4 {
        for n in 0..100 {
            let text = format!("{long}round: {round}\nfile: {}\n{long}", n % 90);
            fixture.write(&format!("d{}/{n}.yaml", n % 7), text);
        }
        fixture.commit("round");
    }
    fixture
}

#[test]
fn loose_objects_packs_of_all_kinds_and_the_directory_hold_the_same_files() {
    let fixture = history();
    let commit = fixture.head();
    let loose = read(fixture.path(), &commit).expect("loose objects");
    assert_eq!(loose.len(), 100);
    let whole = |_: &RepoPath, content: &[u8]| Some(content.to_vec());
    let plain = directory::read(fixture.path(), &Scope::default(), None, &whole);
    assert_eq!(plain.expect("a directory").files, loose);
    for packing in [
        &["repack", "-adfq", "--depth=50", "--window=100"][..],
        &["-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq"],
        &["repack", "-adfq", "--depth=0"],
        &[
            "repack",
            "-adfq",
            "--max-pack-size=1m",
            "--depth=0",
            "--window=0",
        ],
    ] {
        fixture.git(packing);
        let packed = read(fixture.path(), &commit).expect("a pack");
        assert_eq!(packed, loose, "{packing:?}");
    }
    fixture.write("d0/0.yaml", "one: more\n");
    let next = fixture.commit("one loose object beside a pack");
    let mixed = read(fixture.path(), &next).expect("a pack and loose objects");
    let changed = mixed.iter().zip(&loose).filter(|(a, b)| a != b);
    assert_eq!(changed.count(), 1);
    assert_eq!(read(fixture.path(), &commit).expect("the past"), loose);
}

#[test]
fn g9_a_damaged_pack_is_an_error_or_does_not_matter() {
    let fixture = history();
    let commit = fixture.head();
    fixture.git(&["repack", "-adfq", "--depth=20"]);
    let whole = read(fixture.path(), &commit).expect("a pack");
    let packs = fixture.path().join(".git/objects/pack");
    let mut errors = 0;
    for ending in ["pack", "idx"] {
        let named = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == ending);
        let entries = fs::read_dir(&packs).expect("a directory").flatten();
        let file = entries
            .map(|entry| entry.path())
            .find(named)
            .expect("a pack");
        let good = fs::read(&file).expect("a file");
        fs::remove_file(&file).expect("git makes it read-only");
        for step in 0..80 {
            let mut bad = good.clone();
            let at = step * good.len() / 80;
            bad[at] ^= 1 << (step % 8);
            if step % 10 == 9 {
                bad.truncate(at);
            }
            fs::write(&file, &bad).expect("a file");
            match read(fixture.path(), &commit) {
                Ok(files) => assert_eq!(files, whole, "{ending} at {at}"),
                Err(_) => errors += 1,
            }
        }
        fs::write(&file, &good).expect("a file");
    }
    assert!(errors > 80, "only {errors} of 160 mattered");
    assert_eq!(read(fixture.path(), &commit).expect("whole again"), whole);
}

#[test]
fn g90_a_walk_through_a_damaged_pack_is_an_error_or_finds_what_git_finds() {
    let fixture = history();
    let commit = fixture.head();
    let whole = changes_by_git(&fixture, &commit);
    assert_eq!(whole.len(), 400);
    for packing in [
        &["repack", "-adfq", "--depth=20"][..],
        &["-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq"],
    ] {
        fixture.git(packing);
        let packs = fixture.path().join(".git/objects/pack");
        let mut packs = fs::read_dir(&packs).expect("a directory").flatten();
        let pack = packs.find(|file| file.path().extension().is_some_and(|e| e == "pack"));
        let pack = pack.expect("a pack").path();
        let good = fs::read(&pack).expect("a file");
        fs::remove_file(&pack).expect("git makes it read-only");
        let mut errors = 0;
        // Commits and directories come before all files.
        for at in (12..1500).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&pack, &bad).expect("a file");
            match changes(fixture.path(), &commit) {
                Ok(found) => assert_eq!(found, whole, "byte {at}"),
                Err(_) => errors += 1,
            }
        }
        assert!(errors > 40, "only {errors} mattered");
        fs::write(&pack, &good).expect("a file");
        assert_eq!(
            changes(fixture.path(), &commit).expect("whole again"),
            whole
        );
    }
}

#[test]
fn g9_an_entry_that_is_cut_short_by_its_own_header_is_not_taken_for_an_empty_find() {
    let fixture = Fixture::new();
    let long: String = (0..30).map(|n| format!("line {n}\n")).collect();
    for n in 0..100 {
        fixture.write(&format!("{n}.yaml"), format!("file: {n}\n{long}"));
    }
    fixture.write("needle.yaml", format!("{long}{long}the needle\n"));
    let commit = fixture.commit("a hundred files and a needle at the end of one");
    fixture.git(&["repack", "-adfq", "--window=0"]);
    let packs = fixture.path().join(".git/objects/pack");
    let named = |ending: &str| {
        let mut files = fs::read_dir(&packs).expect("a directory").flatten();
        let file = files.find(|file| file.path().extension().is_some_and(|e| e == ending));
        file.expect("a pack").path()
    };
    let needle = fixture.git(&["rev-parse", "HEAD:needle.yaml"]);
    let listing = fixture.git(&["verify-pack", "-v", named("idx").to_str().expect("UTF-8")]);
    let line = listing.lines().find(|line| line.starts_with(needle.trim()));
    let offset = line.and_then(|line| line.split_whitespace().nth(4)?.parse().ok());
    let offset: usize = offset.expect("where the needle is");
    let pack = named("pack");
    let good = fs::read(&pack).expect("a file");
    fs::remove_file(&pack).expect("git makes it read-only");
    let address = fixture.path().to_str().expect("UTF-8");
    let commit = CommitId::new(&commit).expect("an id");
    let holds_needle = |_: &RepoPath, content: &[u8]| content.ends_with(b"needle\n").then_some(());
    for bit in 0..16 {
        let mut bad = good.clone();
        bad[offset + bit / 8] ^= 1 << (bit % 8);
        fs::write(&pack, &bad).expect("a file");
        let (credentials, refused) = (Credentials::default(), Alternates::Refused);
        let git = Repository::open(address, "HEAD", &credentials, refused, &|_| {});
        let git = git.expect("the index is whole");
        let found = git.read(&commit, &Scope::default(), None, None, &holds_needle);
        assert!(found.is_err(), "bit {bit}: {found:?}");
    }
}

#[test]
fn m84_what_was_found_in_this_run_is_not_read_again() {
    let files = ["a.yaml", "b.yaml", "c.yaml"].map(|path| (path, path));
    let fixture = Fixture::with(&files);
    let commit = CommitId::new(&fixture.head()).expect("an id");
    let place = tempfile::tempdir().expect("a directory");
    let all: Vec<(RepoPath, usize)> = vec![
        ("a.yaml".into(), 1),
        ("b.yaml".into(), 2),
        ("c.yaml".into(), 0),
    ];
    let read = |facts: Option<&Facts>, known: &dyn Fn(&RepoPath) -> Option<usize>| {
        let opened = AtomicUsize::new(0);
        let look = |path: &RepoPath, _: &[u8]| {
            opened.fetch_add(1, Ordering::Relaxed);
            (*path == "b.yaml".into()).then_some(2)
        };
        let remembered = Remembered {
            facts,
            known,
            write: |found: &usize| Some(found.to_le_bytes().to_vec()),
            read: |_, bytes| Some(usize::from_le_bytes(bytes.try_into().ok()?)),
        };
        let found = open(fixture.path())
            .read(&commit, &Scope::default(), None, Some(&remembered), &look)
            .expect("all are there");
        assert_eq!(found.files, all);
        opened.into_inner()
    };
    let some = |path: &RepoPath| all.iter().find(|(p, found)| p == path && *found != 2);
    let known = |path: &RepoPath| some(path).map(|(_, found)| *found);
    assert_eq!(read(None, &known), 1, "only what is not known is read");
    let cache = || Cache::open(place.path(), "1", "");
    let first = cache();
    assert_eq!(read(Some(first.counts()), &known), 1);
    first.counts().save();
    // What this run knew, the next one remembers.
    assert_eq!(read(Some(cache().counts()), &|_| None), 0);
}

/// A file of a random tree: where, and which of a few contents.
fn any_file() -> impl Strategy<Value = (String, usize)> {
    (
        "[a-c]/([a-c]/){0,2}[a-z]{1,2}\\.(yaml|json|txt)",
        0..40_usize,
    )
}

fn content(which: usize) -> String {
    match which {
        0..4 => service_account("bar", &format!("app-{which}")),
        4 => "version https://git-lfs.github.com/spec/v1\n".to_owned(),
        _ => format!("kind: Other\nnumber: {which}\n").repeat(which),
    }
}

proptest! {
    #![proptest_config(Config { cases: 8, failure_persistence: None, ..Config::default() })]

    /// libgit2 alone, the reader of packs, the cache in all its states and the plain directory.
    #[test]
    fn every_way_of_reading_finds_the_same_in_random_histories(
        rounds in proptest::collection::vec(proptest::collection::btree_map(any_file().prop_map(|f| f.0), 0..40_usize, 70..120), 1..4),
        depth in 0..30_u8,
    ) {
        let fixture = Fixture::new();
        let cache = tempfile::tempdir().expect("a directory");
        let git = || open(fixture.path());
        let look = |path: &RepoPath, bytes: &[u8]| irsa_gitops::manifest::Extractor::default().extract(path, bytes);
        for files in &rounds {
            for (path, which) in files {
                fixture.write(path, content(*which));
            }
            let commit = CommitId::new(&fixture.commit("round")).expect("an id");
            let scope = Scope::default();
            let loose = git().read(&commit, &scope, None, None, &look).expect("loose objects");
            let plain = directory::read(fixture.path(), &scope, Some(commit.clone()), &look);
            let plain = plain.expect("a directory");
            prop_assert_eq!((&plain.files, &plain.unread), (&loose.files, &loose.unread));
            fixture.git(&["repack", "-adfq", &format!("--depth={depth}")]);
            let packed = git().read(&commit, &scope, None, None, &look).expect("a pack");
            prop_assert_eq!(&packed, &loose);
            // And so does a walk through history.
            let mut found = changes(fixture.path(), commit.as_str()).expect("a pack");
            let mut by_git = changes_by_git(&fixture, commit.as_str());
            found.sort();
            by_git.sort();
            prop_assert_eq!(found, by_git);
            for _ in 0..2 {
                let cache = Cache::open(cache.path(), "1", "");
                let remembered = Remembered {
                    facts: Some(cache.found()),
                    known: &|_| None,
                    write: Extract::to_bytes,
                    read: Extract::from_bytes,
                };
                let cached = git().read(&commit, &scope, Some(&cache), Some(&remembered), &look).expect("cached");
                prop_assert_eq!((&cached.files, &cached.unread), (&loose.files, &loose.unread));
            }
        }
    }
}
