//! One account that several runs share, where every call waits for its turn: whoever plays a
//! schedule says which call arrives next, and what a read sees.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::future::poll_fn;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use irsa_gitops::iam::sandbox::{Role, State};
use irsa_gitops::iam::{Caller, Error, IamReader, IamWriter, Kind, OidcProvider};
use irsa_gitops::model::arn::OidcProviderArn;
use irsa_gitops::model::quotas::Quotas;
use irsa_gitops::model::role::{
    Attachments, CurrentRole, ListedRole, NewRole, RoleId, RoleName, SessionDuration,
};
use irsa_gitops::model::tags::Tags;
use irsa_gitops::model::trust_policy::TrustDocument;
use tokio::time::Instant;

use super::iam_server::RECORD;
use super::memory::Memory;

/// How long a read may show what was before a write.
pub const LAG: Duration = Duration::from_secs(3);

/// A call of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub run: usize,
    /// Which call of its run it is.
    pub number: usize,
    pub action: &'static str,
    /// What it reads or writes; without a name, all roles.
    pub role: Option<RoleName>,
}

impl Call {
    pub fn writes(&self) -> bool {
        !matches!(self.action, "iam:GetRole" | "iam:ListRoles")
    }

    /// Whether it makes a difference which of the two comes first.
    pub fn meets(&self, other: &Self) -> bool {
        let same_role = self.role.is_none() || other.role.is_none() || self.role == other.role;
        self.run == other.run || (same_role && (self.writes() || other.writes()))
    }

    /// Whether it is about the record or a lock.
    pub fn is_own(&self) -> bool {
        let role = self.role.as_ref();
        role.is_some_and(|role| role.as_str().starts_with(RECORD))
    }

    /// Whether it is about a lock.
    pub fn is_about_lock(&self) -> bool {
        self.is_own()
            && self
                .role
                .as_ref()
                .is_some_and(|role| role.as_str() != RECORD)
    }
}

/// What a job may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denied {
    Nothing,
    /// To make or change a lock.
    Locks,
    /// That, and to write to the record.
    Record,
}

/// What becomes of a call whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    /// It arrives.
    Now,
    /// It is a read, and shows what was before so many writes.
    Behind(usize),
    /// It arrives, and the run hears no more of it.
    Last,
}

/// A role as its calls tell it apart: who made it, and what it says.
type Digest = (u64, u64);

/// The account after a write.
struct Version {
    memory: Memory,
    at: Instant,
    /// The write; none made the first version.
    by: Option<Call>,
    digests: BTreeMap<String, Digest>,
}

/// Carries a call out and keeps its reply; the kind of an error comes out.
type Work = Box<dyn FnOnce(Result<&Memory, Error>) -> Option<Kind> + Send>;

struct Waiting {
    call: Call,
    since: Instant,
    work: Option<Work>,
    waker: Option<Waker>,
}

struct Inner {
    versions: Vec<Version>,
    waiting: Vec<Waiting>,
    numbers: Vec<usize>,
    denied: Denied,
}

/// An account that several runs share; a clone is the same account.
#[derive(Clone)]
pub struct Account(Arc<Mutex<Inner>>);

/// What one run has of an account.
#[derive(Clone)]
pub struct Client {
    account: Account,
    run: usize,
}

pub fn hashed(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// What a role says; its id is random.
fn said(role: &Role) -> u64 {
    let tags: BTreeMap<&str, &str> = role.tags.iter().map(|t| (&*t.key, &*t.value)).collect();
    let trust = role.trust_policy.to_string();
    hashed(&(&role.path, trust, role.max_session_duration, tags))
}

impl Account {
    /// An account for so many runs.
    pub fn new(state: State, runs: usize, denied: Denied) -> Self {
        let digests = state
            .roles
            .iter()
            .map(|role| (role.name.clone(), (0, said(role))));
        let first = Version {
            digests: digests.collect(),
            memory: Memory::new(state),
            at: Instant::now(),
            by: None,
        };
        let inner = Inner {
            versions: vec![first],
            waiting: vec![],
            numbers: vec![0; runs],
            denied,
        };
        Self(Arc::new(Mutex::new(inner)))
    }

    pub fn client(&self, run: usize) -> Client {
        let account = self.clone();
        Client { account, run }
    }

    /// The calls that wait, and since when, run by run.
    pub fn waiting(&self) -> Vec<(Call, Instant)> {
        let inner = self.inner();
        let waiting = inner.waiting.iter().filter(|w| w.work.is_some());
        let mut calls: Vec<_> = waiting.map(|w| (w.call.clone(), w.since)).collect();
        calls.sort_by_key(|(call, _)| (call.run, call.number));
        calls
    }

    /// How far behind a call may be: so many writes, at most.
    pub fn behind(&self, call: &Call, most: usize) -> usize {
        if call.writes() {
            return 0;
        }
        let inner = self.inner();
        let now = Instant::now();
        let recent = inner.seen_by(call).filter(|v| v.at + LAG >= now);
        recent.take(most).count()
    }

    /// Has a call arrive; what its reply says, as a number.
    pub fn let_go(&self, call: &Call, turn: Turn) -> u64 {
        let mut inner = self.inner();
        let mut waiting = inner.waiting.iter_mut();
        let found = waiting.find(|waiting| waiting.call == *call);
        let found = found.expect("a call that waits");
        let work = found.work.take().expect("it arrives once");
        if let Some(waker) = found.waker.take() {
            waker.wake();
        }
        inner.arrive(call, turn, work)
    }

    pub fn state(&self) -> State {
        self.look(State::clone)
    }

    /// Looks at what there is now.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.inner().latest().memory.look(look)
    }

    /// How many writes took effect.
    pub fn count(&self) -> usize {
        self.inner().versions.len() - 1
    }

    /// All that calls from now on depend on, as a number; with what reads that are behind may show.
    pub fn digest(&self, lags: bool) -> u64 {
        let inner = self.inner();
        let now = Instant::now();
        let recent = inner
            .versions
            .iter()
            .rev()
            .take_while(|v| lags && v.at + LAG >= now);
        let recent = recent.map(|v| (v.by.as_ref().map(|by| &by.role), now - v.at, &v.digests));
        hashed(&(&inner.latest().digests, recent.collect::<Vec<_>>()))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics while holding it")
    }
}

impl Inner {
    fn latest(&self) -> &Version {
        self.versions.last().expect("the first")
    }

    /// The writes to what a call reads, the last one first.
    fn seen_by(&self, call: &Call) -> impl Iterator<Item = &Version> {
        let role = call.role.clone();
        let touches = move |version: &&Version| match &version.by {
            Some(by) => role.is_none() || by.role == role,
            None => false,
        };
        self.versions.iter().rev().filter(touches)
    }

    fn arrive(&mut self, call: &Call, turn: Turn, work: Work) -> u64 {
        let name = call.role.as_ref().map_or("", |role| role.as_str());
        if !call.writes() {
            let version = self.seen(call, turn);
            work(Ok(&version.memory));
            return match &call.role {
                Some(_) => hashed(&version.digests.get(name)),
                None => hashed(&version.digests),
            };
        }
        let is_denied = match self.denied {
            Denied::Nothing => false,
            Denied::Locks => call.is_about_lock(),
            Denied::Record => call.is_own(),
        };
        if is_denied {
            work(Err(denied(call)));
            return 1;
        }
        let latest = self.latest();
        let memory = Memory::new(latest.memory.state());
        if let Some(kind) = work(Ok(&memory)) {
            return hashed(&format!("{kind:?}"));
        }
        let mut digests = latest.digests.clone();
        let maker = match digests.remove(name) {
            Some((maker, _)) => maker,
            None => hashed(&(call.run, call.number)),
        };
        memory.look(|state| {
            if let Ok(role) = state.role(name) {
                digests.insert(name.to_owned(), (maker, said(role)));
            }
        });
        self.versions.push(Version {
            memory,
            at: Instant::now(),
            by: Some(call.clone()),
            digests,
        });
        0
    }

    fn seen(&self, call: &Call, turn: Turn) -> &Version {
        let Turn::Behind(writes) = turn else {
            return self.latest();
        };
        let write = self.seen_by(call).nth(writes - 1).expect("so many writes");
        let index = self.versions.iter().position(|v| std::ptr::eq(v, write));
        &self.versions[index.expect("one of them") - 1]
    }
}

fn denied(call: &Call) -> Error {
    Error {
        action: call.action,
        role: call.role.clone(),
        kind: Kind::AccessDenied,
        message: "by the schedule".to_owned(),
        source: None,
    }
}

/// Takes a call out of those that wait when it has come back, or its run is dropped.
struct Withdrawn<'a>(&'a Account, Call);

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        inner.waiting.retain(|waiting| waiting.call != self.1);
    }
}

/// What comes of work that waits for nothing.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("memory waits for nothing")
}

impl Client {
    /// A call that arrives when its turn comes.
    async fn call<T: Send + 'static>(
        &self,
        action: &'static str,
        role: Option<&RoleName>,
        work: impl FnOnce(&Memory) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let reply = Arc::new(Mutex::new(None));
        let slot = reply.clone();
        let work = move |memory: Result<&Memory, Error>| {
            let result = memory.and_then(work);
            let kind = result.as_ref().err().map(|error| error.kind);
            *slot.lock().expect("nobody panics while holding it") = Some(result);
            kind
        };
        let call = self.wait(action, role, Box::new(work));
        let _withdrawn = Withdrawn(&self.account, call.clone());
        poll_fn(|context| {
            let mut inner = self.account.inner();
            let mut waiting = inner.waiting.iter_mut();
            let own = waiting.find(|waiting| waiting.call == call);
            own.expect("until it is withdrawn").waker = Some(context.waker().clone());
            match reply.lock().expect("nobody panics while holding it").take() {
                Some(result) => Poll::Ready(result),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn wait(&self, action: &'static str, role: Option<&RoleName>, work: Work) -> Call {
        let mut inner = self.account.inner();
        let number = inner.numbers[self.run];
        inner.numbers[self.run] += 1;
        let call = Call {
            run: self.run,
            number,
            action,
            role: role.cloned(),
        };
        inner.waiting.push(Waiting {
            call: call.clone(),
            since: Instant::now(),
            work: Some(work),
            waker: None,
        });
        call
    }

    fn latest(&self) -> Memory {
        self.account.inner().latest().memory.clone()
    }
}

/// What nobody here writes to needs no turn.
impl IamReader for Client {
    async fn caller(&self) -> Result<Caller, Error> {
        self.latest().caller().await
    }

    async fn list_roles(&self) -> Result<Vec<ListedRole>, Error> {
        let work = |memory: &Memory| at_once(memory.list_roles());
        self.call("iam:ListRoles", None, work).await
    }

    async fn role(&self, name: &RoleName) -> Result<Option<CurrentRole>, Error> {
        let role = name.clone();
        let work = move |memory: &Memory| at_once(memory.role(&role));
        self.call("iam:GetRole", Some(name), work).await
    }

    async fn oidc_provider(&self, arn: &OidcProviderArn) -> Result<Option<OidcProvider>, Error> {
        self.latest().oidc_provider(arn).await
    }

    async fn attachments(&self, name: &RoleName) -> Result<Attachments, Error> {
        self.latest().attachments(name).await
    }

    async fn quotas(&self) -> Result<Quotas, Error> {
        self.latest().quotas().await
    }
}

impl IamWriter for Client {
    type Reader = Self;

    fn reader(&self) -> &Self {
        self
    }

    async fn create_role(&self, role: &NewRole) -> Result<RoleId, Error> {
        let (name, new) = (&role.arn.name, role.clone());
        let work = move |memory: &Memory| at_once(memory.create_role(&new));
        self.call("iam:CreateRole", Some(name), work).await
    }

    async fn update_trust_policy(
        &self,
        name: &RoleName,
        document: &TrustDocument,
    ) -> Result<(), Error> {
        let (role, new) = (name.clone(), document.clone());
        let work = move |memory: &Memory| at_once(memory.update_trust_policy(&role, &new));
        self.call("iam:UpdateAssumeRolePolicy", Some(name), work)
            .await
    }

    async fn tag_role(&self, name: &RoleName, tags: &Tags) -> Result<(), Error> {
        let (role, new) = (name.clone(), tags.clone());
        let work = move |memory: &Memory| at_once(memory.tag_role(&role, &new));
        self.call("iam:TagRole", Some(name), work).await
    }

    async fn untag_role(&self, name: &RoleName, keys: &[&str]) -> Result<(), Error> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let role = name.clone();
        let work = move |memory: &Memory| {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            at_once(memory.untag_role(&role, &keys))
        };
        self.call("iam:UntagRole", Some(name), work).await
    }

    async fn update_session_duration(
        &self,
        name: &RoleName,
        duration: SessionDuration,
    ) -> Result<(), Error> {
        let role = name.clone();
        let work = move |memory: &Memory| at_once(memory.update_session_duration(&role, duration));
        self.call("iam:UpdateRole", Some(name), work).await
    }

    async fn delete_role(&self, name: &RoleName) -> Result<(), Error> {
        let role = name.clone();
        let work = move |memory: &Memory| at_once(memory.delete_role(&role));
        self.call("iam:DeleteRole", Some(name), work).await
    }
}
