//! What to run about what keeps pods out, and whom to ask: commands that can be pasted, and none that is
//! refused.

use super::super::fate::Fate;
use super::super::mention::Mention;
use super::Known;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::commit::CommitId;
use crate::model::service_account::ServiceAccountRef;
use crate::model::shell::{command, quoted};
use crate::plan::fence::Why;
use crate::plan::{Action, Cause, Change, Reason, Superseded};
use crate::reconcile::Declarations as _;
use crate::reconcile::explain::drift::Drift;
use crate::settings::describe_cluster;

/// What to do, and whom to ask.
#[derive(Default)]
pub(super) struct Advice {
    pub(super) hint: Option<String>,
    pub(super) run: Vec<String>,
    pub(super) cloud_trail: Vec<String>,
}

/// Why an apply of a commit that nobody else has does harm.
const PUBLISH: &str = "push or merge it before it is applied: every later run is superseded (9) by a commit that its branch never gets";

impl Advice {
    fn saying(hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..Self::default()
        }
    }

    fn running(self, run: Vec<String>) -> Self {
        Self { run, ..self }
    }

    fn asking(self, call: String) -> Self {
        let cloud_trail = vec![call];
        Self {
            cloud_trail,
            ..self
        }
    }
}

impl Known<'_> {
    pub(super) fn advice(&self, cause: &Cause) -> Advice {
        let mut advice = self.remedy(cause);
        if let Some(superseded) = self.superseded()
            && !cause.is_of_the_cluster()
        {
            return self.of_an_older_commit(superseded, advice);
        }
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
        let applies = |command: &String| command.starts_with("irsa-gitops apply");
        if advice.run.iter().any(applies) && self.is_published() == Some(false) {
            let commit = self.manifests.commit().map_or("", CommitId::short);
            let hint = advice.hint.unwrap_or_default();
            advice.hint = Some(format!(
                "{hint}; commit {commit} is on no branch of a remote: {PUBLISH}"
            ));
        }
        advice
    }

    /// Whether others have the commit, where it is known what they have.
    fn is_published(&self) -> Option<bool> {
        let repository = self.manifests.repository.as_ref()?;
        repository.is_published(self.manifests.commit()?)
    }

    /// What is said of manifests may be out of date, so that nothing rests on it.
    fn of_an_older_commit(&self, superseded: &Superseded, advice: Advice) -> Advice {
        let again = |revision: &str| {
            let what = self.service_account;
            vec![command(&format!("explain {what} --revision {revision}"))]
        };
        let (hint, run) = match superseded.why {
            Why::Newer => (
                "look at the commit that was applied last, or at the newest one of the branch, before anything else is done".to_owned(),
                again(superseded.last_commit.as_str()),
            ),
            Why::Elsewhere | Why::Unknown => (superseded.hint(), vec![]),
        };
        let cloud_trail = advice.cloud_trail;
        Advice {
            cloud_trail,
            ..Advice::saying(hint).running(run)
        }
    }

    fn remedy(&self, cause: &Cause) -> Advice {
        let apply = || command("apply");
        match cause {
            Cause::LetIn => self.let_in(),
            Cause::ByOtherRole(_) => {
                let hint = self.findings.iter().find_map(|found| found.hint.clone());
                Advice {
                    hint,
                    ..Advice::default()
                }
                .running(vec![command("lint")])
            }
            Cause::Quarantined(_) => self.quarantined(apply()),
            Cause::NoRole => self.without_role(apply()),
            Cause::OtherRole(_) => {
                let declared = self
                    .survey
                    .facts
                    .resolved
                    .declared
                    .get(self.service_account);
                let place = declared.map(|declared| format!(" at {}", declared.location));
                let arn = self.arn();
                Advice::saying(format!(
                    "correct the role-arn annotation{}: it must be `{arn}`",
                    place.unwrap_or_default()
                ))
                .running(vec![command("lint")])
            }
            Cause::OtherIssuer {
                trusted, commands, ..
            } => self.other_issuer(trusted, commands),
            Cause::SomeIssuers { shut, .. } => match shut.first() {
                Some((_, cause)) => self.remedy(cause),
                None => Advice::default(),
            },
            Cause::Denied | Cause::NotLetIn | Cause::Conditional => self.by_hand(apply()),
            Cause::NoProvider(..) => {
                let mend = cause.command().into_iter();
                Advice::saying("the roles need no change: the provider does; the first command tells the issuer that the cluster has: if it is another one, the cluster was built again: correct --oidc-provider instead")
                    .running([self.describe()].into_iter().chain(mend).collect())
                    .asking(self.provider_calls("DeleteOpenIDConnectProvider"))
            }
            Cause::AudienceRefused(..) => {
                Advice::saying("the roles need no change: the provider does")
                    .running(cause.command().into_iter().collect())
                    .asking(self.provider_calls("RemoveClientIDFromOpenIDConnectProvider"))
            }
        }
    }

    fn let_in(&self) -> Advice {
        let ServiceAccountRef { namespace, name } = self.service_account;
        let hint = match (&self.fate, self.mention_in_words()) {
            _ if self.is_declared() => "if AWS refuses it all the same, compare what the cluster has: the annotation, pods that are older than it, the issuer".to_owned(),
            (Some(Fate::Left(why)), None) => {
                format!("the role still lets it in, and mode sync leaves it: {why}")
            }
            (Some(Fate::Left(why)), Some(mention)) => {
                format!("{mention}; the role still lets it in, and mode sync leaves it: {why}")
            }
            (Some(Fate::Retired), mention) => format!(
                "{}, and the role still lets it in; mode sync retires the role",
                mention.unwrap_or_else(|| self.undeclared())
            ),
            (None, mention) => format!(
                "{}, and the role is not ours: no run changes it",
                mention.unwrap_or_else(|| self.undeclared())
            ),
        };
        Advice::saying(hint)
            .running(vec![
                format!("kubectl get serviceaccount {name} --namespace {namespace} --output yaml"),
                self.describe(),
            ])
            .asking(self.refused_calls())
    }

    /// That no manifest declares it, or which one says that it is to have no role.
    fn undeclared(&self) -> String {
        let declared = self
            .survey
            .facts
            .resolved
            .declared
            .get(self.service_account);
        match declared {
            Some(declared) => format!(
                "the managed annotation at {} is \"false\"",
                declared.location
            ),
            None => "no manifest declares the ServiceAccount any more".to_owned(),
        }
    }

    fn mention_in_words(&self) -> Option<String> {
        self.mention.map(Mention::in_words)
    }

    /// The error that keeps a declaration from counting, with its place.
    fn error(&self) -> Option<&Diagnostic> {
        let mut found = self.findings.iter();
        found.find(|found| {
            let is_own = found.service_account.as_ref() == Some(self.service_account);
            found.severity == Severity::Error && is_own
        })
    }

    /// Why a declared ServiceAccount's role is held, with its place and what to do.
    fn held(&self, change: &Change) -> (String, Vec<String>) {
        if let Reason::CreateOnly(_) = &change.reason {
            let hint = format!("{}, and mode upsert-only does", change.reason);
            return (hint, vec![command("apply --mode upsert-only")]);
        }
        let Some(error) = self.error() else {
            let place = change.location.as_ref();
            let place = place.map_or_else(String::new, |at| format!("{at}: "));
            return (format!("{place}{}", change.reason), vec![command("lint")]);
        };
        (error.in_words(), vec![command("lint")])
    }

    fn quarantined(&self, apply: String) -> Advice {
        if self.is_declared() {
            return match self.change {
                Some(change) if change.action == Action::Held => {
                    let (why, run) = self.held(change);
                    Advice::saying(format!(
                        "{why}; it is declared again, and as long as that is so no apply restores its role"
                    ))
                    .running(run)
                }
                _ => Advice::saying("it is declared again, so apply restores the same role, with its id and policies")
                    .running(vec![apply]),
            };
        }
        if let Some(mention) = self.mention_in_words() {
            return Advice::saying(format!("{mention}; apply restores the role, with its id and policies, once it is declared again"))
                .running(vec![command("lint")]);
        }
        self.reverting("declare it again, best by a revert: apply then restores the same role, with its id and policies", apply)
    }

    fn without_role(&self, apply: String) -> Advice {
        let advice = match self.change.map(|change| &change.action) {
            Some(Action::Create(_)) => Advice::saying("apply makes it; either none has run since it was declared, or somebody deleted the role")
                .running(vec![apply]),
            Some(_) => {
                let hint = self.findings.iter().find_map(|found| found.hint.clone());
                let reason = self.change.map(|change| change.reason.to_string());
                let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
                Advice::saying(format!(
                    "it is held, so none is made: {}{hint}",
                    reason.unwrap_or_default()
                ))
                .running(vec![command("lint")])
            }
            None if self.mention.is_some() => {
                let mention = self.mention_in_words().unwrap_or_default();
                Advice::saying(format!("{mention}; apply makes its role once it is declared"))
                    .running(vec![command("lint")])
            }
            None if self.removal().is_some() => self.reverting(
                "declare it again: the role is then a new one, with another id and no policies",
                apply,
            ),
            None => {
                let near: Vec<String> = self.near.iter().map(|one| format!("`{one}`")).collect();
                let near = match near.is_empty() {
                    true => String::new(),
                    false => format!("; did you mean {}?", near.join(" or ")),
                };
                return Advice::saying(format!("no manifest that was read ever declared it: check --path, --revision and the name{near}"));
            }
        };
        advice.asking(self.role_calls())
    }

    /// What the trust policy says of another issuer; first what has to be there for an apply to go on.
    fn other_issuer(&self, trusted: &[String], commands: &[String]) -> Advice {
        let issuers = trusted
            .iter()
            .filter_map(|arn| arn.split_once(":oidc-provider/"));
        let issuers: Vec<&str> = issuers.map(|(_, issuer)| issuer).collect();
        let accept = match (&issuers[..], self.change.map(|change| &change.action)) {
            ([old], Some(Action::Update(_))) => {
                let accept = command(&format!("apply --allow-issuer-change {}", quoted(old)));
                commands.iter().cloned().chain([accept]).collect()
            }
            _ => vec![],
        };
        let unregistered = match commands.is_empty() {
            true => "",
            false => ", once its provider takes its tokens",
        };
        Advice::saying(format!("the first command tells the issuer that the cluster has: if it is that of the settings, the cluster was built again, and apply has the roles follow{unregistered}; else correct --oidc-provider; while both clusters are in use, give both"))
            .running([vec![self.describe()], accept].concat())
            .asking(self.role_calls())
    }

    /// What to do about a trust policy that is not as declared.
    fn by_hand(&self, apply: String) -> Advice {
        let hint = self.findings.iter().find_map(|found| found.hint.clone());
        let (hint, run) = match (self.change.map(|change| &change.action), self.drift) {
            (Some(Action::Update(_)), Some(Drift::Earlier(_))) => (
                Some("the declaration was changed, and no apply has run since: it puts the declared trust policy in place".to_owned()),
                vec![apply],
            ),
            (Some(Action::Update(_)), Some(Drift::Issuer)) => (
                Some("the trust policy is the declared one, for other issuers than those of the settings: apply has it name these".to_owned()),
                vec![apply],
            ),
            (Some(Action::Update(_)), _) => (
                Some("somebody changed it by hand: apply puts the declared trust policy back".to_owned()),
                vec![apply],
            ),
            (Some(Action::Held), _) if self.is_declared() => match self.change {
                Some(change) => {
                    let (why, run) = self.held(change);
                    (Some(why), run)
                }
                None => (hint, vec![]),
            },
            (Some(Action::Held), _) => (hint, vec![]),
            _ if !self.is_declared() => (
                Some(format!("{}, so nothing is put right", self.undeclared())),
                vec![],
            ),
            _ => (hint, vec![]),
        };
        let advice = Advice {
            hint,
            run,
            cloud_trail: vec![],
        };
        match self.drift {
            Some(Drift::Earlier(_)) => advice,
            _ => advice.asking(self.role_calls()),
        }
    }

    /// Has the commit taken back that removed it: by a command where there is a work tree for it.
    fn reverting(&self, hint: &str, apply: String) -> Advice {
        let repository = self.manifests.repository.as_ref();
        let Some(removal) = self.removal() else {
            let unshallow = repository.filter(|repository| repository.is_shallow());
            return match unshallow.and_then(|_| self.git("fetch --unshallow")) {
                Some(fetch) => {
                    let again = command(&format!("explain {}", self.service_account));
                    Advice::saying(format!(
                        "{hint}; which commit removed it is not in this shallow clone"
                    ))
                    .running(vec![fetch, again])
                }
                None => Advice::saying(hint).running(vec![apply]),
            };
        };
        let id = &removal.commit.id;
        // Which side of a merge stays has to be said: that of the branch that was merged into.
        let parent = match repository.is_some_and(|repository| repository.is_merge(id)) {
            true => "-m 1 ",
            false => "",
        };
        let revert = format!("revert {parent}{}", id.short());
        match (self.git(&revert), repository) {
            (Some(revert), _) if self.is_published().is_none() => {
                Advice::saying(hint).running(vec![revert, apply])
            }
            (Some(revert), _) => {
                let push = self.git("push");
                let run = [Some(revert), push, Some(apply)].into_iter().flatten();
                Advice::saying(format!("{hint}; {PUBLISH}")).running(run.collect())
            }
            (None, Some(repository)) => Advice::saying(format!(
                "{hint}; in a work tree of {}, `git {revert}`; apply what came of it",
                repository.label()
            )),
            (None, None) => Advice::saying(hint).running(vec![apply]),
        }
    }

    /// A command of Git for the work tree, if there is one.
    fn git(&self, command: &str) -> Option<String> {
        let checkout = self.manifests.repository.as_ref()?.checkout()?;
        let checkout = checkout.display().to_string();
        Some(match checkout.as_str() {
            "." => format!("git {command}"),
            elsewhere => format!("git -C {} {command}", quoted(elsewhere)),
        })
    }

    /// The command that tells which issuer the cluster has.
    fn describe(&self) -> String {
        let name = self.survey.cluster().name.as_str();
        describe_cluster(Some(name), self.settings.access.region.as_deref())
    }

    /// The region of the run, where it was given one.
    fn region(&self) -> String {
        let region = self.settings.access.region.as_deref();
        region.map_or_else(String::new, |region| {
            format!(" --region {}", quoted(region))
        })
    }

    fn provider_calls(&self, event: &str) -> String {
        self.lookup("EventName", event, &self.iam_region())
    }

    /// The calls that CloudTrail has seen about the role, who made them and when.
    pub(super) fn role_calls(&self) -> String {
        self.lookup("ResourceName", self.label.as_str(), &self.iam_region())
    }

    /// The calls of the pods themselves, which STS records in its region.
    fn refused_calls(&self) -> String {
        self.lookup("Username", &self.service_account.subject(), &self.region())
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
