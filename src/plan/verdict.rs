//! Whether the pods of a ServiceAccount can assume its role now, and what keeps them from it.
//!
//! Asked of the role as it is, not as it should be: who lets them in does not matter, nor does whose
//! the role is. What the role may do once it is assumed is not asked.
//!
//! ```text
//! the annotation's own role · no role · quarantined · the manifest names another role · a Deny · another issuer ·
//! nobody lets them in · no provider · the provider refuses the audience · let in
//! ```

use std::fmt;

use super::provider::{Provider, Providers};
use super::quarantine::{self, Note};
use super::{Facts, existing, guard};
use crate::desired::{self, Verdict as Manifest};
use crate::diagnostic::codes;
use crate::model::arn::OidcProviderArn;
use crate::model::cluster::{Audience, Cluster, Issuer};
use crate::model::role::{CurrentRole, ListedRole};
use crate::model::service_account::ServiceAccountRef;
use crate::model::trust_policy::Token;

/// Whether pods can assume a role, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether they can; `None` if that hangs on the issuer, or on what is not known here.
    pub can_assume: Option<bool>,
    /// What decides it.
    pub cause: Cause,
}

/// What decides whether pods can assume a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The trust policy lets them in, and the provider takes their tokens.
    LetIn,
    /// The manifest names another role than its own, which lets them in: by ARN or name, as given.
    ByOtherRole(String),
    /// By some of the cluster's issuers they can, by others not.
    SomeIssuers {
        /// By which they can.
        open: Vec<String>,
        /// By which they cannot, and why.
        shut: Vec<(String, Cause)>,
    },
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
        /// What has these take the tokens, as far as they do not.
        commands: Vec<String>,
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
    ByOtherRole "by-other-role" "The manifest names another role than its own, which lets the ServiceAccount in.",
    SomeIssuers "some-issuers" "By some of the cluster's issuers the pods can, by others not.",
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
    /// The role that the annotation names, if that is another one and there.
    pub annotated: Option<&'a ListedRole>,
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
        let declared = self.resolved.declared.get(service_account);
        let named = declared.and_then(|declared| {
            let arn = existing::named(declared, &self.cluster)?;
            let listed = self.current().listed(&arn.name)?;
            let is_it = listed.name == arn.name && listed.path == arn.path;
            (is_it && arn.name.as_str() != declared.role.as_str()).then_some(listed)
        });
        verdict(&Question {
            service_account,
            cluster: &self.cluster,
            declared,
            role,
            annotated: named,
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
    if let Some(other) = question.other_that_lets_in() {
        return Verdict {
            can_assume: Some(true),
            cause: Cause::ByOtherRole(other),
        };
    }
    let Some(role) = question.role else {
        return no(Cause::NoRole);
    };
    if quarantine::is_quarantined(role) {
        return no(Cause::Quarantined(quarantine::note(role)));
    }
    if let Some(other) = question.other_role(role) {
        return no(Cause::OtherRole(other));
    }
    question.by_trust(&role.listed)
}

impl Question<'_> {
    /// The role that the annotation names, as given, if it is another one and lets the pods in.
    fn other_that_lets_in(&self) -> Option<String> {
        let declared = self.declared?;
        let is_held = matches!(declared.verdict, Manifest::Held { .. });
        let verdict = self.by_trust(self.annotated.filter(|_| is_held)?);
        let given = declared.role_arn.clone()?;
        (verdict.can_assume == Some(true)).then_some(given)
    }

    /// What the trust policy of a role says, and the providers. By all issuers has to be the same: where it
    /// is not, pods of one cluster get in and those of another one do not.
    fn by_trust(&self, role: &ListedRole) -> Verdict {
        let issuers = self.cluster.issuers.iter();
        let answers = issuers.map(|issuer| (issuer, self.by_issuer(role, issuer)));
        let answers: Vec<(&Issuer, Verdict)> = answers.collect();
        let is =
            |can_assume| move |(_, verdict): &&(&Issuer, Verdict)| verdict.can_assume == can_assume;
        let open = answers.iter().filter(is(Some(true)));
        let shut = answers.iter().filter(is(Some(false)));
        let open: Vec<String> = open.map(|(issuer, _)| issuer.to_string()).collect();
        let shut: Vec<(String, Cause)> = shut
            .map(|(issuer, verdict)| (issuer.to_string(), verdict.cause.clone()))
            .collect();
        if !open.is_empty() && !shut.is_empty() {
            return Verdict {
                can_assume: None,
                cause: Cause::SomeIssuers { open, shut },
            };
        }
        // What is not known of one is not known of all; else the first one tells why.
        let unclear = answers
            .iter()
            .position(|(_, verdict)| verdict.can_assume.is_none());
        let told = answers.into_iter().nth(unclear.unwrap_or_default());
        told.map_or(
            Verdict {
                can_assume: Some(false),
                cause: Cause::NotLetIn,
            },
            |(_, verdict)| verdict,
        )
    }

    /// The same by one issuer.
    fn by_issuer(&self, role: &ListedRole, issuer: &Issuer) -> Verdict {
        let no = |cause| Verdict {
            can_assume: Some(false),
            cause,
        };
        let audience = self.audience();
        let subject = self.service_account.subject();
        let statements = role.trust_policy.statements().unwrap_or_default();
        let arn = self.cluster.oidc_provider(issuer);
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
        if denied.contains(&Some(true)) {
            no(Cause::Denied)
        } else if allowed.contains(&Some(true)) && !denied.contains(&None) {
            match self.refusal(&arn, &audience) {
                Some(cause) => no(cause),
                None => Verdict {
                    can_assume: Some(true),
                    cause: Cause::LetIn,
                },
            }
        } else if allowed.contains(&Some(true)) || allowed.contains(&None) {
            Verdict {
                can_assume: None,
                cause: Cause::Conditional,
            }
        } else {
            no(self.not_let_in(role))
        }
    }

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

    /// The commands that have the providers of the cluster take the tokens.
    fn mending(&self) -> Vec<String> {
        let audience = self.audience();
        let arns = self.cluster.issuers.iter();
        let arns = arns.map(|issuer| self.cluster.oidc_provider(issuer));
        arns.filter_map(|arn| self.refusal(&arn, &audience)?.command())
            .collect()
    }

    fn not_let_in(&self, role: &ListedRole) -> Cause {
        let cluster = self.cluster;
        let issuers = cluster.issuers.iter();
        let configured: Vec<String> = issuers
            .map(|issuer| cluster.oidc_provider(issuer).to_string())
            .collect();
        let trusted = role.trust_policy.federated_principals();
        let is_issuer = |arn: &String| arn.contains(":oidc-provider/");
        match trusted.iter().any(is_issuer) && trusted.iter().all(|arn| !configured.contains(arn)) {
            true => Cause::OtherIssuer {
                trusted: trusted.into_iter().filter(is_issuer).collect(),
                configured,
                commands: self.mending(),
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
            Self::ByOtherRole(_) => CauseCode::ByOtherRole,
            Self::SomeIssuers { .. } => CauseCode::SomeIssuers,
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

    /// Whether it lies with the cluster's providers, whatever manifests say.
    pub fn is_of_the_cluster(&self) -> bool {
        matches!(self, Self::NoProvider(..) | Self::AudienceRefused(..))
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
            Self::LetIn | Self::ByOtherRole(_) => {
                f.write_str("its trust policy lets the ServiceAccount in")
            }
            Self::SomeIssuers { open, shut } => {
                write!(f, "by `{}` they can", open.join("` and `"))?;
                shut.iter().try_for_each(|(issuer, cause)| {
                    write!(f, "; by `{issuer}` they cannot: {cause}")
                })
            }
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
                ..
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
