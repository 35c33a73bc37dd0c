//! The commit point: makes references and index visible together, despite any interruption.
//!
//! gix and git lock all references of a transaction but move them one by one, and a killed process
//! leaves locks whose owner is unknown. Here every lock is recognisable (`locks.rs`), every step
//! may be repeated, and everything can be undone until the last reference has moved. Order: index
//! lock, reference locks, checks, logs, references (the branch last), index, syncs. Objects must be
//! durable first ([`Repo::sync_objects`]). See `publish/work.rs` for the steps, and `ref_values.rs`
//! for what must hold of references before they move.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Error, Repo, disk,
    locks::LockPlan,
    on_top::{Current, STAGED_INDEX, staged},
};
use base::{Digest, Due, Failure, at_once};
use model::operation::{Publication, RefChange, TreeChange};

mod work;
use work::PublishWork;

/// How often the index is read again while another process replaces it.
const READ_AGAIN: usize = 20;

/// The results of `prepare_publication`, kept in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// The index, if it changes.
    pub index: Option<PreparedIndex>,
    /// True when HEAD is on the branch that moves last, and so must stay there.
    pub on_branch: bool,
}

/// The index file before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PreparedIndex {
    /// The digest of the file that it was made from; `None` if there was none.
    from: Option<Digest>,
    /// The digest of the new file.
    to: Digest,
}

/// The barriers around a publication.
#[derive(Clone, Copy)]
pub struct Barrier<'a> {
    /// Collects what must become durable after it.
    pub due: &'a Due,
    /// True when this process prepared it, and what it prepared is durable.
    pub is_fresh: bool,
}

/// Called after each step with its name; tests interrupt there.
pub(super) type StepHook<'a> = &'a mut dyn FnMut(&str) -> Result<(), Error>;

impl Repo {
    /// Checks that a publication is possible, and stages the new index and references in `scratch`;
    /// they are durable after the barrier.
    ///
    /// `scratch` is the operation's own folder, preferably on the git directory's file system.
    /// Nothing becomes visible. The returned value belongs in the journal, for the other calls.
    pub fn prepare_publication(
        &self,
        publication: &Publication,
        scratch: &Path,
        due: &Due,
    ) -> Result<serde_json::Value, Error> {
        disk::create_dirs(scratch)?;
        self.check_publication(publication)?;
        // Commits are made for the branch that HEAD was on; after a switch, the user works on
        // another one.
        let branch = publication
            .refs
            .last()
            .map(|last| &last.name)
            .filter(|name| name.starts_with("refs/heads/"));
        branch.map_or(Ok(()), |branch| self.check_head_on(branch))?;
        let on_branch = branch.is_some();
        let index = if publication.index.is_empty() {
            None
        } else {
            let (index, bytes) = self.new_index(&publication.index)?;
            disk::write_due(&scratch.join(staged(0, STAGED_INDEX)), &bytes, due)?;
            Some(index)
        };
        for (number, change) in publication.refs.iter().enumerate() {
            disk::write_due(&staged_ref(scratch, 0, number), &ref_bytes(change), due)?;
        }
        disk::sync_due(scratch.to_path_buf(), due);
        serde_json::to_value(Prepared { index, on_branch })
            .map_err(|error| Error::Prepared(error.to_string()))
    }

    /// Returns true when the index that was staged for a publication is whole. A power cut before
    /// the barrier may have taken it; then no lock was taken yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_still_prepared(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
    ) -> Result<bool, Error> {
        let current = Current::of(publication, prepared, scratch)?;
        let Some(index) = &current.prepared.index else {
            return Ok(true);
        };
        let bytes = disk::read(&scratch.join(staged(current.turn, STAGED_INDEX)))?;
        Ok(bytes.is_some_and(|bytes| Digest::of(&bytes) == index.to))
    }

    /// Stages the new index durably, for the n-th form of a publication.
    pub(super) fn prepare_index(
        &self,
        changes: &[TreeChange],
        scratch: &Path,
        turn: u32,
    ) -> Result<PreparedIndex, Error> {
        let (index, bytes) = self.new_index(changes)?;
        disk::write_synced(&scratch.join(staged(turn, STAGED_INDEX)), &bytes)?;
        Ok(index)
    }

    /// Returns the new index and its bytes.
    fn new_index(&self, changes: &[TreeChange]) -> Result<(PreparedIndex, Vec<u8>), Error> {
        for _ in 0..READ_AGAIN {
            let from = self.index_digest()?;
            let bytes = self.changed_index(changes, true)?;
            if self.index_digest()? == from {
                let to = Digest::of(&bytes);
                return Ok((PreparedIndex { from, to }, bytes));
            }
            std::thread::sleep(disk::NAP);
        }
        Err(Error::IndexChanged)
    }

    /// Makes the publication visible and durable. What was prepared must be durable by then;
    /// `is_fresh` when this process has prepared it. May be repeated after a crash at any point.
    ///
    /// After an error before the last reference moved, the locks are removed; references that had
    /// moved stay until [`Repo::unpublish`]. An index that another process changed after the last
    /// reference moved is left unchanged.
    pub fn publish(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
        is_fresh: bool,
    ) -> Result<(), Failure> {
        let due = Due::default();
        let barrier = Barrier {
            due: &due,
            is_fresh,
        };
        self.publish_pausing(publication, prepared, scratch, barrier, &mut |_| Ok(()))?;
        due.pass()
    }

    /// Like [`Repo::publish`], with a pause after each step.
    pub(super) fn publish_pausing(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
        barrier: Barrier<'_>,
        pause: StepHook<'_>,
    ) -> Result<(), Error> {
        let current = Current::of(publication, prepared, scratch)?;
        let mut work = PublishWork::new(self, &current, scratch)?;
        work.is_fresh = barrier.is_fresh && current.turn == 0;
        disk::create_dirs(scratch)?;
        let done = work
            .lock_and_check(pause)
            .and_then(|()| work.move_all(barrier.due, pause));
        if let Err(error) = done {
            // Best effort: recovery removes the rest, and the first error is the one to report.
            let _ = work.release();
            return Err(error);
        }
        Ok(())
    }

    /// Undoes a publication whose last reference has not moved. May be repeated.
    pub fn unpublish(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
    ) -> Result<(), Error> {
        let current = Current::of(publication, prepared, scratch)?;
        self.take_all_back(&current, scratch)
    }

    /// Undoes the moves of every reference of a publication in its current form.
    pub(super) fn take_all_back(&self, current: &Current<'_>, scratch: &Path) -> Result<(), Error> {
        let work = PublishWork::new(self, current, scratch)?;
        work.check_not_published()?;
        disk::create_dirs(scratch)?;
        work.release()?;
        let mut touched = BTreeSet::new();
        for (number, change) in current.publication.refs.iter().enumerate().rev() {
            if self.read_ref(&change.name)?.as_ref() == Some(&change.after) {
                touched.extend(self.take_back(change, &scratch.join(format!("unref-{number}")))?);
            }
            touched.extend(self.unlog_move(change)?);
        }
        sync_existing(touched)
    }

    /// True when every reference has its new value (a branch may have advanced since) or, without
    /// references, when the index has every new entry.
    pub fn is_published(&self, publication: &Publication) -> Result<bool, Error> {
        if publication.refs.is_empty() {
            let index = self.read_index(true)?;
            let holds = |change: &model::operation::TreeChange| {
                index
                    .entry_by_path(change.path.as_bstr())
                    .map(super::scan::index_entry)
                    == change.after
            };
            return Ok(publication.index.iter().all(holds));
        }
        for change in &publication.refs {
            if !self.has_moved(change)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True when the publication can only be finished: its last reference has moved (a branch may
    /// have advanced since) or, without references, the index has been replaced.
    pub fn is_past_return(&self, publication: &Publication, scratch: &Path) -> Result<bool, Error> {
        match Current::refs(publication, scratch)?.last() {
            Some(last) => self.has_moved(last),
            None => Ok(!publication.index.is_empty() && self.is_published(publication)?),
        }
    }

    /// Removes the lock files that this publication left behind, and no others.
    pub fn clear_own_locks(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
    ) -> Result<(), Error> {
        PublishWork::new(self, &Current::of(publication, prepared, scratch)?, scratch)?.release()
    }

    /// Removes the locks below `prefix` left by a killed publication without a journal, and its
    /// folder.
    pub fn sweep_publication(&self, prefix: &str, scratch: &Path) {
        let staged = disk::files_below(scratch);
        if staged.is_empty() {
            return;
        }
        for path in disk::files_below(&self.ref_path(prefix))
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "lock"))
        {
            for staged in &staged {
                let bytes = disk::read(staged).ok().flatten().unwrap_or_default();
                // A lock that cannot be removed now is harmless: no two references here share a
                // name.
                let _ = LockPlan {
                    target: path.with_extension(""),
                    staged: staged.clone(),
                    bytes,
                }
                .release();
            }
        }
        self.clear_scratch(scratch);
    }

    /// Removes the folder of a publication without a journal. Any remains are harmless.
    pub fn clear_scratch(&self, scratch: &Path) {
        for entry in std::fs::read_dir(scratch).into_iter().flatten().flatten() {
            let _ = disk::remove(&entry.path());
        }
        let _ = std::fs::remove_dir(scratch);
    }

    /// Returns the file of a shared reference.
    pub(super) fn ref_path(&self, name: &str) -> PathBuf {
        self.common_dir().join(name)
    }

    /// Restores the old value of one reference; returns the folders to sync.
    fn take_back(&self, change: &RefChange, staged: &Path) -> Result<Vec<PathBuf>, Error> {
        let (touched, is_packed) = self.take_back_file(change, staged)?;
        if is_packed {
            self.delete_packed(&[change], staged)?;
        }
        Ok(touched)
    }

    /// Like [`Self::take_back`], but for `packed-refs`: returns true when git had packed the new
    /// reference meanwhile.
    pub(super) fn take_back_file(
        &self,
        change: &RefChange,
        staged: &Path,
    ) -> Result<(Vec<PathBuf>, bool), Error> {
        let target = self.ref_path(&change.name);
        let value = change.before.as_ref().unwrap_or(&change.after);
        let lock = LockPlan {
            target: target.clone(),
            staged: staged.to_path_buf(),
            bytes: format!("{value}\n").into_bytes(),
        };
        lock.take()?;
        let moved = self.read_ref(&change.name)?.as_ref() == Some(&change.after);
        let touched = target.parent().map(Path::to_path_buf).into_iter().collect();
        if moved && change.before.is_some() {
            lock.publish()?;
        } else {
            if moved {
                disk::remove(&target)?;
            }
            lock.release()?;
        }
        disk::remove(staged)?;
        let is_packed = moved && change.before.is_none() && self.read_ref(&change.name)?.is_some();
        Ok((touched, is_packed))
    }

    /// Removes references from `packed-refs`.
    pub(super) fn delete_packed(&self, changes: &[&RefChange], staged: &Path) -> Result<(), Error> {
        let target = self.common_dir().join("packed-refs");
        let packed = disk::read(&target)?.unwrap_or_default();
        let lock = LockPlan {
            target,
            staged: staged.to_path_buf(),
            bytes: without_refs(&packed, changes),
        };
        lock.take()?;
        if disk::read(&lock.target)?.as_ref() != Some(&packed) {
            lock.release()?;
            let name = changes.first().map_or("", |change| &*change.name);
            return Err(Error::RefChanged {
                name: name.to_string(),
                expected: None,
                found: self.read_ref(name)?,
            });
        }
        lock.publish()?;
        disk::remove(staged)?;
        disk::sync(self.common_dir())
    }
}

/// Returns where the new value of a reference is staged, for the n-th form of a publication.
pub(super) fn staged_ref(scratch: &Path, turn: u32, number: usize) -> PathBuf {
    scratch.join(staged(turn, &format!("ref-{number}")))
}

/// Returns the bytes of a reference that has moved.
pub(super) fn ref_bytes(change: &RefChange) -> Vec<u8> {
    format!("{}\n", change.after).into_bytes()
}

/// Returns the lines of `packed-refs` without some references and the lines that peel them.
fn without_refs(packed: &[u8], changes: &[&RefChange]) -> Vec<u8> {
    let line = |change: &&RefChange| format!("{} {}", change.after, change.name).into_bytes();
    let gone: HashSet<Vec<u8>> = changes.iter().map(line).collect();
    let mut kept = Vec::with_capacity(packed.len());
    let mut skipping = false;
    for line in packed.split_inclusive(|byte| *byte == b'\n') {
        skipping = gone.contains(line.trim_ascii_end()) || skipping && line.starts_with(b"^");
        if !skipping {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// Syncs files, then folders; paths removed meanwhile need no sync.
pub(super) fn sync_existing(paths: BTreeSet<PathBuf>) -> Result<(), Error> {
    let (dirs, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    at_once(&files, |path| disk::sync_if_there(path))?;
    at_once(&dirs, |path| disk::sync_if_there(path))
}
