//! Which namespace a ServiceAccount is in that names none, and whether its path may declare it.

use super::{Annotation, Claim, Declaration, Doubt, Extract, Hides, Management};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::conventions::{NamespaceRules, suggestion};
use crate::model::location::{Location, RepoPath};
use crate::model::service_account::{Namespace, ServiceAccountName, ServiceAccountRef};

/// A declaration that names no namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unplaced {
    /// Which items of which Lists it is, as the start of a message.
    pub(super) place: String,
    pub(super) name: ServiceAccountName,
    pub(super) location: Location,
    pub(super) source_line: String,
    pub(super) management: Management,
    pub(super) role_arn: Option<Annotation>,
    pub(super) audience: Option<Annotation>,
}

impl Extract {
    /// The same with a namespace for every ServiceAccount for which the rules of a cluster have one,
    /// and with what is wrong with the namespaces.
    #[must_use]
    pub fn placed(mut self, path: &RepoPath, rules: &NamespaceRules) -> Self {
        for unplaced in std::mem::take(&mut self.unplaced) {
            let fault = match rules.of(path) {
                Some(Ok(namespace)) => {
                    self.declarations.push(unplaced.within(namespace));
                    continue;
                }
                Some(Err(error)) => {
                    let place = &unplaced.place;
                    let message =
                        format!("{place}the namespace that a rule takes from the path: {error}");
                    let hint = "rename the directory, set metadata.namespace, or write a rule for this path before that one: --namespace-from 'PATH=NAMESPACE'";
                    Diagnostic::error(Code::InvalidName, message).with_hint(hint)
                }
                None => unplaced.missing(path),
            };
            self.doubts.push(Doubt {
                line: unplaced.location.line,
                hides: Hides::like(None, Some(unplaced.name.as_str())),
            });
            let given = unplaced.role_arn.map(|given| given.value);
            let given = given.filter(|_| unplaced.management != Management::Unmanaged);
            self.claims.extend(given.map(|role_arn| Claim {
                role_arn,
                location: unplaced.location.clone(),
            }));
            let fault = fault
                .at(unplaced.location)
                .with_source_line(unplaced.source_line);
            self.diagnostics.push(fault);
        }
        self.declarations
            .sort_by(|a, b| a.location.cmp(&b.location));
        if let Some(allowed) = rules.allowed(path) {
            for declaration in &mut self.declarations {
                if !allowed.contains(&declaration.service_account.namespace) {
                    declaration.management = Management::NotAllowed;
                    self.diagnostics.push(not_allowed(declaration, &allowed));
                }
            }
        }
        self
    }
}

fn not_allowed<'a>(
    declaration: &Declaration,
    allowed: impl IntoIterator<Item = &'a Namespace>,
) -> Diagnostic {
    let service_account = &declaration.service_account;
    let allowed = allowed
        .into_iter()
        .map(|namespace| format!("`{namespace}`"));
    let allowed = allowed.collect::<Vec<_>>().join(", ");
    let namespace = &service_account.namespace;
    let message = match allowed.as_str() {
        "" => format!("this path may declare no namespace, and declares `{namespace}`"),
        _ => format!("this path may declare only namespace {allowed}, and declares `{namespace}`"),
    };
    let at = declaration.namespace_at.as_ref();
    Diagnostic::error(Code::NamespaceNotAllowed, message)
        .on(service_account)
        .at(at.unwrap_or(&declaration.location).clone())
        .with_hint("move the ServiceAccount to a path of its namespace, or change the rule (--namespace-from, --namespace-enforce)")
}

impl Unplaced {
    fn within(self, namespace: Namespace) -> Declaration {
        let name = self.name;
        Declaration {
            service_account: ServiceAccountRef { namespace, name },
            location: self.location,
            management: self.management,
            role_arn: self.role_arn,
            audience: self.audience,
            namespace_at: None,
        }
    }

    fn missing(&self, path: &RepoPath) -> Diagnostic {
        let place = &self.place;
        let message =
            format!("{place}the ServiceAccount has no namespace, so its role cannot be named");
        let rule = match suggestion(path) {
            Some((pattern, Some(namespace))) => {
                format!("--namespace-from '{pattern}', which here gives `{namespace}`")
            }
            Some((pattern, None)) => format!("--namespace-from '{pattern}'"),
            None => "--namespace-from 'PATH=NAMESPACE'".to_owned(),
        };
        let hint = format!(
            "set metadata.namespace in the rendered manifest: `namespace:` in a kustomization does; a Helm chart only if its templates write it, for `helm template --namespace` alone does not. If something else sets it where this path is applied, say so: {rule}"
        );
        Diagnostic::error(Code::MissingNamespace, message).with_hint(hint)
    }
}
