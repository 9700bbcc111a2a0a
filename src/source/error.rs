//! Why manifests could not be read, and what to do about it.

use std::path::{Path, PathBuf};

use git2::Oid;
use url::Url;

use super::answer::{Answered, check, entitle};
use crate::model::commit::CommitId;
use crate::model::location::RepoPath;
use crate::model::redact;
use crate::model::shell::quoted;

/// A repository or directory that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user: the repository is not a path or a URL this program opens.
    #[error("`{url}` is not a repository this program opens: {why}")]
    Url {
        /// What was given, without credentials.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The user: Git is told to trust other authorities than the ones that are asked.
    #[error("{name} names `{}`, which is not read: {url} would be trusted for what other certificates say", file.display())]
    Authorities {
        /// The variable or key.
        name: &'static str,
        /// The file that it names.
        file: PathBuf,
        /// The host.
        url: Box<str>,
        /// The file of those that the machine trusts, if it is known.
        machine: Option<&'static str>,
    },
    /// The user: Git is told to trust authorities that are not in the file that is named.
    #[error("{name} names `{}`, {reason}", file.display())]
    NoAuthorities {
        /// The variable or key.
        name: &'static str,
        /// The file that it names.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The user: there is no repository at that path.
    #[error("cannot open `{}` as a Git repository: {reason}", path.display())]
    NotARepository {
        /// The path that was given, or that of the repository.
        path: PathBuf,
        /// What Git says of it, in its own words.
        reason: String,
    },
    /// The user: the path is inside a repository, and none itself.
    #[error(
        "`{given}` is not the root of a repository: it is inside the one at `{root}`, which would be read as a whole"
    )]
    Inside {
        /// The path or URL that was given.
        given: String,
        /// The repository it is inside of, as a path or URL like the one that was given.
        root: String,
        /// Where it is in the work tree, if it is there.
        inner: Option<String>,
        /// Whether it looks as if a repository was to be there.
        is_failed: bool,
    },
    /// The machine's owner: the repository belongs to another user.
    #[error("the repository at `{}` belongs to another user", path.display())]
    Owner {
        /// The root of that repository, as Git's `safe.directory` takes it.
        path: PathBuf,
    },
    /// The repository: it reads objects from outside itself.
    #[error("the repository borrows objects from another place (`{}`)", alternates.display())]
    Alternates {
        /// The file that names the other place.
        alternates: PathBuf,
    },
    /// The repository: there is nothing in it yet.
    #[error("`{repository}` has no commit yet")]
    NoCommit {
        /// The repository for people, without credentials.
        repository: String,
    },
    /// The user: the revision is not there.
    #[error("`{revision}` is not in `{repository}`")]
    Revision {
        /// The revision as it was given.
        revision: String,
        /// The repository for people, without credentials.
        repository: String,
        /// Whether a part of the history is missing here.
        shallow: bool,
    },
    /// The user, or the one who pushed a reference: a name has two meanings.
    #[error("`{revision}` has more than one meaning: {}", meanings.join(" and "))]
    Ambiguous {
        /// The revision as it was given.
        revision: String,
        /// What it can mean, each in full.
        meanings: Vec<String>,
    },
    /// The user: only a branch counts, and the name is that of something else.
    #[error("`{revision}` is not a branch but {full}")]
    NotABranch {
        /// The revision as it was given.
        revision: String,
        /// What it means, in full.
        full: String,
    },
    /// The user: a path that was to be read is not there.
    #[error("path `{path}` does not exist at commit {commit}")]
    MissingPath {
        /// The path as it was given, below the root.
        path: RepoPath,
        /// The commit that has no such path.
        commit: CommitId,
    },
    /// The repository: an object is missing or damaged.
    #[error("cannot read object {id} (`{path}`): {reason}")]
    Object {
        /// The full id of the object.
        id: String,
        /// Where it stands in the tree.
        path: RepoPath,
        /// What Git says of it, in its own words.
        reason: String,
    },
    /// The repository: a pack or its index is damaged.
    #[error("`{}` is damaged: {reason}", path.display())]
    Pack {
        /// The pack or index.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The repository: a file is too large.
    #[error("`{path}` has {size} bytes; the limit is {limit}{}", in_all(*names))]
    TooLarge {
        /// The file, below the root; of several with the same content, the first.
        path: RepoPath,
        /// Under how many names the same content is to be read.
        names: usize,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The repository: directories nest too deeply.
    #[error("`{path}` is nested more than {limit} directories deep")]
    TooDeep {
        /// The directory, below the root.
        path: RepoPath,
        /// How many directories may nest.
        limit: usize,
    },
    /// The repository: there are too many files and directories.
    #[error("commit {commit} has more than {limit} files and directories")]
    TooMany {
        /// The commit that was to be read.
        commit: CommitId,
        /// How many files and directories are listed at most.
        limit: usize,
    },
    /// The user: a path that was to be read is no place for manifests.
    #[error("path `{path}` is neither a directory nor a file that ends in .yaml, .yml or .json")]
    NoManifest {
        /// The path as it was given, below the root.
        path: RepoPath,
    },
    /// The user: a path leads out of the directory that was to be read.
    #[error("path `{path}` leads out of the directory")]
    Outside {
        /// The path as it was given.
        path: RepoPath,
    },
    /// The file system: a file or directory cannot be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says of it.
        #[source]
        source: std::io::Error,
    },
    /// The user: an alias of OpenSSH's configuration was given for a host.
    #[error(
        "cannot reach {alias}: that is an alias of ~/.ssh/config, which this program does not read"
    )]
    Alias {
        /// The alias.
        alias: String,
        /// What it stands for: host, port and user.
        meant: String,
    },
    /// The network or the other side: it cannot be reached or does not answer.
    #[error("cannot reach {host}: {reason}; no roles were examined")]
    Unreachable {
        /// The name of the host, without credentials.
        host: String,
        /// What the attempt ended with.
        reason: String,
    },
    /// The credentials: the other side refused them, or there are none.
    #[error("{host} refused {tried}")]
    Refused {
        /// The name of the host, without credentials.
        host: String,
        /// The repository, without credentials.
        url: String,
        /// Where the credentials came from.
        tried: String,
    },
    /// The other side, or the URL: what answers is not the repository.
    #[error("{0}")]
    Answered(Box<Answered>),
    /// The other side: its ssh host key or certificate is unknown or another one.
    #[error("{host} is not known to be what it says: {reason}")]
    Identity {
        /// The name of the host, without credentials.
        host: String,
        /// What is wrong, with the key's fingerprint.
        reason: String,
    },
    /// The transport: anything else that went wrong while cloning.
    #[error("cannot clone `{url}`: {reason}")]
    Clone {
        /// The repository, without credentials.
        url: String,
        /// What ended the clone, without credentials.
        reason: String,
    },
}

/// Whose fault it is, as far as exit codes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The command line: the user named something that cannot be read.
    Usage,
    /// The repository, or the revision or path that was given for it.
    Rejected,
    /// The network, the host or the credentials: another run may succeed.
    Unavailable,
}

impl Error {
    /// The command that was meant by one whose repository is a part of another one: `before` is what
    /// comes before the repository, `paths` the parts of it that it reads, if the command says so.
    pub fn command_at_root(&self, before: &str, paths: Option<&[RepoPath]>) -> Option<String> {
        let Self::Inside { root, inner, .. } = self else {
            return None;
        };
        let mut command = format!("irsa-gitops {before} --repo {}", quoted(root));
        if let (Some(inner), Some(paths)) = (inner, paths) {
            let mut below: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
            if below.is_empty() {
                below.push(String::new());
            }
            for path in below {
                let is_whole = path == *inner || path.starts_with(&format!("{inner}/"));
                let path = match path.as_str() {
                    "" => inner.clone(),
                    _ if is_whole => path,
                    _ => format!("{inner}/{path}"),
                };
                command = format!("{command} --path {}", quoted(&path));
            }
        }
        Some(command)
    }

    /// Whether it is this file or directory itself that cannot be read.
    pub fn is_about(&self, place: &Path) -> bool {
        // However many slashes end it.
        matches!(self, Self::Io { path, .. } if path.components().eq(place.components()))
    }

    /// Whose fault it is.
    pub fn class(&self) -> Class {
        match self {
            Self::Url { .. } | Self::Authorities { .. } | Self::NoAuthorities { .. } => {
                Class::Usage
            }
            Self::NotARepository { .. }
            | Self::Inside { .. }
            | Self::Owner { .. }
            | Self::Alternates { .. }
            | Self::NoCommit { .. }
            | Self::Revision { .. }
            | Self::Ambiguous { .. }
            | Self::NotABranch { .. }
            | Self::MissingPath { .. }
            | Self::Object { .. }
            | Self::Pack { .. }
            | Self::TooLarge { .. }
            | Self::TooDeep { .. }
            | Self::TooMany { .. }
            | Self::NoManifest { .. }
            | Self::Outside { .. }
            | Self::Io { .. } => Class::Rejected,
            Self::Unreachable { .. }
            | Self::Alias { .. }
            | Self::Refused { .. }
            | Self::Answered(_)
            | Self::Identity { .. }
            | Self::Clone { .. } => Class::Unavailable,
        }
    }

    /// The same error where the address came from another one by `insteadOf`.
    pub(super) fn rewritten_from(self, address: &str) -> Self {
        match self {
            Self::Url { url, why } => Self::Url {
                url: format!(
                    "{url}`, which insteadOf makes of `{}",
                    redact::address(address)
                ),
                why,
            },
            other => other,
        }
    }

    /// The same error where the path was given as a `file` URL.
    pub(super) fn at_url(self, url: &Url) -> Self {
        match self {
            Self::Inside {
                root,
                inner,
                is_failed,
                ..
            } => Self::Inside {
                given: url.to_string(),
                root: Url::from_file_path(&root).map_or(root, String::from),
                inner,
                is_failed,
            },
            other => other,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Url { url, .. } if url.starts_with("http://") => format!(
                "use https, so that nobody on the way can change what is read: {}",
                quoted(&url.split('`').next().unwrap_or_default().replacen("http", "https", 1))
            ),
            Self::Url { .. } => "use a path, https://HOST/PATH, ssh://USER@HOST/PATH or file:///PATH".to_owned(),
            Self::Authorities { file, machine, .. } => {
                let set = format!("SSL_CERT_FILE={}", quoted(&file.display().to_string()));
                match machine {
                    Some(machine) => format!(
                        "set SSL_CERT_FILE, which is read; as it counts for AWS, too, let another variable name the machine's for that: {set} AWS_CA_BUNDLE={machine}"
                    ),
                    None => format!("set SSL_CERT_FILE, which is read, and counts for AWS, too: {set}"),
                }
            }
            Self::NoAuthorities { name: "GIT_SSL_CAINFO", .. } => {
                "correct it, or do without: unset GIT_SSL_CAINFO".to_owned()
            }
            Self::NoAuthorities { .. } => {
                "correct it where it is set: git config --show-origin --get-regexp sslcainfo".to_owned()
            }
            Self::NotARepository { path, reason } if reason.contains("refstorage") => format!(
                "its references are in the format reftable, which this program does not read: git clone --ref-format=files {} DIR makes a clone that has files",
                quoted(&path.display().to_string())
            ),
            Self::NotARepository { reason, .. } if reason.contains("object format") => {
                "this program reads repositories with SHA-1 objects only; a repository of SHA-256 has to be read as plain files: git archive HEAD | tar -x -C DIR, then --directory DIR --commit \"$(git rev-parse HEAD)\"".to_owned()
            }
            Self::NotARepository { .. } => {
                "give the path or URL of a Git repository, or read plain files with --directory".to_owned()
            }
            Self::Inside { root, .. } => {
                format!("give that repository ({}), and --path for a part of it", quoted(root))
            }
            Self::Owner { path } => format!(
                "if you trust it: git config --global --add safe.directory {}",
                quoted(&path.display().to_string())
            ),
            Self::Alternates { .. } => {
                "if you trust that place use --allow-alternates, or copy its objects: git repack -a -d && rm .git/objects/info/alternates".to_owned()
            }
            Self::NoCommit { .. } => "commit the manifests first; an empty repository never means that all roles may go".to_owned(),
            Self::Revision { shallow: true, .. } => {
                "this is a shallow clone: fetch the full history (git fetch --unshallow, or fetch-depth: 0 in the checkout step)".to_owned()
            }
            Self::Revision { .. } => {
                "check --revision: a branch, a tag or a full commit id that was fetched".to_owned()
            }
            Self::Ambiguous { meanings, .. } => which(meanings, |full| format!("--revision {}", quoted(full))),
            Self::NotABranch { full, .. } => {
                format!("if that is what counts, name it in full: --revision {}", quoted(full))
            }
            Self::MissingPath { .. } => "correct --path; a path that is not there never means that its roles may go".to_owned(),
            Self::Object { reason, .. } if reason.contains("not found") => {
                "in a partial clone it was never fetched; to have all of them: git config --unset remote.origin.partialclonefilter; git fetch --refetch origin (in a checkout step: no `filter`); in any other repository check with git fsck".to_owned()
            }
            Self::Object { .. } => {
                "the object is damaged: check with git fsck, or clone again in full".to_owned()
            }
            Self::Pack { .. } => {
                "check with git fsck; git index-pack makes an index again, a damaged pack has to be cloned again".to_owned()
            }
            Self::TooLarge { .. } => "split the file, or leave it out with --path; if it is smaller now, an earlier commit that is looked at has it so".to_owned(),
            Self::TooDeep { .. } => "leave it out with --path".to_owned(),
            Self::TooMany { .. } => "read less of it with --path".to_owned(),
            Self::NoManifest { .. } | Self::Outside { .. } => "correct --path".to_owned(),
            Self::Unreachable { .. } => "check the URL, the network and the proxy settings (https_proxy)".to_owned(),
            Self::Refused { url, tried, .. } => format!(
                "{}; many hosts answer so, too, where there is no such repository: {}",
                entitle(url, tried),
                check(url)
            ),
            Self::Answered(answered) => answered.hint(),
            Self::Alias { meant, .. } => format!(
                "give in its place what it stands for: {meant}; and the key of its IdentityFile, if it has one, with --ssh-key"
            ),
            Self::Identity { reason, .. } if reason.contains("is revoked") => {
                "the key is not to be trusted any more: ask whoever runs the host for its new one, and remove nothing from known_hosts before".to_owned()
            }
            Self::Identity { reason, .. } if reason.contains("host key") => {
                "compare it with what the host publishes, then add it to ~/.ssh/known_hosts".to_owned()
            }
            Self::Identity { .. } => {
                "if it is the right host, whoever signed its certificate has to be among the system's certificates, or in the file that SSL_CERT_FILE names; sslVerify and sslCAPath of Git's configuration are not read".to_owned()
            }
            Self::Io { .. } | Self::Clone { .. } => return None,
        };
        Some(hint)
    }
}

/// The error of an object that Git cannot read. The path is where the object is found, or what it is
/// a part of.
pub(super) fn damaged(id: Oid, path: &[u8], error: &git2::Error) -> Error {
    Error::Object {
        id: id.to_string(),
        path: RepoPath::new(path),
        reason: reason(error),
    }
}

/// How many names a file has that has several.
fn in_all(names: usize) -> String {
    match names {
        0 | 1 => String::new(),
        _ => format!("; the same file stands under {names} names"),
    }
}

/// What Git says of an error, in its own words.
pub(super) fn reason(error: &git2::Error) -> String {
    error.message().trim().to_owned()
}

/// How to say which of several meanings counts; `spell` gives the arguments for one of them.
pub fn which(meanings: &[String], spell: impl Fn(&str) -> String) -> String {
    let spelled: Vec<String> = meanings.iter().map(|full| spell(full)).collect();
    format!(
        "say which one is meant, as whoever may push the other could choose what is read: {}",
        spelled.join(", or ")
    )
}
