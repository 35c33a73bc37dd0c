//! The staging folders of this step: what is put there, and which part is removed when. Files in
//! them under another name are foreign, and stay.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Files, STAGED_FILE, TREE_DIR,
    error::{failed, unwritten},
};
use crate::{
    base::{Failure, RelPath, at_once, at_once_in, owner::Owner},
    materialise::{journaled::Staging, write::FileOptions},
    model::{FileRecord, PathChange},
};

/// Size, in bytes, of a file that takes longer to write than a person who wants to stop waits.
const HUGE: u64 = 256 << 20;

/// Number of bytes that takes long to stage, whatever the disk.
const MANY_BYTES: u64 = 8 << 20;

/// The part of the staging folder that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clear {
    /// Files that are not whole.
    Unfinished,
    /// Nothing.
    Nothing,
    /// Everything, and the folder.
    All,
}

impl<'a> Files<'a> {
    /// Returns the staging folders of these changes.
    pub(super) fn stages_of(&self, open: &[(usize, &PathChange)]) -> BTreeSet<RelPath> {
        open.iter()
            .map(|(_, change)| self.places.stage_of(&change.path))
            .collect()
    }

    /// Returns where the n-th change's new content is staged and its displaced content lands.
    pub(super) fn staged(&self, at: usize) -> RelPath {
        self.staging(self.places.stage_of(&self.changes[at].path))
            .nth(at)
    }

    /// Returns the staging folder at this path.
    fn staging(&self, folder: RelPath) -> Staging<'a> {
        Staging::at(self.tree, folder)
    }

    /// Makes the staging folders and writes every new file into them.
    pub(super) fn stage_all(
        &self,
        open: &[(usize, &'a PathChange)],
        goal: &(dyn Fn(&'a PathChange) -> Option<&'a FileRecord> + Sync),
        forward: bool,
    ) -> Result<(), Failure> {
        for stage in self.stages_of(open) {
            self.staging(stage).make(TREE_DIR).map_err(unwritten)?;
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
    /// already: displaced by the opposite direction, or staged by a run that was killed. Going
    /// forward, a huge file is given up when a signal asks to stop: then all is put back.
    fn stage_file(
        &self,
        at: usize,
        change: &PathChange,
        goal: Option<&FileRecord>,
        forward: bool,
    ) -> Result<(), Failure> {
        if self.is_staged(&self.staged(at), change, goal)? {
            return Ok(());
        }
        let Some(state) = goal else { return Ok(()) };
        let path = &change.path;
        let there = self.tree.stat(path).map_err(failed("look at", path))?;
        let how = FileOptions {
            owner: there.map(|stat| Owner {
                uid: stat.uid,
                gid: stat.gid,
            }),
            is_bulk: true,
            stops: forward && state.size > HUGE,
            sync: Some(STAGED_FILE),
            ..FileOptions::of(state)
        };
        let staging = self.staging(self.places.stage_of(path));
        let staged = staging.write(at, &how, (state, &*self.bytes));
        staged.map_err(unwritten)
    }

    /// Returns true when the wanted content is staged already. Any other content there is kept in
    /// the store when it is foreign, and removed.
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
        self.keep_foreign_edit(staged, change)?;
        self.tree
            .remove_file(staged)
            .map_err(failed("remove", staged))?;
        Ok(false)
    }

    /// Keeps foreign content in the staging folder in the store, and removes what is to be cleared.
    pub(super) fn clear_stage(&self, clear: Clear) -> Result<(), Failure> {
        self.places
            .stages()
            .try_for_each(|stage| self.clear_one(&self.staging(stage), clear))
    }

    /// Does [`Files::clear_stage`] for one staging folder. Anything that is not the operation's is
    /// foreign, and stays.
    fn clear_one(&self, staging: &Staging<'_>, clear: Clear) -> Result<(), Failure> {
        for (path, number) in staging.files().map_err(unwritten)? {
            let change = number.and_then(|at| self.changes.get(at));
            if change.is_none() && number.is_some() {
                continue;
            }
            if let Some(change) = change.filter(|_| clear != Clear::Unfinished) {
                self.keep_foreign_edit(&path, change)?;
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
        staging.remove().map_err(unwritten)
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
