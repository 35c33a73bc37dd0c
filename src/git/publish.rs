//! The commit point: references and index become visible, in one go, after any interruption.
//!
//! gix and git lock all references of a transaction but move them one by one, and a killed
//! process leaves locks that nobody can explain. Here every lock is recognisable (`locks.rs`),
//! every step may run again, and until the last reference has moved everything can be taken
//! back. Order: index lock, reference locks, checks, logs, references (the branch is last),
//! index, syncs. Objects must be durable before ([`Repo::sync_objects`]).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use gix::ObjectId;
use serde::{Deserialize, Serialize};

use super::{
    Error, Repo, disk,
    error::During,
    locks::Lock,
    on_top::{Current, STAGED_INDEX, staged},
};
use crate::{
    base::{Digest, GitId, at_once},
    model::operation::{Publication, RefChange, TreeChange},
};

/// How often the index is read again while somebody else replaces it.
const READ_AGAIN: usize = 20;

/// What `prepare_publication` found out, kept in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// The index, when it changes.
    pub index: Option<PreparedIndex>,
    /// True when HEAD is on the branch that moves last: then it must stay there.
    pub on_branch: bool,
}

/// The index file before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PreparedIndex {
    /// The digest of the file that it was made from; `None` when there was none.
    from: Option<Digest>,
    /// The digest of the new file.
    to: Digest,
}

/// Called after each step with its name; a test interrupts there.
pub(super) type Pause<'a> = &'a mut dyn FnMut(&str) -> Result<(), Error>;

impl Repo {
    /// Checks that a publication can be made, and stages the new index durably in `scratch`.
    ///
    /// `scratch` is the operation's own folder, best on the git directory's file system.
    /// Nothing becomes visible. The value belongs into the journal, for the other calls.
    pub fn prepare_publication(
        &self,
        publication: &Publication,
        scratch: &Path,
    ) -> Result<serde_json::Value, Error> {
        disk::create_dirs(scratch)?;
        self.check_publication(publication)?;
        // Commits are made for the branch that HEAD was on: whoever switched meanwhile works on
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
            Some(self.prepare_index(&publication.index, scratch, 0)?)
        };
        disk::sync(scratch)?;
        serde_json::to_value(Prepared { index, on_branch })
            .map_err(|error| Error::Prepared(error.to_string()))
    }

    /// Stages the new index, for the n-th turn of a publication.
    pub(super) fn prepare_index(
        &self,
        changes: &[TreeChange],
        scratch: &Path,
        turn: u32,
    ) -> Result<PreparedIndex, Error> {
        for _ in 0..READ_AGAIN {
            let from = self.index_digest()?;
            let bytes = self.changed_index(changes, true)?;
            if self.index_digest()? == from {
                disk::write_synced(&scratch.join(staged(turn, STAGED_INDEX)), &bytes)?;
                return Ok(PreparedIndex {
                    from,
                    to: Digest::of(&bytes),
                });
            }
            std::thread::sleep(disk::NAP);
        }
        Err(Error::IndexChanged)
    }

    /// Makes the publication visible and durable. May run again after a crash at any point.
    ///
    /// On an error before the last reference moved, the locks are removed again; references that
    /// had moved stay until [`Repo::unpublish`]. An index that somebody else changed after the
    /// last reference moved is left as it is.
    pub fn publish(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
    ) -> Result<(), Error> {
        self.publish_pausing(publication, prepared, scratch, &mut |_| Ok(()))
    }

    /// [`Repo::publish`], with a pause after each step.
    pub(super) fn publish_pausing(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
        pause: Pause<'_>,
    ) -> Result<(), Error> {
        let current = Current::of(publication, prepared, scratch)?;
        let work = Work::new(self, &current, scratch)?;
        disk::create_dirs(scratch)?;
        let done = work
            .lock_and_check(pause)
            .and_then(|()| work.move_all(pause));
        if let Err(error) = done {
            // Best effort: recovery removes what is left, and the first error is the one to tell.
            let _ = work.release();
            return Err(error);
        }
        Ok(())
    }

    /// Takes back a publication whose last reference has not moved. May run again.
    pub fn unpublish(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
    ) -> Result<(), Error> {
        let current = Current::of(publication, prepared, scratch)?;
        self.take_all_back(&current, scratch)
    }

    /// Takes back every reference of a publication as it stands.
    pub(super) fn take_all_back(&self, current: &Current<'_>, scratch: &Path) -> Result<(), Error> {
        let work = Work::new(self, current, scratch)?;
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

    /// True when every reference has its new value (a branch may have moved on from there), or,
    /// without references, when the index holds every new entry.
    pub fn is_published(&self, publication: &Publication) -> Result<bool, Error> {
        if publication.refs.is_empty() {
            let index = self.read_index(true)?;
            let holds = |change: &crate::model::operation::TreeChange| {
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
    /// have moved on since), or, without references, the index has been replaced.
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
        Work::new(self, &Current::of(publication, prepared, scratch)?, scratch)?.release()
    }

    /// Removes the locks below `prefix` that a killed publication without a journal left, and its
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
                // What cannot be removed now is in nobody's way: no two references here share a
                // name.
                let _ = Lock {
                    target: path.with_extension(""),
                    staged: staged.clone(),
                    bytes,
                }
                .release();
            }
        }
        self.clear_scratch(scratch);
    }

    /// Removes the folder of a publication that needs no journal. What is left of it harms nobody.
    pub fn clear_scratch(&self, scratch: &Path) {
        for entry in std::fs::read_dir(scratch).into_iter().flatten().flatten() {
            let _ = disk::remove(&entry.path());
        }
        let _ = std::fs::remove_dir(scratch);
    }

    /// The file of a shared reference.
    fn ref_path(&self, name: &str) -> PathBuf {
        self.common_dir().join(name)
    }

    /// The value of a reference, read from the files themselves: loose, then packed.
    pub(super) fn read_ref(&self, name: &str) -> Result<Option<GitId>, Error> {
        let damaged = || Error::RefName {
            name: name.to_string(),
            why: "it is symbolic or damaged",
        };
        let path = self.ref_path(name);
        if !path.is_dir()
            && let Some(bytes) = disk::read(&path)?
        {
            let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
            return text.trim_end().parse().map(Some).map_err(|_| damaged());
        }
        let packed = disk::read(&self.common_dir().join("packed-refs"))?.unwrap_or_default();
        let wanted = format!(" {name}");
        let line = packed
            .split(|byte| *byte == b'\n')
            .find(|line| line.ends_with(wanted.as_bytes()) && !line.starts_with(b"#"));
        let Some(line) = line else { return Ok(None) };
        let id = &line[..line.len() - wanted.len()];
        // The name may end another, longer one: then what is before it is no id.
        std::str::from_utf8(id)
            .ok()
            .and_then(|id| id.parse().ok())
            .map(Some)
            .ok_or_else(damaged)
    }

    /// Fails when HEAD does not name this branch.
    fn check_head_on(&self, branch: &str) -> Result<(), Error> {
        let head = disk::read(&self.git_dir().join("HEAD"))?.unwrap_or_default();
        let is_on = head.trim_ascii_end() == format!("ref: {branch}").as_bytes();
        if is_on {
            Ok(())
        } else {
            Err(Error::HeadMoved {
                branch: branch.into(),
            })
        }
    }

    /// Says early what would be refused: a reference that cannot exist beside others, or has not
    /// the value it must have. A branch that moved may be followed, so that is said when it is
    /// published.
    pub fn check_publication(&self, publication: &Publication) -> Result<(), Error> {
        self.check_names(publication)?;
        let fixed = publication
            .refs
            .iter()
            .filter(|change| !change.name.starts_with("refs/heads/"));
        fixed
            .into_iter()
            .try_for_each(|change| self.check_value(change))
    }

    /// Refuses names that are not shared references, or cannot exist beside others.
    fn check_names(&self, publication: &Publication) -> Result<(), Error> {
        for change in &publication.refs {
            self.check_name(change)?;
            let folder = format!("{}/", change.name);
            if let Some(other) = publication
                .refs
                .iter()
                .find(|other| other.name.starts_with(&folder))
            {
                return Err(Error::RefClash {
                    name: other.name.clone(),
                    other: change.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Refuses one name that is not a shared reference, or cannot exist beside others.
    fn check_name(&self, change: &RefChange) -> Result<(), Error> {
        let name = change.name.as_str();
        let refused = |why| Error::RefName {
            name: name.to_string(),
            why,
        };
        let valid =
            name.starts_with("refs/") && gix::validate::reference::name(name.into()).is_ok();
        if !valid || name.split('/').count() < 3 {
            return Err(refused("it is not the full name of a reference"));
        }
        if ["refs/bisect/", "refs/worktree/", "refs/rewritten/"]
            .iter()
            .any(|private| name.starts_with(private))
        {
            return Err(refused("it belongs to one work tree"));
        }
        let clash = |other: &str| Error::RefClash {
            name: name.to_string(),
            other: other.to_string(),
        };
        let folders = name.match_indices('/').map(|(at, _)| &name[..at]).skip(1);
        for folder in folders {
            if self.read_ref(folder)?.is_some() {
                return Err(clash(folder));
            }
        }
        match self.refs_below(&format!("{name}/"))?.first() {
            Some((other, _)) => Err(clash(other)),
            None => Ok(()),
        }
    }

    /// Fails unless a reference has the value before, or has moved already.
    fn check_value(&self, change: &RefChange) -> Result<(), Error> {
        let found = self.read_ref(&change.name)?;
        if found == change.before || self.has_moved(change)? {
            return Ok(());
        }
        Err(Error::RefChanged {
            name: change.name.clone(),
            expected: change.before.clone(),
            found,
        })
    }

    /// True when a reference has its new value; a branch may also have moved on from there.
    fn has_moved(&self, change: &RefChange) -> Result<bool, Error> {
        let Some(now) = self.read_ref(&change.name)? else {
            return Ok(false);
        };
        if now == change.after {
            return Ok(true);
        }
        if !change.name.starts_with("refs/heads/") || Some(&now) == change.before.as_ref() {
            return Ok(false);
        }
        let (now, after) = (self.oid(&now)?, self.oid(&change.after)?);
        let before = change
            .before
            .as_ref()
            .map(|before| self.oid(before))
            .transpose()?;
        self.with(|repo| {
            // Nothing can stand on a commit that is not written yet.
            if !repo.has_object(after) {
                return Ok(false);
            }
            let is_below = |old: ObjectId, new: ObjectId| -> Result<bool, Error> {
                let bases = repo
                    .merge_bases_many(new, &[old])
                    .during("looking whether the branch has moved on")?;
                Ok(bases.iter().any(|base| *base == old))
            };
            if !is_below(after, now)? {
                return Ok(false);
            }
            // A branch that was to go back, and went on instead, has not moved.
            match before {
                Some(before) if is_below(after, before)? => Ok(!is_below(before, now)?),
                _ => Ok(true),
            }
        })
    }

    /// Gives one reference its old value again; returns the folders to sync.
    pub(super) fn take_back(
        &self,
        change: &RefChange,
        staged: &Path,
    ) -> Result<Vec<PathBuf>, Error> {
        let target = self.ref_path(&change.name);
        let value = change.before.as_ref().unwrap_or(&change.after);
        let lock = Lock {
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
        if moved && change.before.is_none() && self.read_ref(&change.name)?.is_some() {
            self.delete_packed(change, staged)?;
        }
        Ok(touched)
    }

    /// Takes a new reference out of `packed-refs`, where somebody packed it meanwhile.
    fn delete_packed(&self, change: &RefChange, staged: &Path) -> Result<(), Error> {
        let target = self.common_dir().join("packed-refs");
        let packed = disk::read(&target)?.unwrap_or_default();
        let lock = Lock {
            target,
            staged: staged.to_path_buf(),
            bytes: without_ref(&packed, change),
        };
        lock.take()?;
        if disk::read(&lock.target)?.as_ref() != Some(&packed) {
            lock.release()?;
            return Err(Error::RefChanged {
                name: change.name.clone(),
                expected: None,
                found: self.read_ref(&change.name)?,
            });
        }
        lock.publish()?;
        disk::remove(staged)?;
        disk::sync(self.common_dir())
    }
}

/// The lines of `packed-refs` without one reference, and without the line that peels it.
fn without_ref(packed: &[u8], change: &RefChange) -> Vec<u8> {
    let gone = format!("{} {}", change.after, change.name);
    let mut kept = Vec::with_capacity(packed.len());
    let mut skipping = false;
    for line in packed.split_inclusive(|byte| *byte == b'\n') {
        skipping = line.trim_ascii_end() == gone.as_bytes() || skipping && line.starts_with(b"^");
        if !skipping {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// One publication, and the locks that belong to it.
struct Work<'a> {
    repo: &'a Repo,
    publication: &'a Publication,
    scratch: &'a Path,
    index: Option<(PreparedIndex, Lock)>,
    refs: Vec<(&'a RefChange, Lock)>,
    on_branch: bool,
}

impl<'a> Work<'a> {
    fn new(repo: &'a Repo, current: &'a Current<'_>, scratch: &'a Path) -> Result<Self, Error> {
        let Current {
            publication,
            prepared,
            turn,
        } = current;
        let index = match prepared.index.clone() {
            None => None,
            Some(index) => {
                let staged = scratch.join(staged(*turn, STAGED_INDEX));
                let bytes = disk::read(&staged)?.unwrap_or_default();
                if Digest::of(&bytes) != index.to {
                    return Err(Error::Prepared(format!(
                        "{} is not what was staged",
                        staged.display()
                    )));
                }
                Some((
                    index,
                    Lock {
                        target: repo.index_path().to_path_buf(),
                        staged,
                        bytes,
                    },
                ))
            }
        };
        let lock = |(number, change): (usize, &'a RefChange)| {
            let staged = scratch.join(staged(*turn, &format!("ref-{number}")));
            (
                change,
                Lock {
                    target: repo.ref_path(&change.name),
                    staged,
                    bytes: format!("{}\n", change.after).into_bytes(),
                },
            )
        };
        let refs = publication.refs.iter().enumerate().map(lock).collect();
        Ok(Self {
            repo,
            publication,
            scratch,
            index,
            on_branch: prepared.on_branch,
            refs,
        })
    }

    /// Fails when the publication cannot be taken back any more.
    fn check_not_published(&self) -> Result<(), Error> {
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
    fn lock_and_check(&self, pause: Pause<'_>) -> Result<(), Error> {
        self.repo.check_names(self.publication)?;
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
        let all: Vec<&Lock> = index
            .iter()
            .map(|(_, lock)| *lock)
            .chain(due.iter().copied())
            .collect();
        at_once(&all, |lock| lock.stage())?;
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

    /// True when the index must still be replaced; an index that is neither is an error, except
    /// after the last reference moved, when somebody went on working.
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

    /// Logs and moves the references, replaces the index, and syncs.
    fn move_all(&self, pause: Pause<'_>) -> Result<(), Error> {
        let mut touched = BTreeSet::new();
        for (change, _) in self.refs.iter().filter(|(_, lock)| lock.is_held()) {
            touched.extend(self.repo.log_move(change, &self.publication.log_message)?);
            pause("move logged")?;
        }
        for (_, lock) in &self.refs {
            if lock.is_held() {
                lock.publish()?;
                pause("reference moved")?;
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
        sync_existing(touched)?;
        pause("synced")
    }

    /// The folders from a reference up to the git directory: some of them may be new.
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
    fn release(&self) -> Result<(), Error> {
        for (_, lock) in &self.refs {
            lock.release()?;
        }
        self.index.iter().try_for_each(|(_, lock)| lock.release())
    }
}

/// Syncs files, then folders; what was removed meanwhile needs no sync.
pub(super) fn sync_existing(paths: BTreeSet<PathBuf>) -> Result<(), Error> {
    let (dirs, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    at_once(&files, |path| disk::sync_if_there(path))?;
    at_once(&dirs, |path| disk::sync_if_there(path))
}
