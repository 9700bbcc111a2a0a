//! A removal is held exactly if some content of what was not read could be where the ServiceAccount went: random
//! repositories with every kind of doubt, and an oracle that tries every content.

use irsa_gitops::manifest::{Extractor, Management};

use crate::support::cli::Run;
use crate::support::repository::service_account;
use crate::support::world::World;

const KEY: &str = "security.kaluza.com/iam-role-managed";
/// What can stand where a name is left open.
const NAMES: [&str; 4] = ["a", "b", "web-a", "web-b"];
const NAMESPACES: [&str; 2] = ["bar", "shop"];
/// The names of the ServiceAccounts that are removed.
const REMOVED: [&str; 2] = ["a", "web-a"];

/// A kind of thing that is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A template that holds the annotation.
    Chart,
    /// A template, an encrypted secret, or a broken file: it cannot hold the annotation.
    Config,
    /// A template that holds the name `a`, and not the annotation.
    Named,
    /// A ServiceAccount without a namespace.
    Base(&'static str),
    /// A ServiceAccount whose name begins with `web-`, and ends with what is put in later.
    Placeholder,
    /// A Git LFS pointer.
    Pointer,
    /// A submodule.
    Submodule,
    /// A file that cannot be parsed, and holds the annotation.
    Broken,
    /// A file that cannot be parsed, and holds the name `a`, and not the annotation.
    BrokenNamed,
    /// A link out of the repository.
    Link,
    /// A link to a directory of the repository that no run with paths reads.
    Directory,
    /// Nothing that is in doubt: a ServiceAccount of its own.
    Rendered,
}

const KINDS: [Kind; 13] = [
    Kind::Chart,
    Kind::Config,
    Kind::Named,
    Kind::Base("a"),
    Kind::Base("b"),
    Kind::Placeholder,
    Kind::Pointer,
    Kind::Submodule,
    Kind::Broken,
    Kind::BrokenNamed,
    Kind::Link,
    Kind::Directory,
    Kind::Rendered,
];

impl Kind {
    fn file(self) -> String {
        match self {
            Self::Submodule | Self::Directory => format!("{self:?}").to_lowercase(),
            other => format!("{other:?}.yaml").replace(['"', '(', ')'], "_"),
        }
    }

    /// What is committed; the version makes it another content.
    fn text(self, version: u64) -> String {
        let without = |name: &str| service_account("bar", name).replace("  namespace: bar\n", "");
        let text = match self {
            Self::Chart => format!("{{{{ if x }}}}\n{KEY}: \"true\"\n{{{{ end }}}}\n"),
            Self::Config => "{{ if x }}\nkind: ConfigMap\n{{ end }}\n".to_owned(),
            Self::Named => "{{ if x }}\nname: a\n{{ end }}\n".to_owned(),
            Self::Base(name) => without(name),
            Self::Placeholder => {
                service_account("bar", "web-x").replace("name: web-x", "name: web-${X}")
            }
            Self::Pointer => {
                return format!(
                    "version https://git-lfs.github.com/spec/v1\noid sha256:{version}\nsize 1\n"
                );
            }
            Self::Submodule => return version.to_string().repeat(40),
            Self::Broken => format!("{KEY}: \"true\"\nx: [\n"),
            Self::BrokenNamed => "name: a\nx: [\n".to_owned(),
            Self::Link => return format!("../../elsewhere-{version}.yaml"),
            Self::Directory => return format!("../store/{version}"),
            Self::Rendered => service_account("bar", "other"),
        };
        format!("{text}# {version}\n")
    }

    /// Every content that it could stand for.
    fn contents(self) -> Vec<String> {
        let all = NAMESPACES.iter().flat_map(|namespace| {
            NAMES
                .iter()
                .map(move |name| service_account(namespace, name))
        });
        let mut contents: Vec<String> = match self {
            // Where nothing is known, it may hold any of them.
            Self::Chart
            | Self::Pointer
            | Self::Submodule
            | Self::Broken
            | Self::Link
            | Self::Directory => all.collect(),
            // The ServiceAccount, whose annotation was lost on the way.
            Self::Named | Self::BrokenNamed => vec![service_account("bar", "a")],
            // What does not hold the key renders to nothing that holds it.
            Self::Config => NAMES
                .iter()
                .map(|name| format!("kind: ConfigMap\nname: {name}\n"))
                .collect(),
            Self::Base(name) => NAMESPACES
                .iter()
                .map(|namespace| service_account(namespace, name))
                .collect(),
            Self::Placeholder => ["a", "b", "c"]
                .iter()
                .map(|end| service_account("bar", &format!("web-{end}")))
                .collect(),
            Self::Rendered => vec![self.text(0)],
        };
        contents.push(String::new());
        contents
    }

    /// Whether it is a link.
    fn is_link(self) -> bool {
        matches!(self, Self::Link | Self::Directory)
    }

    /// Whether the name is written in it, and no annotation that would tell more.
    fn names(self, name: &str) -> bool {
        name == "a" && matches!(self, Self::Named | Self::BrokenNamed | Self::Base("a"))
    }

    /// Whether one of its contents declares a ServiceAccount.
    fn could_declare(self, name: &str) -> bool {
        let declares = |content: &String| {
            let extract = Extractor::default().extract(&"x.yaml".into(), content.as_bytes());
            let mut declarations = extract.into_iter().flat_map(|extract| extract.declarations);
            declarations.any(|found| {
                found.service_account.to_string() == format!("bar/{name}")
                    && found.management == Management::Managed
            })
        };
        self.contents().iter().any(declares)
    }
}

/// A file in doubt: its version before the removal, with it and after it; none where it is not there.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    kind: Kind,
    versions: [Option<u64>; 3],
    place: Place,
}

/// Where a file in doubt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The run reads everything.
    Everywhere,
    /// Below the paths of the run.
    Below,
    /// Not there.
    Outside,
}

impl Doubt {
    /// Whether the ServiceAccount may have gone there: it is another content now than before the removal. The content
    /// of a Git LFS pointer stays where it is, so it must have come with the removal; and so must a name without the
    /// annotation, into a file that did not hold it.
    ///
    /// Where the run does not read, other clusters have files that nobody here can understand: they only count if
    /// they were not there before, or hold the name; and what is no file there is nobody's.
    fn may_have_taken(&self, name: &str) -> bool {
        let [before, with, now] = self.versions;
        let is_file = !matches!(self.kind, Kind::Pointer | Kind::Submodule) && !self.kind.is_link();
        let is_new = match (self.place, self.kind) {
            (Place::Outside, _) if !is_file || now == before => false,
            (Place::Outside, kind) => now.is_some() && (before.is_none() || kind.names(name)),
            // Without a namespace it is an error that names the role by its ARN, however long it has done so.
            (_, Kind::Base(named)) if named == name => now.is_some(),
            // That directory is read.
            (Place::Everywhere, Kind::Directory) => false,
            (_, Kind::Pointer) => now.is_some() && with != before,
            (_, Kind::Named | Kind::BrokenNamed) => {
                now.is_some() && with.is_some() && before.is_none()
            }
            _ => now.is_some() && now != before,
        };
        is_new && self.kind.could_declare(name)
    }

    fn path(&self) -> String {
        let directory = match self.place {
            Place::Everywhere | Place::Below => "other",
            Place::Outside => "outside",
        };
        format!("{directory}/{}", self.kind.file())
    }
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn doubt(&mut self, kind: Kind, has_paths: bool) -> Doubt {
        let place = match (has_paths, self.below(2)) {
            (false, _) => Place::Everywhere,
            (true, 0) => Place::Below,
            (true, _) => Place::Outside,
        };
        let mut version = |old: Option<u64>| match self.below(5) {
            0 => None,
            1 | 2 => Some(1 + self.below(3)),
            _ => old,
        };
        let before = version(None);
        let with = version(before);
        let versions = [before, with, version(with)];
        Doubt {
            kind,
            versions,
            place,
        }
    }
}

fn write(world: &World, doubts: &[Doubt], at: usize) {
    let repository = &world.repository;
    for doubt in doubts {
        let (path, version) = (doubt.path(), doubt.versions[at]);
        let file = repository.path().join(&path);
        match (version, doubt.kind) {
            (Some(version), Kind::Submodule) => {
                let entry = format!("160000,{},{path}", doubt.kind.text(version));
                repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
            }
            (None, Kind::Submodule) => {
                repository.git(&["update-index", "--force-remove", &path]);
            }
            (version, kind) if kind.is_link() => {
                // It may not be there.
                let _ = std::fs::remove_file(&file);
                if let Some(version) = version {
                    std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
                    std::os::unix::fs::symlink(kind.text(version), &file).expect("a link");
                }
            }
            (Some(version), kind) => {
                repository.write(&path, kind.text(version));
            }
            (None, _) if file.exists() => repository.remove(&path),
            (None, _) => {}
        }
    }
    // A submodule that is only in the index would be taken away by `--all`.
    let submodules = ":(exclude)*/submodule";
    repository.git(&["add", "--all", ".", submodules]);
    repository.git(&["commit", "--quiet", "--allow-empty", "--message", "next"]);
}

fn action(run: &Run, name: &str) -> String {
    let changes = run.changes();
    let role = format!("k8s-sa_bar_{name} ");
    let own = changes
        .iter()
        .find_map(|change| change.strip_prefix(role.as_str()));
    own.unwrap_or_default().to_owned()
}

#[test]
fn m71_a_removal_is_held_exactly_if_some_content_of_what_is_unread_could_declare_it() {
    let repositories = std::env::var("REPOSITORIES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3 * KINDS.len());
    let seed = std::env::var("SEED").ok().and_then(|n| n.parse().ok());
    let mut numbers = Numbers(seed.unwrap_or(7));
    let (mut held, mut retired) = (0, 0);
    for number in 0..repositories {
        let first = KINDS[number % KINDS.len()];
        let has_paths = numbers.below(3) == 0;
        let paths: &[&str] = match has_paths {
            true => &["--path", "apps", "--path", "other"],
            false => &[],
        };
        let mut doubts = vec![numbers.doubt(first, has_paths)];
        if numbers.below(3) == 0 {
            let second = KINDS[numbers.below(KINDS.len() as u64) as usize];
            if second != first {
                doubts.push(numbers.doubt(second, has_paths));
            }
        }
        let world = World::new(&["a", "web-a", "stays"]);
        let harmless = "kind: ConfigMap\nname: kept\n";
        for file in [
            "other/kept.yaml",
            "store/1/x.yaml",
            "store/2/x.yaml",
            "store/3/x.yaml",
        ] {
            world.repository.write(file, harmless);
        }
        write(&world, &doubts, 0);
        world.sync(paths);
        for name in REMOVED {
            world.repository.remove(&format!("apps/{name}.yaml"));
        }
        write(&world, &doubts, 1);
        write(&world, &doubts, 2);
        let run = world.run(&[&["plan", "--mode", "sync"], paths].concat());
        for name in REMOVED {
            let is_held = doubts.iter().any(|doubt| doubt.may_have_taken(name));
            let expected = if is_held { "held" } else { "quarantine" };
            assert_eq!(
                action(&run, name),
                expected,
                "{number}: {name}: {doubts:#?}\n{}",
                run.stdout
            );
            *(if is_held { &mut held } else { &mut retired }) += 1;
        }
    }
    assert!(held > 8 && retired > 8, "{held} held, {retired} retired");
}
