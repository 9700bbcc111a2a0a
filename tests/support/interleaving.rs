//! Plays interleavings of runs that share an account: the program's own runs, one call after the
//! other in the order that a schedule says, by a clock that jumps over every wait.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use irsa_gitops::apply::Stop;
use irsa_gitops::diagnostic::Code;
use irsa_gitops::exit::Exit;
use irsa_gitops::iam::sandbox::State;
use irsa_gitops::reconcile::{self, Bounds, Turn as Turns};
use irsa_gitops::report::ending::{Ending, Heed};
use irsa_gitops::report::{Command, Section};
use irsa_gitops::settings::ClusterSettings;
use tokio::time::Instant;

use super::cluster::settings;
use super::limits::{Limits, PLAIN};
use super::timeline::{LEASE, Timeline};
use super::turns::{Account, Call, Client, Turn, hashed};
use super::watch::Watch;

/// How long a call takes to arrive, at most.
pub const SLOWEST: Duration = Duration::from_secs(20);

/// What ought to be enough for any run.
const TOO_LONG: Duration = Duration::from_secs(7200);
const TOO_MANY: usize = 1000;

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub timeline: Timeline,
    /// The commit of each run.
    pub runs: Vec<usize>,
    pub limits: Limits,
}

impl Case {
    /// The newest commit that is run.
    pub fn newest(&self) -> usize {
        *self.runs.iter().max().expect("a run")
    }
}

/// One step of an interleaving.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Arrives(Call, Turn),
    /// The run is killed.
    Killed(usize),
    /// The run stands still, as on a machine that is suspended, and what it sent arrives.
    Freezes(usize),
    /// It goes on.
    Thaws(usize),
    /// Time passes.
    Waits,
}

impl Step {
    pub fn run(&self) -> Option<usize> {
        match self {
            Self::Arrives(call, _) => Some(call.run),
            Self::Killed(run) | Self::Freezes(run) | Self::Thaws(run) => Some(*run),
            Self::Waits => None,
        }
    }

    /// Whether it makes no difference which of the two comes first.
    pub fn commutes(&self, other: &Self, limits: &Limits) -> bool {
        match (self, other) {
            // Each change of the run counts.
            _ if limits.preemptions.is_some() => false,
            // A listing that is behind may show the one and not the other.
            (Self::Arrives(a, _), Self::Arrives(b, _))
                if limits.lagging > 0 && a.writes() && b.writes() =>
            {
                false
            }
            (Self::Arrives(a, _), Self::Arrives(b, _)) => !a.meets(b),
            (Self::Waits, _) | (_, Self::Waits) => false,
            (a, b) => a.run() != b.run(),
        }
    }

    /// Whether nothing goes wrong in it.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Arrives(_, Turn::Now))
    }

    /// Whether a read shows what was before a write.
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Arrives(_, Turn::Behind(_)))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrives(call, turn) => {
                let role = call.role.as_ref().map_or("", |role| role.as_str());
                write!(f, "run {}: {} {role}", call.run, call.action)?;
                match turn {
                    Turn::Now => Ok(()),
                    Turn::Behind(writes) => write!(f, " as before the last {writes} writes to it"),
                    Turn::Last => write!(f, ", and the run is killed"),
                }
            }
            Self::Killed(run) => write!(f, "run {run} is killed"),
            Self::Freezes(run) => write!(f, "run {run} stands still"),
            Self::Thaws(run) => write!(f, "run {run} goes on"),
            Self::Waits => write!(f, "time passes"),
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct End {
    pub exit: Exit,
    /// Whether it said that the order of runs is not proven.
    pub is_in_doubt: bool,
}

/// What came of an interleaving.
pub struct Played {
    pub account: Account,
    /// How each run ended; one that was killed did not.
    pub endings: Vec<Option<End>>,
    pub watch: Watch,
    pub steps: Vec<(usize, Step)>,
    /// The state it came to, as a number.
    pub state: u64,
}

static SETTINGS: LazyLock<ClusterSettings> = LazyLock::new(settings);

type Work<'a> = Pin<Box<dyn Future<Output = End> + 'a>>;

/// A run of the program, and how it tells that it ended.
async fn run(
    timeline: &Timeline,
    commit: usize,
    name: String,
    client: Client,
    settle: Duration,
) -> End {
    let turn = Turns {
        run: name,
        timeout: Duration::from_secs(600),
        lease: LEASE,
        settle,
        since: "2026-11-24T12:00:00Z".parse().expect("valid"),
    };
    let bounds = Bounds {
        saved: None,
        approve: None,
        log: None,
        turn: &turn,
        stop: &Stop::default(),
        observe: &|_| {},
    };
    let clusters = std::slice::from_ref(&*SETTINGS);
    let connect = async |_: &ClusterSettings| Ok(client.clone());
    let (at, terms) = (timeline.at(commit), timeline.terms());
    match reconcile::apply::apply(clusters, &at, &terms, bounds, connect).await {
        Ok(sections) => ending(&sections),
        Err(error) => End {
            exit: error.exit(),
            is_in_doubt: false,
        },
    }
}

fn ending(sections: &[Section]) -> End {
    let ending = Ending {
        command: Command::Apply,
        sections,
        heed: Heed::Nothing,
        signal: None,
    };
    let mut found = sections.iter().flat_map(|section| &section.diagnostics);
    End {
        exit: ending.exit(),
        is_in_doubt: found.any(|diagnostic| diagnostic.code == Code::OrderNotProven),
    }
}

/// An interleaving while it is played.
pub struct Play<'a> {
    case: &'a Case,
    account: Account,
    work: Vec<Option<Work<'a>>>,
    endings: Vec<Option<End>>,
    /// Since when a run stands still.
    frozen: Vec<Option<Instant>>,
    /// All that a run has heard, as a number.
    heard: Vec<u64>,
    /// Whose turn it was last.
    current: Option<usize>,
    start: Instant,
    left: Limits,
    watch: Watch,
    steps: Vec<(usize, Step)>,
}

impl Play<'_> {
    /// All that the rest of it depends on, as a number: two interleavings that come to the same one go on
    /// alike. A run is a function of what it heard and when.
    pub fn state(&self) -> u64 {
        let account = self.account.digest(self.left.lagging > 0);
        let is_over: Vec<bool> = self.work.iter().map(Option::is_none).collect();
        let now = self.start.elapsed();
        let current = self.current.filter(|_| self.left.preemptions.is_some());
        let frozen = self.frozen.iter().map(|at| at.map(|at| at - self.start));
        let frozen: Vec<Option<Duration>> = frozen.collect();
        let outside = (account, is_over, &self.endings, frozen, now);
        hashed(&(outside, &self.heard, current, self.left, &self.watch))
    }

    fn poll(&mut self, run: usize, context: &mut Context<'_>) {
        if self.frozen[run].is_some() {
            return;
        }
        let Some(work) = &mut self.work[run] else {
            return;
        };
        if let Poll::Ready(end) = work.as_mut().poll(context) {
            self.endings[run] = Some(end);
            self.work[run] = None;
        }
    }

    async fn go_on(&mut self, run: usize) {
        poll_fn(|context| {
            self.poll(run, context);
            Poll::Ready(())
        })
        .await;
    }

    /// Lets the clock jump to the next moment at which a run wakes, or a call cannot be on its way
    /// any longer.
    async fn wait(&mut self) -> Result<(), String> {
        let before = Instant::now();
        let waiting = self.account.waiting();
        let overdue = waiting.iter().map(|(_, since)| *since + SLOWEST).min();
        let until = overdue.unwrap_or(before + TOO_LONG);
        let mut clock = Box::pin(tokio::time::sleep_until(until));
        poll_fn(|context| {
            for run in 0..self.work.len() {
                self.poll(run, context);
            }
            match clock.as_mut().poll(context) {
                Poll::Pending if Instant::now() == before => Poll::Pending,
                _ => Poll::Ready(()),
            }
        })
        .await;
        match overdue.is_none() && Instant::now() >= until {
            true => Err("nothing happens any more".to_owned()),
            false => Ok(()),
        }
    }

    /// What can happen next.
    fn steps(&self) -> Vec<Step> {
        let waiting = self.account.waiting();
        let now = Instant::now();
        let overdue = waiting.iter().filter(|(_, since)| *since + SLOWEST <= now);
        let is_overdue = overdue.count() > 0;
        let is_on = |run: usize| self.work[run].is_some() && self.frozen[run].is_none();
        let waits = |run: usize| waiting.iter().any(|(call, _)| call.run == run);
        let is_kept = self.left.preemptions == Some(0)
            && self.current.is_some_and(|run| is_on(run) && waits(run));
        let mut steps = vec![];
        for (call, since) in &waiting {
            if is_overdue && *since + SLOWEST > now {
                continue;
            }
            if is_kept && !is_overdue && self.current != Some(call.run) {
                continue;
            }
            steps.push(Step::Arrives(call.clone(), Turn::Now));
            if self.left.lagging > 0 {
                let most = self.account.behind(call, self.left.behind);
                let behind = |writes| Step::Arrives(call.clone(), Turn::Behind(writes));
                steps.extend((1..=most).map(behind));
            }
            if self.left.kills > 0 && is_on(call.run) {
                steps.push(Step::Killed(call.run));
                if call.writes() {
                    steps.push(Step::Arrives(call.clone(), Turn::Last));
                }
            }
        }
        for run in 0..self.work.len() {
            match self.frozen[run] {
                Some(since) if since < now || waiting.is_empty() => steps.push(Step::Thaws(run)),
                None if self.left.freezes > 0 && is_on(run) && waits(run) => {
                    steps.push(Step::Freezes(run));
                }
                _ => {}
            }
        }
        let anybody_sleeps = (0..self.work.len()).any(|run| is_on(run) && !waits(run));
        let may_wait = waiting.is_empty() || (!is_overdue && self.left.delays > 0);
        if anybody_sleeps && may_wait {
            steps.push(Step::Waits);
        }
        steps
    }

    fn arrives(&mut self, call: &Call, turn: Turn) {
        let waits = |run| {
            self.account
                .waiting()
                .iter()
                .any(|(call, _)| call.run == run)
        };
        let is_left = |run: usize| run != call.run && self.frozen[run].is_none() && waits(run);
        if let Some(left) = &mut self.left.preemptions
            && self.current.is_some_and(is_left)
        {
            *left = left.saturating_sub(1);
        }
        self.current = Some(call.run);
        let writes = self.account.count();
        let heard = self.account.let_go(call, turn);
        let now = self.start.elapsed();
        self.heard[call.run] = hashed(&(self.heard[call.run], call, heard, now));
        let is_written = self.account.count() > writes;
        let lags = self.case.limits.lagging > 0;
        let Self {
            case,
            account,
            watch,
            ..
        } = self;
        watch.see(case, account, call, is_written, lags);
    }

    async fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Arrives(call, turn) => {
                self.arrives(call, *turn);
                match turn {
                    Turn::Now => {}
                    Turn::Behind(_) => self.left.lagging -= 1,
                    Turn::Last => {
                        self.left.kills -= 1;
                        self.work[call.run] = None;
                    }
                }
                self.go_on(call.run).await;
            }
            Step::Killed(run) => {
                self.left.kills -= 1;
                self.work[*run] = None;
            }
            Step::Freezes(run) => {
                self.left.freezes -= 1;
                self.frozen[*run] = Some(Instant::now());
            }
            Step::Thaws(run) => {
                self.frozen[*run] = None;
                self.heard[*run] = hashed(&(self.heard[*run], self.start.elapsed()));
                self.go_on(*run).await;
            }
            Step::Waits => {
                if !self.account.waiting().is_empty() {
                    self.left.delays -= 1;
                }
                self.wait().await?;
            }
        }
        Ok(())
    }
}

/// Who says which step is taken: the number of one of those that can be.
pub trait Choose: FnMut(&Play<'_>, &[Step]) -> Option<usize> {}
impl<F: FnMut(&Play<'_>, &[Step]) -> Option<usize>> Choose for F {}

/// Plays one interleaving; nothing if it was given up, and an error if it does not end.
pub fn play(case: &Case, choose: &mut impl Choose) -> Option<Result<Played, String>> {
    play_from(case.timeline.state(), "run", case, choose)
}

fn play_from(
    state: State,
    whose: &str,
    case: &Case,
    choose: &mut impl Choose,
) -> Option<Result<Played, String>> {
    paused(async {
        let runs = case.runs.len();
        let account = Account::new(state, runs, case.limits.denied);
        let work = case.runs.iter().enumerate().map(|(number, commit)| {
            let client = account.client(number);
            let name = format!("{whose}-{number}");
            Some(Box::pin(run(
                &case.timeline,
                *commit,
                name,
                client,
                case.limits.settle,
            )) as Work<'_>)
        });
        let mut play = Play {
            case,
            work: work.collect(),
            watch: Watch::new(case, &account),
            account: account.clone(),
            endings: vec![None; runs],
            frozen: vec![None; runs],
            heard: vec![0; runs],
            current: None,
            start: Instant::now(),
            left: case.limits,
            steps: vec![],
        };
        for run in 0..runs {
            play.go_on(run).await;
        }
        while play.work.iter().any(Option::is_some) {
            let steps = play.steps();
            if steps.is_empty() || play.steps.len() > TOO_MANY {
                return Some(Err(format!("no end of it\n{}", told(&play.steps))));
            }
            let chosen = choose(&play, &steps)?;
            play.steps.push((chosen, steps[chosen].clone()));
            if let Err(error) = play.take(&steps[chosen]).await {
                return Some(Err(format!("{error}\n{}", told(&play.steps))));
            }
        }
        Some(Ok(Played {
            state: play.state(),
            account: play.account,
            endings: play.endings,
            watch: play.watch,
            steps: play.steps,
        }))
    })
}

/// One more run of a commit, alone, over the account that others left.
pub fn follow(case: &Case, state: State, commit: usize) -> Result<Played, String> {
    let alone = Case {
        runs: vec![commit],
        limits: Limits {
            denied: case.limits.denied,
            ..PLAIN
        },
        ..case.clone()
    };
    let played = play_from(state, "next", &alone, &mut |_: &Play<'_>, _: &[Step]| {
        Some(0)
    });
    played.expect("nothing gives it up")
}

/// A schedule in words, a step a line, after the number of each choice.
pub fn told(steps: &[(usize, Step)]) -> String {
    let lines = steps
        .iter()
        .map(|(chosen, step)| format!("{chosen:3} {step}\n"));
    lines.collect()
}

/// What work comes to by a clock that jumps over every wait.
pub fn paused<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(tokio::task::unconstrained(work))
}
