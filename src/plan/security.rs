//! Who is let into an owned role beside its own ServiceAccount: that is not an ordinary difference,
//! and whoever reads the plan should see it, whatever becomes of the role.

use serde_json::Value;

use super::ownership::{self, Ownership};
use super::{Action, Change, Facts, Mode, Plan};
use crate::desired::DesiredRole;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::cluster::{Audience, Cluster, Issuer, PodIdentity};
use crate::model::role::{CurrentRole, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::shell::REST;
use crate::model::trust_policy::{self, Principal, StatementView, TrustDocument};

/// What to do once somebody was let in.
const LOOK: &str = "look for UpdateAssumeRolePolicy on this role in CloudTrail, and remember that sessions that run are not ended";

/// Which audience a statement has to demand.
#[derive(Clone, Copy)]
enum Demand<'a> {
    /// Whichever, or none.
    Any,
    /// A single one: it is not known which, as the ServiceAccount may have named it.
    Single,
    /// This one.
    Exactly(&'a Audience),
}

/// Whom a role may let in.
struct Allowed<'a> {
    subject: String,
    audience: Demand<'a>,
    cluster: &'a Cluster,
    /// An issuer that the user has said the roles trust until now.
    former: Option<&'a Issuer>,
}

/// What is to be said of who may assume each owned role: those that were let in beside its
/// ServiceAccount, and EKS Pod Identity.
pub(super) fn findings(plan: &Plan, facts: &Facts) -> Vec<Diagnostic> {
    let changes = plan.changes.values();
    changes
        .flat_map(|change| of_change(change, facts))
        .chain(of_record(facts))
        .collect()
}

/// Nobody is to assume the record's role, and no run writes its trust policy again.
fn of_record(facts: &Facts) -> Option<Diagnostic> {
    let record = facts.record()?;
    let nobody = Allowed {
        subject: String::new(),
        audience: Demand::Any,
        cluster: &facts.cluster,
        former: None,
    };
    let intruders = nobody.intruders(&record.listed.trust_policy);
    let message = format!(
        "trust policy of the cluster's record `{}` lets somebody in: {}",
        record.listed.name,
        intruders.join("; ")
    );
    let finding = Diagnostic::error(Code::SecurityDrift, message);
    (!intruders.is_empty()).then(|| finding.with_hint(closing(record.listed.name.as_str())))
}

fn of_change(change: &Change, facts: &Facts) -> Vec<Diagnostic> {
    let Ok(name) = RoleName::new(change.role.as_str()) else {
        return vec![];
    };
    let document = match facts.current().detail(&name) {
        Some(role) if matches!(ownership::of(role, &facts.cluster), Ownership::Owned(_)) => {
            &role.listed.trust_policy
        }
        // The listing alone showed it to be as declared.
        None if change.action == Action::InSync => match facts.current().listed(&name) {
            Some(listed) => &listed.trust_policy,
            None => return vec![],
        },
        _ => return vec![],
    };
    let mut found = Vec::new();
    let intruders = Allowed::of(&change.service_account, facts).intruders(document);
    if !intruders.is_empty() {
        let severity = match change.writes() {
            true => Severity::Warning,
            false => Severity::Error,
        };
        let finding = Diagnostic::new(Code::SecurityDrift, severity, opened(&name, &intruders));
        found.push(finding.with_hint(remedy(change, facts)));
    }
    if document.has_pod_identity() {
        let what = pod_identity(change, facts.cluster.pod_identity);
        let message = format!("role `{name}` lets EKS Pod Identity in as well; {what}");
        found.push(Diagnostic::new(Code::PodIdentity, Severity::Note, message));
    }
    let placed = |finding: Diagnostic| Diagnostic {
        location: change.location.clone(),
        ..finding.on(&change.service_account)
    };
    found.into_iter().map(placed).collect()
}

fn opened(role: &RoleName, intruders: &[String]) -> String {
    format!(
        "trust policy of role `{role}` lets in more than its ServiceAccount: {}",
        intruders.join("; ")
    )
}

/// What this run does about it or, where it does nothing, what somebody has to do.
fn remedy(change: &Change, facts: &Facts) -> String {
    let by_this_run = match &change.action {
        Action::Quarantine(_) => Some("apply ends all access to the role"),
        Action::Delete(_) => Some("apply deletes the role"),
        Action::Create(_) | Action::Update(_) | Action::Restore(_) => {
            Some("apply puts the declared trust policy back")
        }
        Action::InSync | Action::Orphan | Action::Held => None,
    };
    if let Some(remedy) = by_this_run {
        return format!("{remedy}; {LOOK}");
    }
    let is_declared = facts.desired(&change.service_account).is_some();
    let role = &change.role;
    if is_declared && facts.run.mode == Mode::CreateOnly {
        return format!(
            "irsa-gitops apply --mode upsert-only{REST} puts the declared trust policy back; {LOOK}"
        );
    }
    closing(role.as_str())
}

/// How somebody lets nobody into a role that the run does not write to.
fn closing(role: &str) -> String {
    let closed = trust_policy::quarantine();
    format!(
        "this run leaves the role as it is; to let nobody in: aws iam update-assume-role-policy --role-name {role} --policy-document '{}'; {LOOK}",
        closed.as_str()
    )
}

fn pod_identity(change: &Change, policy: PodIdentity) -> &'static str {
    match (&change.action, policy) {
        (Action::Quarantine(_) | Action::Delete(_), _) => {
            "that ends with the role's other access, and a restore does not bring it back"
        }
        (_, PodIdentity::Keep) => "the statement is kept",
        (Action::Update(_), PodIdentity::Refuse) => {
            "the statement is removed, as --pod-identity refuse says"
        }
        (_, PodIdentity::Refuse) => "--pod-identity refuse removes it once the role is written to",
    }
}

/// Adopting takes nothing away, but the apply after it does: names whom. A role that asks for no
/// audience was made by the controller, and its ServiceAccount stays in.
pub(super) fn cut_off(
    desired: &DesiredRole,
    role: &CurrentRole,
    facts: &Facts,
) -> Option<Diagnostic> {
    let allowed = Allowed {
        audience: Demand::Any,
        ..Allowed::of(&desired.service_account, facts)
    };
    let intruders = allowed.intruders(&role.listed.trust_policy);
    let finding = || {
        let message = opened(&role.listed.name, &intruders);
        Diagnostic::warning(Code::SecurityDrift, message)
            .on(&desired.service_account)
            .at(desired.location.clone())
            .with_hint("adopting changes nothing of that, but the next apply does: whoever else assumes this role needs one of their own before it")
    };
    (!intruders.is_empty()).then(finding)
}

/// Whether a trust policy lets in anybody but the ServiceAccount, whose manifest has errors.
pub(super) fn is_open(
    document: &TrustDocument,
    service_account: &ServiceAccountRef,
    facts: &Facts,
) -> bool {
    let allowed = Allowed::of(service_account, facts);
    !allowed.intruders(document).is_empty()
}

/// Whether the trust policy surely lets the ServiceAccount in through this cluster's OIDC provider:
/// by a statement that demands nothing but its subject and an audience that its tokens have, and no
/// other statement stands in the way.
pub(super) fn serves(role: &CurrentRole, desired: &DesiredRole, cluster: &Cluster) -> bool {
    let statements = role.listed.trust_policy.statements().unwrap_or_default();
    let subject = desired.service_account.subject();
    let has_audience = |values: Vec<(&str, &str)>| {
        let standard = Audience::default();
        let own = desired.own_audience.as_ref();
        let is_of_tokens = |value: &str| match own {
            Some(own) => value == own.as_str(),
            None => {
                let set = cluster.audience.as_ref();
                value == standard.as_str() || set.is_some_and(|set| value == set.as_str())
            }
        };
        values.is_empty() || values.iter().any(|(_, value)| is_of_tokens(value))
    };
    let lets_in = |statement: &StatementView| {
        let Principal::Federated(providers) = &statement.principal else {
            return false;
        };
        let issuers: Option<Vec<&Issuer>> = providers
            .iter()
            .map(|arn| issuer_of(arn, cluster))
            .collect();
        statement.allows_web_identity()
            && issuers.unwrap_or_default().into_iter().any(|issuer| {
                let (sub, aud) = (format!("{issuer}:sub"), format!("{issuer}:aud"));
                statement.demands(&sub, &subject)
                    && statement.demands_only(&[&sub, &aud])
                    && has_audience(statement.values(&aud))
            })
    };
    statements.iter().any(lets_in) && statements.iter().all(StatementView::allows)
}

/// Whether a trust policy is that of another cluster's role of the same name: it lets in exactly this
/// ServiceAccount, by providers that are none of this cluster's. Anybody else in it, or nobody, means
/// that it was changed by hand.
pub(super) fn serves_another_cluster(
    document: &TrustDocument,
    service_account: &ServiceAccountRef,
    cluster: &Cluster,
) -> bool {
    let statements = document.statements().unwrap_or_default();
    let subject = service_account.subject();
    let is_anothers = |statement: &StatementView| {
        let Principal::Federated(providers) = &statement.principal else {
            return false;
        };
        let provider = providers.only();
        statement.allows_web_identity()
            && statement.other_actions().is_empty()
            && provider.is_some_and(|provider| match provider.split_once(":oidc-provider/") {
                Some((_, issuer)) => {
                    issuer_of(provider, cluster).is_none()
                        && statement.demands(&format!("{issuer}:sub"), &subject)
                }
                None => false,
            })
    };
    let is_known = |s: &StatementView| is_anothers(s) || s.is_pod_identity();
    statements.iter().any(is_anothers) && statements.iter().all(is_known)
}

impl<'a> Allowed<'a> {
    fn of(service_account: &ServiceAccountRef, facts: &'a Facts) -> Self {
        let cluster = &facts.cluster;
        let audience = match facts.desired(service_account) {
            Some(DesiredRole {
                own_audience: Some(own),
                ..
            }) => Demand::Exactly(own),
            Some(_) => cluster
                .audience
                .as_ref()
                .map_or(Demand::Any, Demand::Exactly),
            None if cluster.audience.is_none() => Demand::Any,
            None => Demand::Single,
        };
        Self {
            subject: service_account.subject(),
            audience,
            cluster,
            former: facts.allowed.issuer_change.as_ref(),
        }
    }

    /// Everybody else whom a trust policy lets in, in words.
    fn intruders(&self, document: &TrustDocument) -> Vec<String> {
        let statements = document.statements().unwrap_or_default();
        let suspects = statements
            .iter()
            .filter(|statement| !statement.denies() && !statement.is_pod_identity());
        let mut found: Vec<String> = Vec::new();
        for intruder in suspects.flat_map(|statement| self.of_statement(statement)) {
            if !found.contains(&intruder) {
                found.push(intruder);
            }
        }
        found
    }

    fn of_statement(&self, statement: &StatementView) -> Vec<String> {
        let principals = statement.principal.by_name();
        let issuers = principals.iter().map(|principal| match principal {
            Principal::Federated(arn) => arn.only().and_then(|arn| self.issuer(arn)),
            _ => None,
        });
        let mut found = Vec::new();
        let mut is_ours = false;
        for (issuer, principal) in issuers.zip(&principals) {
            match issuer {
                Some(issuer) => {
                    is_ours = true;
                    found.extend(self.subjects(statement, issuer));
                    found.extend(self.audiences(statement, issuer));
                }
                None if *principal == Principal::Other(Value::Null) => {}
                None => found.push(format!("principal `{principal}`")),
            }
        }
        if is_ours {
            let actions = statement.other_actions();
            found.extend(actions.iter().map(|action| format!("action `{action}`")));
        }
        let elements = statement.other_elements();
        found.extend(elements.map(|(name, value)| format!("element `{name}`: `{value}`")));
        if found.is_empty() && !is_ours && !principals.is_empty() {
            found.push("a principal that is not named".to_owned());
        }
        found
    }

    /// Subjects that a statement lets in by an issuer's tokens, unless it is the ServiceAccount alone.
    fn subjects(&self, statement: &StatementView, issuer: &Issuer) -> Vec<String> {
        let key = format!("{issuer}:sub");
        if statement.demands(&key, &self.subject) {
            return vec![];
        }
        match statement.values(&key) {
            values if values.is_empty() => vec![format!(
                "any subject of issuer `{issuer}`, as no condition demands `sub`"
            )],
            values => in_words("subject", &values, &self.subject),
        }
    }

    /// Audiences that a statement accepts in an issuer's tokens, unless it is the declared one alone.
    fn audiences(&self, statement: &StatementView, issuer: &Issuer) -> Vec<String> {
        let key = format!("{issuer}:aud");
        let values = statement.values(&key);
        let declared = match self.audience {
            Demand::Any if values.is_empty() => return vec![],
            Demand::Any | Demand::Single => values.first().map_or("", |(_, value)| *value),
            Demand::Exactly(audience) => audience.as_str(),
        };
        if statement.demands(&key, declared) {
            return vec![];
        }
        match values.is_empty() {
            true => vec![format!(
                "any audience of issuer `{issuer}`, as no condition demands `aud`"
            )],
            false => in_words("audience", &values, declared),
        }
    }

    fn issuer(&self, arn: &str) -> Option<&Issuer> {
        let former = self.former.into_iter();
        let mut former =
            former.filter(|issuer| arn == self.cluster.oidc_provider(issuer).to_string());
        issuer_of(arn, self.cluster).or_else(|| former.next())
    }
}

/// Values of a condition, without the declared one where that is demanded as it should be.
fn in_words(what: &str, values: &[(&str, &str)], declared: &str) -> Vec<String> {
    let others = values
        .iter()
        .filter(|(operator, value)| *operator != "StringEquals" || *value != declared);
    let one = |(operator, value): &(&str, &str)| match *operator {
        "StringEquals" => format!("{what} `{value}`"),
        operator => format!("{what} `{value}` by `{operator}`"),
    };
    others.map(one).collect()
}

/// The issuer of the cluster whose provider has that ARN.
fn issuer_of<'a>(arn: &str, cluster: &'a Cluster) -> Option<&'a Issuer> {
    let mut issuers = cluster.issuers.iter();
    issuers.find(|issuer| arn == cluster.oidc_provider(issuer).to_string())
}
