//! Findings about manifests or IAM that a user should see: data, collected, never fatal.

use std::fmt;

use crate::model::location::Location;
use crate::model::service_account::ServiceAccountRef;

mod advice;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something is not as declared: mostly the ServiceAccount is held, or a file was not read whole.
    Error,
    /// Nothing is held, but it is probably not what was meant.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word used in every format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Declares the codes once, so that the list of all of them cannot fall behind.
macro_rules! codes {
    ($(#[$doc:meta])+ $name:ident $($variant:ident $text:literal $description:literal,)+) => {
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[doc = $description] $variant,)+ }

        impl $name {
            /// Every code, in the order of docs/reference.md.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable kebab-case text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// One sentence on what it means.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)+ }
            }
        }
    };
}

pub(crate) use codes;

codes! {
    /// What kind of finding it is. The text is stable: SARIF rule id, title of a workflow command,
    /// anchor in docs/reference.md.
    Code
    // A file, or a document in it, cannot be read: nothing is pruned in that run.
    InvalidEncoding "invalid-encoding" "The file is not UTF-8 text.",
    InvalidYaml "invalid-yaml" "The document is not YAML that Kubernetes accepts.",
    InvalidJson "invalid-json" "The file is not valid JSON.",
    UnrenderedTemplate "unrendered-template" "The file, or a value in it, is a template that was not rendered.",
    NotRendered "not-rendered" "A chart or kustomization holds the annotation and is not rendered.",
    DuplicateKey "duplicate-key" "A mapping has the same key twice, or one that a merge key overwrites.",
    LimitExceeded "limit-exceeded" "The document is nested too deeply or expands to too much.",
    InvalidList "invalid-list" "A List or one of its items does not have the form Kubernetes requires.",
    NotRead "not-read" "Something under a scanned path could not be read as a manifest: submodule, symlink or LFS pointer.",
    // One ServiceAccount is wrong: it is held.
    InvalidServiceAccount "invalid-service-account" "The ServiceAccount does not have the form Kubernetes requires.",
    UnquotedScalar "unquoted-scalar" "A plain scalar is a boolean or a number to Kubernetes where a string is required.",
    MissingName "missing-name" "The ServiceAccount has no name.",
    MissingNamespace "missing-namespace" "The ServiceAccount has no namespace.",
    NamespaceNotAllowed "namespace-not-allowed" "The path may not declare the namespace of the ServiceAccount.",
    InvalidName "invalid-name" "The name or namespace is not one Kubernetes accepts.",
    InvalidManaged "invalid-managed" "The managed annotation is neither \"true\" nor \"false\".",
    MissingRoleArn "missing-role-arn" "The ServiceAccount declares a managed role but has no role-arn annotation.",
    InvalidRoleArn "invalid-role-arn" "The role-arn annotation is not the ARN of a role.",
    RoleArnMismatch "role-arn-mismatch" "The role-arn annotation is not the ARN of this ServiceAccount's role.",
    RoleArnSetting "role-arn-setting" "Role-arn annotations differ from the settings in the same way, so a setting is probably wrong.",
    InvalidAudience "invalid-audience" "The audience annotation is not a plain audience.",
    RoleNameTooLong "role-name-too-long" "The role name is longer than IAM allows.",
    DuplicateServiceAccount "duplicate-service-account" "The ServiceAccount is declared more than once.",
    RoleNameCollision "role-name-collision" "Two ServiceAccounts have role names that differ only in letter case.",
    IgnoredServiceAccount "ignored-service-account" "An ignore rule leaves out a ServiceAccount that declares a role.",
    Misspelled "misspelled" "A key looks like a misspelling of one that matters.",
    // Probably not what was meant.
    WrongKind "wrong-kind" "Something that is not a core/v1 ServiceAccount carries our annotation.",
    TrailingNewline "trailing-newline" "An annotation value ends with a newline, as block scalars do.",
    CommitUnknown "commit-unknown" "The manifests stand for no commit, so roles cannot be tagged with one.",
    OrderNotProven "order-not-proven" "Whether this run is older or newer than what was applied is not known.",
    RecordNotWritten "record-not-written" "The commit could not be written to the cluster's record, so nothing else was written.",
    LockLost "lock-lost" "The lock of the cluster was lost while the run wrote, so it wrote no further.",
    DirtyWorkTree "dirty-work-tree" "The work tree has changes that are not part of the commit.",
    // What IAM has.
    ForeignRole "foreign-role" "A role of that name exists and is not owned by this cluster.",
    ExistingRole "existing-role" "The role that the annotation names exists and serves the ServiceAccount; the new one starts without what is attached to it.",
    BoundaryDiffers "boundary-differs" "The role's permissions boundary is not the configured one.",
    TagsFull "tags-full" "The role has no room for tags that it lacks.",
    RoleRenamed "role-renamed" "A ServiceAccount was renamed, so another role takes the place of its role.",
    SecurityDrift "security-drift" "Somebody changed who may assume the role.",
    PodIdentity "pod-identity" "EKS Pod Identity may assume the role, too.",
    OidcProvider "oidc-provider" "The OIDC provider of the cluster is not registered, or refuses the audience, so no pod can assume a role.",
    OidcProviderUnread "oidc-provider-unread" "Whether pods can assume roles by the OIDC provider was not checked.",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong and with what: a lower-case fragment without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The ServiceAccount it concerns, where it is known by name.
    pub service_account: Option<ServiceAccountRef>,
    /// Where.
    pub location: Option<Location>,
    /// The line of source at that place, to show beneath the message.
    pub source_line: Option<String>,
}

impl Diagnostic {
    /// A finding with its message; the rest is added by the `with_…` calls.
    pub fn new(code: Code, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            hint: None,
            service_account: None,
            location: None,
            source_line: None,
        }
    }

    /// An error.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// A warning.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    /// The finding and its hint in one line; not yet safe to show.
    pub fn in_words(&self) -> String {
        let Self {
            code,
            severity,
            message,
            hint,
            ..
        } = self;
        let place = self.location.as_ref();
        let place = place.map_or_else(String::new, |location| format!("{location}: "));
        match hint {
            Some(hint) => format!("{place}{severity}[{code}]: {message}; {hint}"),
            None => format!("{place}{severity}[{code}]: {message}"),
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says where it is.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// Says which ServiceAccount it concerns.
    #[must_use]
    pub fn on(mut self, service_account: &ServiceAccountRef) -> Self {
        self.service_account = Some(service_account.clone());
        self
    }

    /// Keeps the line of source it is about.
    #[must_use]
    pub fn with_source_line(mut self, line: impl Into<String>) -> Self {
        self.source_line = Some(line.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for text in texts {
            assert!(
                text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{text}"
            );
        }
        for code in Code::ALL {
            for text in [code.description(), code.cause(), code.fix()] {
                assert!(text.ends_with('.'), "{code}: {text}");
            }
        }
    }
}
