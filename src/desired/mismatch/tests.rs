use super::*;
use crate::desired::resolve;
use crate::manifest::{Annotation, Declaration, Management};
use crate::model::location::Location;

/// A ServiceAccount in a file, with its annotation.
fn declared(whose: &str, file: &str, arn: &str) -> Declaration {
    let location = Location {
        path: file.into(),
        line: 7,
        column: 5,
    };
    Declaration {
        service_account: ServiceAccountRef::parse(whose).expect("valid"),
        location: location.clone(),
        management: Management::Managed,
        role_arn: Some(Annotation {
            value: arn.to_owned(),
            location,
            source_line: String::new(),
        }),
        audience: None,
        namespace_at: None,
    }
}

fn naming() -> Naming {
    Naming {
        partition: Partition::new("aws").ok(),
        account: AwsAccountId::new("123456789012").ok(),
        ..Naming::default()
    }
}

/// Code, message and hint of everything that is found.
fn found(declarations: &[Declaration]) -> Vec<(Code, String, String)> {
    let resolved = resolve(declarations, &naming());
    let held = resolved.declared.values();
    let held = held.filter(|d| matches!(d.verdict, Verdict::Held { .. }));
    // Whatever is told, each is held whose annotation does not fit.
    let fits = |d: &Declaration| {
        let arn = d.role_arn.as_ref().map(|arn| arn.value.clone());
        let ServiceAccountRef { namespace, name } = &d.service_account;
        arn == Some(format!(
            "arn:aws:iam::123456789012:role/k8s-sa_{namespace}_{name}"
        ))
    };
    assert_eq!(
        held.count(),
        declarations.iter().filter(|d| !fits(d)).count()
    );
    let found = resolved.diagnostics.into_iter();
    found
        .map(|d| (d.code, d.message, d.hint.unwrap_or_default()))
        .collect()
}

#[test]
fn i70_every_annotation_that_differs_in_the_same_way_is_one_finding() {
    for (arn, difference, flag) in [
        (
            "arn:aws:iam::210987654321:role/k8s-sa_{}",
            "expected account `123456789012`, got `210987654321`",
            "set --account 210987654321;",
        ),
        (
            "arn:aws:iam::123456789012:role/blue_{}",
            "expected prefix `k8s-sa`, got `blue`",
            "set --role-prefix blue;",
        ),
        (
            "arn:aws:iam::123456789012:role/{}",
            "expected prefix `k8s-sa`, got ``",
            "set --role-prefix '';",
        ),
        (
            "arn:aws:iam::123456789012:role/teams/k8s-sa_{}",
            "expected role path `/`, got `/teams/`",
            "set --role-path /teams/;",
        ),
        (
            "arn:aws-cn:iam::210987654321:role/blue_{}",
            "expected partition `aws`, got `aws-cn`, expected account `123456789012`, got `210987654321`, expected prefix `k8s-sa`, got `blue`",
            "--account 210987654321 --role-prefix blue;",
        ),
    ] {
        let of = |whose: &str, file: &str| {
            declared(whose, file, &arn.replace("{}", &whose.replace('/', "_")))
        };
        let all = [
            of("bar/a", "x/a.yaml"),
            of("bar/b", "y/b.yaml"),
            of("c/d", "d.yaml"),
        ];
        let found = found(&all);
        let [(Code::RoleArnSetting, message, hint)] = &found[..] else {
            panic!("{arn}: {found:?}");
        };
        assert!(
            message.contains("all 3 ServiceAccounts") && message.ends_with(difference),
            "{message}"
        );
        assert!(
            hint.contains(flag) && hint.contains("--path") && !hint.contains("arn:"),
            "{hint}"
        );
    }
}

#[test]
fn i70_another_clusters_directory_is_one_finding_beside_what_fits() {
    let ours = |whose: &str, file: &str| {
        let arn = format!(
            "arn:aws:iam::123456789012:role/k8s-sa_{}",
            whose.replace('/', "_")
        );
        declared(whose, file, &arn)
    };
    let theirs = |whose: &str, file: &str| {
        let arn = format!(
            "arn:aws:iam::210987654321:role/green_{}",
            whose.replace('/', "_")
        );
        declared(whose, file, &arn)
    };
    let found = found(&[
        ours("bar/a", "clusters/blue/a.yaml"),
        ours("bar/b", "clusters/blue/deep/b.yaml"),
        theirs("bar/c", "clusters/green/c.yaml"),
        theirs("bar/d", "clusters/green/d.yaml"),
    ]);
    let [(Code::RoleArnSetting, message, hint)] = &found[..] else {
        panic!("{found:?}");
    };
    assert!(
        message.contains("all 2 ServiceAccounts below `clusters/green`"),
        "{message}"
    );
    assert!(hint.contains("--path clusters/blue;"), "{hint}");
}

#[test]
fn i70_annotations_that_are_wrong_by_themselves_keep_their_own_findings() {
    let arn = |account: &str, name: &str| format!("arn:aws:iam::{account}:role/{name}");
    let (ours, other) = ("123456789012", "210987654321");
    for all in [
        // Beside ones that fit, in the same directory.
        vec![
            declared("bar/a", "apps/a.yaml", &arn(ours, "k8s-sa_bar_a")),
            declared("bar/b", "apps/b.yaml", &arn(other, "k8s-sa_bar_b")),
            declared("bar/c", "apps/c.yaml", &arn(other, "k8s-sa_bar_c")),
        ],
        // In different ways.
        vec![
            declared("bar/a", "a.yaml", &arn(other, "k8s-sa_bar_a")),
            declared("bar/b", "b.yaml", &arn(ours, "blue_bar_b")),
        ],
        vec![
            declared("bar/a", "a.yaml", &arn(other, "k8s-sa_bar_a")),
            declared("bar/b", "b.yaml", &arn(other, "k8s-sa_bar_b")),
            declared("bar/c", "c.yaml", &arn(ours, "blue_bar_c")),
            declared("bar/d", "d.yaml", &arn(ours, "blue_bar_d")),
        ],
        // In a way that no setting makes right.
        vec![
            declared("bar/a", "a.yaml", &arn(ours, "k8s-sa_bar_aa")),
            declared("bar/b", "b.yaml", &arn(ours, "k8s-sa_bar_bb")),
        ],
        vec![
            declared("bar/a", "a.yaml", &arn(ours, "k8s_sa_bar_a")),
            declared("bar/b", "b.yaml", &arn(ours, "k8s_sa_bar_b")),
        ],
    ] {
        let found = found(&all);
        assert!([2, 4].contains(&found.len()), "{found:?}");
        for (code, _, hint) in found {
            assert_eq!(code, Code::RoleArnMismatch);
            assert!(
                hint.starts_with("use `arn:") && !hint.contains("set --"),
                "{hint}"
            );
        }
    }
}

#[test]
fn i70_a_single_one_says_both() {
    let arn = "arn:aws:iam::210987654321:role/k8s-sa_bar_a";
    let found = found(&[declared("bar/a", "a.yaml", arn)]);
    let [(Code::RoleArnMismatch, _, hint)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        hint,
        "use `arn:aws:iam::123456789012:role/k8s-sa_bar_a`; or, if the annotation is right, set --account 210987654321"
    );
}
