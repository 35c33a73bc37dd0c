//! Runs work that waits for the disk, several items at once.
//!
//! The compute pool has one thread per core, and its idle threads spin. Waiting needs other
//! threads: more than there are cores, because disks merge the flushes of several files, and asleep
//! while idle. A thread has a cost too, most of it for its own memory: where the disk answers at
//! once, sequential work is faster. Nothing here may know what the work is.

use std::{
    panic::resume_unwind,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

/// Most items that wait at once.
const THREADS: usize = 64;

/// Most items in progress at once that also compute, and items that wait at once on a disk that is
/// neither fast nor slow: a thread costs about as much as a sync there.
const FEW_THREADS: usize = 8;

/// How long one item may take before some others are started beside it.
const PATIENCE: Duration = Duration::from_micros(100);

/// How long these may take before all are started.
const MORE_PATIENCE: Duration = Duration::from_millis(2);

/// Waits for each item: for one after the other, until one takes long, then for several, and soon
/// for all at once. After an error no further items are started; one of the errors is returned.
pub fn at_once<T: Sync, E: Send>(
    items: &[T],
    act: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    if items.len() < 2 {
        return items.iter().try_for_each(act);
    }
    let (queue, over) = (Queue::of(items, &act), Over::default());
    thread::scope(|scope| {
        let watch = || {
            let mut seen = queue.begun();
            while !over.within(PATIENCE) {
                if seen == queue.begun() {
                    return queue.run_more(|| !over.within(MORE_PATIENCE));
                }
                seen = queue.begun();
            }
            Ok(())
        };
        // Without a second thread the work is done one after the other.
        let watching = thread::Builder::new().spawn_scoped(scope, watch).ok();
        let own = queue.run();
        over.set();
        own.and(watching.map_or(Ok(()), joined))
    })
}

/// A flag that threads wait for.
#[derive(Default)]
struct Over {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Over {
    /// Sets the flag.
    fn set(&self) {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits until the flag is set, or the time is over. Returns true when it is set.
    fn within(&self, time: Duration) -> bool {
        let is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(is_set, time, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Does something that also computes for each item, for several at once. Fails like [`at_once`].
pub fn few_at_once<T: Sync, E: Send>(
    items: &[T],
    act: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    Queue::of(items, &act).run_by(FEW_THREADS)
}

/// Items that several threads take one by one.
struct Queue<'a, T, A> {
    items: &'a [T],
    act: &'a A,
    next: AtomicUsize,
    failed: AtomicBool,
}

impl<'a, T: Sync, E: Send, A: Fn(&T) -> Result<(), E> + Sync> Queue<'a, T, A> {
    fn of(items: &'a [T], act: &'a A) -> Self {
        Self {
            items,
            act,
            next: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// Returns the number of items that were begun.
    fn begun(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    /// Does one item after the other until none is left.
    fn run(&self) -> Result<(), E> {
        while let Some(item) = self
            .items
            .get(self.next.fetch_add(1, Ordering::Relaxed))
            .filter(|_| !self.failed.load(Ordering::Relaxed))
        {
            (self.act)(item).inspect_err(|_| self.failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    }

    /// Does the items that are left by this many threads, this one included.
    fn run_by(&self, threads: usize) -> Result<(), E> {
        let left = self.items.len().saturating_sub(self.begun());
        let helpers = threads.min(left).saturating_sub(1);
        thread::scope(|scope| {
            // This thread takes part too, so threads that cannot be started are not needed.
            let started: Vec<_> = (0..helpers)
                .map_while(|_| {
                    thread::Builder::new()
                        .spawn_scoped(scope, || self.run())
                        .ok()
                })
                .collect();
            let own = self.run();
            started.into_iter().map(joined).fold(own, Result::and)
        })
    }

    /// Does the items that are left by few more threads, and by many when `is_slow` after that.
    fn run_more(&self, is_slow: impl Fn() -> bool) -> Result<(), E> {
        let left = || self.items.len().saturating_sub(self.begun());
        thread::scope(|scope| {
            let start = |threads: usize| {
                let start = |_| {
                    thread::Builder::new()
                        .spawn_scoped(scope, || self.run())
                        .ok()
                };
                (0..threads.min(left())).map_while(start)
            };
            let mut started: Vec<_> = start(FEW_THREADS - 1).collect();
            if left() > 0 && is_slow() {
                started.extend(start(THREADS - FEW_THREADS));
            }
            started.into_iter().map(joined).fold(Ok(()), Result::and)
        })
    }
}

/// Waits for a thread; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_an_error_comes_out() {
        for count in [0, 1, 2, 7, 100] {
            let done: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            let act = |slot: &AtomicUsize| {
                slot.fetch_add(1, Ordering::Relaxed);
                Ok::<(), ()>(())
            };
            at_once(&done, act).expect("nothing fails");
            few_at_once(&done, act).expect("nothing fails");
            assert!(
                done.iter().all(|slot| slot.load(Ordering::Relaxed) == 2),
                "{count}"
            );
        }
        let items: Vec<usize> = (0..100).collect();
        let act = |item: &usize| if *item == 50 { Err(*item) } else { Ok(()) };
        assert_eq!(few_at_once(&items, act), Err(50));
        assert_eq!(at_once(&items, act), Err(50));
    }
}
