//! Which ServiceAccounts a file has, managed or not, and what is left of one that was cut.

use super::cut::{Half, Last};
use super::{Identity, identity, namespace, pair, visit_objects};
use crate::manifest::tree::Tree;
use crate::manifest::{Extractor, Hides, document};
use crate::model::service_account::{Namespace, ServiceAccountRef};

impl Extractor {
    /// What is left of a ServiceAccount at the end of a file, if that ends inside its name or namespace.
    pub fn half(&self, bytes: &[u8]) -> Option<Half> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut last = Last::default();
        for chunk in document::split(text, &self.search) {
            visit_objects(chunk, &mut |tree, id| last.see(tree, id));
        }
        Half::of(text, &last)
    }

    /// Whether a file has a ServiceAccount, with the managed annotation or without.
    pub fn has(
        &self,
        bytes: &[u8],
        service_account: &ServiceAccountRef,
        default: Option<&Namespace>,
    ) -> bool {
        self.held(bytes, default).contains(&pair(service_account))
    }

    /// The name of every ServiceAccount in a file, and which ones it may be: any, unless its namespace is not
    /// rendered.
    pub fn accounts(&self, bytes: &[u8]) -> Vec<(String, Hides)> {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut accounts = Vec::new();
        let mut visit = |tree: &Tree, id| {
            let is_account = |(kind, _): &Identity| kind == "ServiceAccount";
            let Some((_, name)) = identity(tree, id).filter(is_account) else {
                return;
            };
            let unrendered = namespace(tree, id).filter(|text| Namespace::new(text).is_err());
            let hides = unrendered.map_or(Hides::Any, |text| Hides::like(Some(text), Some(&name)));
            accounts.push((name, hides));
        };
        for chunk in document::split(text, &self.search) {
            visit_objects(chunk, &mut visit);
        }
        accounts
    }
}
