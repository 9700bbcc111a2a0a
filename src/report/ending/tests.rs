//! What comes before what, row by row.

use super::*;
use crate::apply::Failure;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::arn::RoleArn;
use crate::model::commit::CommitId;
use crate::model::role::{NewRole, RoleLabel, RoleName};
use crate::model::service_account::ServiceAccountRef;
use crate::model::tags::Tags;
use crate::model::trust_policy::TrustDocument;
use crate::plan::fence::{Superseded, Why, Witness};
use crate::plan::{Change, Reason};

fn create() -> Action {
    let arn = "arn:aws:iam::123456789012:role/k8s-sa_bar_foo";
    Action::Create(NewRole {
        arn: RoleArn::parse(arn).expect("an ARN"),
        trust_policy: TrustDocument::new("{}"),
        tags: Tags::new(),
        permissions_boundary: None,
        max_session_duration: None,
    })
}

fn entry(action: Action, origin: Option<Origin>, outcome: Option<Outcome>) -> Entry {
    Entry {
        change: Change {
            role: RoleLabel::new("k8s-sa_bar_foo"),
            service_account: ServiceAccountRef::parse("bar/foo").expect("valid"),
            location: None,
            action,
            reason: Reason::AsDeclared,
        },
        origin,
        outcome,
    }
}

fn failure(cause: Cause) -> Failure {
    Failure {
        cause,
        message: String::new(),
        hint: None,
    }
}

/// The entries and findings are those of two clusters: where they stand does not matter.
fn exit(
    command: Command,
    entries: Vec<Entry>,
    severities: &[Severity],
    heed: Heed,
    signal: Option<Caught>,
) -> Exit {
    let finding = |severity: &Severity| Diagnostic::new(Code::InvalidYaml, *severity, "");
    let section = Section {
        record: None,
        entries,
        diagnostics: severities.iter().map(finding).collect(),
        ..Section::default()
    };
    let ending = |sections: &[Section]| {
        let ending = Ending {
            command,
            sections,
            heed,
            signal,
        };
        ending.exit()
    };
    let first = ending(&[section.clone(), Section::default()]);
    assert_eq!(first, ending(&[Section::default(), section]));
    first
}

#[test]
fn c40_a_plan_that_is_superseded_ends_so_whatever_it_shows() {
    let superseded = Superseded {
        witness: Witness::Role(RoleName::new("k8s-sa_bar_foo").expect("valid")),
        last_commit: CommitId::new(&"1".repeat(40)).expect("valid"),
        commit: CommitId::new(&"2".repeat(40)).expect("valid"),
        why: Why::Newer,
        is_under_review: false,
    };
    let section = Section {
        entries: vec![entry(Action::Held, None, None), entry(create(), None, None)],
        superseded: Some(superseded),
        ..Section::default()
    };
    for sections in [
        [section.clone(), Section::default()],
        [Section::default(), section],
    ] {
        let ending = Ending {
            command: Command::Plan,
            sections: &sections,
            heed: Heed::Any,
            signal: None,
        };
        assert_eq!(ending.exit(), Exit::Superseded);
    }
}

#[test]
fn lint_rejects_errors_and_nothing_else() {
    for (severities, expected) in [
        (vec![], Exit::Success),
        (vec![Severity::Warning, Severity::Note], Exit::Success),
        (vec![Severity::Note, Severity::Error], Exit::InputRejected),
    ] {
        let exit = exit(Command::Lint, vec![], &severities, Heed::Nothing, None);
        assert_eq!(exit, expected, "{severities:?}");
    }
}

#[test]
fn what_is_held_or_wrong_is_incomplete_and_comes_before_what_is_pending() {
    for command in [Command::Diff, Command::Plan, Command::Apply, Command::Adopt] {
        for heed in [Heed::Nothing, Heed::Writes, Heed::ThisChange, Heed::Any] {
            let pending = || entry(create(), Some(Origin::ThisChange), None);
            let held = vec![pending(), entry(Action::Held, None, None)];
            let exit =
                |entries, severities: &[Severity]| exit(command, entries, severities, heed, None);
            assert_eq!(exit(held, &[]), Exit::Incomplete);
            assert_eq!(exit(vec![], &[Severity::Error]), Exit::Incomplete);
            assert_eq!(exit(vec![pending()], &[Severity::Error]), Exit::Incomplete);
            assert_eq!(exit(vec![], &[Severity::Warning]), Exit::Success);
        }
    }
}

#[test]
fn a_pending_change_is_heard_of_as_far_as_the_user_heeds_it() {
    use Origin::{Drift, PendingOnBase, ThisChange};
    // Heeded as nothing, as a write, as one of this change, as any.
    for (action, origin, heeded) in [
        (create(), None, [false, true, false, true]),
        (create(), Some(ThisChange), [false, true, true, true]),
        (create(), Some(PendingOnBase), [false, true, false, true]),
        (create(), Some(Drift), [false, true, false, true]),
        (Action::Orphan, None, [false; 4]),
        (Action::Orphan, Some(ThisChange), [false, false, true, true]),
        (Action::Orphan, Some(PendingOnBase), [false; 4]),
        (Action::InSync, None, [false; 4]),
        (Action::InSync, Some(ThisChange), [false; 4]),
    ] {
        let heeds = [Heed::Nothing, Heed::Writes, Heed::ThisChange, Heed::Any];
        for (heed, is_heeded) in heeds.into_iter().zip(heeded) {
            let expected = match is_heeded {
                true => Exit::ChangesPending,
                false => Exit::Success,
            };
            let entries = vec![entry(action.clone(), origin, None)];
            let exit = exit(Command::Plan, entries, &[], heed, None);
            assert_eq!(exit, expected, "{action:?} {origin:?} {heed:?}");
        }
    }
}

#[test]
fn every_change_of_a_diff_is_one_of_the_commits_under_review() {
    for (action, expected) in [
        (create(), Exit::ChangesPending),
        (Action::Orphan, Exit::ChangesPending),
        (Action::InSync, Exit::Success),
    ] {
        let entries = || vec![entry(action.clone(), None, None)];
        let heeding = exit(Command::Diff, entries(), &[], Heed::ThisChange, None);
        assert_eq!(heeding, expected, "{action:?}");
        let not = exit(Command::Diff, entries(), &[], Heed::Nothing, None);
        assert_eq!(not, Exit::Success, "{action:?}");
    }
}

#[test]
fn of_several_outcomes_and_signals_the_gravest_decides() {
    let done = || Some(Outcome::Done);
    let not_attempted = || Some(Outcome::NotAttempted);
    let failed = |cause| Some(Outcome::Failed(failure(cause)));
    let unknown = |cause| Some(Outcome::Unknown(failure(cause)));
    // Without a signal, after one, after two.
    for (outcomes, expected) in [
        (
            vec![done()],
            [Exit::Success, Exit::Terminated, Exit::Terminated],
        ),
        (
            vec![done(), not_attempted()],
            [Exit::Incomplete, Exit::Terminated, Exit::Terminated],
        ),
        (
            vec![done(), failed(Cause::Other)],
            [Exit::Incomplete, Exit::Terminated, Exit::Terminated],
        ),
        (
            vec![failed(Cause::Quota)],
            [Exit::Incomplete, Exit::Terminated, Exit::Terminated],
        ),
        (
            vec![failed(Cause::Other), failed(Cause::Superseded)],
            [Exit::Superseded, Exit::Terminated, Exit::Terminated],
        ),
        (
            vec![failed(Cause::Superseded), unknown(Cause::Other)],
            [Exit::OutcomeUnknown, Exit::OutcomeUnknown, Exit::Terminated],
        ),
        (
            vec![unknown(Cause::Other), unknown(Cause::Bug)],
            [Exit::Bug, Exit::Bug, Exit::Bug],
        ),
        (
            vec![failed(Cause::Bug), not_attempted()],
            [Exit::Bug, Exit::Bug, Exit::Bug],
        ),
    ] {
        let caught = |at_once| Caught {
            exit: Exit::Terminated,
            at_once,
        };
        let signals = [None, Some(caught(false)), Some(caught(true))];
        for command in [Command::Apply, Command::Adopt] {
            for (signal, expected) in signals.into_iter().zip(expected) {
                let entries = outcomes.iter().cloned();
                let entries = entries.map(|outcome| entry(create(), None, outcome));
                let exit = exit(command, entries.collect(), &[], Heed::Nothing, signal);
                assert_eq!(exit, expected, "{command:?} {outcomes:?} {signal:?}");
            }
        }
    }
}
