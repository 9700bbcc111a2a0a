//! Interleavings of two and three runs that write to one cluster at the same time: every call of
//! each is a step, and any other run may come before it.
//!
//! What is required of each interleaving is told by [`Rule`]. `INTERLEAVINGS=15000` explores further:
//! so many of each random kind, and all of two runs within wider limits.

use std::time::{Duration, Instant};

use irsa_gitops::exit::Exit;

use crate::support::exploration::{self, Explored, Random};
use crate::support::interleaving::{self, Case, Play, Step};
use crate::support::limits::{Limits, PLAIN};
use crate::support::timeline::{
    BEFORE, Before, DECLARES, Declares, Line, Locked, Prune, Recorded, Timeline,
};
use crate::support::turns::Denied;
use crate::support::watch::Rule;

/// Longer than a read lags.
const SETTLE: Duration = Duration::from_secs(5);

/// How many of each random kind somebody asks for who wants more than the usual.
fn asked() -> Option<u64> {
    let count = std::env::var("INTERLEAVINGS").ok()?;
    Some(count.parse().expect("INTERLEAVINGS is a number"))
}

/// Two commits that have every combination of something to do with one role, by every account that
/// there may be before.
fn pairs(limits: Limits) -> Vec<Case> {
    let mut cases = vec![];
    for before in BEFORE {
        for older in DECLARES {
            for newer in DECLARES {
                let line = Line {
                    before,
                    declares: vec![older, newer],
                };
                let case = |prune| Case {
                    timeline: Timeline {
                        lines: vec![line.clone()],
                        prune,
                        recorded: Recorded::Before,
                        locked: Locked::No,
                    },
                    runs: vec![0, 1],
                    limits,
                };
                cases.push(case(Prune::Later));
                if before == Before::InSync {
                    cases.push(case(Prune::AtOnce));
                }
            }
        }
    }
    cases
}

/// The same commit twice.
fn twins(limits: Limits) -> Vec<Case> {
    let is_one = |case: &Case| {
        let declares = &case.timeline.lines[0].declares;
        // Another trust policy is no other case, but for a role that has to be updated.
        let before = case.timeline.lines[0].before;
        declares[0] == declares[1] && (declares[0] != Declares::Other || before == Before::InSync)
    };
    let mut cases: Vec<Case> = pairs(limits).into_iter().filter(is_one).collect();
    for case in &mut cases {
        case.runs = vec![1, 1];
    }
    cases
}

/// Prints what was explored, and requires that every rule but these is met.
#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "how many were explored is what one runs it for"
)]
fn meets(what: &str, begun: Instant, explored: &Explored, but: &[Rule]) {
    let Explored {
        interleavings,
        covered,
        kills,
        lagging,
        ..
    } = explored;
    let seconds = begun.elapsed().as_secs();
    println!(
        "{what}: {interleavings} interleavings ({covered} with those that go on alike), {kills} runs killed, {lagging} reads behind, {seconds} s"
    );
    for (rule, (count, _, shortest)) in &explored.wrongs {
        println!("{rule:?} is not met in {count} of them; the shortest:\n{shortest}");
    }
    let broken = explored.wrongs.keys().filter(|rule| !but.contains(rule));
    let broken: Vec<_> = broken.collect();
    assert!(broken.is_empty(), "{what}: {broken:?} must be met");
}

/// Explores all of every case, or, unless somebody asks for more, of every n-th one.
fn all(what: &str, cases: &[Case], every: usize, but: &[Rule]) -> Explored {
    let step = if asked().is_some() { 1 } else { every };
    let cases: Vec<Case> = cases.iter().step_by(step).cloned().collect();
    let begun = Instant::now();
    let explored = exploration::each(&cases, exploration::all);
    meets(what, begun, &explored, but);
    explored
}

/// A run is left for another one so often at most, although it could go on.
const fn bound(preemptions: usize) -> Limits {
    Limits {
        preemptions: Some(preemptions),
        ..PLAIN
    }
}

/// One read may show what was before the last write to what it reads.
const fn lagging(limits: Limits) -> Limits {
    Limits {
        lagging: 1,
        behind: 1,
        settle: SETTLE,
        ..limits
    }
}

/// How often a run is left where something else goes wrong as well.
fn changes() -> Limits {
    bound(usize::from(asked().is_some()))
}

#[test]
fn c30_every_interleaving_of_two_runs() {
    let limits = bound(if asked().is_some() { 2 } else { 1 });
    let explored = all("two commits, one role", &pairs(limits), 5, &[]);
    assert!(explored.covered > 1_000, "{}", explored.covered);
}

#[test]
fn c31_every_interleaving_of_two_runs_of_one_commit() {
    let limits = bound(if asked().is_some() { 2 } else { 1 });
    all("one commit twice, one role", &twins(limits), 3, &[]);
}

#[test]
fn c51_every_interleaving_of_two_runs_with_reads_that_lag() {
    let cases = pairs(lagging(changes()));
    let explored = all("a read lags", &cases, 11, &[]);
    assert!(explored.lagging > 0);
}

#[test]
fn c52_every_interleaving_of_two_runs_one_of_which_is_killed() {
    let limits = Limits {
        kills: 1,
        ..changes()
    };
    let explored = all("one is killed", &pairs(limits), 11, &[]);
    assert!(explored.kills > 0);
}

#[test]
fn c53_every_interleaving_of_two_runs_that_pass_a_dead_lock() {
    let mut cases = pairs(lagging(changes()));
    cases.retain(|case| case.timeline.lines[0].before == Before::InSync);
    for case in &mut cases {
        case.timeline.locked = Locked::ByTheDead;
    }
    all("a dead lock is passed", &cases, 7, &[]);
}

fn case(random: &mut Random, roles: usize, runs: usize, limits: Limits) -> Case {
    // Now and then two runs are of one commit.
    let commits = match random.below(4) {
        0 => runs - 1,
        _ => runs,
    };
    let line = |_| Line {
        declares: (0..commits).map(|_| random.of(&DECLARES)).collect(),
        before: random.of(&BEFORE),
    };
    let lines = (0..roles).map(line).collect();
    let mut runs: Vec<usize> = (0..runs).map(|run| run.min(commits - 1)).collect();
    if random.below(2) == 0 {
        runs.reverse();
    }
    Case {
        timeline: Timeline {
            lines,
            prune: random.of(&[Prune::Later, Prune::Later, Prune::AtOnce]),
            recorded: random.of(&[Recorded::Nothing, Recorded::Before, Recorded::Before]),
            locked: random.of(&[Locked::No, Locked::No, Locked::No, Locked::ByTheDead]),
        },
        runs,
        limits,
    }
}

/// As many as somebody asks for, else a few, by seeds that are always the same.
fn at_random(what: &str, roles: usize, runs: usize, limits: Limits, but: &[Rule]) -> Explored {
    const SEEDS: u64 = 50;
    let count = asked().unwrap_or(150);
    let seeds: Vec<u64> = (0..SEEDS).collect();
    let begun = Instant::now();
    let explored = exploration::each(&seeds, |seed| {
        let (mut random, mut explored) = (Random(*seed), Explored::default());
        for _ in 0..count.div_ceil(SEEDS) {
            let case = case(&mut random, roles, runs, limits);
            explored.add(&case, exploration::one(&case, &mut random));
        }
        explored
    });
    meets(what, begun, &explored, but);
    explored
}

/// What runs that nobody keeps apart do to each other, and say of it.
const HINDERED: [Rule; 6] = [
    Rule::KeepsRoles,
    Rule::Done,
    Rule::NotSuperseded,
    Rule::NewestEnds,
    Rule::NextConverges,
    Rule::Newest,
];

const DELAYED: Limits = Limits { delays: 2, ..PLAIN };

#[test]
fn c32_two_and_three_runs_over_three_roles() {
    at_random("two runs, three roles", 3, 2, DELAYED, &[]);
    at_random("three runs, three roles", 3, 3, DELAYED, &[]);
}

#[test]
fn c32_runs_that_read_what_was_there_before() {
    let lagging = Limits {
        lagging: 3,
        behind: 2,
        settle: SETTLE,
        ..DELAYED
    };
    at_random("reads that lag behind", 2, 2, lagging, &[]);
}

#[test]
fn c33_runs_that_are_killed_at_any_call() {
    let kills = Limits {
        kills: 1,
        ..DELAYED
    };
    let explored = at_random("one run is killed", 2, 2, kills, &[]);
    assert!(explored.kills > 0);
    let kills = Limits { kills: 2, ..kills };
    at_random("two of three runs are killed", 2, 3, kills, &[]);
}

#[test]
fn c54_runs_that_stand_still() {
    let freezes = Limits {
        freezes: 1,
        ..DELAYED
    };
    at_random("one run stands still", 2, 2, freezes, &[]);
    let freezes = Limits {
        kills: 1,
        ..freezes
    };
    at_random("one stands still, one is killed", 1, 3, freezes, &[]);
}

#[test]
fn c34_runs_that_may_not_take_the_lock() {
    for (what, denied) in [
        ("the lock is denied", Denied::Locks),
        ("so is the record", Denied::Record),
    ] {
        let denied = Limits { denied, ..DELAYED };
        at_random(what, 1, 2, denied, &HINDERED);
    }
}

/// What is told of a schedule is enough to play it again.
#[test]
fn c30_a_schedule_can_be_played_again() {
    let mut random = Random(7);
    for _ in 0..20 {
        let case = case(
            &mut random,
            3,
            3,
            Limits {
                kills: 1,
                lagging: 2,
                behind: 2,
                ..DELAYED
            },
        );
        let played = exploration::one(&case, &mut random).expect("it ends");
        let numbers: Vec<usize> = played.steps.iter().map(|(n, _)| *n).collect();
        let again = exploration::again(&case, &numbers);
        assert_eq!((again.steps, again.endings), (played.steps, played.endings));
    }
}

/// A run that finds no lock reads what the run before it wrote only if that one waited for IAM to show it.
#[test]
fn c72_a_run_that_settles_is_seen_by_the_next_one() {
    let play = |settle| {
        let limits = Limits {
            behind: 9,
            lagging: 99,
            delays: 9,
            settle,
            ..PLAIN
        };
        let line = Line {
            before: Before::InSync,
            declares: vec![Declares::Other, Declares::Role],
        };
        let timeline = Timeline {
            lines: vec![line],
            prune: Prune::Later,
            recorded: Recorded::Before,
            locked: Locked::No,
        };
        let case = Case {
            timeline,
            runs: vec![1, 0],
            limits,
        };
        // The newer run goes first and sees all; what the older one reads is as old as can be.
        let played = interleaving::play(&case, &mut |_: &Play<'_>, steps: &[Step]| {
            let first = |wanted: &dyn Fn(&Step) -> bool| steps.iter().position(wanted);
            let newer = first(&|step| step.run() == Some(0) && step.is_plain());
            let waits = || first(&|step| matches!(step, Step::Waits));
            let behind = || steps.iter().rposition(Step::is_behind);
            newer.or_else(waits).or_else(behind).or(Some(0))
        });
        let played = played.expect("nothing gives it up").expect("it ends");
        let exits = played.endings.iter().flatten().map(|end| end.exit);
        let exits: Vec<Exit> = exits.collect();
        (exits, case.timeline.wrong(1, &played.account.state()))
    };
    let superseded = vec![Exit::Success, Exit::Superseded];
    assert_eq!(play(SETTLE), (superseded, vec![]));
    let (exits, wrong) = play(Duration::ZERO);
    assert_eq!(exits, [Exit::Success, Exit::Success], "the control");
    assert_eq!(wrong, [0], "the control");
}
