//! Packs: every way of reading a commit sees the same files, and damage is an error, never a gap.

use std::fs;
use std::path::Path;

use irsa_gitops::model::commit::CommitId;
use irsa_gitops::model::location::RepoPath;
use irsa_gitops::source::{Alternates, Credentials, Error, Repository, Scope, directory};

use crate::support::repository::Repository as Fixture;

type Files = Vec<(RepoPath, Vec<u8>)>;

/// What a commit holds, content and all.
fn read(repository: &Path, commit: &str) -> Result<Files, Error> {
    let refused = Alternates::Refused;
    let address = repository.to_str().expect("UTF-8");
    let git = Repository::open(address, "HEAD", &Credentials::default(), refused, &|_| {})?;
    let commit = CommitId::new(commit).expect("an id");
    let whole = |_: &RepoPath, content: &[u8]| Some(content.to_vec());
    let snapshot = git.read(&commit, &Scope::default(), None, &whole)?;
    Ok(snapshot.files)
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
