//! ServiceAccounts that an ignore rule leaves out: their roles would be orphans.

use std::collections::BTreeMap;

use super::{Declared, Resolved, Verdict, role_name};
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Declaration, Management};
use crate::model::cluster::Naming;

/// How many ServiceAccounts a finding names.
const MAX_NAMED: usize = 5;

impl Resolved {
    /// Holds what is declared where a rule ignores it, and nowhere else; one finding a rule.
    pub fn hold_ignored<'a>(
        &mut self,
        ignored: impl IntoIterator<Item = (&'a str, &'a Declaration)>,
        naming: &Naming,
    ) {
        let mut by_rule: BTreeMap<&str, Vec<&Declaration>> = BTreeMap::new();
        for (rule, declaration) in ignored {
            let service_account = &declaration.service_account;
            if declaration.management == Management::Unmanaged
                || self.declared.contains_key(service_account)
            {
                continue;
            }
            let reason = format!(
                "ignore rule `{rule}` leaves out {}, which declares it",
                declaration.location
            );
            let declared = Declared {
                role: role_name::label(naming, service_account),
                location: declaration.location.clone(),
                role_arn: declaration.role_arn.as_ref().map(|arn| arn.value.clone()),
                own_audience: None,
                verdict: Verdict::Held { reason },
            };
            self.declared.insert(service_account.clone(), declared);
            by_rule.entry(rule).or_default().push(declaration);
        }
        let findings = by_rule
            .into_iter()
            .map(|(rule, left_out)| finding(rule, &left_out));
        self.diagnostics.extend(findings);
    }
}

fn finding(rule: &str, left_out: &[&Declaration]) -> Diagnostic {
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
