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
    thread,
    time::Duration,
};

/// Most items in progress at once.
const THREADS: usize = 64;

/// Most items in progress at once that also compute.
const BUSY_THREADS: usize = 8;

/// One thread is started for each multiple of this that the work would take sequentially.
const WORTH_A_THREAD: Duration = Duration::from_millis(1);

/// How long one item may take before the others are started beside it.
const PATIENCE: Duration = Duration::from_micros(500);

/// Does something for each item, one after the other until one takes long, then the rest at once.
/// After an error no further items are started; one of the errors is returned.
pub fn at_once<T: Sync, E: Send>(
    items: &[T],
    act: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    if let [only] = items {
        return act(only);
    }
    let queue = Queue::of(items, &act);
    let (over, wait) = (Mutex::new(false), Condvar::new());
    thread::scope(|scope| {
        let watch = || {
            let mut over = over.lock().unwrap_or_else(PoisonError::into_inner);
            while !*over {
                let seen = queue.begun();
                let waited = wait.wait_timeout(over, PATIENCE);
                over = waited.unwrap_or_else(PoisonError::into_inner).0;
                if !*over && seen == queue.begun() {
                    drop(over);
                    return queue.run_by(THREADS - 1);
                }
            }
            Ok(())
        };
        // Without a second thread the work is done one after the other.
        let watching = (!items.is_empty())
            .then(|| thread::Builder::new().spawn_scoped(scope, watch).ok())
            .flatten();
        let own = queue.run();
        *over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wait.notify_one();
        let others = watching.map_or(Ok(()), |thread| {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        });
        own.and(others)
    })
}

/// Like [`at_once`], with an estimate of the time that all items take sequentially.
pub fn at_once_in<T: Sync, E: Send>(
    time: Duration,
    items: &[T],
    act: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let worth = time.as_micros() / WORTH_A_THREAD.as_micros();
    let threads = usize::try_from(worth)
        .unwrap_or(BUSY_THREADS)
        .clamp(1, BUSY_THREADS);
    Queue::of(items, &act).run_by(threads)
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
            started
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .fold(own, Result::and)
        })
    }
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
            for millis in [0, 1, 1000] {
                at_once_in(Duration::from_millis(millis), &done, act).expect("nothing fails");
            }
            assert!(
                done.iter().all(|slot| slot.load(Ordering::Relaxed) == 4),
                "{count}"
            );
        }
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(
            at_once_in(Duration::from_secs(1), &items, |item| if *item == 50 {
                Err(*item)
            } else {
                Ok(())
            }),
            Err(50)
        );
        assert_eq!(
            at_once(&items, |item| if *item == 50 { Err(*item) } else { Ok(()) }),
            Err(50)
        );
    }
}
