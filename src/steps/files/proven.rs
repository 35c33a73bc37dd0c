//! Large files that need not be read again, because their metadata proves what they hold: those
//! that this process wrote, and those that it displaced.
//!
//! What was written had no name until it was whole, and its modification time is one that no later
//! write can have given it. What is displaced was read since the machine was started, and has not
//! changed since. Both are looked at right before and right after they get another name. Nothing
//! of this is known to another process: a recovery reads every file.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    base::{Digest, Fs, RelPath, Stat, clock, times},
    materialise::write::FileOptions,
    model::{FileRecord, PathChange},
    stat_cache::{KnownFiles, is_moved},
};

/// Size, in bytes, from which it pays to know what a file holds without reading it.
const LARGE: u64 = 1 << 20;

/// What is known of the files of a step.
#[derive(Default)]
pub(super) struct ProvenFiles<'a> {
    known: Option<&'a KnownFiles>,
    /// The states of the new files, by the numbers of their changes.
    written: Mutex<BTreeMap<usize, Stat>>,
    /// The states of displaced files that have the recorded earlier bytes, by their staged paths.
    displaced: Mutex<BTreeMap<RelPath, Stat>>,
}

/// What a look at two files before their names are exchanged proved.
#[derive(Default)]
pub(super) struct ProofBefore {
    /// The new file, with its digest.
    new: Option<(Stat, Digest)>,
    /// The file to be displaced.
    old: Option<Stat>,
}

impl<'a> ProvenFiles<'a> {
    /// Returns the proofs that a work tree's known files allow.
    pub fn of(known: &'a KnownFiles) -> Self {
        Self {
            known: Some(known),
            ..Self::default()
        }
    }

    /// Returns how a new file is written so that its bytes are known, if that pays.
    pub fn how(&self, how: FileOptions, state: &FileRecord) -> FileOptions {
        let is_worth_it = self.known.is_some() && state.size >= LARGE;
        let now = clock::of_files();
        let mtime = how.mtime.unwrap_or_else(|| times::before_any_write(now));
        if !is_worth_it || !times::shows_writes(mtime, now) {
            return how;
        }
        FileOptions {
            is_unseen: true,
            mtime: Some(mtime),
            ..how
        }
    }

    /// Notes the state of a new file that nobody else can have written to.
    pub fn note_written(&self, at: usize, state: Option<Stat>) {
        if let Some(state) = state.filter(|_| self.known.is_some()) {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.insert(at, state);
        }
    }

    /// Looks at the new file of a change, `staged`, and at what is to be displaced, `there`.
    pub fn before(
        &self,
        tree: &dyn Fs,
        (at, change): (usize, &PathChange),
        (staged, there): (&RelPath, Option<Stat>),
    ) -> ProofBefore {
        let Some(known) = self.known else {
            return ProofBefore::default();
        };
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let written = written.get(&at).copied();
        let is_as_written = |written: &Stat| tree.stat(staged).ok().flatten() == Some(*written);
        let new = written.filter(is_as_written);
        let is_as_recorded = |there: &Stat| {
            change.before.as_ref().is_some_and(|before| {
                before.size >= LARGE
                    && there.mode == before.mode
                    && known.certain_digest(&change.path, there) == Some(before.digest)
            })
        };
        ProofBefore {
            new: new.zip(change.after.as_ref().map(|after| after.digest)),
            old: there.filter(is_as_recorded),
        }
    }

    /// Looks at them again, after the new file got its path and the displaced one its staged name.
    pub fn after(&self, tree: &dyn Fs, change: &PathChange, staged: &RelPath, proof: &ProofBefore) {
        let Some(known) = self.known else { return };
        if let Some(old) = proof.old
            && let Ok(Some(now)) = tree.stat(staged)
            && is_moved((&old, &now))
        {
            let displaced = self.displaced.lock();
            let mut displaced = displaced.unwrap_or_else(PoisonError::into_inner);
            displaced.insert(staged.clone(), now);
        }
        if let Some((new, digest)) = proof.new
            && let Ok(Some(now)) = tree.stat(&change.path)
        {
            known.learn_written(&change.path, (&new, &now), digest);
        }
    }

    /// True for a displaced file in this state that has the recorded earlier bytes.
    pub fn is_displaced(&self, path: &RelPath, there: Option<Stat>) -> bool {
        let displaced = self.displaced.lock();
        let displaced = displaced.unwrap_or_else(PoisonError::into_inner);
        there.is_some() && displaced.get(path).copied() == there
    }
}
