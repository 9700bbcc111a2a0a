//! Which named roles can be taken over: those whose trust policy proves that they serve their
//! ServiceAccount already.

use super::decide::no_room;
use super::ownership::{self, Ownership};
use super::provenance::{new_role, provenance};
use super::{Action, Change, Difference, Facts, Plan, Reason, Update, security};
use crate::desired::DesiredRole;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::cluster::Cluster;
use crate::model::role::{CurrentRole, RoleLabel, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags;

/// What the controller's roles have for a cluster, unless somebody set it.
const CONTROLLERS_CLUSTER: &str = "cluster";

/// The roles that a ServiceAccount declares and that are not ours yet, but for those that are tagged for
/// another cluster: these need to be named.
///
/// The facts must hold every role that is declared in full.
pub fn candidates(facts: &Facts) -> Vec<RoleName> {
    let cluster = &facts.cluster;
    let is_anothers = |role: &CurrentRole| {
        let other = role.tags.get(tags::CLUSTER);
        other.is_some_and(|other| other != cluster.name.as_str() && other != CONTROLLERS_CLUSTER)
    };
    let is_foreign = |role: &CurrentRole| match ownership::of(role, cluster) {
        Ownership::Foreign(_) => !is_anothers(role),
        Ownership::Owned(_) => false,
    };
    let declared = facts.resolved.declared.keys();
    let roles = declared.filter_map(|service_account| facts.desired(service_account));
    let roles = roles.filter(|role| facts.current.detail(&role.arn.name).is_some_and(is_foreign));
    roles.map(|role| role.arn.name.clone()).collect()
}

/// Plans to tag each named role as ours; its trust policy is left to the next apply.
///
/// The facts must hold the named roles in full. A name that stands for no ServiceAccount at all is
/// in the second list.
pub fn adopt(names: &[RoleName], facts: &Facts) -> (Plan, Vec<RoleName>) {
    let mut plan = Plan::default();
    let mut others = Vec::new();
    for name in names {
        let Some(service_account) = facts.whose(name) else {
            others.push(name.clone());
            continue;
        };
        let declared = facts.resolved.declared.get(&service_account);
        let (action, reason) = match facts.current.detail(name) {
            None => (Action::Held, Reason::Absent),
            Some(role) => {
                let found = &mut plan.diagnostics;
                decide(role, &service_account, facts, found)
            }
        };
        let role = RoleLabel::from(name);
        let location = declared.map(|declared| declared.location.clone());
        let change = Change {
            role: role.clone(),
            service_account,
            location,
            action,
            reason,
        };
        plan.changes.insert(role, change);
    }
    (plan, others)
}

fn decide(
    role: &CurrentRole,
    service_account: &ServiceAccountRef,
    facts: &Facts,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Action, Reason) {
    let Facts { cluster, run, .. } = facts;
    if let Ownership::Owned(_) = ownership::of(role, cluster) {
        return (Action::InSync, Reason::OwnedAlready);
    }
    if role.listed.path != cluster.path {
        let (found, expected) = (role.listed.path.clone(), cluster.path.clone());
        return (Action::Held, Reason::OtherPath { found, expected });
    }
    let Some(desired) = facts.desired(service_account) else {
        return (Action::Held, Reason::NotDeclared(service_account.clone()));
    };
    if !security::serves(role, desired, cluster) {
        return (Action::Held, Reason::Unproven(service_account.clone()));
    }
    diagnostics.extend(security::cut_off(desired, role, facts));
    diagnostics.extend(of_another_cluster(desired, role, cluster));
    let mut wanted = provenance(desired, run);
    for (key, value) in desired.tags.iter() {
        wanted.set(key, value);
    }
    if let (None, Some(commit)) = (role.tags.get(tags::COMMIT), &run.commit) {
        wanted.set(tags::COMMIT, commit.as_str());
    }
    if !role.tags.part(wanted.iter()).1.is_empty() {
        // Nothing rests on it.
        wanted.remove(tags::SOURCE_COMMIT);
    }
    let (_, left_out) = role.tags.part(wanted.iter());
    if !left_out.is_empty() {
        let finding = no_room(desired, role, &left_out);
        diagnostics.push(Diagnostic {
            severity: Severity::Error,
            ..finding
        });
        return (Action::Held, Reason::NoRoom(left_out));
    }
    let differences = wanted
        .iter()
        .filter(|(key, value)| role.tags.get(key) != Some(value));
    let differences = differences.map(|(key, value)| Difference::Tag {
        key: key.to_owned(),
        current: role.tags.get(key).map(str::to_owned),
        desired: value.to_owned(),
    });
    let update = Update {
        differences: differences.collect(),
        tags: wanted,
        untag: vec![],
        current: role.clone(),
        replacement: Some(new_role(desired, run)),
    };
    (Action::Update(Box::new(update)), Reason::Proven)
}

/// The controller's default is no cluster's name, and what its roles are adopted from.
fn of_another_cluster(
    desired: &DesiredRole,
    role: &CurrentRole,
    cluster: &Cluster,
) -> Option<Diagnostic> {
    let name = &role.listed.name;
    let other = role.tags.get(tags::CLUSTER)?;
    if other == cluster.name.as_str() || other == CONTROLLERS_CLUSTER {
        return None;
    }
    let message = format!("role `{name}` is tagged for cluster `{other}`");
    Some(
        Diagnostic::warning(Code::ForeignRole, message)
            .on(&desired.service_account)
            .at(desired.location.clone())
            .with_hint(format!(
                "make sure that no run for cluster `{other}` declares it: the role would be foreign there, and held"
            )),
    )
}
