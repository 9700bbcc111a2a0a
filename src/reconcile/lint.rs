//! What is wrong with the manifests of each cluster, and what was looked at, without asking anybody.

use super::{Declarations, Error, Manifests};
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
    let section = |(settings, cluster): (&ClusterSettings, _)| {
        let declared = manifests.declared(&settings.paths, settings.naming());
        Ok(Section {
            cluster,
            account: settings.naming().account.clone(),
            checked: Some(manifests.checked(settings, &declared)?),
            diagnostics: declared.diagnostics,
            ..Section::default()
        })
    };
    clusters.iter().zip(names).map(section).collect()
}
