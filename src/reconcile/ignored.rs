//! What ignore rules leave out: told once in the log, and counted in the report.

use std::collections::BTreeMap;

use super::Manifests;
use super::manifests::Origin;
use crate::model::location::RepoPath;
use crate::report::Section;
use crate::settings::ClusterSettings;
use crate::source::{self, Scope, directory};

impl Manifests {
    /// Counts in each section what the rules of its cluster leave out, and logs where that is.
    pub(super) fn count_ignored(&self, clusters: &[ClusterSettings], sections: &mut [Section]) {
        for (cluster, section) in clusters.iter().zip(sections) {
            let rules = &cluster.naming().conventions.ignore;
            if rules.is_empty() {
                continue;
            }
            let paths = cluster.paths.clone();
            let scope = Scope {
                paths,
                ..Scope::default()
            };
            // The same was read without a fault.
            let names = self.names(&scope).unwrap_or_default();
            let mut places: BTreeMap<(&[u8], &str), usize> = BTreeMap::new();
            let ignored = names.iter().filter_map(|path| rules.of_file(path));
            for ignored in ignored {
                *places.entry((ignored.place, ignored.rule)).or_default() += 1;
            }
            for ((place, rule), files) in &places {
                let (path, cluster) = (RepoPath::new(*place), cluster.name());
                tracing::info!(%path, rule, files, %cluster, "ignored");
            }
            section.ignored = Some(places.values().sum());
        }
    }

    /// Every manifest in scope, ignored or not.
    pub(super) fn names(&self, scope: &Scope) -> Result<Vec<RepoPath>, source::Error> {
        match self.origin() {
            Origin::Commit(repository, commit) => repository.names(commit, scope),
            Origin::Directory(directory) => directory::names(directory, scope),
        }
    }
}
