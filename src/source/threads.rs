//! A list worked through by all processors.

use std::sync::{Mutex, PoisonError};

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
}
