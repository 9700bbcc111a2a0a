//! Whether one declaration may have a role: name, role-arn annotation and audience.

use super::{Managed, role_name};
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Annotation, Declaration};
use crate::model::arn::{Partition, RoleArn};
use crate::model::cluster::{Audience, Naming};
use crate::model::conventions::RoleArnForm;
use crate::model::placeholder::Placeholder;
use crate::model::role::{InvalidRole, RoleName};

/// Accepts a declaration, or says what is wrong with it and which value would be right.
pub(super) fn accept(
    declaration: &Declaration,
    naming: &Naming,
) -> Result<Managed, Box<Diagnostic>> {
    let role = role_name::of(naming, &declaration.service_account)
        .map_err(|error| Box::new(illegal_name(declaration, naming, &error)))?;
    check_role_arn(declaration, naming, &role)?;
    let audience = match &declaration.audience {
        None => None,
        Some(annotation) if Placeholder::of(&annotation.value).is_some() => {
            let key = &naming.conventions.annotations.audience;
            let right = "the audience of the token";
            return Err(unrendered(declaration, annotation, key, right, naming));
        }
        Some(annotation) => Some(Audience::new(&annotation.value).map_err(|error| {
            let message = format!(
                "annotation `{}`: {error}",
                naming.conventions.annotations.audience
            );
            let hint = format!("use `{}` or remove the annotation", Audience::DEFAULT);
            Box::new(on(declaration, annotation, Code::InvalidAudience, message).with_hint(hint))
        })?),
    };
    Ok(Managed { role, audience })
}

/// What is wrong with the role-arn annotation of a ServiceAccount that is held for its manifest, so that
/// both can be put right at once: only here it is known what it should be.
pub(super) fn role_arn_fault(declaration: &Declaration, naming: &Naming) -> Option<Diagnostic> {
    declaration.role_arn.as_ref()?;
    let role = role_name::of(naming, &declaration.service_account).ok()?;
    check_role_arn(declaration, naming, &role)
        .err()
        .map(|fault| *fault)
}

fn check_role_arn(
    declaration: &Declaration,
    naming: &Naming,
    role: &RoleName,
) -> Result<(), Box<Diagnostic>> {
    let key = &naming.conventions.annotations.role_arn;
    let Some(annotation) = &declaration.role_arn else {
        let message = format!("annotation `{key}` is missing");
        let desired = DesiredArn::new(naming, role, None);
        return Err(Box::new(
            Diagnostic::error(Code::MissingRoleArn, message)
                .on(&declaration.service_account)
                .at(declaration.location.clone())
                .with_hint(format!("add `{key}: {desired}`")),
        ));
    };
    let value = &annotation.value;
    let parsed = RoleArn::parse(value);
    let desired = DesiredArn::new(naming, role, located(value, role).as_ref());
    let bare = desired.bare();
    if Placeholder::of(value).is_some() && !parsed.as_ref().is_ok_and(|arn| desired.fits(arn)) {
        let right = format!("`{desired}`");
        return Err(unrendered(declaration, annotation, key, &right, naming));
    }
    let (code, what, right) = match (&parsed, naming.conventions.role_arns) {
        (Ok(arn), _) if desired.fits(arn) => return Ok(()),
        (Ok(arn), _) => (
            Code::RoleArnMismatch,
            desired.difference(arn),
            desired.to_string(),
        ),
        (Err(_), RoleArnForm::Composed) if *value == bare => return Ok(()),
        (Err(_), RoleArnForm::Composed) if is_like_bare(value) => {
            let what = format!("expected role `{bare}`, got `{value}`");
            (Code::RoleArnMismatch, what, bare)
        }
        (Err(error), _) => (Code::InvalidRoleArn, error.to_string(), desired.to_string()),
    };
    let hint = if let (Ok(arn), true) = (&parsed, code == Code::RoleArnMismatch)
        && role_name::parse(&naming.prefix, &arn.name).is_none()
        && naming
            .account
            .as_ref()
            .is_none_or(|account| *account == arn.account)
    {
        format!(
            "use `{right}`; the new role starts without what is attached to `{}`: where that one is in use, see what to attach first with `plan` or `explain`",
            arn.name
        )
    } else if *value == desired.bare() {
        format!("use `{right}`, or --compose-role-arn if the cluster's webhook has it")
    } else {
        format!("use `{right}`")
    };
    let message = format!(
        "annotation `{key}` of ServiceAccount `{}`: {what}",
        declaration.service_account
    );
    Err(Box::new(
        on(declaration, annotation, code, message).with_hint(hint),
    ))
}

/// An ARN with the name of the role: one whose own name is none still says in which account it is.
fn located(value: &str, role: &RoleName) -> Option<RoleArn> {
    let (place, _) = value.rsplit_once('/')?;
    RoleArn::parse(&format!("{place}/{role}")).ok()
}

/// Whether a value is a path and a name of a role, and no ARN at all.
fn is_like_bare(value: &str) -> bool {
    let name = value.rsplit('/').next().unwrap_or_default();
    !value.starts_with("arn:") && RoleName::new(name).is_ok()
}

/// The ARN that the annotation should have. A partition or account that an offline check was not told is
/// that of the annotation; without an annotation it is `aws` and the word `ACCOUNT`.
struct DesiredArn {
    partition: String,
    account: String,
    resource: String,
    account_known: bool,
    partition_known: bool,
}

impl DesiredArn {
    fn new(naming: &Naming, role: &RoleName, given: Option<&RoleArn>) -> Self {
        let partition = naming
            .partition
            .as_ref()
            .or(given.map(|arn| &arn.partition));
        let account = naming.account.as_ref().or(given.map(|arn| &arn.account));
        Self {
            partition: partition.map_or("aws", Partition::as_str).to_owned(),
            account: account.map_or("ACCOUNT", |id| id.as_str()).to_owned(),
            resource: format!("role{}{role}", naming.path),
            account_known: account.is_some(),
            partition_known: partition.is_some(),
        }
    }

    /// What the webhook composes the ARN from.
    fn bare(&self) -> String {
        self.resource.trim_start_matches("role/").to_owned()
    }

    fn fits(&self, arn: &RoleArn) -> bool {
        self.account_known && self.partition_known && self.to_string() == arn.to_string()
    }

    /// Names the first part that is wrong, in the order in which an ARN is read.
    fn difference(&self, arn: &RoleArn) -> String {
        let given = format!("role{}{}", arn.path, arn.name);
        if arn.partition.as_str() != self.partition {
            format!(
                "expected partition `{}`, got `{}`",
                self.partition, arn.partition
            )
        } else if arn.account.as_str() != self.account {
            format!("expected account `{}`, got `{}`", self.account, arn.account)
        } else {
            format!("expected `{}`, got `{given}`", self.resource)
        }
    }
}

impl std::fmt::Display for DesiredArn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            partition,
            account,
            resource,
            ..
        } = self;
        write!(f, "arn:{partition}:iam::{account}:{resource}")
    }
}

fn on(
    declaration: &Declaration,
    annotation: &Annotation,
    code: Code,
    message: String,
) -> Diagnostic {
    Diagnostic::error(code, message)
        .on(&declaration.service_account)
        .at(annotation.location.clone())
        .with_source_line(annotation.source_line.clone())
}

/// Says that an annotation holds what something else replaces later, what that is, and what it has
/// to become.
fn unrendered(
    declaration: &Declaration,
    annotation: &Annotation,
    key: &str,
    right: &str,
    naming: &Naming,
) -> Box<Diagnostic> {
    let Annotation { value, .. } = annotation;
    let service_account = &declaration.service_account;
    let message = format!(
        "annotation `{key}` of ServiceAccount `{service_account}` is not rendered: `{value}`"
    );
    let unknown = naming.conventions.substitutions.apply(value);
    let how = match (unknown, Placeholder::of(value)) {
        (Some(Err(unknown)), _) => unknown.to_string(),
        (_, Some(Placeholder::Variable)) => {
            "give --substitute KEY=VALUE for what Flux's postBuild replaces, or commit what is rendered"
                .to_owned()
        }
        (_, placeholder) => placeholder.map_or("render it", Placeholder::renderer).to_owned(),
    };
    let hint = format!("{how}; it has to be {right} then");
    Box::new(on(declaration, annotation, Code::UnrenderedTemplate, message).with_hint(hint))
}

fn illegal_name(declaration: &Declaration, naming: &Naming, error: &InvalidRole) -> Diagnostic {
    let managed = &naming.conventions.annotations.managed;
    let hint = match error {
        InvalidRole::TooLong { excess, .. } => {
            let service_account = &declaration.service_account;
            let key = &naming.conventions.annotations.role_arn;
            let digested = role_name::digested(&naming.prefix, service_account);
            let digest = digested.map_or_else(String::new, |role| {
                let given = declaration.role_arn.as_ref();
                let given = given.and_then(|given| located(&given.value, &role));
                let arn = DesiredArn::new(naming, &role, given.as_ref());
                format!(", give --long-names digest and `{key}: {arn}`")
            });
            format!(
                "shorten namespace and name by {excess} in all, use a shorter --role-prefix than `{}`{digest}, or drop `{managed}`",
                naming.prefix
            )
        }
        _ => format!("rename the ServiceAccount or drop `{managed}`"),
    };
    Diagnostic::error(Code::RoleNameTooLong, error.to_string())
        .on(&declaration.service_account)
        .at(declaration.location.clone())
        .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Management;
    use crate::model::arn::AwsAccountId;
    use crate::model::location::Location;
    use crate::model::service_account::ServiceAccountRef;

    fn declaration(role_arn: Option<&str>) -> Declaration {
        let location = Location {
            path: "a.yaml".into(),
            line: 7,
            column: 32,
        };
        Declaration {
            service_account: ServiceAccountRef::parse("bar/foo").expect("valid"),
            location: location.clone(),
            management: Management::Managed,
            role_arn: role_arn.map(|value| Annotation {
                value: value.to_owned(),
                location,
                source_line: String::new(),
            }),
            audience: None,
            namespace_at: None,
        }
    }

    fn naming() -> Naming {
        Naming {
            partition: Some(Partition::new("aws").expect("valid")),
            account: Some(AwsAccountId::new("123456789012").expect("valid")),
            ..Naming::default()
        }
    }

    #[test]
    fn m9_m10_m11_m12_m13_the_annotation_must_be_the_computed_arn() {
        let right = "arn:aws:iam::123456789012:role/k8s-sa_bar_foo";
        assert!(accept(&declaration(Some(right)), &naming()).is_ok());
        // One row each for M9, M10 (three), M11, M12, M13 and a wrong name.
        for (value, code, says) in [
            (None, Code::MissingRoleArn, "is missing"),
            (
                Some("foo"),
                Code::InvalidRoleArn,
                "`foo` is not the ARN of a role",
            ),
            (
                Some("arn:aws:iam::123456789012:role/k8s-sa_bar_foo\n"),
                Code::InvalidRoleArn,
                "k8s-sa_bar_foo\n` is not a role name",
            ),
            (
                Some("arn:aws:iam::123456789012:role/k8s-sa_bar _foo"),
                Code::InvalidRoleArn,
                "is not a role name",
            ),
            (
                Some("arn:aws:iam::210987654321:role/k8s-sa_bar_foo"),
                Code::RoleArnMismatch,
                "expected account `123456789012`, got `210987654321`",
            ),
            (
                Some("arn:aws-cn:iam::123456789012:role/k8s-sa_bar_foo"),
                Code::RoleArnMismatch,
                "expected partition `aws`, got `aws-cn`",
            ),
            (
                Some("arn:aws:iam::123456789012:role/x/k8s-sa_bar_foo"),
                Code::RoleArnMismatch,
                "expected `role/k8s-sa_bar_foo`, got `role/x/k8s-sa_bar_foo`",
            ),
            (
                Some("arn:aws:iam::123456789012:role/k8s-sa_bar_fooo"),
                Code::RoleArnMismatch,
                "expected `role/k8s-sa_bar_foo`, got `role/k8s-sa_bar_fooo`",
            ),
        ] {
            let refused = accept(&declaration(value), &naming()).expect_err("refused");
            assert_eq!(refused.code, code, "{value:?}");
            assert!(
                refused.message.contains(says),
                "{value:?}: {}",
                refused.message
            );
            assert!(
                refused.hint.as_deref().is_some_and(|h| h.contains(right)),
                "{value:?}"
            );
            assert_eq!(refused.location.map(|l| l.line), Some(7));
        }
    }

    #[test]
    fn offline_any_account_will_do_but_not_any_name() {
        let naming = Naming::default();
        for arn in [
            "arn:aws:iam::123456789012:role/k8s-sa_bar_foo",
            "arn:aws-cn:iam::210987654321:role/k8s-sa_bar_foo",
        ] {
            assert!(accept(&declaration(Some(arn)), &naming).is_ok(), "{arn}");
        }
        let wrong = declaration(Some("arn:aws:iam::123456789012:role/k8s-sa_bar_baz"));
        assert!(accept(&wrong, &naming).is_err());
    }
}
