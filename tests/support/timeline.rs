//! A line of commits as Git would tell of it, what each of them declares, and an account that the
//! first of them left: what runs of the later ones start from.

use std::sync::LazyLock;

use irsa_gitops::desired::{Declared, DesiredRole};
use irsa_gitops::desired::{Managed, Resolved, Verdict, desired_role, role_name};
use irsa_gitops::iam::sandbox::{Role, State, Tag};
use irsa_gitops::model::cluster::{Audience, Naming};
use irsa_gitops::model::commit::CommitId;
use irsa_gitops::model::history::{Absence, Ancestry, CommitInfo, Removal};
use irsa_gitops::model::location::{Location, RepoPath};
use irsa_gitops::model::service_account::ServiceAccountRef;
use irsa_gitops::model::tags::LOCK as LOCK_TAG;
use irsa_gitops::model::trust_policy;
use irsa_gitops::plan::guard::Allowed;
use irsa_gitops::plan::history::Questions;
use irsa_gitops::plan::record::APPLIED;
use irsa_gitops::plan::{Depth, History, Mode, Rewrite};
use irsa_gitops::reconcile::{self, ClusterManifests, Declarations, Terms};

use super::cluster::cluster;
use super::iam_server::{LOCK, RECORD};

/// How long a lock holds that is not renewed: longer than a call takes.
pub const LEASE: jiff::SignedDuration = jiff::SignedDuration::from_secs(45);

/// What a commit declares of one ServiceAccount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declares {
    No,
    Role,
    /// A role for another audience, so with another trust policy.
    Other,
}

pub const DECLARES: [Declares; 3] = [Declares::No, Declares::Role, Declares::Other];

/// What there is of one role before the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Absent,
    InSync,
    Drifted,
    /// The commit before the runs removed it, and its quarantine is not over.
    Quarantined,
    /// The same long ago.
    Overdue,
    /// Drifted, and without the tag by which it would be ours.
    Foreign,
}

/// All of them that are ours.
pub const BEFORE: [Before; 5] = [
    Before::Absent,
    Before::InSync,
    Before::Drifted,
    Before::Quarantined,
    Before::Overdue,
];

/// How long a removed role is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    Later,
    AtOnce,
}

/// What there is of a record before the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    Nothing,
    /// The commit before them.
    Before,
    /// The same, and beside it what a pipeline with a path of its own applied.
    Scoped,
}

/// What there is of a lock before the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    No,
    /// A run that died holds it.
    ByTheDead,
}

/// One role: what there is of it, and what the commits of the runs declare, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub before: Before,
    pub declares: Vec<Declares>,
}

impl Line {
    /// Whether the last commit takes the role away.
    fn goes(&self) -> bool {
        self.before != Before::Absent && self.declares.last() == Some(&Declares::No)
    }
}

/// What the runs of a line of commits start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    pub lines: Vec<Line>,
    pub prune: Prune,
    pub recorded: Recorded,
    pub locked: Locked,
}

/// More roles than any test has.
const MOST_ROLES: usize = 26;

/// How many commits there are before those of the runs: one that made the roles, one that removed
/// some of them.
const EARLIER: usize = 2;

/// The run of one commit: the first has the number 0.
pub struct At<'a> {
    timeline: &'a Timeline,
    index: usize,
    commit: CommitId,
}

const ACCOUNT: &str = r#"{"account":"123456789012",
    "oidcProviders":[{"issuer":"oidc.example.com","audiences":["sts.amazonaws.com","other"]}]}"#;

fn id(index: usize) -> String {
    (index + 1).to_string().repeat(40)
}

fn index_of(commit: &CommitId) -> usize {
    let first = commit.as_str().chars().next().and_then(|c| c.to_digit(10));
    first.expect("a commit of the timeline") as usize - 1
}

fn pair(index: usize) -> ServiceAccountRef {
    ServiceAccountRef::parse(&format!("bar/app-{index}")).expect("valid")
}

fn location() -> Location {
    Location {
        path: "a.yaml".into(),
        line: 1,
        column: 1,
    }
}

/// The same as they are declared.
static MANAGED: LazyLock<Vec<[(ServiceAccountRef, Managed); 2]>> = LazyLock::new(|| {
    let both = |index| {
        [Declares::Role, Declares::Other].map(|declares| (pair(index), managed(index, declares)))
    };
    (0..MOST_ROLES).map(both).collect()
});

fn managed(index: usize, declares: Declares) -> Managed {
    let role = role_name::of(&cluster().naming(), &pair(index)).expect("short");
    let other = || Audience::new("other").expect("valid");
    Managed {
        role,
        audience: (declares == Declares::Other).then(other),
    }
}

/// Every role as it is declared and declared otherwise, as it should be.
static DESIRED: LazyLock<Vec<[DesiredRole; 2]>> = LazyLock::new(|| {
    let desired = |index, declares| {
        let managed = managed(index, declares);
        desired_role(
            &pair(index),
            &managed,
            &location(),
            &cluster(),
            "repository",
        )
    };
    let both = |index| [Declares::Role, Declares::Other].map(|declares| desired(index, declares));
    (0..MOST_ROLES).map(both).collect()
});

fn parsed(document: &str) -> serde_json::Value {
    serde_json::from_str(document).expect("JSON")
}

/// The trust policies of `DESIRED`, and that of a quarantine.
static TRUST: LazyLock<Vec<[serde_json::Value; 2]>> = LazyLock::new(|| {
    let trust = |role: &DesiredRole| parsed(role.trust_policy.as_str());
    let both = |[a, b]: &[DesiredRole; 2]| [trust(a), trust(b)];
    DESIRED.iter().map(both).collect()
});
static QUARANTINE: LazyLock<serde_json::Value> =
    LazyLock::new(|| parsed(trust_policy::quarantine().as_str()));

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// The name of a role by its number.
pub fn name(index: usize) -> String {
    format!("k8s-sa_bar_app-{index}")
}

impl Timeline {
    /// The account before the runs.
    pub fn state(&self) -> State {
        let mut state: State = serde_json::from_str(ACCOUNT).expect("a state");
        let roles = self.lines.iter().enumerate();
        state.roles = roles
            .filter_map(|(index, line)| role(index, line.before))
            .collect();
        let ours = [
            tag("role.k8s.aws/managed-by", "iam-service-account-controller"),
            tag("role.k8s.aws/cluster", "prod"),
        ];
        if self.recorded != Recorded::Nothing {
            let entry = format!("{}@2026-11-23T12:00:00Z", id(EARLIER - 1));
            let mut tags = ours.to_vec();
            tags.extend([
                tag("role.k8s.aws/source", "repository"),
                tag(APPLIED, &entry),
            ]);
            if self.recorded == Recorded::Scoped {
                tags.push(tag(&format!("{APPLIED}-0123456789ab"), &entry));
            }
            state.roles.push(new_role(RECORD, QUARANTINE.clone(), tags));
        }
        if self.locked == Locked::ByTheDead {
            let holder = format!("dead@3@{}@2026-11-24T11:00:00Z", LEASE.as_secs());
            let mut tags = ours.to_vec();
            tags.push(tag(LOCK_TAG, &holder));
            let name = format!("{LOCK}1");
            state.roles.push(new_role(&name, QUARANTINE.clone(), tags));
        }
        state
    }

    /// The run of one of the commits.
    pub fn at(&self, run: usize) -> At<'_> {
        At {
            timeline: self,
            index: run + EARLIER,
            commit: CommitId::new(&id(run + EARLIER)).expect("valid"),
        }
    }

    /// What the runs do: whoever looked at the plan of the last one allows its removals.
    pub fn terms(&self) -> Terms {
        Terms {
            mode: Mode::Sync,
            depth: Depth::Listing,
            prune_after: jiff::SignedDuration::from_hours(match self.prune {
                Prune::Later => 168,
                Prune::AtOnce => 0,
            }),
            now: "2026-11-24T12:00:00Z".parse().expect("valid"),
            allowed: Allowed {
                empty: true,
                removals: Some(self.lines.iter().filter(|line| line.goes()).count()),
                issuer_change: None,
            },
            rewrite: Rewrite::Refused,
        }
    }

    /// Whether a role is as the commit of a run declares it.
    pub fn is_as_declared(&self, run: usize, index: usize, state: &State) -> bool {
        let name = name(index);
        let role = state.roles.iter().find(|role| role.name == name);
        let says_quarantined = |role: &Role| {
            let mut keys = role.tags.iter().map(|tag| tag.key.as_str());
            keys.any(|key| key.starts_with("role.k8s.aws/quarantined"))
        };
        let as_ = |role: &Role, which: usize| {
            role.trust_policy == TRUST[index][which] && !says_quarantined(role)
        };
        match (self.lines[index].declares[run], role) {
            (Declares::No, None) => true,
            (Declares::No, Some(role)) => {
                role.trust_policy == *QUARANTINE && says_quarantined(role)
            }
            (_, None) => false,
            (Declares::Role, Some(role)) => as_(role, 0),
            (Declares::Other, Some(role)) => as_(role, 1),
        }
    }

    /// The roles that are not as the commit of a run declares them.
    pub fn wrong(&self, run: usize, state: &State) -> Vec<usize> {
        let roles = 0..self.lines.len();
        roles
            .filter(|index| !self.is_as_declared(run, *index, state))
            .collect()
    }

    fn declares(&self, role: usize, commit: usize) -> Declares {
        let line = &self.lines[role];
        let is_there = match (commit, line.before) {
            (0, before) => before != Before::Absent,
            (1, before) => matches!(before, Before::InSync | Before::Drifted | Before::Foreign),
            _ => return line.declares[commit - EARLIER],
        };
        match is_there {
            true => Declares::Role,
            false => Declares::No,
        }
    }
}

fn new_role(name: &str, trust: serde_json::Value, tags: Vec<Tag>) -> Role {
    let role = serde_json::json!({ "name": name, "id": format!("AROA{name}"), "trustPolicy": {} });
    let mut role: Role = serde_json::from_value(role).expect("a role");
    role.trust_policy = trust;
    role.tags = tags;
    role
}

fn role(index: usize, before: Before) -> Option<Role> {
    let desired = &DESIRED[index][0];
    let mut tags: Vec<Tag> = desired
        .tags
        .iter()
        .map(|(key, value)| tag(key, value))
        .collect();
    tags.push(tag("role.k8s.aws/commit", &id(0)));
    let since = match before {
        Before::Absent => return None,
        Before::InSync | Before::Drifted | Before::Foreign => None,
        Before::Quarantined => Some("2026-11-23T12:00:00Z"),
        Before::Overdue => Some("2026-01-01T00:00:00Z"),
    };
    let last = usize::from(since.is_some());
    tags.push(tag("role.k8s.aws/last-commit", &id(last)));
    if let Some(since) = since {
        tags.push(tag("role.k8s.aws/quarantined-at", since));
        tags.push(tag("role.k8s.aws/quarantined-by", &id(last)));
    }
    if before == Before::Foreign {
        tags.retain(|tag| tag.key != "role.k8s.aws/cluster");
    }
    let mut trust = TRUST[index][0].clone();
    match before {
        Before::Drifted | Before::Foreign => {
            trust["Statement"][0]["Action"] = "sts:AssumeRole".into();
        }
        Before::Quarantined | Before::Overdue => trust.clone_from(&QUARANTINE),
        Before::Absent | Before::InSync => {}
    }
    Some(new_role(&name(index), trust, tags))
}

impl At<'_> {
    fn ancestry(&self, commit: &CommitId) -> Ancestry {
        match index_of(commit) <= self.index {
            true => Ancestry::Ancestor,
            false => Ancestry::Newer,
        }
    }

    /// As Git would tell: the newest commit that took it away, if that came after `since`.
    fn absence(&self, role: usize, since: Option<&CommitId>) -> Absence {
        let is_there = |commit| self.timeline.declares(role, commit) != Declares::No;
        let took = |commit: &usize| is_there(commit - 1) && !is_there(*commit);
        let Some(removed) = (1..=self.index).rev().find(took) else {
            return Absence::Unexplained;
        };
        let since = since.map(index_of).filter(|since| *since <= self.index);
        if since.is_some_and(|since| since >= removed) {
            return Absence::Unexplained;
        }
        Absence::Removed(Removal {
            commit: CommitInfo {
                id: CommitId::new(&id(removed)).expect("valid"),
                author: "Ann".into(),
                date: String::new(),
                subject: String::new(),
                source: None,
            },
            since: None,
            path: "a.yaml".into(),
            remains: false,
        })
    }
}

impl Declarations for At<'_> {
    fn repository(&self) -> &str {
        "repository"
    }

    fn commit(&self) -> Option<&CommitId> {
        Some(&self.commit)
    }

    fn declared(&self, _: &[RepoPath], _: &Naming) -> ClusterManifests {
        let mut resolved = Resolved::default();
        for index in 0..self.timeline.lines.len() {
            let declares = self.timeline.declares(index, self.index);
            let [plain, other] = &MANAGED[index];
            let (service_account, managed) = match declares {
                Declares::No => continue,
                Declares::Role => plain.clone(),
                Declares::Other => other.clone(),
            };
            let declared = Declared {
                role: (&managed.role).into(),
                location: location(),
                role_arn: None,
                own_audience: None,
                verdict: Verdict::Managed(managed),
            };
            resolved.declared.insert(service_account, declared);
        }
        ClusterManifests {
            resolved,
            diagnostics: vec![],
        }
    }

    fn history(&self, questions: &Questions, _: &[RepoPath]) -> Result<History, reconcile::Error> {
        let mut history = History::default();
        for commit in &questions.commits {
            let ancestry = self.ancestry(commit);
            history.ancestry.insert(commit.clone(), ancestry);
        }
        for (service_account, absent) in &questions.absent {
            let mut roles = MANAGED.iter();
            let role = roles.position(|[(whose, _), _]| whose == service_account);
            let absence = self.absence(role.expect("one of the timeline"), absent.since.as_ref());
            history.absences.insert(service_account.clone(), absence);
        }
        Ok(history)
    }
}
