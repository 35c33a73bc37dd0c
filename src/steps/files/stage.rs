//! The staging folder: new files are written whole into it and synced before anything is displaced,
//! and what is displaced lies in it until the operation is over. What has another name there is
//! somebody else's, and stays.

use std::{collections::BTreeSet, io, time::Duration};

use super::{Files, STAGED_FILE, TREE_DIR, failed};
use crate::{
    base::{
        Failure, Output, RelPath, at_once, at_once_in, cancel::Stoppable, fs::create_dir_all,
        owner::Owner,
    },
    model::{FileRecord, PathChange},
    site::copy_checked,
};

/// A file that takes longer to write than a person who wants to stop waits, in bytes.
const HUGE: u64 = 256 << 20;

/// So many take long to stage, whatever the disk, in bytes.
const MANY_BYTES: u64 = 8 << 20;

/// What is removed from the staging folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clear {
    /// What is not whole.
    Unfinished,
    /// Nothing.
    Nothing,
    /// Everything, and the folder.
    All,
}

/// The beginning of the name of a file that is being staged.
const WRITING: &str = "writing-";

impl<'a> Files<'a> {
    /// The staging folders of these changes.
    pub(super) fn stages_of(&self, open: &[(usize, &PathChange)]) -> BTreeSet<RelPath> {
        open.iter()
            .map(|(_, change)| self.places.stage_of(&change.path))
            .collect()
    }

    /// Where the n-th change's new content is staged and its displaced content lands.
    pub(super) fn staged(&self, at: usize) -> RelPath {
        self.places
            .stage_of(&self.changes[at].path)
            .join(format!("{at}"))
    }

    /// Makes the staging folders and writes every new file into them.
    pub(super) fn stage_all(
        &self,
        open: &[(usize, &'a PathChange)],
        goal: &(dyn Fn(&'a PathChange) -> Option<&'a FileRecord> + Sync),
        forward: bool,
    ) -> Result<(), Failure> {
        for stage in self.stages_of(open) {
            create_dir_all(self.tree, &stage, 0o700).map_err(failed("create", &stage))?;
            // Before anything is displaced into a folder that a crash could take away.
            self.tree
                .sync_dir(&stage.parent(), TREE_DIR)
                .map_err(failed("sync", &stage))?;
        }
        let stage = |(at, change): &(usize, &'a PathChange)| {
            self.stage_file(*at, change, goal(change), forward)
        };
        let bytes: u64 = open
            .iter()
            .filter_map(|(_, change)| goal(change))
            .map(|state| state.size)
            .sum();
        if bytes > MANY_BYTES {
            at_once_in(Duration::MAX, open, stage)
        } else {
            at_once(open, stage)
        }?;
        Ok(())
    }

    /// Writes one new file or link into the staging folder and syncs it, unless it is there
    /// already: displaced by the opposite direction, or staged by a run that was killed.
    /// Going forward, a huge file is given up when a signal asks to stop: then all is put back.
    fn stage_file(
        &self,
        at: usize,
        change: &PathChange,
        goal: Option<&FileRecord>,
        forward: bool,
    ) -> Result<(), Failure> {
        let staged = self.staged(at);
        if self.is_staged(&staged, change, goal)? {
            return Ok(());
        }
        let Some(state) = goal else { return Ok(()) };
        if state.is_link() {
            let mut target = Vec::new();
            copy_checked(&*self.bytes, state, &mut target)?;
            return Ok(self
                .tree
                .symlink(&target, &staged)
                .map_err(failed("create", &staged))?);
        }
        // A name of its own until it is whole: what a crash leaves under it is nobody's.
        let path = self
            .places
            .stage_of(&change.path)
            .join(format!("{WRITING}{at}"));
        let mut file = self
            .tree
            .create_bulk(&path, 0o600)
            .map_err(failed("create", &path))?;
        if forward && state.size > HUGE {
            copy_checked(&*self.bytes, state, &mut Stoppable(&mut file))?;
        } else {
            copy_checked(&*self.bytes, state, &mut file)?;
        }
        let mut finish = || -> io::Result<()> {
            self.finish_file(&mut *file, state, &change.path)?;
            self.tree.rename(&path, &staged)
        };
        Ok(finish().map_err(failed("write", &path))?)
    }

    /// True when what is wanted is staged already. What else is there is kept when it is a
    /// stranger's, and removed.
    fn is_staged(
        &self,
        staged: &RelPath,
        change: &PathChange,
        goal: Option<&FileRecord>,
    ) -> Result<bool, Failure> {
        if self
            .tree
            .stat(staged)
            .map_err(failed("look at", staged))?
            .is_none()
        {
            return Ok(false);
        }
        if goal.is_some() && self.is(staged, goal)? {
            return Ok(true);
        }
        self.keep_stranger(staged, change)?;
        self.tree
            .remove_file(staged)
            .map_err(failed("remove", staged))?;
        Ok(false)
    }

    /// Gives a file that was written its owner, mode and time, and syncs it.
    fn finish_file(
        &self,
        file: &mut dyn Output,
        state: &FileRecord,
        path: &RelPath,
    ) -> io::Result<()> {
        if let Some(stat) = self.tree.stat(path)? {
            file.set_owner(Owner {
                uid: stat.uid,
                gid: stat.gid,
            })?;
        }
        file.set_mode(state.mode)?;
        if let Some(mtime) = state.mtime {
            file.set_mtime(mtime)?;
        }
        file.sync(STAGED_FILE)
    }

    /// Keeps strangers' content that is in the staging folder in the store, and removes what is
    /// to be cleared.
    pub(super) fn clear_stage(&self, clear: Clear) -> Result<(), Failure> {
        self.places
            .stages()
            .try_for_each(|stage| self.clear_one(&stage, clear))
    }

    /// [`Files::clear_stage`] of one staging folder.
    fn clear_one(&self, stage: &RelPath, clear: Clear) -> Result<(), Failure> {
        if self
            .tree
            .stat(stage)
            .map_err(failed("look at", stage))?
            .is_none()
        {
            return Ok(());
        }
        for name in self.tree.list(stage).map_err(failed("list", stage))? {
            let path = stage.join(&name);
            let number = std::str::from_utf8(&name)
                .ok()
                .and_then(|name| name.parse::<usize>().ok());
            let change = number.and_then(|at| self.changes.get(at));
            // Whatever has another name was put there by somebody else, and stays.
            if change.is_none() && !name.starts_with(WRITING.as_bytes()) {
                continue;
            }
            if let Some(change) = change.filter(|_| clear != Clear::Unfinished) {
                self.keep_stranger(&path, change)?;
            }
            if clear == Clear::All || (clear == Clear::Unfinished && change.is_none()) {
                self.tree
                    .remove_file(&path)
                    .map_err(failed("remove", &path))?;
            }
        }
        if clear != Clear::All {
            return Ok(());
        }
        match self.tree.remove_dir(stage) {
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
                Err(failed("remove", stage)(error).into())
            }
            _ => Ok(()),
        }
    }

    /// Drops what was displaced.
    pub(super) fn drop_stage(&self) -> Result<(), Failure> {
        self.clear_stage(Clear::All)?;
        for folder in self.places.folders() {
            self.tree
                .sync_dir(folder, TREE_DIR)
                .map_err(failed("sync", folder))?;
        }
        Ok(())
    }
}
