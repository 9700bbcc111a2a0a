//! The first lines of an explanation: can the pods assume the role now, if not why, since which commit and
//! whose, and what to run.

use jiff::{SignedDuration, Timestamp};

use super::drift::Drift;
use crate::desired::Verdict as Manifest;
use crate::diagnostic::Diagnostic;
use crate::manifest::Management;
use crate::model::commit::CommitId;
use crate::model::history::{Ancestry, CommitInfo};
use crate::model::role::{CurrentRole, RoleLabel};
use crate::model::service_account::ServiceAccountRef;
use crate::model::shell::{command, quoted};
use crate::model::tags;
use crate::plan::{Action, Cause, Change, Verdict, record};
use crate::reconcile::history::Version;
use crate::reconcile::survey::Survey;
use crate::reconcile::{Error, Manifests};
use crate::report::explanation::Answer;
use crate::settings::ClusterSettings;

/// How much later than an apply that declares it a role is made that was made anew.
const LATER: SignedDuration = SignedDuration::from_mins(5);

/// Everything that an answer rests on.
pub(super) struct Known<'a> {
    pub(super) survey: &'a Survey,
    pub(super) settings: &'a ClusterSettings,
    pub(super) manifests: &'a Manifests,
    pub(super) service_account: &'a ServiceAccountRef,
    pub(super) label: &'a RoleLabel,
    pub(super) role: Option<&'a CurrentRole>,
    pub(super) versions: &'a [Version],
    pub(super) change: Option<&'a Change>,
    pub(super) drift: Option<&'a Drift>,
    pub(super) obstacle: Option<&'a Error>,
    pub(super) findings: &'a [Diagnostic],
    /// What is like it and declared, where it is not.
    pub(super) near: Vec<ServiceAccountRef>,
}

/// What to do, and whom to ask.
#[derive(Default)]
struct Advice {
    hint: Option<String>,
    run: Vec<String>,
    cloud_trail: Vec<String>,
}

impl Known<'_> {
    /// The answer.
    pub(super) fn answer(&self) -> Answer {
        let Verdict { can_assume, cause } =
            self.survey.facts.verdict(self.service_account, self.role);
        let advice = self.advice(&cause);
        let (account, role) = (self.service_account, self.label.as_str());
        let said = match can_assume {
            Some(true) => format!("yes: pods of `{account}` can assume `{role}` now, as {cause}"),
            Some(false) => format!("no: pods of `{account}` cannot assume `{role}` now: {cause}"),
            None => {
                format!("unclear: whether pods of `{account}` can assume `{role}` now: {cause}")
            }
        };
        let since = match &cause {
            Cause::Quarantined(note) => note.since.clone(),
            _ => None,
        };
        Answer {
            can_assume,
            code: cause.code().as_str(),
            said,
            since,
            by: self.culprit(&cause).as_ref().map(Into::into),
            hint: advice.hint,
            run: advice.run,
            cloud_trail: advice.cloud_trail,
            notes: self.notes(can_assume),
        }
    }

    fn is_declared(&self) -> bool {
        let declared = &self.survey.facts.resolved.declared;
        let declared = declared.get(self.service_account);
        declared.is_some_and(|declared| declared.verdict != Manifest::Unmanaged)
    }

    /// The newest commit that took the ServiceAccount away, or had it have no role any more.
    fn removal(&self) -> Option<&Version> {
        let is_managed = |side: &Option<crate::manifest::Declaration>| {
            let side = side.as_ref();
            side.is_some_and(|one| one.management != Management::Unmanaged)
        };
        let mut versions = self.versions.iter();
        versions.find(|version| is_managed(&version.before) && !is_managed(&version.after))
    }

    /// The newest commit that brought the ServiceAccount in.
    fn introduction(&self) -> Option<&Version> {
        let mut versions = self.versions.iter();
        versions.find(|version| version.before.is_none() && version.after.is_some())
    }

    /// The commit that made it so, as far as Git knows.
    fn culprit(&self, cause: &Cause) -> Option<CommitInfo> {
        let of = |version: &Version| version.commit.clone();
        match cause {
            Cause::Quarantined(note) => self.removal().map(of).or_else(|| {
                let repository = self.manifests.repository.as_ref()?;
                repository.commit(note.by.as_ref()?).ok()
            }),
            Cause::NoRole if self.is_declared() => self.introduction().map(of),
            Cause::NoRole => self.removal().map(of),
            Cause::OtherRole(_) => self.versions.first().map(of),
            Cause::NotLetIn => match self.drift {
                // What came after the commit as whose the role still is.
                Some(Drift::Earlier(at)) => self.versions.get(at.checked_sub(1)?).map(of),
                _ => None,
            },
            _ => None,
        }
    }

    fn advice(&self, cause: &Cause) -> Advice {
        let mut advice = self.remedy(cause);
        if let Some(obstacle) = self.obstacle
            && self.change.is_some_and(Change::writes)
            && !matches!(cause, Cause::OtherIssuer { .. })
        {
            // A command that is refused is none.
            advice
                .run
                .retain(|command| !command.starts_with("irsa-gitops apply"));
            let hint = obstacle.hint();
            let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
            advice.hint = Some(format!("no run writes anything now: {obstacle}{hint}"));
        }
        advice
    }

    fn remedy(&self, cause: &Cause) -> Advice {
        let apply = || command("apply");
        let cluster = self.survey.cluster();
        let describe = || {
            format!(
                "aws eks describe-cluster --name {} --query cluster.identity.oidc.issuer --output text",
                quoted(cluster.name.as_str())
            )
        };
        match cause {
            Cause::LetIn => {
                let ServiceAccountRef { namespace, name } = self.service_account;
                let mut advice = Advice {
                    hint: Some("if AWS refuses it all the same, compare what the cluster has: the annotation, pods that are older than it, the issuer".to_owned()),
                    run: vec![
                        format!("kubectl get serviceaccount {name} --namespace {namespace} --output yaml"),
                        describe(),
                    ],
                    cloud_trail: vec![self.refused_calls()],
                };
                if !self.is_declared() {
                    advice.hint = Some("no manifest declares the ServiceAccount any more, and the role still lets it in; mode sync retires the role".to_owned());
                }
                advice
            }
            Cause::Quarantined(_) if self.is_declared() => Advice {
                hint: Some("it is declared again, so apply restores the same role, with its id and policies".to_owned()),
                run: vec![apply()],
                ..Advice::default()
            },
            Cause::Quarantined(_) => Advice {
                hint: Some("declare it again, best by a revert: apply then restores the same role, with its id and policies".to_owned()),
                run: self.revert_and(apply()),
                cloud_trail: vec![],
            },
            Cause::NoRole => self.without_role(apply()),
            Cause::OtherRole(_) => {
                let declared = self.survey.facts.resolved.declared.get(self.service_account);
                let place = declared.map(|declared| format!(" at {}", declared.location));
                let arn = self.arn();
                Advice {
                    hint: Some(format!(
                        "correct the role-arn annotation{}: it must be `{arn}`",
                        place.unwrap_or_default()
                    )),
                    run: vec![command("lint")],
                    ..Advice::default()
                }
            }
            Cause::OtherIssuer { trusted, .. } => self.other_issuer(trusted, describe()),
            Cause::Denied | Cause::NotLetIn | Cause::Conditional => self.by_hand(apply()),
            Cause::NoProvider(..) | Cause::AudienceRefused(..) => {
                let event = match cause {
                    Cause::NoProvider(..) => "DeleteOpenIDConnectProvider",
                    _ => "RemoveClientIDFromOpenIDConnectProvider",
                };
                Advice {
                    hint: Some("the roles need no change: the provider does".to_owned()),
                    run: cause.command().into_iter().collect(),
                    cloud_trail: vec![self.lookup("EventName", event, &self.iam_region())],
                }
            }
        }
    }

    fn without_role(&self, apply: String) -> Advice {
        let cloud_trail = vec![self.role_calls()];
        let (hint, run) = match self.change.map(|change| &change.action) {
            Some(Action::Create(_)) => (
                "apply makes it; either none has run since it was declared, or somebody deleted the role".to_owned(),
                vec![apply],
            ),
            Some(_) => {
                let hint = self.findings.iter().find_map(|found| found.hint.clone());
                let reason = self.change.map(|change| change.reason.to_string());
                let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
                (
                    format!("it is held, so none is made: {}{hint}", reason.unwrap_or_default()),
                    vec![command("lint")],
                )
            }
            None if self.removal().is_some() => (
                "declare it again: the role is then a new one, with another id and no policies".to_owned(),
                self.revert_and(apply),
            ),
            None => {
                let near: Vec<String> = self.near.iter().map(|one| format!("`{one}`")).collect();
                let near = match near.is_empty() {
                    true => String::new(),
                    false => format!("; did you mean {}?", near.join(" or ")),
                };
                let hint = format!("no manifest that was read ever declared it: check --path, --revision and the name{near}");
                return Advice {
                    hint: Some(hint),
                    ..Advice::default()
                };
            }
        };
        Advice {
            hint: Some(hint),
            run,
            cloud_trail,
        }
    }

    fn other_issuer(&self, trusted: &[String], describe: String) -> Advice {
        let issuers = trusted
            .iter()
            .filter_map(|arn| arn.split_once(":oidc-provider/"));
        let issuers: Vec<&str> = issuers.map(|(_, issuer)| issuer).collect();
        let accept = match (&issuers[..], self.change.map(|change| &change.action)) {
            ([old], Some(Action::Update(_))) => {
                vec![command(&format!(
                    "apply --allow-issuer-change {}",
                    quoted(old)
                ))]
            }
            _ => vec![],
        };
        Advice {
            hint: Some("the first command tells the issuer that the cluster has: if it is that of the settings, the cluster was built again, and apply has the roles follow; else correct --oidc-provider; while both clusters are in use, give both".to_owned()),
            run: [vec![describe], accept].concat(),
            cloud_trail: vec![self.role_calls()],
        }
    }

    /// What to do about a trust policy that is not as declared.
    fn by_hand(&self, apply: String) -> Advice {
        let hint = self.findings.iter().find_map(|found| found.hint.clone());
        let (hint, run) = match (self.change.map(|change| &change.action), self.drift) {
            (Some(Action::Update(_)), Some(Drift::Earlier(_))) => (
                Some("the declaration was changed, and no apply has run since: it puts the declared trust policy in place".to_owned()),
                vec![apply],
            ),
            (Some(Action::Update(_)), _) => (
                Some("somebody changed it by hand: apply puts the declared trust policy back".to_owned()),
                vec![apply],
            ),
            (Some(Action::Held), _) => (hint, vec![]),
            _ if !self.is_declared() => (
                Some("no manifest declares the ServiceAccount, so nothing is put right".to_owned()),
                vec![],
            ),
            _ => (hint, vec![]),
        };
        Advice {
            hint,
            run,
            cloud_trail: match self.drift {
                Some(Drift::Earlier(_)) => vec![],
                _ => vec![self.role_calls()],
            },
        }
    }

    fn revert_and(&self, apply: String) -> Vec<String> {
        let removal = self.removal();
        let revert = removal.map(|removal| format!("git revert {}", removal.commit.id.short()));
        revert.into_iter().chain([apply]).collect()
    }

    fn notes(&self, can_assume: Option<bool>) -> Vec<String> {
        let mut notes = Vec::new();
        let boundary = self
            .role
            .and_then(|role| role.permissions_boundary.as_ref());
        notes.extend(boundary.map(|arn| {
            format!("permissions boundary `{arn}` limits what the pods may do, whatever is attached: look there if another action is denied")
        }));
        let made_anew = self.made_anew();
        let is_first = made_anew.is_none();
        notes.extend(made_anew);
        notes.extend(self.renamed());
        notes.extend(self.claimed());
        let unknown = self.manifests.repository.as_ref();
        if unknown.is_some_and(|repository| repository.is_shallow()) {
            notes.push("this clone is shallow, so commits are missing, and who introduced, changed or removed it may be another one: git fetch --unshallow (fetch-depth: 0)".to_owned());
        }
        if can_assume == Some(true) && is_first {
            let id = self.role.map(|role| role.listed.id.to_string());
            notes.extend(id.map(|id| {
                format!("policies elsewhere that name the role know it by its id, {id}: those that were written for an earlier role of that name do not match")
            }));
        }
        notes
    }

    /// Whether the role seems to have been deleted and made again.
    fn made_anew(&self) -> Option<String> {
        let role = self.role?;
        let created = role.created.as_deref()?;
        let made = created.parse::<Timestamp>().ok()?;
        let said = |why: String| {
            format!(
                "the role was made at {created}, {why}: an earlier role of that name was deleted, and policies elsewhere that named its id do not match this one, {}; who did it: {}",
                role.listed.id,
                self.role_calls()
            )
        };
        let repository = self.manifests.repository.as_ref()?;
        let is_after = |older: &CommitId, newer: &CommitId| {
            older != newer && repository.ancestry(older, newer) == Ancestry::Ancestor
        };
        let commit = role
            .tags
            .get(tags::COMMIT)
            .and_then(|id| CommitId::new(id).ok());
        if let (Some(removal), Some(commit)) = (self.removal(), commit)
            && is_after(&removal.commit.id, &commit)
        {
            let removed = removal.commit.id.short();
            return Some(said(format!(
                "after commit {removed} had removed its ServiceAccount"
            )));
        }
        let introduced = &self.introduction()?.commit.id;
        let entries = self.survey.facts.record().map(record::entries);
        let earlier = entries.into_iter().flatten().find(|entry| {
            let applied = entry.at.parse::<Timestamp>().ok();
            let is_later = applied.is_some_and(|at| made.duration_since(at) > LATER);
            is_later && (entry.commit == *introduced || is_after(introduced, &entry.commit))
        })?;
        Some(said(format!(
            "long after commit {}, which declares its ServiceAccount, was first applied ({})",
            earlier.commit.short(),
            earlier.at
        )))
    }

    /// The commit that gave the ServiceAccount another name, and what that means for its role.
    fn renamed(&self) -> Option<String> {
        let naming = self.survey.cluster().naming();
        let role = |one: &ServiceAccountRef| {
            let label = crate::desired::role_name::label(&naming, one);
            label.as_str().to_owned()
        };
        let counterpart = |version: &Version| {
            let other = self
                .manifests
                .counterpart(self.service_account, version, self.settings);
            other.ok().flatten()
        };
        if self.is_declared() {
            let version = self.introduction()?;
            let old = counterpart(version)?;
            let (commit, old_role) = (version.commit.id.short(), role(&old));
            return Some(format!(
                "commit {commit} renamed it from `{old}`: this is another role than `{old_role}`, with another id and none of its policies; compare: aws iam list-attached-role-policies --role-name {}",
                quoted(&old_role)
            ));
        }
        let version = self.removal()?;
        let new = counterpart(version)?;
        Some(format!(
            "commit {} renamed it to `{new}`, whose role `{}` is another one, with none of this one's policies: {}",
            version.commit.id.short(),
            role(&new),
            command(&format!("explain {new}"))
        ))
    }

    /// The ServiceAccount with errors that names this role, which may be this one, mistyped.
    fn claimed(&self) -> Option<String> {
        let arn = self.arn();
        let mut declared = self.survey.facts.resolved.declared.iter();
        let (other, at) = declared.find(|(other, declared)| {
            *other != self.service_account
                && matches!(declared.verdict, Manifest::Held { .. })
                && declared.role_arn.as_ref() == Some(&arn)
        })?;
        Some(format!(
            "ServiceAccount `{other}` at {} has errors and names this role: it may be this one, mistyped",
            at.location
        ))
    }

    fn arn(&self) -> String {
        let cluster = self.survey.cluster();
        let (partition, account) = (&cluster.partition, &cluster.account);
        format!(
            "arn:{partition}:iam::{account}:role{}{}",
            cluster.path,
            self.label.as_str()
        )
    }

    /// The calls that CloudTrail has seen about the role, who made them and when.
    fn role_calls(&self) -> String {
        self.lookup("ResourceName", self.label.as_str(), &self.iam_region())
    }

    /// The calls of the pods themselves, which STS records in its region.
    fn refused_calls(&self) -> String {
        let region = self.settings.access.region.as_deref();
        let region = region.map_or_else(String::new, |region| {
            format!(" --region {}", quoted(region))
        });
        self.lookup("Username", &self.service_account.subject(), &region)
    }

    /// IAM is recorded in one region of the partition.
    fn iam_region(&self) -> String {
        format!(
            " --region {}",
            self.survey.cluster().partition.default_region()
        )
    }

    fn lookup(&self, key: &str, value: &str, region: &str) -> String {
        let attribute = format!("AttributeKey={key},AttributeValue={value}");
        format!(
            "aws cloudtrail lookup-events{region} --lookup-attributes {} --query 'Events[].[EventTime,EventName,Username]' --output text",
            quoted(&attribute)
        )
    }
}
