//! What a run over manifests tells at its end.

use super::{Declarations, Manifests};
use crate::report::ending::{Caught, Ending, Heed};
use crate::report::{Command, Listing, Report, Section};
use crate::settings::ClusterSettings;

impl Manifests {
    /// The report of a command that found and did what the sections say, one for each cluster.
    pub fn report(
        &self,
        command: Command,
        clusters: &[ClusterSettings],
        mut sections: Vec<Section>,
        heed: Heed,
        signal: Option<Caught>,
    ) -> Report {
        self.count_ignored(clusters, &mut sections);
        let ending = Ending {
            command,
            sections: &sections,
            heed,
            signal,
        };
        Report {
            command,
            repository: Some(self.repository().to_owned()),
            commit: self.commit().cloned(),
            exit: ending.exit(),
            clusters: sections,
            error: None,
            listing: Listing::Changes,
        }
    }
}
