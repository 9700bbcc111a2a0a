//! One report with everything that can be in it, through every format, as it is written today.

use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::model::arn::RoleArn;
use crate::model::history::CommitInfo;
use crate::model::last_use::LastUse;
use crate::model::role::{CurrentRole, ListedRole, NewRole, RoleId, SessionDuration};
use crate::model::tags::Tags;
use crate::model::trust_policy::{self, TrustDocument};
use crate::plan::{Delete, Kept, Quarantine, Undeclared, Update};

const HOSTILE: &str = "\u{1b}[2J ::error::x ##[error]y | `@org/team` <img onerror=x> {0}\r\nz";

fn arn(name: &str) -> RoleArn {
    RoleArn::parse(&format!("arn:aws:iam::123456789012:role/k8s-sa_bar_{name}")).expect("an ARN")
}

fn trust(action: &str) -> TrustDocument {
    TrustDocument::new(format!(
        r#"{{"Statement":[{{"Effect":"Allow","Action":"{action}"}}]}}"#
    ))
}

fn new_role(name: &str) -> NewRole {
    NewRole {
        arn: arn(name),
        trust_policy: trust("sts:AssumeRoleWithWebIdentity"),
        tags: Tags::new(),
        permissions_boundary: None,
        max_session_duration: None,
    }
}

fn current(name: &str) -> CurrentRole {
    CurrentRole {
        listed: ListedRole {
            name: arn(name).name,
            id: RoleId::new("AROA1"),
            path: arn(name).path,
            trust_policy: trust("sts:AssumeRole"),
            max_session_seconds: Some(3600),
        },
        tags: Tags::new(),
        permissions_boundary: None,
        created: None,
        last_use: LastUse::Unknown,
    }
}

fn update(name: &str, differences: Vec<Difference>) -> Box<Update> {
    Box::new(Update {
        current: current(name),
        differences,
        tags: Tags::new(),
        untag: vec![],
        replacement: Some(new_role(name)),
    })
}

fn entry(name: &str, action: Action, reason: Reason, outcome: Option<Outcome>) -> Entry {
    let is_declared = !matches!(
        action,
        Action::Quarantine(_) | Action::Delete(_) | Action::Orphan
    );
    let location = Location {
        path: RepoPath::from(format!("apps/{name}.yaml").as_str()),
        line: 3,
        column: 5,
    };
    Entry {
        change: Change {
            role: RoleLabel::from(&arn(name).name),
            service_account: ServiceAccountRef::parse(&format!("bar/{name}")).expect("valid"),
            location: is_declared.then_some(location),
            action,
            reason,
        },
        origin: None,
        outcome,
    }
}

fn failure(message: &str) -> Failure {
    Failure {
        cause: Cause::Other,
        message: message.to_owned(),
        hint: Some("try again".to_owned()),
    }
}

fn everything() -> Report {
    let commit = CommitId::new(&"a1b2".repeat(10)).expect("an id");
    let removal = Removal {
        commit: CommitInfo {
            id: commit.clone(),
            author: "Ann".to_owned(),
            date: "2026-01-02T03:04:05Z".to_owned(),
            subject: "Remove it".to_owned(),
            source: None,
        },
        since: None,
        path: RepoPath::from("apps/gone.yaml"),
        remains: false,
    };
    let undeclared = Undeclared::Gone;
    let removed = Reason::Removed {
        undeclared,
        commit: removal.commit.clone(),
        since: None,
        last_use: LastUse::Unknown,
        attached: vec![],
    };
    let left = Reason::Kept {
        undeclared,
        kept: Kept::Mode { quarantine: None },
    };
    let differences = vec![
        Difference::TrustPolicy {
            current: trust("sts:AssumeRole"),
            desired: trust("sts:AssumeRoleWithWebIdentity"),
        },
        Difference::Tag {
            key: "role.k8s.aws/source".to_owned(),
            current: Some("old".to_owned()),
            desired: "new".to_owned(),
        },
        Difference::SessionDuration {
            current: Some(3600),
            desired: SessionDuration::from_seconds(7200).expect("valid"),
        },
    ];
    let quarantine = Quarantine {
        current: current("gone"),
        tags: Tags::new(),
        trust_policy: trust_policy::quarantine(),
        removal: Some(removal.clone()),
    };
    let delete = Delete {
        current: current("old"),
        removal: Some(removal),
    };
    let mut drifted = entry(
        "drifted",
        Action::Update(update("drifted", differences)),
        Reason::Differs(vec![Difference::Tag {
            key: "team".to_owned(),
            current: None,
            desired: "a".to_owned(),
        }]),
        Some(Outcome::Failed(failure("iam:UpdateRole: AccessDenied"))),
    );
    drifted.origin = Some(Origin::Drift);
    let entries = vec![
        entry(
            "added",
            Action::Create(new_role("added")),
            Reason::Absent,
            Some(Outcome::Done),
        ),
        drifted,
        entry(
            "back",
            Action::Restore(update("back", vec![])),
            Reason::DeclaredAgain {
                quarantine: crate::plan::quarantine::Note::default(),
            },
            Some(Outcome::Unknown(failure("the reply was lost"))),
        ),
        entry(
            "gone",
            Action::Quarantine(Box::new(quarantine)),
            removed.clone(),
            Some(Outcome::NotAttempted),
        ),
        entry(
            "held",
            Action::Held,
            Reason::Invalid(HOSTILE.to_owned()),
            None,
        ),
        entry("left", Action::Orphan, left, None),
        entry(
            "old",
            Action::Delete(Box::new(delete)),
            removed,
            Some(Outcome::Done),
        ),
        entry("same", Action::InSync, Reason::AsDeclared, None),
    ];
    let at = |path: &str| Location {
        path: RepoPath::from(path),
        line: 7,
        column: 1,
    };
    let held = ServiceAccountRef::parse("bar/held").expect("valid");
    let diagnostics = vec![
        Diagnostic::error(Code::InvalidManaged, HOSTILE)
            .at(at("apps/held.yaml"))
            .on(&held)
            .with_hint("write \"true\"")
            .with_source_line("    managed: yes"),
        Diagnostic::warning(
            Code::SecurityDrift,
            "somebody else may assume `k8s-sa_bar_drifted`",
        ),
        Diagnostic::new(Code::NotRead, Severity::Note, "a submodule").at(at("../../x")),
    ];
    Report {
        command: Command::Apply,
        repository: Some("https://github.com/acme/apps".to_owned()),
        commit: Some(commit),
        exit: Exit::OutcomeUnknown,
        clusters: vec![Section {
            source: None,
            cluster: ClusterName::new("prod").ok(),
            account: AwsAccountId::new("123456789012").ok(),
            entries,
            diagnostics,
            superseded: None,
            record: None,
            ignored: Some(2),
            checked: None,
            review: Review::default(),
        }],
        error: None,
        listing: Listing::Changes,
    }
}

/// A list of JSON objects, one a line.
fn one_a_line(list: &Value) -> String {
    let list = list.as_array().expect("a list").iter();
    list.map(|value| value.to_string() + "\n").collect()
}

fn json_of(format: usize) -> Value {
    serde_json::from_str(&rendered(FORMATS[format].1, &everything())).expect("JSON")
}

#[test]
fn human() {
    assert_snapshot!(rendered(FORMATS[0].1, &everything()), @r#"
    apply for cluster prod in account 123456789012 from https://github.com/acme/apps at commit a1b2a1b2a1b2

      + create: done  k8s-sa_bar_added  bar/added  apps/added.yaml:3
          made, as there was no such role
      ~ update: failed  k8s-sa_bar_drifted  bar/drifted  apps/drifted.yaml:3
          drift: tag `team` is missing
          trust policy:
            {
              "Statement": [
                {
                  "Action": [
          -         "sts:AssumeRole"
          +         "sts:AssumeRoleWithWebIdentity"
                  ],
                  "Effect": "Allow"
                }
              ]
            }
          tag role.k8s.aws/source: `old` -> `new`
          session duration: 3600 s -> 7200 s
          iam:UpdateRole: AccessDenied
          hint: try again
      ^ restore: unknown  k8s-sa_bar_back  bar/back  apps/back.yaml:3
          declared again; quarantined since an unknown time
          the reply was lost
          hint: try again
      x quarantine: not-attempted  k8s-sa_bar_gone  bar/gone  apps/gone.yaml
          removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown
      ! held  k8s-sa_bar_held  bar/held  apps/held.yaml:3
          \u{1b}[2J ::error::x \u{23}#[error]y | `@org/team` <img onerror=x> {0}\r\nz
      ? orphan  k8s-sa_bar_left  bar/left
          no manifest declares its ServiceAccount; the role is left in place
      - delete: done  k8s-sa_bar_old  bar/old  apps/gone.yaml
          removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown

    apps/held.yaml:7:1: error[invalid-managed]: \u{1b}[2J ::error::x \u{23}#[error]y | `@org/team` <img onerror=x> {0}\r\nz
      hint: write "true"
    warning[security-drift]: somebody else may assume `k8s-sa_bar_drifted`
    ../../x:7:1: note[not-read]: a submodule
    2 files left out by ignore rules
    1 to create, 1 to update, 1 to restore, 1 to quarantine, 1 to delete, 1 orphan, 1 held, 1 in sync, 1 error, 1 warning, 1 note, 2 done, 1 failed, 1 unknown, 1 not attempted
    "#);
}

#[test]
fn json() {
    let mut document = json_of(1);
    let cluster = document["clusters"][0].take();
    assert_snapshot!(document, @r#"
    {"clusters":[null],"command":"apply","commit":"a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2","exitCode":8,"marker":"<!-- irsa-gitops apply -->","repository":"https://github.com/acme/apps","schema":"irsa-gitops/report/v1","summary":{"create":1,"delete":1,"held":1,"inSync":1,"orphan":1,"quarantine":1,"restore":1,"update":1}}
    "#);
    assert_snapshot!(one_a_line(&cluster["changes"]), @r#"
    {"action":"create","location":{"column":5,"line":3,"path":"apps/added.yaml"},"outcome":"done","reason":"made, as there was no such role","reasonCode":"absent","role":"k8s-sa_bar_added","serviceAccount":"bar/added"}
    {"action":"update","differences":[{"current":{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow"}]},"desired":{"Statement":[{"Action":"sts:AssumeRoleWithWebIdentity","Effect":"Allow"}]},"field":"trust-policy"},{"current":"old","desired":"new","field":"tag","key":"role.k8s.aws/source"},{"current":3600,"desired":7200,"field":"session-duration"}],"error":{"hint":"try again","message":"iam:UpdateRole: AccessDenied"},"location":{"column":5,"line":3,"path":"apps/drifted.yaml"},"origin":"drift","outcome":"failed","reason":"tag `team` is missing","reasonCode":"differs","role":"k8s-sa_bar_drifted","serviceAccount":"bar/drifted"}
    {"action":"restore","error":{"hint":"try again","message":"the reply was lost"},"location":{"column":5,"line":3,"path":"apps/back.yaml"},"outcome":"unknown","quarantine":{"by":null,"since":null},"reason":"declared again; quarantined since an unknown time","reasonCode":"declared-again","role":"k8s-sa_bar_back","serviceAccount":"bar/back"}
    {"action":"quarantine","location":null,"outcome":"not-attempted","reason":"removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown","reasonCode":"removed","removedBy":{"author":"Ann","commit":"a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2","date":"2026-01-02T03:04:05Z","path":"apps/gone.yaml","subject":"Remove it"},"role":"k8s-sa_bar_gone","serviceAccount":"bar/gone"}
    {"action":"held","location":{"column":5,"line":3,"path":"apps/held.yaml"},"reason":"\u001b[2J ::error::x ##[error]y | `@org/team` <img onerror=x> {0}\r\nz","reasonCode":"invalid-manifest","role":"k8s-sa_bar_held","serviceAccount":"bar/held"}
    {"action":"orphan","location":null,"reason":"no manifest declares its ServiceAccount; the role is left in place","reasonCode":"not-sync","role":"k8s-sa_bar_left","serviceAccount":"bar/left"}
    {"action":"delete","location":null,"outcome":"done","reason":"removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown","reasonCode":"removed","removedBy":{"author":"Ann","commit":"a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2","date":"2026-01-02T03:04:05Z","path":"apps/gone.yaml","subject":"Remove it"},"role":"k8s-sa_bar_old","serviceAccount":"bar/old"}
    "#);
    assert_snapshot!(one_a_line(&cluster["diagnostics"]), @r#"
    {"code":"invalid-managed","hint":"write \"true\"","location":{"column":1,"line":7,"path":"apps/held.yaml"},"message":"\u001b[2J ::error::x ##[error]y | `@org/team` <img onerror=x> {0}\r\nz","serviceAccount":"bar/held","severity":"error"}
    {"code":"security-drift","hint":null,"location":null,"message":"somebody else may assume `k8s-sa_bar_drifted`","serviceAccount":null,"severity":"warning"}
    {"code":"not-read","hint":null,"location":{"column":1,"line":7,"path":"../../x"},"message":"a submodule","serviceAccount":null,"severity":"note"}
    "#);
}

#[test]
fn markdown() {
    assert_snapshot!(rendered(FORMATS[2].1, &everything()), @r#"
    <!-- irsa-gitops apply -->
    ### irsa-gitops apply: 1 to create, 1 to update, 1 to restore, 1 to quarantine, 1 to delete, 1 orphan, 1 held, 1 in sync, 1 error, 1 warning, 1 note, 2 done, 1 failed, 1 unknown, 1 not attempted

    Commit [`a1b2a1b2a1b2`](https://github.com/acme/apps/commit/a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2)

    Cluster `prod`, account `123456789012`

    **This change**

    - [`apps/held.yaml:7`](https://github.com/acme/apps/blob/a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2/apps/held.yaml#L7) **error** `invalid-managed`: ``\u{1b}[2J ::error::x \u{23}#[error]y | `@org/team` <img onerror=x> {0}\r\nz``  
      `write "true"`
    - **warning** `security-drift`: `` somebody else may assume `k8s-sa_bar_drifted` ``

    | | ServiceAccount | role | why |
    |---|---|---|---|
    | restore: unknown | `bar/back`<br>[`apps/back.yaml:3`](https://github.com/acme/apps/blob/a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2/apps/back.yaml#L3) | `k8s-sa_bar_back` | `declared again; quarantined since an unknown time`; `the reply was lost`; hint: `try again` |
    | held | `bar/held`<br>[`apps/held.yaml:3`](https://github.com/acme/apps/blob/a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2/apps/held.yaml#L3) | `k8s-sa_bar_held` | ``\u{1b}[2J ::error::x \u{23}#[error]y \| `@org/team` <img onerror=x> {0}\r\nz`` |
    | create: done | `bar/added`<br>[`apps/added.yaml:3`](https://github.com/acme/apps/blob/a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2/apps/added.yaml#L3) | `k8s-sa_bar_added` | `made, as there was no such role` |
    | quarantine: not-attempted | `bar/gone`<br>`apps/gone.yaml` | `k8s-sa_bar_gone` | removed by commit [`a1b2a1b2a1b2`](https://github.com/acme/apps/commit/a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2) of `Ann` (`2026-01-02T03:04:05Z`): `Remove it`; last use unknown |
    | orphan | `bar/left` | `k8s-sa_bar_left` | `no manifest declares its ServiceAccount; the role is left in place` |
    | delete: done | `bar/old`<br>`apps/gone.yaml` | `k8s-sa_bar_old` | removed by commit [`a1b2a1b2a1b2`](https://github.com/acme/apps/commit/a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2) of `Ann` (`2026-01-02T03:04:05Z`): `Remove it`; last use unknown |

    - `../../x:7` **note** `not-read`: `a submodule`

    <details><summary>Drift: 1 role changed by somebody or by settings, not by Git</summary>

    | | ServiceAccount | role | why |
    |---|---|---|---|
    | update: failed | `bar/drifted`<br>[`apps/drifted.yaml:3`](https://github.com/acme/apps/blob/a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2/apps/drifted.yaml#L3) | `k8s-sa_bar_drifted` | ``tag `team` is missing``; `iam:UpdateRole: AccessDenied`; hint: `try again` |

    <details><summary>What differs in <code>k8s-sa_bar_drifted</code></summary>

    ```diff
      {
        "Statement": [
          {
            "Action": [
    -         "sts:AssumeRole"
    +         "sts:AssumeRoleWithWebIdentity"
            ],
            "Effect": "Allow"
          }
        ]
      }
    ! tag role.k8s.aws/source: `old` -> `new`
    ! session duration: 3600 s -> 7200 s
    ```

    </details>

    </details>
    "#);
}

#[test]
fn github() {
    assert_snapshot!(rendered(FORMATS[3].1, &everything()), @r#"
    ::error file=apps/held.yaml,line=7,col=1,title=invalid-managed::\u{1b}[2J ::error::x \u{23}#[error]y | `@org/team` <img onerror=x> {0}\r\nz (hint: write "true") [cluster prod, account 123456789012]
    ::error file=apps/drifted.yaml,line=3,col=5,title=update failed::k8s-sa_bar_drifted for bar/drifted: drift: tag `team` is missing; iam:UpdateRole: AccessDenied (hint: try again); trust policy: it has Action `sts:AssumeRole` instead of Action `sts:AssumeRoleWithWebIdentity`; tag role.k8s.aws/source: `old` -> `new`; session duration: 3600 s -> 7200 s [cluster prod, account 123456789012]
    ::error file=apps/back.yaml,line=3,col=5,title=restore unknown::k8s-sa_bar_back for bar/back: declared again; quarantined since an unknown time; the reply was lost (hint: try again) [cluster prod, account 123456789012]
    ::warning title=security-drift::somebody else may assume `k8s-sa_bar_drifted` [cluster prod, account 123456789012]
    ::warning file=apps/gone.yaml,title=quarantine not-attempted::k8s-sa_bar_gone for bar/gone: removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown [cluster prod, account 123456789012]
    ::warning file=apps/held.yaml,line=3,col=5,title=held::k8s-sa_bar_held for bar/held: \u{1b}[2J ::error::x \u{23}#[error]y | `@org/team` <img onerror=x> {0}\r\nz [cluster prod, account 123456789012]
    ::warning file=apps/gone.yaml,title=delete done::k8s-sa_bar_old for bar/old: removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown [cluster prod, account 123456789012]
    ::notice title=not-read::a submodule [cluster prod, account 123456789012]
    ::notice file=apps/added.yaml,line=3,col=5,title=create done::k8s-sa_bar_added for bar/added: made, as there was no such role [cluster prod, account 123456789012]
    ::notice title=orphan::k8s-sa_bar_left for bar/left: no manifest declares its ServiceAccount; the role is left in place [cluster prod, account 123456789012]
    "#);
}

#[test]
fn sarif() {
    let run = &json_of(4)["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    assert_snapshot!(one_a_line(&run["results"]), @r#"
    {"level":"error","locations":[{"physicalLocation":{"artifactLocation":{"uri":"apps/held.yaml","uriBaseId":"%SRCROOT%"},"region":{"startColumn":1,"startLine":7}}}],"message":{"text":"\\u{1b}[2J ::error::x \\u{23}#[error]y | `@org/team` <img onerror=x> {0}\\r\\nz (hint: write \"true\") [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"ab70a32ba7b90eb22c172bb64c151be7bfedc00bbe055de8a0ebef327499202d"},"ruleId":"invalid-managed"}
    {"level":"warning","locations":[{"physicalLocation":{"artifactLocation":{"uri":".","uriBaseId":"%SRCROOT%"},"region":{"startColumn":1,"startLine":1}}}],"message":{"text":"somebody else may assume `k8s-sa_bar_drifted` [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"44716adbf35da73165ab9efad6b866abda444e6e58d376876d35158137fe3fac"},"ruleId":"security-drift"}
    {"level":"note","locations":[{"physicalLocation":{"artifactLocation":{"uri":".","uriBaseId":"%SRCROOT%"},"region":{"startColumn":1,"startLine":1}}}],"message":{"text":"a submodule [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"a15bb48dec7982237d114cc81f93e9fcbaa86ec9f86408ce30058a8c40612cf9"},"ruleId":"not-read"}
    {"level":"note","locations":[{"physicalLocation":{"artifactLocation":{"uri":"apps/added.yaml","uriBaseId":"%SRCROOT%"},"region":{"startColumn":5,"startLine":3}}}],"message":{"text":"create done: k8s-sa_bar_added for bar/added: made, as there was no such role [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"9fb90b64cb1e514e1f2c80a55fc8254076584d0a9a96514cb77797f470a3f28e"},"properties":{"reasonCode":"absent"},"ruleId":"role-create"}
    {"level":"error","locations":[{"physicalLocation":{"artifactLocation":{"uri":"apps/drifted.yaml","uriBaseId":"%SRCROOT%"},"region":{"startColumn":5,"startLine":3}}}],"message":{"text":"update failed: k8s-sa_bar_drifted for bar/drifted: drift: tag `team` is missing; iam:UpdateRole: AccessDenied (hint: try again); trust policy: it has Action `sts:AssumeRole` instead of Action `sts:AssumeRoleWithWebIdentity`; tag role.k8s.aws/source: `old` -> `new`; session duration: 3600 s -> 7200 s [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"249800a1cecf551339c09c17dad72fdbc750543e025a9286e8c09cf9f3af5662"},"properties":{"reasonCode":"differs"},"ruleId":"role-update"}
    {"level":"error","locations":[{"physicalLocation":{"artifactLocation":{"uri":"apps/back.yaml","uriBaseId":"%SRCROOT%"},"region":{"startColumn":5,"startLine":3}}}],"message":{"text":"restore unknown: k8s-sa_bar_back for bar/back: declared again; quarantined since an unknown time; the reply was lost (hint: try again) [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"6283c820205e249a0c73af17086fa9139cdd3325d00aea52847d3167de26d130"},"properties":{"reasonCode":"declared-again"},"ruleId":"role-restore"}
    {"level":"warning","locations":[{"physicalLocation":{"artifactLocation":{"uri":"apps/gone.yaml","uriBaseId":"%SRCROOT%"},"region":{"startColumn":1,"startLine":1}}}],"message":{"text":"quarantine not-attempted: k8s-sa_bar_gone for bar/gone: removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"99166836e438b6d30c47ee62f9cf2ceeff3c7b74e406a5bf5cd253e62dc58d1a"},"properties":{"reasonCode":"removed"},"ruleId":"role-quarantine"}
    {"level":"warning","locations":[{"physicalLocation":{"artifactLocation":{"uri":"apps/held.yaml","uriBaseId":"%SRCROOT%"},"region":{"startColumn":5,"startLine":3}}}],"message":{"text":"held: k8s-sa_bar_held for bar/held: \\u{1b}[2J ::error::x \\u{23}#[error]y | `@org/team` <img onerror=x> {0}\\r\\nz [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"cfb8be495a2574e873666fb031e1349dee8227b6f7ffa4d7c871148c837ad418"},"properties":{"reasonCode":"invalid-manifest"},"ruleId":"role-held"}
    {"level":"note","locations":[{"physicalLocation":{"artifactLocation":{"uri":".","uriBaseId":"%SRCROOT%"},"region":{"startColumn":1,"startLine":1}}}],"message":{"text":"orphan: k8s-sa_bar_left for bar/left: no manifest declares its ServiceAccount; the role is left in place [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"3073b9d2bd860b15f9b2260b8ab902025de060800c92ab7a3a884735a8e01e4e"},"properties":{"reasonCode":"not-sync"},"ruleId":"role-orphan"}
    {"level":"warning","locations":[{"physicalLocation":{"artifactLocation":{"uri":"apps/gone.yaml","uriBaseId":"%SRCROOT%"},"region":{"startColumn":1,"startLine":1}}}],"message":{"text":"delete done: k8s-sa_bar_old for bar/old: removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown [cluster prod, account 123456789012]"},"partialFingerprints":{"irsaGitops/v1":"f4f3317be56565fd0d165695044a51316e2700aadfa87d9a2e590a9310a2bf77"},"properties":{"reasonCode":"removed"},"ruleId":"role-delete"}
    "#);
}

#[test]
fn gitlab() {
    assert_snapshot!(one_a_line(&json_of(5)), @r#"
    {"check_name":"invalid-managed","description":"\\u{1b}[2J ::error::x \\u{23}#[error]y | `@org/team` <img onerror=x> {0}\\r\\nz (hint: write \"true\") [cluster prod, account 123456789012]","fingerprint":"ab70a32ba7b90eb22c172bb64c151be7bfedc00bbe055de8a0ebef327499202d","location":{"lines":{"begin":7},"path":"apps/held.yaml"},"severity":"critical"}
    {"check_name":"security-drift","description":"somebody else may assume `k8s-sa_bar_drifted` [cluster prod, account 123456789012]","fingerprint":"44716adbf35da73165ab9efad6b866abda444e6e58d376876d35158137fe3fac","location":{"lines":{"begin":1},"path":"."},"severity":"minor"}
    {"check_name":"not-read","description":"a submodule [cluster prod, account 123456789012]","fingerprint":"a15bb48dec7982237d114cc81f93e9fcbaa86ec9f86408ce30058a8c40612cf9","location":{"lines":{"begin":1},"path":"."},"severity":"info"}
    {"check_name":"role-update","description":"update failed: k8s-sa_bar_drifted for bar/drifted: drift: tag `team` is missing; iam:UpdateRole: AccessDenied (hint: try again); trust policy: it has Action `sts:AssumeRole` instead of Action `sts:AssumeRoleWithWebIdentity`; tag role.k8s.aws/source: `old` -> `new`; session duration: 3600 s -> 7200 s [cluster prod, account 123456789012]","fingerprint":"249800a1cecf551339c09c17dad72fdbc750543e025a9286e8c09cf9f3af5662","location":{"lines":{"begin":3},"path":"apps/drifted.yaml"},"severity":"critical"}
    {"check_name":"role-restore","description":"restore unknown: k8s-sa_bar_back for bar/back: declared again; quarantined since an unknown time; the reply was lost (hint: try again) [cluster prod, account 123456789012]","fingerprint":"6283c820205e249a0c73af17086fa9139cdd3325d00aea52847d3167de26d130","location":{"lines":{"begin":3},"path":"apps/back.yaml"},"severity":"critical"}
    {"check_name":"role-quarantine","description":"quarantine not-attempted: k8s-sa_bar_gone for bar/gone: removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown [cluster prod, account 123456789012]","fingerprint":"99166836e438b6d30c47ee62f9cf2ceeff3c7b74e406a5bf5cd253e62dc58d1a","location":{"lines":{"begin":1},"path":"apps/gone.yaml"},"severity":"minor"}
    {"check_name":"role-held","description":"held: k8s-sa_bar_held for bar/held: \\u{1b}[2J ::error::x \\u{23}#[error]y | `@org/team` <img onerror=x> {0}\\r\\nz [cluster prod, account 123456789012]","fingerprint":"cfb8be495a2574e873666fb031e1349dee8227b6f7ffa4d7c871148c837ad418","location":{"lines":{"begin":3},"path":"apps/held.yaml"},"severity":"minor"}
    {"check_name":"role-delete","description":"delete done: k8s-sa_bar_old for bar/old: removed by commit a1b2a1b2a1b2 of Ann (2026-01-02T03:04:05Z): Remove it; last use unknown [cluster prod, account 123456789012]","fingerprint":"f4f3317be56565fd0d165695044a51316e2700aadfa87d9a2e590a9310a2bf77","location":{"lines":{"begin":1},"path":"apps/gone.yaml"},"severity":"minor"}
    "#);
}
