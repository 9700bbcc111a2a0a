//! Explores interleavings: all of them that differ, or some at random.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::interleaving::{Case, Play, Played, Step, play, told};
use super::limits::Limits;
use super::turns::hashed;
use super::watch::{Rule, judge};

/// What was explored.
#[derive(Debug, Default)]
pub struct Explored {
    /// Interleavings that were played to their end.
    pub interleavings: usize,
    /// Those that are covered: the ones that come to a state from which all was explored go on alike.
    pub covered: u128,
    /// Runs that were killed in them.
    pub kills: usize,
    /// Reads that were behind in them.
    pub lagging: usize,
    /// How often each requirement was not met, and the shortest schedule that shows it.
    pub wrongs: BTreeMap<Rule, (usize, usize, String)>,
}

impl Explored {
    pub fn add(&mut self, case: &Case, played: Result<Played, String>) {
        self.interleavings += 1;
        let (wrongs, told, cost) = match &played {
            Ok(played) => {
                self.kills += played.endings.iter().filter(|e| e.is_none()).count();
                let steps = played.steps.iter().map(|(_, step)| step);
                self.lagging += steps.filter(|step| step.is_behind()).count();
                let wrongs = judge(case, played);
                if wrongs.is_empty() {
                    return;
                }
                (wrongs, told(&played.steps), cost(&played.steps))
            }
            Err(error) => (vec![(Rule::Ends, String::new())], error.clone(), 9999),
        };
        for (rule, wrong) in wrongs {
            let known = self.wrongs.entry(rule);
            let (count, least, shortest) = known.or_insert_with(|| (0, usize::MAX, String::new()));
            *count += 1;
            if cost < *least {
                (*least, *shortest) = (cost, format!("{case:?}\n{wrong}\n{told}"));
            }
        }
    }

    pub fn join(&mut self, other: Self) {
        self.interleavings += other.interleavings;
        self.covered = self.covered.saturating_add(other.covered);
        self.kills += other.kills;
        self.lagging += other.lagging;
        for (rule, (count, cost, text)) in other.wrongs {
            let known = self.wrongs.entry(rule);
            let known = known.or_insert_with(|| (0, usize::MAX, String::new()));
            known.0 += count;
            if cost < known.1 {
                (known.1, known.2) = (cost, text);
            }
        }
    }
}

/// How hard a schedule is to follow: changes from run to run, then steps.
fn cost(steps: &[(usize, Step)]) -> usize {
    let runs: Vec<_> = steps.iter().map(|(_, step)| step.run()).collect();
    let changes = runs.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let plain = steps.iter().filter(|(_, step)| step.is_plain()).count();
    changes * 1000 + (steps.len() - plain) * 100 + steps.len()
}

/// One choice of an exhaustive exploration.
struct Node {
    state: u64,
    steps: Vec<Step>,
    chosen: usize,
    /// How many interleavings begin here, as far as it is known.
    covered: u128,
}

impl Node {
    fn add(&mut self, covered: u128) {
        self.covered = self.covered.saturating_add(covered);
    }
}

/// What is known of the states of a case.
#[derive(Default)]
struct Known {
    /// How many interleavings begin at a state from which all were explored.
    covered: HashMap<u64, u128>,
    /// Where a step leads to from a state.
    next: HashMap<(u64, u64), u64>,
}

impl Known {
    /// How many interleavings begin with the step that is chosen, if that is known without playing it:
    /// it comes to the same as one that commutes with the step before, and was explored first.
    fn by_exchange(&self, nodes: &[Node], limits: &Limits) -> Option<u128> {
        let [.., before, node] = nodes else {
            return None;
        };
        let (first, second) = (&before.steps[before.chosen], &node.steps[node.chosen]);
        if !first.commutes(second, limits) {
            return None;
        }
        let other = self.next.get(&(before.state, hashed(second)))?;
        let state = self.next.get(&(*other, hashed(first)))?;
        self.covered.get(state).copied()
    }

    /// Passes the steps of the last node that lead to what is known, and says whether one is left.
    fn pass(&self, nodes: &mut [Node], limits: &Limits) -> bool {
        let last = nodes.len() - 1;
        while nodes[last].chosen < nodes[last].steps.len() {
            let Some(covered) = self.by_exchange(nodes, limits) else {
                return true;
            };
            nodes[last].add(covered);
            nodes[last].chosen += 1;
        }
        false
    }

    fn leads(&mut self, nodes: &[Node], state: u64) {
        if let Some(before) = nodes.last() {
            let step = hashed(&before.steps[before.chosen]);
            self.next.insert((before.state, step), state);
        }
    }
}

/// All interleavings of a case. One that comes to a state from which all were explored is given up:
/// so of those that only exchange calls which commute, one is played.
pub fn all(case: &Case) -> Explored {
    let mut explored = Explored::default();
    let mut nodes: Vec<Node> = vec![];
    let mut known = Known::default();
    loop {
        let (mut depth, mut met) = (0, 1);
        let played = play(case, &mut |play: &Play<'_>, steps: &[Step]| {
            let at = depth;
            depth += 1;
            if let Some(node) = nodes.get(at) {
                assert_eq!(node.steps, steps, "the same schedule goes another way");
                return Some(node.chosen);
            }
            let state = play.state();
            known.leads(&nodes, state);
            if let Some(covered) = known.covered.get(&state) {
                met = *covered;
                return None;
            }
            nodes.push(Node {
                state,
                steps: steps.to_vec(),
                chosen: 0,
                covered: 0,
            });
            if known.pass(&mut nodes, &case.limits) {
                return Some(nodes[at].chosen);
            }
            met = 0;
            None
        });
        if let Some(played) = played {
            if let Ok(played) = &played {
                known.leads(&nodes, played.state);
                known.covered.insert(played.state, 1);
            }
            explored.add(case, played);
        }
        loop {
            let Some(node) = nodes.last_mut() else {
                explored.covered = met;
                return explored;
            };
            node.add(met);
            node.chosen = node.steps.len().min(node.chosen + 1);
            if known.pass(&mut nodes, &case.limits) {
                break;
            }
            let node = nodes.pop().expect("the last one");
            met = node.covered;
            known.covered.insert(node.state, met);
        }
    }
}

/// Numbers that look random, the same ones for the same seed (SplitMix64, Steele et al. 2014).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// An interleaving again, by the numbers of its choices.
pub fn again(case: &Case, numbers: &[usize]) -> Played {
    let mut numbers = numbers.iter().copied();
    let played = play(case, &mut |_: &Play<'_>, _: &[Step]| numbers.next());
    let played = played.expect("a number for every choice");
    played.expect("it ended before")
}

/// One interleaving at random. A run is left for another one with a likelihood that is drawn for each
/// interleaving: some are short changes, some are long ones.
pub fn one(case: &Case, random: &mut Random) -> Result<Played, String> {
    let patience = random.of(&[2, 4, 12]);
    let oddity = random.of(&[3, 10, 30, 100]);
    let mut current = None;
    let played = play(case, &mut |_: &Play<'_>, steps: &[Step]| {
        let (even, odd): (Vec<usize>, Vec<usize>) =
            (0..steps.len()).partition(|n| steps[*n].is_plain());
        let stays = even.iter().copied();
        let stays: Vec<usize> = stays.filter(|n| steps[*n].run() == current).collect();
        let chosen = if !odd.is_empty() && (even.is_empty() || random.below(oddity) == 0) {
            random.of(&odd)
        } else if !stays.is_empty() && random.below(patience) > 0 {
            random.of(&stays)
        } else {
            random.of(&even)
        };
        current = steps[chosen].run();
        Some(chosen)
    });
    played.expect("nothing gives it up")
}

/// Explores every one of a list, on as many threads as there are processors.
pub fn each<T: Sync>(list: &[T], explore: impl Fn(&T) -> Explored + Sync) -> Explored {
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Explored::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let explored = explore(item);
                    all.lock().expect("no thread panics").join(explored);
                }
            });
        }
    });
    all.into_inner().expect("no thread panics")
}
