//! A publication in progress: its locks, the checks under them, and the moves in order.
//!
//! Every step may be repeated after a kill, and references that have moved are left in place.
//! Nothing is undone here: see [`Repo::unpublish`].

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    super::{
        Error, Repo, disk,
        locks::LockPlan,
        on_top::{Current, STAGED_INDEX, staged},
    },
    PreparedIndex, StepHook, ref_bytes, staged_ref,
};
use base::{Digest, Due, at_once};
use model::operation::{Publication, RefChange};

/// A publication and its locks.
pub(super) struct PublishWork<'a> {
    repo: &'a Repo,
    publication: &'a Publication,
    scratch: &'a Path,
    index: Option<(PreparedIndex, LockPlan)>,
    refs: Vec<(&'a RefChange, LockPlan)>,
    on_branch: bool,
    /// True when what was staged needs no sync any more.
    pub is_fresh: bool,
    /// True when the index that was staged is not whole, and so was never locked.
    is_index_lost: bool,
}

/// Returns the lock of the index, with the bytes that were staged for it; `None` when they are not
/// whole: a power cut took them before any lock was taken, or all is published and they are gone.
fn index_lock(
    repo: &Repo,
    index: PreparedIndex,
    staged: PathBuf,
) -> Result<Option<(PreparedIndex, LockPlan)>, Error> {
    let bytes = disk::read(&staged)?.unwrap_or_default();
    let lock = LockPlan {
        target: repo.index_path().to_path_buf(),
        staged,
        bytes,
    };
    Ok((Digest::of(&lock.bytes) == index.to).then_some((index, lock)))
}

impl<'a> PublishWork<'a> {
    /// Makes the locks that a publication needs, with the bytes that were staged for them.
    pub fn new(repo: &'a Repo, current: &'a Current<'_>, scratch: &'a Path) -> Result<Self, Error> {
        let Current {
            publication,
            prepared,
            turn,
        } = current;
        let index = match prepared.index.clone() {
            None => None,
            Some(index) => index_lock(repo, index, scratch.join(staged(*turn, STAGED_INDEX)))?,
        };
        let lock = |(number, change): (usize, &'a RefChange)| {
            let lock = LockPlan {
                target: repo.ref_path(&change.name),
                staged: staged_ref(scratch, *turn, number),
                bytes: ref_bytes(change),
            };
            (change, lock)
        };
        let refs = publication.refs.iter().enumerate().map(lock).collect();
        Ok(Self {
            repo,
            publication,
            scratch,
            on_branch: prepared.on_branch,
            is_fresh: false,
            is_index_lost: index.is_none() && prepared.index.is_some(),
            index,
            refs,
        })
    }

    /// Returns an error if the publication can no longer be undone.
    pub fn check_not_published(&self) -> Result<(), Error> {
        let index_is_new = || {
            Ok(
                matches!(&self.index, Some((index, _)) if self.repo.index_digest()? == Some(index.to)),
            )
        };
        match self.publication.refs.last() {
            Some(last) if self.repo.has_moved(last)? => Err(Error::AlreadyPublished {
                name: last.name.clone(),
            }),
            None if index_is_new()? => Err(Error::AlreadyPublished {
                name: "the index".to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Takes every lock that is still needed, then checks that nothing changed meanwhile.
    pub fn lock_and_check(&self, pause: StepHook<'_>) -> Result<(), Error> {
        self.repo.check_names(self.publication)?;
        self.check_staged()?;
        self.take_locks(pause)?;
        self.publication
            .refs
            .iter()
            .try_for_each(|change| self.repo.check_value(change))?;
        match self.publication.refs.last() {
            Some(last) if self.on_branch && !self.repo.has_moved(last)? => {
                self.repo.check_head_on(&last.name)
            }
            _ => Ok(()),
        }
    }

    /// Refuses to publish without the index that was staged, unless it is in its place.
    fn check_staged(&self) -> Result<(), Error> {
        if !self.is_index_lost
            || self.repo.is_past_return(self.publication, self.scratch)?
                && !self.repo.index_lags(self.publication)?
        {
            return Ok(());
        }
        let why = format!("the index in {} is not whole", self.scratch.display());
        Err(Error::Prepared(why))
    }

    /// Takes the locks, the index's first; releases those of references that have moved.
    fn take_locks(&self, pause: StepHook<'_>) -> Result<(), Error> {
        let mut due = Vec::with_capacity(self.refs.len() + 1);
        for (change, lock) in &self.refs {
            if self.repo.has_moved(change)? {
                lock.release()?;
                continue;
            }
            due.push(lock);
        }
        let index = match &self.index {
            Some((index, lock)) if self.index_is_due(index)? => Some((index, lock)),
            _ => None,
        };
        let all: Vec<&LockPlan> = index
            .iter()
            .map(|(_, lock)| *lock)
            .chain(due.iter().copied())
            .collect();
        // What this process has just staged is durable: the barrier has been passed since.
        if !self.is_fresh {
            at_once(&all, |lock| lock.stage())?;
        }
        if let Some((index, lock)) = index {
            lock.take_staged()?;
            pause("index locked")?;
            self.index_is_due(index)?;
        }
        for lock in due {
            if lock.target.is_dir() {
                // git leaves empty folders where references were; anything else is in the way.
                disk::clear_empty_dirs(&lock.target).map_err(|source| Error::File {
                    doing: "clearing",
                    path: lock.target.clone(),
                    source,
                })?;
            }
            lock.take_staged()?;
            pause("reference locked")?;
        }
        Ok(())
    }

    /// True when the index must still be replaced. An unexpected index is an error, except after
    /// the last reference moved, when the user went on working.
    fn index_is_due(&self, index: &PreparedIndex) -> Result<bool, Error> {
        match self.repo.index_digest()? {
            now if now == Some(index.to) => Ok(false),
            now if now == index.from => Ok(true),
            _ if self.repo.is_past_return(self.publication, self.scratch)?
                && !self.repo.index_lags(self.publication)? =>
            {
                Ok(false)
            }
            _ => Err(Error::IndexChanged),
        }
    }

    /// Logs and moves the references and replaces the index: durable after the barrier.
    pub fn move_all(&self, due: &Due, pause: StepHook<'_>) -> Result<(), Error> {
        let mut touched = BTreeSet::new();
        for (change, _) in self.refs.iter().filter(|(_, lock)| lock.is_held()) {
            touched.extend(self.repo.log_move(change, &self.publication.log_message)?);
            pause("move logged")?;
        }
        for (change, lock) in &self.refs {
            if lock.is_held() {
                lock.publish()?;
                pause("reference moved")?;
            } else {
                // Moved by a process that may have been killed before its logs were on the disk.
                for log in self.repo.logs_of(&change.name)? {
                    touched.extend(self.folders_of(&log));
                    touched.insert(log);
                }
            }
            touched.extend(self.folders_of(&lock.target));
        }
        if let Some((index, lock)) = &self.index {
            if lock.is_held() {
                if self.index_is_due(index)? {
                    lock.publish()?;
                }
                lock.release()?;
                pause("index replaced")?;
            }
            touched.extend(lock.target.parent().map(Path::to_path_buf));
        }
        for path in touched {
            disk::sync_due(path, due);
        }
        pause("all moved")
    }

    /// Returns the folders from a reference or its log up to the git directory: some may be new.
    fn folders_of(&self, target: &Path) -> Vec<PathBuf> {
        let common = self.repo.common_dir();
        target
            .ancestors()
            .skip(1)
            .take_while(|dir| dir.starts_with(common))
            .map(Path::to_path_buf)
            .collect()
    }

    /// Removes the locks of this publication.
    pub fn release(&self) -> Result<(), Error> {
        for (_, lock) in &self.refs {
            lock.release()?;
        }
        self.index.iter().try_for_each(|(_, lock)| lock.release())
    }
}
