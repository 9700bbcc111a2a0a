//! A list worked through by all processors.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most threads that read; each has caches of its own.
const MOST: usize = 8;

/// How many threads are worth having.
pub(super) fn available() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| usize::from(threads).min(MOST))
}

/// Works through a list in pieces of so many items, whoever is free taking the next; the results are in the order of
/// the list. This thread works with what is its own, each helper with what `start` gives it: a
/// helper or a thread that cannot be had is one helper less.
pub(super) fn in_pieces<C, T: Sync, R: Send>(
    own: &C,
    start: impl Fn() -> Option<C> + Sync,
    items: &[T],
    size: usize,
    work: impl Fn(&C, &[T]) -> R + Sync,
) -> Vec<R> {
    let pieces: Vec<_> = items.chunks(size).collect();
    let next = AtomicUsize::new(0);
    let take_all = |with: &C| -> Vec<_> {
        let take = || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            pieces.get(index).map(|piece| (index, work(with, piece)))
        };
        std::iter::from_fn(take).collect()
    };
    let helpers = available().min(pieces.len()).saturating_sub(1);
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
        let items: Vec<usize> = (0..100).collect();
        let start = || Some(());
        let together = in_pieces(&(), start, &items, 7, |(), piece| piece.to_vec());
        assert_eq!(together.concat(), items);
        let alone = in_pieces(&(), || None, &items, 7, |(), piece| piece.to_vec());
        assert_eq!(alone.concat(), items, "no helper can be had");
    }
}
