//! ServiceAccounts that an ignore rule leaves out: their roles would be orphans.

use std::collections::BTreeMap;

use super::{Declared, Resolved, Verdict, role_name};
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Claim, Extract, Management};
use crate::model::arn::RoleArn;
use crate::model::cluster::Naming;
use crate::model::conventions::RoleArnForm;
use crate::model::location::Location;
use crate::model::role::RoleName;
use crate::model::service_account::ServiceAccountRef;

/// How many ServiceAccounts a finding names.
const MAX_NAMED: usize = 5;

/// A ServiceAccount that a rule leaves out, and that has a role or is to get one.
struct LeftOut<'a> {
    service_account: ServiceAccountRef,
    location: &'a Location,
    role_arn: Option<&'a str>,
}

impl Resolved {
    /// Notes which roles of the cluster something names that was not understood.
    pub fn note_claims<'a>(&mut self, claims: impl Iterator<Item = &'a Claim>, naming: &Naming) {
        let claims = claims.map(|claim| claim.substituted(naming));
        let is_ours = |claim: &Claim| {
            let role = role(&claim.role_arn, naming);
            let prefix = &naming.prefix;
            role.is_some_and(|role| {
                role_name::parse(prefix, &role).is_some() || role_name::is_digested(prefix, &role)
            })
        };
        self.claims.extend(claims.filter(is_ours));
    }

    /// Holds what is declared where a rule ignores it, and nowhere else, and what a part of it names by the
    /// role's ARN that is not understood; one finding a rule.
    pub fn hold_ignored<'a>(
        &mut self,
        ignored: impl IntoIterator<Item = (&'a str, &'a Extract)>,
        naming: &Naming,
    ) {
        let mut by_rule: BTreeMap<&str, Vec<LeftOut<'_>>> = BTreeMap::new();
        for (rule, left_out) in ignored
            .into_iter()
            .flat_map(|(rule, file)| left_out(file, naming).map(move |one| (rule, one)))
        {
            let LeftOut {
                service_account,
                location,
                role_arn,
            } = &left_out;
            if self.declared.contains_key(service_account) {
                continue;
            }
            let reason = format!("ignore rule `{rule}` leaves out {location}, which declares it");
            let declared = Declared {
                role: role_name::label(naming, service_account),
                location: (*location).clone(),
                role_arn: role_arn.map(str::to_owned),
                own_audience: None,
                verdict: Verdict::Held { reason },
            };
            self.declared.insert(service_account.clone(), declared);
            by_rule.entry(rule).or_default().push(left_out);
        }
        let findings = by_rule
            .into_iter()
            .map(|(rule, left_out)| finding(rule, &left_out));
        self.diagnostics.extend(findings);
    }
}

/// What a file declares, and whose roles it names where it is not understood.
fn left_out<'a>(file: &'a Extract, naming: &Naming) -> impl Iterator<Item = LeftOut<'a>> {
    let declarations = file.declarations.iter();
    let declarations = declarations.filter(|d| d.management != Management::Unmanaged);
    let declared = declarations.map(|declaration| LeftOut {
        service_account: declaration.service_account.clone(),
        location: &declaration.location,
        role_arn: declaration.role_arn.as_ref().map(|arn| arn.value.as_str()),
    });
    let claims = file.claims.iter().filter_map(|claim| {
        Some(LeftOut {
            service_account: {
                let role = role(&claim.substituted(naming).role_arn, naming)?;
                role_name::parse(&naming.prefix, &role)?
            },
            location: &claim.location,
            role_arn: Some(&claim.role_arn),
        })
    });
    declared.chain(claims.collect::<Vec<_>>())
}

/// The role that a role-arn annotation names, if it is where those of this cluster are.
fn role(role_arn: &str, naming: &Naming) -> Option<RoleName> {
    match RoleArn::parse(role_arn) {
        Ok(arn) => {
            let is_here = arn.path == naming.path
                && naming
                    .account
                    .as_ref()
                    .is_none_or(|own| *own == arn.account)
                && naming
                    .partition
                    .as_ref()
                    .is_none_or(|own| *own == arn.partition);
            is_here.then_some(arn.name)
        }
        Err(_) if naming.conventions.role_arns == RoleArnForm::Composed => {
            let path = naming.path.to_string();
            let name = format!("/{role_arn}")
                .strip_prefix(&path)
                .map(RoleName::new);
            name?.ok()
        }
        Err(_) => None,
    }
}

impl Claim {
    /// The same with the values of variables, as far as they are known.
    pub(super) fn substituted(&self, naming: &Naming) -> Self {
        let value = naming.conventions.substitutions.apply(&self.role_arn);
        let role_arn = value.and_then(Result::ok);
        Self {
            role_arn: role_arn.unwrap_or_else(|| self.role_arn.clone()),
            location: self.location.clone(),
        }
    }
}

fn finding(rule: &str, left_out: &[LeftOut<'_>]) -> Diagnostic {
    let named = left_out.iter().take(MAX_NAMED);
    let named = named.map(|d| format!("`{}` ({})", d.service_account, d.location));
    let more = left_out.len().saturating_sub(MAX_NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    let named: Vec<String> = named.chain(more).collect();
    let (what, whose) = match left_out {
        [_] => ("a managed ServiceAccount", "its role would be an orphan"),
        _ => ("managed ServiceAccounts", "their roles would be orphans"),
    };
    let message = format!(
        "ignore rule `{rule}` leaves out {what}, so {whose}: {}",
        named.join(", ")
    );
    Diagnostic::error(Code::IgnoredServiceAccount, message)
        .at(left_out[0].location.clone())
        .with_hint("narrow the rule (--exclude, or `ignore` in the configuration), or remove the ServiceAccounts or their annotation first; until then their roles are held")
}
