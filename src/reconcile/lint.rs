//! What is wrong with the manifests of each cluster, and what was looked at, without asking anybody.

use super::{ClusterManifests, Declarations, Error, Manifests};
use crate::desired::{self, Declares};
use crate::diagnostic::Diagnostic;
use crate::model::cluster::ClusterName;
use crate::report::Section;
use crate::settings::ClusterSettings;

/// Checks the manifests, cluster by cluster; the names are those that were given.
///
/// # Errors
///
/// If a file cannot be read.
pub fn lint(
    clusters: &[ClusterSettings],
    names: Vec<Option<ClusterName>>,
    manifests: &Manifests,
) -> Result<Vec<Section>, Error> {
    let declared = clusters.iter();
    let declared = declared.map(|one| manifests.declared(&one.paths, one.naming()));
    let declared: Vec<ClusterManifests> = declared.collect();
    let shared = shared_names(clusters, &declared);
    let all = clusters.iter().zip(declared).zip(shared);
    let section =
        |(((settings, mut declared), shared), cluster): (((&ClusterSettings, _), _), _)| {
            add(&mut declared, shared);
            Ok(Section {
                cluster,
                account: settings.naming().account.clone(),
                checked: Some(manifests.checked(settings)?),
                diagnostics: declared.diagnostics,
                ..Section::default()
            })
        };
    all.zip(names).map(section).collect()
}

/// What is wrong in each cluster with names that another one gives, too.
pub(super) fn shared_names(
    clusters: &[ClusterSettings],
    declared: &[ClusterManifests],
) -> Vec<Vec<Diagnostic>> {
    let all = clusters.iter().zip(declared);
    let all = all.map(|(cluster, declared)| Declares {
        cluster: cluster.name(),
        naming: cluster.naming(),
        resolved: &declared.resolved,
    });
    desired::shared_names(&all.collect::<Vec<_>>())
}

/// Adds findings, in the order of their places.
pub(super) fn add(declared: &mut ClusterManifests, found: Vec<Diagnostic>) {
    declared.diagnostics.extend(found);
    declared
        .diagnostics
        .sort_by(|a, b| a.location.cmp(&b.location));
}
