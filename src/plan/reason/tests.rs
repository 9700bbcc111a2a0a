//! The words and the codes of reasons, above all of those around another one.

use super::*;

fn said(reason: &Reason) -> (String, &'static str) {
    (reason.to_string(), reason.code().as_str())
}

#[test]
fn a_reason_around_another_one_says_both_and_has_the_code_of_the_outer_one() {
    let differs = || {
        Box::new(Reason::Differs(vec![Difference::Tag {
            key: "team".to_owned(),
            current: None,
            desired: "a".to_owned(),
        }]))
    };
    let rewritten = Reason::HistoryRewritten {
        reason: Box::new(Reason::CreateOnly(differs())),
        is_held: true,
        last_commit: CommitId::new(&"a1".repeat(20)).expect("an id"),
        why: Why::Elsewhere,
    };
    let kept = Reason::Kept {
        undeclared: Undeclared::Gone,
        kept: Kept::Mode { quarantine: None },
    };
    for (reason, text, code) in [
        (
            Reason::CreateOnly(differs()),
            "tag `team` is missing; mode create-only repairs nothing",
            "create-only",
        ),
        (
            Reason::MovedSincePlan(differs()),
            "the role has moved since the plan was saved; now: tag `team` is missing",
            "moved-since-plan",
        ),
        (
            Reason::NotInPlan(differs()),
            "not part of the saved plan: tag `team` is missing",
            "not-in-plan",
        ),
        (
            Reason::NoLongerDue(Some(Box::new(kept))),
            "part of the saved plan, but not to be changed now: no manifest declares its ServiceAccount; the role is left in place",
            "no-longer-due",
        ),
        (
            Reason::NoLongerDue(None),
            "part of the saved plan, but not to be changed now: the role is gone, or is not ours any more",
            "no-longer-due",
        ),
        (
            rewritten,
            "tag `team` is missing; mode create-only repairs nothing; its last commit a1a1a1a1a1a1 is elsewhere, so it is tagged with this one",
            "history-rewritten",
        ),
    ] {
        assert_eq!(said(&reason), (text.to_owned(), code));
    }
}

#[test]
fn why_a_role_is_not_declared_and_why_it_is_kept_are_one_sentence() {
    let quarantine = Note {
        since: Some("2026-11-24T12:00:00Z".to_owned()),
        by: CommitId::new(&"1".repeat(40)).ok(),
    };
    let names = vec!["ReadOnly".to_owned(), "inline".to_owned()];
    for (undeclared, kept, text, code) in [
        (
            Undeclared::Unmanaged,
            Kept::Mode { quarantine: None },
            "the managed annotation is \"false\"; the role is left in place",
            "not-sync",
        ),
        (
            Undeclared::Gone,
            Kept::DeclaredElsewhere("b/x.yaml".into()),
            "no manifest declares its ServiceAccount, but `b/x.yaml` declares it now, which this run does not read, so nothing is pruned: correct --path if this run is to read it, list the cluster it moved to in --config, or, if that is nobody's, leave it out: --exclude /b/x.yaml",
            "declared-elsewhere",
        ),
        (
            Undeclared::Gone,
            Kept::OtherPaths("b/x.yaml".to_owned()),
            "no manifest declares its ServiceAccount here; its manifest `b/x.yaml` is another pipeline's, which the cluster's record knows, so this one leaves the role alone",
            "other-paths",
        ),
        (
            Undeclared::Gone,
            Kept::Quarantined {
                quarantine: quarantine.clone(),
                until: None,
            },
            "no manifest declares its ServiceAccount; quarantined since 2026-11-24T12:00:00Z by commit 111111111111, never to be deleted",
            "quarantined",
        ),
        (
            Undeclared::Gone,
            Kept::Mode {
                quarantine: Some(quarantine.clone()),
            },
            "no manifest declares its ServiceAccount; quarantined since 2026-11-24T12:00:00Z by commit 111111111111, so nobody can assume the role; only mode sync deletes it",
            "not-sync",
        ),
        (
            Undeclared::Gone,
            Kept::Attached { quarantine, names },
            "no manifest declares its ServiceAccount; quarantined since 2026-11-24T12:00:00Z by commit 111111111111 and not deleted while this is attached: ReadOnly, inline",
            "attached",
        ),
    ] {
        let reason = Reason::Kept { undeclared, kept };
        assert_eq!(said(&reason), (text.to_owned(), code));
    }
}
