//! Work for all processors: a list, or what leads to more of itself.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The most threads that read; each has caches of its own.
const MOST: usize = 8;

/// How many threads are worth having.
pub(super) fn available() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| usize::from(threads).min(MOST))
}

/// Works through items in pieces of `size`; a thread that is free takes the next one. The results are in
/// the order of the items. This thread works with `own`, each helper with what `start` gives it: where
/// `start` gives nothing or no thread can be started, there is one helper less.
pub(super) fn in_pieces<C, T: Send, R: Send>(
    own: &C,
    start: impl Fn() -> Option<C> + Sync,
    items: impl Iterator<Item = T> + Send,
    size: usize,
    work: impl Fn(&C, Vec<T>) -> R + Sync,
) -> Vec<R> {
    let most = items.size_hint().1.map_or(usize::MAX, |n| n.div_ceil(size));
    let helpers = available().min(most).saturating_sub(1);
    let pieces = std::iter::repeat(()).scan(items, |items, ()| {
        let piece: Vec<T> = items.take(size).collect();
        (!piece.is_empty()).then_some(piece)
    });
    let pieces = Mutex::new(pieces.enumerate());
    let take_all = |with: &C| -> Vec<_> {
        let take = || {
            // A panic of `items` ends the work of all threads anyway.
            let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
            next.map(|(index, piece)| (index, work(with, piece)))
        };
        std::iter::from_fn(take).collect()
    };
    let mut results = std::thread::scope(|scope| {
        let help = || start().map_or_else(Vec::new, |with| take_all(&with));
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, help).ok();
        let helpers: Vec<_> = (0..helpers).filter_map(spawn).collect();
        let mut results = take_all(own);
        for helper in helpers {
            match helper.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Works through items and what they lead to, the newest first; `work` adds that to the list it is given. Each
/// thread works with what `start` makes.
pub(super) fn spreading<C, T: Send>(
    items: Vec<T>,
    start: impl Fn() -> C + Sync,
    work: impl Fn(&mut C, T, &mut Vec<T>) + Sync,
) {
    let shared = Shared {
        stack: Mutex::new(Stack {
            items,
            busy: 0,
            waiting: 0,
        }),
        changed: Condvar::new(),
    };
    let take_all = || {
        let mut with = start();
        while let Some((item, mut turn)) = shared.next() {
            work(&mut with, item, &mut turn.more);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..available() {
            // Where no thread can be started there is one helper less.
            let _ = std::thread::Builder::new().spawn_scoped(scope, take_all);
        }
        take_all();
    });
}

/// What threads take from and add to.
struct Shared<T> {
    stack: Mutex<Stack<T>>,
    changed: Condvar,
}

struct Stack<T> {
    items: Vec<T>,
    /// How many threads may still add something.
    busy: usize,
    /// How many threads wait for that.
    waiting: usize,
}

/// The work on one item. What it leads to is there for all threads once it ends, by a panic, too: nobody
/// waits for it then.
struct Turn<'s, T> {
    shared: &'s Shared<T>,
    more: Vec<T>,
}

impl<T> Shared<T> {
    fn stack(&self) -> MutexGuard<'_, Stack<T>> {
        // Whoever holds the lock cannot panic.
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest item, once there is one; `None` if there will be none any more.
    fn next(&self) -> Option<(T, Turn<'_, T>)> {
        let mut stack = self.stack();
        loop {
            if let Some(item) = stack.items.pop() {
                stack.busy += 1;
                let (shared, more) = (self, Vec::new());
                return Some((item, Turn { shared, more }));
            }
            if stack.busy == 0 {
                return None;
            }
            stack.waiting += 1;
            let waited = self.changed.wait(stack);
            stack = waited.unwrap_or_else(PoisonError::into_inner);
            stack.waiting -= 1;
        }
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut stack = self.shared.stack();
        stack.busy -= 1;
        stack.items.append(&mut self.more);
        if stack.waiting > 0 {
            self.shared.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_seen_once_and_in_order() {
        let numbers: Vec<usize> = (0..100).collect();
        let items = || numbers.iter().copied();
        let start = || Some(());
        let together = in_pieces(&(), start, items(), 7, |(), piece| piece);
        assert_eq!(together.concat(), numbers);
        let alone = in_pieces(&(), || None, items(), 7, |(), piece| piece);
        assert_eq!(alone.concat(), numbers, "no helper can be had");
    }

    #[test]
    fn what_work_leads_to_is_done_as_well() {
        let seen = Mutex::new(Vec::new());
        let work = |own: &mut usize, number: usize, more: &mut Vec<usize>| {
            *own += 1;
            seen.lock().expect("nobody panicked").push(number);
            more.extend(
                [2 * number, 2 * number + 1]
                    .into_iter()
                    .filter(|n| *n < 1000),
            );
        };
        spreading(vec![1], || 0, work);
        let mut seen = seen.into_inner().expect("nobody panicked");
        seen.sort_unstable();
        assert_eq!(seen, (1..1000).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_waits_for_work_that_panicked() {
        let work = |(): &mut (), number: usize, more: &mut Vec<usize>| {
            assert!(number < 100, "as it was meant to");
            more.push(number + 1);
        };
        let spread = || spreading(vec![0, 1, 2], || (), work);
        assert!(std::panic::catch_unwind(spread).is_err());
    }
}
