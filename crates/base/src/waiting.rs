//! Runs work that waits for the disk, several items at once.
//!
//! The compute pool has one thread per core, and its idle threads spin. Waiting needs other
//! threads: more than there are cores, because disks merge the flushes of several files, and asleep
//! while idle. A thread has a cost too, most of it for its own memory: where the disk answers at
//! once, sequential work is faster. Nothing here may know what the work is.

use std::{
    panic::resume_unwind,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Most items in progress at once.
const THREADS: usize = 8;

/// One thread is started for each multiple of this that the work would take sequentially.
const WORTH_A_THREAD: Duration = Duration::from_millis(1);

/// Does something for each item, several at once if the first one takes long. After an error no
/// further items are started; one of the errors is returned.
pub fn at_once<T: Sync, E: Send>(
    items: &[T],
    act: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let Some((first, rest)) = items.split_first() else {
        return Ok(());
    };
    let begun = Instant::now();
    act(first)?;
    at_once_in(
        begun.elapsed() * u32::try_from(rest.len()).unwrap_or(u32::MAX),
        rest,
        act,
    )
}

/// Like [`at_once`], with an estimate of the time that all items take sequentially.
pub fn at_once_in<T: Sync, E: Send>(
    time: Duration,
    items: &[T],
    act: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let worth = time.as_micros() / WORTH_A_THREAD.as_micros();
    let helpers = usize::try_from(worth)
        .unwrap_or(THREADS)
        .min(THREADS - 1)
        .min(items.len().saturating_sub(1));
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let run = || -> Result<(), E> {
        while let Some(item) = items
            .get(next.fetch_add(1, Ordering::Relaxed))
            .filter(|_| !failed.load(Ordering::Relaxed))
        {
            act(item).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        // The current thread takes part too, so threads that cannot be started are not needed.
        let started: Vec<_> = (0..helpers)
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, run).ok())
            .collect();
        let own = run();
        started
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .fold(own, Result::and)
    })
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
