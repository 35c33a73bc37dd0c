//! Handles the folders of changed files: folders that a change empties are removed, folders in
//! which a name changed are synced. A folder that is not empty is never removed.

use std::{collections::BTreeSet, io};

use super::{Files, TREE_DIR, failed};
use crate::{
    base::{Failure, RelPath, Type, at_once},
    model::{FileRecord, PathChange},
};

impl<'a> Files<'a> {
    /// Removes the folders that are empty because of the change, deepest first, including those
    /// that a killed run left empty.
    pub(super) fn remove_empty_folders(
        &self,
        goal: &dyn Fn(&'a PathChange) -> Option<&'a FileRecord>,
    ) -> Result<(), Failure> {
        use io::ErrorKind::{DirectoryNotEmpty, NotADirectory, NotFound, ResourceBusy};
        let gone = self.changes.iter().filter(|change| goal(change).is_none());
        let mut dirs: BTreeSet<RelPath> = gone.flat_map(|change| change.path.ancestors()).collect();
        for change in self.changes.iter().filter(|change| goal(change).is_some()) {
            if matches!(self.tree.stat(&change.path), Ok(Some(stat)) if stat.kind == Type::Dir) {
                self.add_folders(&change.path, &mut dirs)?;
            }
        }
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

    /// Syncs every folder in which a name may have changed, and the folders above it: one of them
    /// may be new or gone.
    pub(super) fn sync_folders(&self) -> Result<(), Failure> {
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
        let dirs: Vec<_> = dirs.into_iter().collect();
        at_once(&dirs, |dir| {
            let is_dir = self
                .tree
                .stat(dir)
                .map_err(failed("look at", dir))?
                .is_some_and(|stat| stat.kind == Type::Dir);
            if is_dir {
                self.tree
                    .sync_dir(dir, TREE_DIR)
                    .map_err(failed("sync", dir))
            } else {
                Ok(())
            }
        })?;
        Ok(())
    }
}
