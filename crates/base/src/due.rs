//! Syncs that wait for a barrier, at which all of them run at the same time.
//!
//! A disk answers thirty syncs that it is asked for together about as fast as one, so what has to
//! be durable before the same moment is collected here, and forced to the disk by one
//! [`Due::pass`]. Nothing may be assumed of the order in which the syncs of one barrier happen: a
//! power cut in the middle keeps any part of what was collected.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Failure, at_once};

/// Most files that wait, each of which stays open; one more and those that wait are synced.
const MAX_OPEN: usize = 256;

/// A sync that has not happened yet.
type DueSync = Box<dyn FnOnce() -> Result<(), Failure> + Send>;

/// The syncs that wait for the next barrier.
#[derive(Default)]
pub struct Due {
    waiting: Mutex<DueSyncs>,
}

#[derive(Default)]
struct DueSyncs {
    files: Vec<DueSync>,
    folders: BTreeMap<Vec<u8>, DueSync>,
    failed: Option<Failure>,
}

impl Due {
    /// Adds the sync of a file. Where too many wait already, they are synced now, and a failure is
    /// that of the barrier.
    pub fn file(&self, sync: impl FnOnce() -> Result<(), Failure> + Send + 'static) {
        let full = {
            let mut waiting = self.waiting();
            waiting.files.push(Box::new(sync));
            if waiting.files.len() < MAX_OPEN {
                return;
            }
            std::mem::take(&mut waiting.files)
        };
        if let Err(failure) = run(full) {
            self.waiting().failed.get_or_insert(failure);
        }
    }

    /// Adds the sync of a folder, once for each `key`, which is the folder's own.
    pub fn folder(
        &self,
        key: impl Into<Vec<u8>>,
        sync: impl FnOnce() -> Result<(), Failure> + Send + 'static,
    ) {
        let mut waiting = self.waiting();
        waiting
            .folders
            .entry(key.into())
            .or_insert_with(|| Box::new(sync));
    }

    /// Forces everything that waits to the disk.
    ///
    /// # Errors
    /// Fails like one of the syncs. What failed is not tried again.
    pub fn pass(&self) -> Result<(), Failure> {
        let DueSyncs {
            files,
            folders,
            failed,
        } = std::mem::take(&mut *self.waiting());
        if let Some(failure) = failed {
            return Err(failure);
        }
        run(files.into_iter().chain(folders.into_values()).collect())
    }

    /// Forgets everything that waits: whatever it was for did not happen.
    pub fn forget(&self) {
        *self.waiting() = DueSyncs::default();
    }

    fn waiting(&self) -> MutexGuard<'_, DueSyncs> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs syncs, all at the same time where the disk is slow.
fn run(syncs: Vec<DueSync>) -> Result<(), Failure> {
    let syncs: Vec<Mutex<Option<DueSync>>> = syncs
        .into_iter()
        .map(|sync| Mutex::new(Some(sync)))
        .collect();
    at_once(&syncs, |sync| {
        let sync = sync.lock().unwrap_or_else(PoisonError::into_inner).take();
        sync.map_or(Ok(()), |sync| sync())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[test]
    fn everything_waits_for_the_barrier_and_a_folder_is_synced_once() {
        let (due, count) = (Due::default(), Arc::new(AtomicUsize::new(0)));
        let sync = || {
            let count = count.clone();
            move || {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        };
        for _ in 0..3 {
            due.file(sync());
            due.folder("one", sync());
        }
        due.folder("two", sync());
        assert_eq!(count.load(Ordering::Relaxed), 0);
        due.pass().expect("no sync fails");
        assert_eq!(count.load(Ordering::Relaxed), 5);
        due.pass().expect("there is nothing to do");
        due.folder("two", sync());
        due.forget();
        due.pass().expect("there is nothing to do");
        assert_eq!(count.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn no_more_files_stay_open_than_a_process_may_have() {
        let (due, count) = (Due::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..=2 * MAX_OPEN {
            let count = count.clone();
            due.file(move || {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
        }
        assert_eq!(count.load(Ordering::Relaxed), 2 * MAX_OPEN);
    }
}
