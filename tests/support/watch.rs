//! What is required of every interleaving, seen while it is played and at its end.

use std::collections::BTreeSet;

use irsa_gitops::exit::Exit;
use irsa_gitops::iam::sandbox::Role;

use super::iam_server::LOCK;
use super::interleaving::{Case, End, Played, follow, told};
use super::timeline::{Declares, name};
use super::turns::{Account, Call, Denied};

/// What is required of every interleaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Every run comes to an end.
    Ends,
    /// Once a run has written to a role or the record, no other one does before its last write there.
    Alone,
    /// The roles end as the newest commit declares them, or a run ends with another code than 0, or
    /// one that may not take the lock says that order is not proven.
    SaysSo,
    /// The roles end as the newest commit declares them, unless nobody may take the lock, or no run of
    /// that commit was able to end.
    Newest,
    /// Once a run of the newest commit has written, no other one deletes a role that it declares.
    KeepsRoles,
    /// What a run that ends with 0 was to do, was so while it ran.
    Done,
    /// No run of the newest commit is superseded.
    NotSuperseded,
    /// Every run of the newest commit ends with 0, unless it is killed or stands still.
    NewestEnds,
    /// No lock is left, unless a run is killed or stands still.
    LeavesNoLock,
    /// The next run of the newest commit ends with 0, and the roles are as it declares them.
    NextConverges,
}

pub type Wrongs = Vec<(Rule, String)>;

/// What was seen so far.
#[derive(Clone, Debug, Hash)]
pub struct Watch {
    /// Which roles were as each run's commit declares them, while it ran.
    so: Vec<Vec<bool>>,
    has_begun: Vec<bool>,
    /// Whether a run of the newest commit has written.
    newest_wrote: bool,
    /// Who wrote to a role or the record last, and who did before.
    writer: Option<usize>,
    earlier: BTreeSet<usize>,
    wrongs: BTreeSet<Rule>,
}

impl Watch {
    pub fn new(case: &Case, account: &Account) -> Self {
        let so = case.runs.iter().map(|commit| now(case, account, *commit));
        Self {
            so: so.collect(),
            has_begun: vec![false; case.runs.len()],
            newest_wrote: false,
            writer: None,
            earlier: BTreeSet::new(),
            wrongs: BTreeSet::new(),
        }
    }

    /// Sees a call that has arrived. Reads that lag may show what was before a run began.
    pub fn see(
        &mut self,
        case: &Case,
        account: &Account,
        call: &Call,
        is_written: bool,
        lags: bool,
    ) {
        let run = call.run;
        if !self.has_begun[run] {
            self.has_begun[run] = true;
            if !lags {
                self.so[run] = now(case, account, case.runs[run]);
            }
        }
        if !is_written {
            return;
        }
        for (so, commit) in self.so.iter_mut().zip(&case.runs) {
            for (so, is_so) in so.iter_mut().zip(now(case, account, *commit)) {
                *so |= is_so;
            }
        }
        let is_newest = case.runs[run] == case.newest();
        if call.action == "iam:DeleteRole"
            && self.newest_wrote
            && !is_newest
            && declared(case, call)
        {
            self.wrongs.insert(Rule::KeepsRoles);
        }
        if call.is_about_lock() {
            return;
        }
        self.newest_wrote |= is_newest;
        if self.writer == Some(run) {
            return;
        }
        self.earlier.extend(self.writer);
        if self.earlier.contains(&run) {
            self.wrongs.insert(Rule::Alone);
        }
        self.writer = Some(run);
    }
}

fn says(role: &Role, start: &str) -> bool {
    role.tags.iter().any(|tag| tag.value.starts_with(start))
}

/// Which roles are as a commit declares them.
fn now(case: &Case, account: &Account, commit: usize) -> Vec<bool> {
    let timeline = &case.timeline;
    let roles = 0..timeline.lines.len();
    account.look(|state| {
        let is_so = |role| timeline.is_as_declared(commit, role, state);
        roles.map(is_so).collect()
    })
}

/// Whether a call is about a role that the newest commit declares.
fn declared(case: &Case, call: &Call) -> bool {
    let mut lines = case.timeline.lines.iter().enumerate();
    lines.any(|(role, line)| {
        call.role.as_ref().map(|r| r.as_str()) == Some(&name(role))
            && line.declares[case.newest()] != Declares::No
    })
}

/// What an interleaving was to be and is not.
pub fn judge(case: &Case, played: &Played) -> Wrongs {
    let (newest, timeline) = (case.newest(), &case.timeline);
    let state = played.account.state();
    let wrong = timeline.wrong(newest, &state);
    let endings = &played.endings;
    let is_done = |end: &Option<End>| end.is_some_and(|end| end.exit == Exit::Success);
    let has_doubt = endings.iter().flatten().any(|end| end.is_in_doubt);
    let is_undisturbed = endings.iter().all(Option::is_some) && case.limits.freezes == 0;
    let of_newest = || {
        endings
            .iter()
            .zip(&case.runs)
            .filter(|(_, run)| **run == newest)
    };
    let mut wrongs: Wrongs = vec![];
    let mut find = |rule, what: String| wrongs.push((rule, format!("{what} {endings:?}")));
    if !wrong.is_empty() {
        let what = format!("roles {wrong:?} are not as the newest commit declares");
        if endings.iter().all(is_done) && !has_doubt {
            find(Rule::SaysSo, format!("{what}, and all say 0"));
        }
        let is_able = is_undisturbed || of_newest().any(|(end, _)| is_done(end));
        if is_able && case.limits.denied == Denied::Nothing {
            find(Rule::Newest, what);
        }
    }
    for rule in &played.watch.wrongs {
        if *rule == Rule::KeepsRoles || case.limits.denied == Denied::Nothing {
            find(*rule, String::new());
        }
    }
    for (run, ending) in endings.iter().enumerate().filter(|(_, end)| is_done(end)) {
        for (role, is_so) in played.watch.so[run].iter().enumerate() {
            let is_silent = !ending.is_some_and(|end| end.is_in_doubt);
            if !is_so && is_silent {
                let what = format!("run {run} says done, and role {role} never was so");
                find(Rule::Done, what);
            }
        }
    }
    if of_newest().any(|(end, _)| end.is_some_and(|end| end.exit == Exit::Superseded)) {
        find(
            Rule::NotSuperseded,
            "the newest commit is superseded".to_owned(),
        );
    }
    if case.limits.freezes == 0 && of_newest().any(|(end, _)| end.is_some() && !is_done(end)) {
        find(
            Rule::NewestEnds,
            "a run of the newest commit is not done".to_owned(),
        );
    }
    // One that somebody left who died before is only passed by a run that writes.
    let is_left = |role: &&Role| role.name.starts_with(LOCK) && !says(role, "dead@");
    let locks = state.roles.iter().filter(is_left).count();
    if is_undisturbed && case.limits.denied == Denied::Nothing && locks > 0 {
        find(Rule::LeavesNoLock, format!("{locks} locks are left"));
    }
    if !is_undisturbed || !wrong.is_empty() || locks > 0 || !endings.iter().all(is_done) {
        let failed = match follow(case, state, newest) {
            Ok(last) => {
                let wrong = timeline.wrong(newest, &last.account.state());
                let end = last.endings[0];
                let is_so = is_done(&end) && wrong.is_empty();
                (!is_so).then(|| format!("{end:?}, roles {wrong:?}\n{}", told(&last.steps)))
            }
            Err(error) => Some(error),
        };
        if let Some(failed) = failed {
            find(
                Rule::NextConverges,
                format!("the next run does not converge: {failed}"),
            );
        }
    }
    wrongs
}
