//! Roles that ServiceAccounts use already, under names that are not ours: what is attached to them,
//! and the commands that attach the same to the new role before any pod uses it.

use super::Facts;
use super::provenance::new_role;
use crate::desired::{self, Declared, DesiredRole, Managed, Verdict, role_name};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::arn::RoleArn;
use crate::model::cluster::Cluster;
use crate::model::conventions::RoleArnForm;
use crate::model::role::{Attachments, NewRole, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::shell::quoted;
use crate::model::trust_policy::{Token, TrustDocument};

/// The roles that annotations name instead of the right ones, and that trust their ServiceAccounts.
pub(super) fn to_inspect(facts: &Facts) -> Vec<RoleName> {
    let mut names: Vec<RoleName> = all(facts).map(|(arn, ..)| arn.name).collect();
    names.sort();
    names.dedup();
    names
}

/// What is to be said of them, once it is known what is attached to them.
pub(super) fn findings(facts: &Facts) -> Vec<Diagnostic> {
    let finding = |(arn, whose, declared): (RoleArn, &ServiceAccountRef, &Declared)| {
        let attachments = facts.existing(&arn.name)?;
        let role = desired(whose, declared, facts)?;
        Some(finding(&arn, attachments, &role, facts))
    };
    all(facts).filter_map(finding).collect()
}

fn all(facts: &Facts) -> impl Iterator<Item = (RoleArn, &ServiceAccountRef, &Declared)> {
    let held = facts.resolved.declared.iter();
    let held = held.filter(|(_, declared)| matches!(declared.verdict, Verdict::Held { .. }));
    let found = &facts.resolved.diagnostics;
    let is_setting_doubted = found.iter().any(|f| f.code == Code::RoleArnSetting);
    held.filter_map(move |(whose, declared)| {
        let has_own = || {
            found
                .iter()
                .any(|f| f.service_account.as_ref() == Some(whose))
        };
        if is_setting_doubted && !has_own() {
            // The setting is wrong, and not the name of the role.
            return None;
        }
        let arn = named(declared, &facts.cluster)?;
        let listed = facts.current().listed(&arn.name)?;
        let is_there = listed.name == arn.name && listed.path == arn.path;
        let is_other = arn.name.as_str() != declared.role.as_str();
        let trusts = || lets_in(whose, declared, &listed.trust_policy, &facts.cluster);
        (is_there && is_other && trusts()).then_some((arn, whose, declared))
    })
}

/// The role of this account that an annotation names.
pub(super) fn named(declared: &Declared, cluster: &Cluster) -> Option<RoleArn> {
    let given = declared.role_arn.as_deref()?;
    let Cluster {
        partition, account, ..
    } = cluster;
    let arn = RoleArn::parse(given).ok().or_else(|| {
        let is_composed = cluster.conventions.role_arns == RoleArnForm::Composed;
        let composed = format!("arn:{partition}:iam::{account}:role/{given}");
        is_composed.then(|| RoleArn::parse(&composed).ok())?
    })?;
    (arn.account == *account && arn.partition == *partition).then_some(arn)
}

/// The role that the ServiceAccount would have if its annotation were right.
fn desired(whose: &ServiceAccountRef, declared: &Declared, facts: &Facts) -> Option<DesiredRole> {
    let accepted = Managed {
        role: role_name::of(&facts.cluster.naming(), whose).ok()?,
        audience: declared.own_audience.clone(),
    };
    let (at, repository) = (&declared.location, &facts.run.repository);
    let cluster = &facts.cluster;
    Some(desired::desired_role(
        whose, &accepted, at, cluster, repository,
    ))
}

/// Whether a trust policy may let a ServiceAccount in through a provider of the cluster.
fn lets_in(
    whose: &ServiceAccountRef,
    declared: &Declared,
    document: &TrustDocument,
    cluster: &Cluster,
) -> bool {
    let own = declared.own_audience.as_ref().or(cluster.audience.as_ref());
    let (subject, audience) = (whose.subject(), own.cloned().unwrap_or_default());
    let statements = document.statements().unwrap_or_default();
    cluster.issuers.iter().any(|issuer| {
        let provider = cluster.oidc_provider(issuer).to_string();
        let token = Token {
            provider: &provider,
            issuer: issuer.as_str(),
            subject: &subject,
            audience: audience.as_str(),
        };
        let allowing = statements.iter().filter(|statement| !statement.denies());
        let mut about = allowing.map(|statement| statement.is_about(&token));
        // What is not known here may well let it in.
        about.any(|is_about| is_about != Some(false))
    })
}

fn finding(
    old: &RoleArn,
    attachments: Option<&Attachments>,
    new: &DesiredRole,
    facts: &Facts,
) -> Diagnostic {
    let (old, name) = (&old.name, &new.arn.name);
    let whose = &new.service_account;
    let (attached, commands) = match attachments {
        None => (
            "what is attached to it could not be read".to_owned(),
            vec![format!(
                "aws iam list-attached-role-policies --role-name {old} && aws iam list-role-policies --role-name {old} show it"
            )],
        ),
        Some(attachments) => (
            described(attachments),
            commands(old, attachments, new, facts),
        ),
    };
    let message = format!(
        "role `{old}` exists and trusts ServiceAccount `{whose}`: {attached}; its new role `{name}` starts without"
    );
    let hint = match commands.is_empty() {
        true => format!(
            "write `{}` into the annotation, and restart the pods once it is applied",
            new.arn
        ),
        false => format!(
            "so that no pod loses access, before the annotation changes: {}; then write `{}` into the annotation, apply, and restart the pods",
            commands.join(" && "),
            new.arn
        ),
    };
    Diagnostic::warning(Code::ExistingRole, message)
        .on(whose)
        .at(new.location.clone())
        .with_hint(hint)
}

fn described(attachments: &Attachments) -> String {
    let inline = attachments.inline_policies.iter();
    let inline = inline.map(|name| format!("inline policy {name}"));
    let all: Vec<String> = attachments
        .attached_policies
        .iter()
        .cloned()
        .chain(inline)
        .collect();
    match all.is_empty() {
        true => "no policy is attached to it".to_owned(),
        false => format!("attached to it: {}", all.join(", ")),
    }
}

/// First the role, as this program would make it and therefore owned; then what is attached.
fn commands(
    old: &RoleName,
    attachments: &Attachments,
    new: &DesiredRole,
    facts: &Facts,
) -> Vec<String> {
    let Attachments {
        attached_policies,
        inline_policies,
        instance_profiles: _,
    } = attachments;
    if attached_policies.is_empty() && inline_policies.is_empty() {
        return vec![];
    }
    let name = &new.arn.name;
    let mut commands = Vec::new();
    if facts.current().listed(name).is_none() {
        commands.push(create(&new_role(new, &facts.run)));
    }
    commands.extend(attached_policies.iter().map(|policy| {
        format!(
            "aws iam attach-role-policy --role-name {name} --policy-arn {}",
            quoted(policy)
        )
    }));
    commands.extend(inline_policies.iter().map(|policy| {
        let policy = quoted(policy);
        let document = format!(
            "aws iam get-role-policy --role-name {old} --policy-name {policy} --query PolicyDocument --output json"
        );
        format!(
            "aws iam put-role-policy --role-name {name} --policy-name {policy} --policy-document \"$({document})\""
        )
    }));
    commands
}

fn create(role: &NewRole) -> String {
    let NewRole {
        arn,
        trust_policy,
        tags,
        permissions_boundary,
        max_session_duration,
    } = role;
    let tags = tags
        .iter()
        .map(|(key, value)| quoted(&format!("Key={key},Value={value}")));
    let mut command = format!(
        "aws iam create-role --role-name {} --path {} --assume-role-policy-document {} --tags {}",
        arn.name,
        quoted(&arn.path.to_string()),
        quoted(trust_policy.as_str()),
        tags.collect::<Vec<_>>().join(" ")
    );
    if let Some(boundary) = permissions_boundary {
        command.push_str(&format!(" --permissions-boundary {}", quoted(boundary)));
    }
    if let Some(duration) = max_session_duration {
        command.push_str(&format!(
            " --max-session-duration {}",
            duration.as_seconds()
        ));
    }
    command
}
