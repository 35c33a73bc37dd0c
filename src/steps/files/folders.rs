//! Handles the folders of changed files: folders that a change empties are removed, folders in
//! which a name changed are synced. A folder that is not empty is never removed.

use std::{
    collections::BTreeSet,
    io::{
        self,
        ErrorKind::{NotADirectory, NotFound},
    },
};

use super::{Files, TREE_DIR, failed, foreign_edits::PendingChange};
use crate::{
    base::{Due, Failure, RelPath, Type},
    model::{FileRecord, PathChange},
};

impl<'a> Files<'a> {
    /// Removes the folders that are empty because of the change, including those that a killed run
    /// left empty. What was moved out of them must be durable elsewhere by then.
    pub(super) fn remove_emptied_folders(
        &self,
        goal: &dyn Fn(&'a PathChange) -> Option<&'a FileRecord>,
    ) -> Result<(), Failure> {
        let gone = self.changes.iter().filter(|change| goal(change).is_none());
        self.remove_if_empty(&gone.flat_map(|change| change.path.ancestors()).collect())
    }

    /// Removes the folders that stand where the files of these changes must go. They are empty by
    /// now; a barrier makes sure of that first.
    pub(super) fn remove_folders_in_the_way(
        &self,
        blocked: &[PendingChange<'_>],
        due: &Due,
    ) -> Result<(), Failure> {
        let mut dirs = BTreeSet::new();
        for (_, change) in blocked {
            self.add_folders(&change.path, &mut dirs)?;
        }
        due.pass()?;
        self.remove_if_empty(&dirs)
    }

    /// Removes folders, deepest first, that are there and empty.
    fn remove_if_empty(&self, dirs: &BTreeSet<RelPath>) -> Result<(), Failure> {
        use io::ErrorKind::{DirectoryNotEmpty, ResourceBusy};
        // A folder sorts before what lies in it.
        for dir in dirs.iter().rev() {
            match self.tree.stat(dir).map_err(failed("look at", dir))? {
                Some(stat) if stat.kind == Type::Dir => {}
                _ => continue,
            }
            match self.tree.remove_dir(dir) {
                Ok(()) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        DirectoryNotEmpty | NotADirectory | NotFound | ResourceBusy
                    ) => {}
                Err(error) => return Err(failed("remove", dir)(error).into()),
            }
        }
        Ok(())
    }

    /// Adds a folder that stands where a file must go, and all folders in it.
    fn add_folders(&self, dir: &RelPath, dirs: &mut BTreeSet<RelPath>) -> Result<(), Failure> {
        for name in self.tree.list(dir).map_err(failed("list", dir))? {
            let path = dir.join(name);
            if self
                .tree
                .stat(&path)
                .map_err(failed("look at", &path))?
                .is_some_and(|stat| stat.kind == Type::Dir)
            {
                self.add_folders(&path, dirs)?;
            }
        }
        dirs.insert(dir.clone());
        Ok(())
    }

    /// Returns true when every file below a folder is removed by one of the changes.
    pub(super) fn is_emptied(
        &self,
        dir: &RelPath,
        goes: &dyn Fn(&PathChange) -> bool,
    ) -> Result<bool, Failure> {
        for name in self.tree.list(dir).map_err(failed("list", dir))? {
            let path = dir.join(name);
            let is_dir = self
                .tree
                .stat(&path)
                .map_err(failed("look at", &path))?
                .is_some_and(|stat| stat.kind == Type::Dir);
            let gone = if is_dir {
                self.is_emptied(&path, goes)?
            } else {
                self.changes.iter().any(|c| c.path == path && goes(c))
            };
            if !gone {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Syncs a folder at the barrier, if it is still there by then.
    pub(super) fn sync_later(&self, dir: &RelPath, due: &Due) {
        let (tree, dir) = (self.tree.clone(), dir.clone());
        due.folder(format!("{}:{dir}", self.root), move || {
            match tree.sync_dir(&dir, TREE_DIR) {
                Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(()),
                synced => Ok(synced.map_err(failed("sync", &dir))?),
            }
        });
    }

    /// Syncs, at the barrier, every folder in which a name may have changed, and the folders above
    /// it: one of them may be new or gone.
    pub(super) fn sync_folders(&self, due: &Due) -> Result<(), Failure> {
        let mut dirs: BTreeSet<RelPath> = self
            .places
            .folders()
            .iter()
            .cloned()
            .chain(self.places.stages())
            .collect();
        for change in self.changes {
            dirs.extend(change.path.ancestors());
        }
        for dir in &dirs {
            let stat = self.tree.stat(dir).map_err(failed("look at", dir))?;
            if stat.is_some_and(|stat| stat.kind == Type::Dir) {
                self.sync_later(dir, due);
            }
        }
        Ok(())
    }
}
