//! Whether the pods of a ServiceAccount can assume its role now, and what keeps them from it.
//!
//! Asked of the role as it is, not as it should be: who lets them in does not matter, nor does whose
//! the role is. What the role may do once it is assumed is not asked.
//!
//! ```text
//! no role · quarantined · the manifest names another role · a Deny · another issuer ·
//! nobody lets them in · no provider · the provider refuses the audience · let in
//! ```

use std::fmt;

use super::provider::{Provider, Providers};
use super::quarantine::{self, Note};
use super::{Facts, guard};
use crate::desired::{self, Verdict as Manifest};
use crate::diagnostic::codes;
use crate::model::arn::OidcProviderArn;
use crate::model::cluster::{Audience, Cluster};
use crate::model::role::CurrentRole;
use crate::model::service_account::ServiceAccountRef;
use crate::model::trust_policy::Token;

/// Whether pods can assume a role, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether they can; `None` if that hangs on what is not known here.
    pub can_assume: Option<bool>,
    /// What decides it.
    pub cause: Cause,
}

/// What decides whether pods can assume a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The trust policy lets them in, and the provider takes their tokens.
    LetIn,
    /// There is no such role.
    NoRole,
    /// The role is quarantined.
    Quarantined(Note),
    /// The manifest of the ServiceAccount names another role, or none.
    OtherRole(Option<String>),
    /// A Deny of the trust policy is about them.
    Denied,
    /// The trust policy lets the ServiceAccount in by other OIDC providers than the cluster's.
    OtherIssuer {
        /// Those that it trusts, by ARN.
        trusted: Vec<String>,
        /// Those of the settings.
        configured: Vec<String>,
    },
    /// The trust policy does not let them in.
    NotLetIn,
    /// The trust policy has conditions on what is not known here.
    Conditional,
    /// The OIDC provider is not registered.
    NoProvider(OidcProviderArn, Audience),
    /// The OIDC provider refuses the audience of their tokens.
    AudienceRefused(OidcProviderArn, Audience),
}

codes! {
    /// What kind of cause it is. The text is stable: `answer.code` in the JSON of `explain`.
    CauseCode
    LetIn "let-in" "The trust policy lets the ServiceAccount in.",
    NoRole "no-role" "There is no such role.",
    Quarantined "quarantined" "The role is quarantined.",
    OtherRole "other-role" "The manifest names another role, or none.",
    Denied "denied" "A Deny statement of the trust policy is about the ServiceAccount.",
    OtherIssuer "other-issuer" "The trust policy names another issuer than the settings.",
    NotLetIn "not-let-in" "The trust policy does not let the ServiceAccount in.",
    Conditional "conditional" "The trust policy has conditions on what is not known here.",
    NoProvider "no-provider" "The OIDC provider is not registered.",
    AudienceRefused "audience-refused" "The OIDC provider refuses the audience.",
}

/// What there is to be known of a ServiceAccount and its role.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The ServiceAccount.
    pub service_account: &'a ServiceAccountRef,
    /// Its cluster.
    pub cluster: &'a Cluster,
    /// What the manifests say of it.
    pub declared: Option<&'a desired::Declared>,
    /// The role.
    pub role: Option<&'a CurrentRole>,
    /// The cluster's providers, as far as they are known.
    pub providers: &'a Providers,
}

impl Facts {
    /// Whether the pods of a ServiceAccount can assume a role, as that is now.
    pub fn verdict(
        &self,
        service_account: &ServiceAccountRef,
        role: Option<&CurrentRole>,
    ) -> Verdict {
        verdict(&Question {
            service_account,
            cluster: &self.cluster,
            declared: self.resolved.declared.get(service_account),
            role,
            providers: self.providers(),
        })
    }
}

/// Answers.
pub fn verdict(question: &Question<'_>) -> Verdict {
    let no = |cause| Verdict {
        can_assume: Some(false),
        cause,
    };
    let unclear = || Verdict {
        can_assume: None,
        cause: Cause::Conditional,
    };
    let Some(role) = question.role else {
        return no(Cause::NoRole);
    };
    if quarantine::is_quarantined(role) {
        return no(Cause::Quarantined(quarantine::note(role)));
    }
    if let Some(other) = question.other_role(role) {
        return no(Cause::OtherRole(other));
    }
    let audience = question.audience();
    let subject = question.service_account.subject();
    let statements = role.listed.trust_policy.statements().unwrap_or_default();
    let mut best: Option<Verdict> = None;
    for issuer in &question.cluster.issuers {
        let arn = question.cluster.oidc_provider(issuer);
        let provider = arn.to_string();
        let token = Token {
            provider: &provider,
            issuer: issuer.as_str(),
            subject: &subject,
            audience: audience.as_str(),
        };
        let about = |denies: bool| {
            let such = statements.iter().filter(move |s| s.denies() == denies);
            such.map(|s| s.is_about(&token)).collect::<Vec<_>>()
        };
        let (denied, allowed) = (about(true), about(false));
        let answer = if denied.contains(&Some(true)) {
            no(Cause::Denied)
        } else if allowed.contains(&Some(true)) && !denied.contains(&None) {
            match question.refusal(&arn, &audience) {
                Some(cause) => no(cause),
                None => Verdict {
                    can_assume: Some(true),
                    cause: Cause::LetIn,
                },
            }
        } else if allowed.contains(&Some(true)) || allowed.contains(&None) {
            unclear()
        } else {
            no(question.not_let_in(role))
        };
        // Of several issuers, the one by which they get furthest counts.
        let rank = |verdict: &Verdict| match verdict.can_assume {
            Some(true) => 2,
            None => 1,
            Some(false) => 0,
        };
        if best.as_ref().is_none_or(|best| rank(&answer) > rank(best)) {
            best = Some(answer);
        }
    }
    best.unwrap_or_else(|| no(Cause::NotLetIn))
}

impl Question<'_> {
    /// What the role-arn annotation says, if it is not the role.
    fn other_role(&self, role: &CurrentRole) -> Option<Option<String>> {
        let declared = self.declared?;
        if !matches!(declared.verdict, Manifest::Held { .. }) {
            return None;
        }
        let name = &role.listed.name;
        let arn = self.cluster.role_arn(name).to_string();
        let bare = format!("{}{name}", self.cluster.path);
        let given = declared.role_arn.as_deref();
        let is_role = given == Some(&arn) || given == Some(bare.trim_start_matches('/'));
        (!is_role).then(|| given.map(str::to_owned))
    }

    /// The audience of the tokens that pods get.
    fn audience(&self) -> Audience {
        let own = match self.declared.map(|declared| &declared.verdict) {
            Some(Manifest::Managed(managed)) => managed.audience.clone(),
            _ => None,
        };
        let audience = own.or_else(|| self.cluster.audience.clone());
        audience.unwrap_or_default()
    }

    /// Why the provider refuses the tokens, if it is known to.
    fn refusal(&self, arn: &OidcProviderArn, audience: &Audience) -> Option<Cause> {
        match self.providers.get(arn)? {
            Provider::Missing => Some(Cause::NoProvider(arn.clone(), audience.clone())),
            Provider::Accepts(accepted) if !accepted.iter().any(|a| a == audience.as_str()) => {
                Some(Cause::AudienceRefused(arn.clone(), audience.clone()))
            }
            Provider::Accepts(_) | Provider::Unread => None,
        }
    }

    fn not_let_in(&self, role: &CurrentRole) -> Cause {
        let cluster = self.cluster;
        let issuers = cluster.issuers.iter();
        let configured: Vec<String> = issuers
            .map(|issuer| cluster.oidc_provider(issuer).to_string())
            .collect();
        let trusted = role.listed.trust_policy.federated_principals();
        let is_issuer = |arn: &String| arn.contains(":oidc-provider/");
        match trusted.iter().any(is_issuer) && trusted.iter().all(|arn| !configured.contains(arn)) {
            true => Cause::OtherIssuer {
                trusted: trusted.into_iter().filter(is_issuer).collect(),
                configured,
            },
            false => Cause::NotLetIn,
        }
    }
}

impl Cause {
    /// What kind of cause it is.
    pub fn code(&self) -> CauseCode {
        match self {
            Self::LetIn => CauseCode::LetIn,
            Self::NoRole => CauseCode::NoRole,
            Self::Quarantined(_) => CauseCode::Quarantined,
            Self::OtherRole(_) => CauseCode::OtherRole,
            Self::Denied => CauseCode::Denied,
            Self::OtherIssuer { .. } => CauseCode::OtherIssuer,
            Self::NotLetIn => CauseCode::NotLetIn,
            Self::Conditional => CauseCode::Conditional,
            Self::NoProvider(..) => CauseCode::NoProvider,
            Self::AudienceRefused(..) => CauseCode::AudienceRefused,
        }
    }

    /// The command that mends it in IAM, where that is not a role's affair.
    pub fn command(&self) -> Option<String> {
        match self {
            Self::NoProvider(arn, audience) => Some(guard::register(arn, audience)),
            Self::AudienceRefused(arn, audience) => Some(guard::add_audience(arn, audience)),
            _ => None,
        }
    }
}

/// As the end of a sentence that has named the ServiceAccount and the role.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers = |arns: &[String]| {
            let issuer = |arn: &String| {
                let issuer = arn.split_once(":oidc-provider/");
                format!("`{}`", issuer.map_or(arn.as_str(), |(_, issuer)| issuer))
            };
            arns.iter().map(issuer).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::LetIn => f.write_str("its trust policy lets the ServiceAccount in"),
            Self::NoRole => f.write_str("there is no such role"),
            Self::Quarantined(note) => write!(f, "the role is {note}, and nobody can assume it"),
            Self::OtherRole(Some(other)) => write!(
                f,
                "the manifest of the ServiceAccount names `{other}`, which is what its pods ask for"
            ),
            Self::OtherRole(None) => f.write_str(
                "the manifest of the ServiceAccount has no role-arn annotation, so its pods ask for no role",
            ),
            Self::Denied => f.write_str("a Deny statement of its trust policy keeps them out"),
            Self::OtherIssuer {
                trusted,
                configured,
            } => write!(
                f,
                "the issuer changed: its trust policy names issuer {}, and the cluster's, by --oidc-provider, is {}",
                issuers(trusted),
                issuers(configured)
            ),
            Self::NotLetIn => f.write_str("its trust policy does not let the ServiceAccount in"),
            Self::Conditional => f.write_str(
                "its trust policy has a condition on something that is not known here, such as an address",
            ),
            Self::NoProvider(arn, _) => write!(f, "OIDC provider `{arn}` is not registered"),
            Self::AudienceRefused(arn, audience) => write!(
                f,
                "OIDC provider `{arn}` does not accept audience `{}`",
                audience.as_str()
            ),
        }
    }
}

#[cfg(test)]
mod tests;
