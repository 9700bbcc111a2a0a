//! The code of a reason: what programs that read a report tell reasons apart by.

use std::fmt;

use super::{Kept, Reason, Undeclared};
use crate::diagnostic::codes;

codes! {
    /// What kind of reason it is. The text is stable: `reasonCode` in JSON and SARIF.
    ReasonCode
    // What is declared is compared with what is there.
    Absent "absent" "There is no such role.",
    AsDeclared "as-declared" "The role is as declared.",
    Differs "differs" "The role is not as declared.",
    QuarantineTagsLeft "quarantine-tags-left" "The role is as declared, but for the tags of a quarantine that is over.",
    DeclaredAgain "declared-again" "The ServiceAccount of a quarantined role is declared again.",
    OrderUnproven "order-unproven" "The role is quarantined and declared, and whether the quarantine is older or newer is not known.",
    NoRoom "no-room" "The role lacks tags, and has no room for them.",
    CreateOnly "create-only" "The role is not as declared, and mode create-only repairs nothing.",
    ForeignRole "foreign-role" "A role of that name exists and is not owned by this cluster.",
    RoleUnread "role-unread" "The role could not be read in full.",
    InvalidManifest "invalid-manifest" "The manifest has errors, which are among the diagnostics.",
    // A role that is not declared is not retired.
    NotSync "not-sync" "The role is not declared, and only mode sync retires roles.",
    NoCommit "no-commit" "The role is not declared, but the manifests stand for no commit.",
    DeclaredElsewhere "declared-elsewhere" "A file that the run does not read declares the role.",
    BrokenElsewhere "broken-elsewhere" "A file that the run does not read has errors and may declare the role.",
    OtherPaths "other-paths" "Another pipeline of the cluster reads the manifest of the role.",
    NamedByInvalid "named-by-invalid" "The role is not declared, but a ServiceAccount with errors names it.",
    LastCommitSpoiled "last-commit-spoiled" "The role is not declared, but its last-commit tag is no commit id.",
    HistoryMissing "history-missing" "The role is not declared, but the history back to its last commit is not in this clone.",
    ChangeUnreadable "change-unreadable" "The role is not declared, but a file that changed since cannot be read whole.",
    QuarantineUntagged "quarantine-untagged" "The role has the trust policy of a quarantine, and not its tags.",
    RemovedEarlier "removed-earlier" "A commit removed the ServiceAccount, and the one that last wrote the role is not older.",
    OnSideBranch "on-side-branch" "The last commit on the role came in by a merge whose first parents never had the ServiceAccount.",
    MadeElsewhere "made-elsewhere" "The commit that the role was made for is not in this history.",
    Unexplained "unexplained" "The role is not declared, but no commit removed its ServiceAccount.",
    NoBase "no-base" "The role is not declared, and plain files do not show who removed it.",
    NotInBase "not-in-base" "The role is not declared, and neither is it in the render that the plain files are compared with.",
    UnfitBase "unfit-base" "The role is not declared, and the render that the plain files are compared with proves nothing.",
    QuarantineUndated "quarantine-undated" "The role is quarantined and does not say since when.",
    QuarantineForeign "quarantine-foreign" "The role was quarantined by a commit that is not in this history.",
    QuarantineUnsigned "quarantine-unsigned" "The role is quarantined and does not say by which commit.",
    Quarantined "quarantined" "The role is quarantined, and the time is not over.",
    Attached "attached" "The quarantine of the role is over, but something is attached to it.",
    AttachmentsUnread "attachments-unread" "What is attached to the role could not be read.",
    // A role that is not declared is retired.
    Removed "removed" "A commit removed the ServiceAccount.",
    Unmanaged "unmanaged" "A commit set the managed annotation to \"false\".",
    QuarantineOver "quarantine-over" "The quarantine of the role is over.",
    // Two commits are compared.
    NewlyDeclared "newly-declared" "The change declares the ServiceAccount.",
    NewlyManaged "newly-managed" "The change sets the managed annotation to \"true\".",
    NewlyValid "newly-valid" "The change makes the manifest valid.",
    NewlyUnmanaged "newly-unmanaged" "The change sets the managed annotation to \"false\".",
    NewlyUndeclared "newly-undeclared" "The change removes the ServiceAccount.",
    // A step over the plan stands in the way.
    SharedName "shared-name" "Several clusters of one account would give that name to a role of theirs.",
    AudienceRefused "audience-refused" "The OIDC provider does not accept the ServiceAccount's own audience.",
    HistoryRewritten "history-rewritten" "The last commit on the role is not in this history, and the role is tagged with the run's commit.",
    // A saved plan is applied.
    MovedSincePlan "moved-since-plan" "The role is not what it was when the plan was saved.",
    NotInPlan "not-in-plan" "The change is not part of the saved plan.",
    NoLongerDue "no-longer-due" "The change is part of the saved plan, and is no change any more.",
    // A role is retired by its name.
    Named "named" "The user named the role, which mode sync holds.",
    QuarantinedAlready "quarantined-already" "The role is quarantined already.",
    Declared "declared" "A manifest declares the ServiceAccount of the role.",
    // A role is adopted.
    OwnedAlready "owned-already" "The role is owned already.",
    OtherPath "other-path" "The role has another path than the cluster's roles.",
    NotDeclared "not-declared" "No manifest declares the ServiceAccount of the role.",
    Unproven "unproven" "The trust policy of the role does not let its ServiceAccount in.",
    Proven "proven" "The trust policy of the role proves that it serves its ServiceAccount.",
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Reason {
    /// What kind of reason it is. Of a reason around another one, the outer one counts: it decides.
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Absent => ReasonCode::Absent,
            Self::AsDeclared => ReasonCode::AsDeclared,
            Self::Differs(_) => ReasonCode::Differs,
            Self::QuarantineTagsLeft => ReasonCode::QuarantineTagsLeft,
            Self::DeclaredAgain { .. } => ReasonCode::DeclaredAgain,
            Self::OrderUnproven { .. } => ReasonCode::OrderUnproven,
            Self::NoRoom(_) => ReasonCode::NoRoom,
            Self::CreateOnly(_) => ReasonCode::CreateOnly,
            Self::Foreign { .. } => ReasonCode::ForeignRole,
            Self::Unread => ReasonCode::RoleUnread,
            Self::Invalid(_) => ReasonCode::InvalidManifest,
            Self::Kept { kept, .. } | Self::HeldForEver { kept, .. } => kept.code(),
            Self::Named { .. } => ReasonCode::Named,
            Self::QuarantinedAlready { .. } => ReasonCode::QuarantinedAlready,
            Self::Declared(_) => ReasonCode::Declared,
            Self::Removed {
                undeclared: Undeclared::Gone,
                ..
            } => ReasonCode::Removed,
            Self::Removed {
                undeclared: Undeclared::Unmanaged,
                ..
            } => ReasonCode::Unmanaged,
            Self::QuarantineOver { .. } => ReasonCode::QuarantineOver,
            Self::NewlyDeclared => ReasonCode::NewlyDeclared,
            Self::NewlyManaged => ReasonCode::NewlyManaged,
            Self::NewlyValid => ReasonCode::NewlyValid,
            Self::NewlyUnmanaged => ReasonCode::NewlyUnmanaged,
            Self::NewlyUndeclared => ReasonCode::NewlyUndeclared,
            Self::SharedName(_) => ReasonCode::SharedName,
            Self::AudienceRefused { .. } => ReasonCode::AudienceRefused,
            Self::HistoryRewritten { .. } => ReasonCode::HistoryRewritten,
            Self::MovedSincePlan(_) => ReasonCode::MovedSincePlan,
            Self::NotInPlan(_) => ReasonCode::NotInPlan,
            Self::NoLongerDue(_) => ReasonCode::NoLongerDue,
            Self::OwnedAlready => ReasonCode::OwnedAlready,
            Self::OtherPath { .. } => ReasonCode::OtherPath,
            Self::NotDeclared(_) => ReasonCode::NotDeclared,
            Self::Unproven(_) => ReasonCode::Unproven,
            Self::Proven => ReasonCode::Proven,
        }
    }
}

impl Kept {
    fn code(&self) -> ReasonCode {
        match self {
            Self::Mode { .. } => ReasonCode::NotSync,
            Self::NoCommit => ReasonCode::NoCommit,
            Self::DeclaredElsewhere(_) => ReasonCode::DeclaredElsewhere,
            Self::BrokenElsewhere { .. } => ReasonCode::BrokenElsewhere,
            Self::OtherPaths(_) => ReasonCode::OtherPaths,
            Self::Named(_) => ReasonCode::NamedByInvalid,
            Self::LastCommitSpoiled => ReasonCode::LastCommitSpoiled,
            Self::HistoryMissing => ReasonCode::HistoryMissing,
            Self::ChangeUnreadable { .. } => ReasonCode::ChangeUnreadable,
            Self::QuarantineUntagged => ReasonCode::QuarantineUntagged,
            Self::RemovedEarlier(_) => ReasonCode::RemovedEarlier,
            Self::OnSideBranch => ReasonCode::OnSideBranch,
            Self::MadeElsewhere(_) => ReasonCode::MadeElsewhere,
            Self::QuarantineUnsigned => ReasonCode::QuarantineUnsigned,
            Self::Unexplained => ReasonCode::Unexplained,
            Self::NoBase => ReasonCode::NoBase,
            Self::NotInBase(_) => ReasonCode::NotInBase,
            Self::UnfitBase(_) => ReasonCode::UnfitBase,
            Self::QuarantineUndated => ReasonCode::QuarantineUndated,
            Self::QuarantineForeign(_) => ReasonCode::QuarantineForeign,
            Self::Quarantined { .. } => ReasonCode::Quarantined,
            Self::Attached { .. } => ReasonCode::Attached,
            Self::AttachmentsUnread => ReasonCode::AttachmentsUnread,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn reason_codes_are_unique_and_kebab_case() {
        let texts: BTreeSet<_> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ReasonCode::ALL.len());
        for code in ReasonCode::ALL {
            let text = code.as_str();
            let is_kebab =
                |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
            assert!(text.split('-').all(is_kebab), "{text}");
            assert!(code.description().ends_with('.'), "{text}");
        }
    }

    #[test]
    fn the_codes_are_a_contract_that_is_only_added_to() {
        let all: Vec<_> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        absent
        as-declared
        differs
        quarantine-tags-left
        declared-again
        order-unproven
        no-room
        create-only
        foreign-role
        role-unread
        invalid-manifest
        not-sync
        no-commit
        declared-elsewhere
        broken-elsewhere
        other-paths
        named-by-invalid
        last-commit-spoiled
        history-missing
        change-unreadable
        quarantine-untagged
        removed-earlier
        on-side-branch
        made-elsewhere
        unexplained
        no-base
        not-in-base
        unfit-base
        quarantine-undated
        quarantine-foreign
        quarantine-unsigned
        quarantined
        attached
        attachments-unread
        removed
        unmanaged
        quarantine-over
        newly-declared
        newly-managed
        newly-valid
        newly-unmanaged
        newly-undeclared
        shared-name
        audience-refused
        history-rewritten
        moved-since-plan
        not-in-plan
        no-longer-due
        named
        quarantined-already
        declared
        owned-already
        other-path
        not-declared
        unproven
        proven
        ");
    }
}
