//! Changes files of the tree: the heart of a rollback, and of taking one back.
//!
//! Protocol (see the design's reliability rules): every new file is written whole into the staging
//! folder `.snapback` at the top of the work tree, or of the mount that it belongs to, and synced;
//! then each is swapped with what stands at its path, deletions are renames into the staging
//! folder; then the folders are synced. What is displaced must be the recorded old or new content:
//! anything else is a stranger's edit made since the plan, and is put into the store. The displaced
//! files stay in the staging folder until the whole operation is over, so that taking it back moves
//! them and needs no space. Never follows a link, never writes in place, never removes a folder
//! that is not empty.

mod databases;
mod error;
mod holds;
mod places;
mod strangers;

use std::{collections::BTreeSet, io, time::Duration};

use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::Value;

use crate::{
    base::{
        Failure, Fs, OpId, RelPath, Stat, SyncPoint, Type, at_once, at_once_in, cancel::Stoppable,
        fs::create_dir_all, owner::Owner,
    },
    ground::{Bytes, Ground, copy_checked},
    journal::Step,
    model::{FileState, PathChange},
    store::Store,
};

pub use databases::refuse_open;
pub use error::Error;
use error::failed;
pub use holds::holds;
pub use places::Places;
pub use strangers::notes;

/// A file that takes longer to write than a person who wants to stop waits, in bytes.
const HUGE: u64 = 256 << 20;

/// So many take long to stage, whatever the disk, in bytes.
const MANY_BYTES: u64 = 8 << 20;

/// What stands in the way when it is a folder.
const DIRECTORY: &str = "a directory";

/// What is removed from the staging folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clear {
    /// What is not whole.
    Unfinished,
    /// Nothing.
    Nothing,
    /// Everything, and the folder.
    All,
}

/// The beginning of the name of a file that is being staged.
const WRITING: &str = "writing-";

/// The step.
pub struct Files<'a> {
    ground: Option<&'a Ground>,
    tree: &'a dyn Fs,
    state: &'a dyn Fs,
    store: &'a dyn Store,
    bytes: &'a dyn Bytes,
    op: OpId,
    at: Timestamp,
    places: Places,
    changes: &'a [PathChange],
}

/// The staging folder; no user file may have this name, see [`RelPath::parse`].
pub const STAGE: &str = ".snapback";

impl<'a> Files<'a> {
    /// The step over the real ports.
    pub fn new(ground: &'a Ground, op: &OpId, at: Timestamp, changes: &'a [PathChange]) -> Self {
        Self {
            ground: Some(ground),
            ..Self::over(
                (&*ground.tree, &*ground.state, &*ground.store, ground),
                op,
                at,
                changes,
            )
        }
    }

    /// The step over any ports: tree, state folder, store, source of bytes.
    pub fn over(
        (tree, state, store, bytes): (&'a dyn Fs, &'a dyn Fs, &'a dyn Store, &'a dyn Bytes),
        op: &OpId,
        at: Timestamp,
        changes: &'a [PathChange],
    ) -> Self {
        Self {
            ground: None,
            tree,
            state,
            store,
            bytes,
            op: op.clone(),
            at,
            places: Places::top(),
            changes,
        }
    }

    /// Brings every path to its `after` (or `before` when going back), from wherever it stands.
    fn go(&self, forward: bool) -> Result<(), Failure> {
        let goal = |change: &'a PathChange| {
            if forward {
                change.after.as_ref()
            } else {
                change.before.as_ref()
            }
        };
        self.clear_stage(Clear::Unfinished)?;
        let open: Vec<(usize, &PathChange)> = self
            .changes
            .par_iter()
            .enumerate()
            .map(|(at, change)| Ok((!self.is(&change.path, goal(change))?).then_some((at, change))))
            .filter_map(Result::transpose)
            .collect::<Result<_, Failure>>()?;
        let open = if forward {
            self.note_deleted(&open).map(|()| open)
        } else {
            self.leave_strangers(open)
        }?;
        self.wait_closed(&open, forward)?;
        // Even when nothing is open, a run that was killed may have left its last renames unsynced.
        if !open.is_empty() {
            for stage in self.stages_of(&open) {
                create_dir_all(self.tree, &stage, 0o700).map_err(failed("create", &stage))?;
                // Before anything is displaced into a folder that a crash could take away.
                self.tree
                    .sync_dir(&stage.parent(), SyncPoint::TreeDir)
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
                at_once_in(Duration::MAX, &open, stage)
            } else {
                at_once(&open, stage)
            }?;
            self.take_logs_away(&open)?;
            self.displace(&open, &goal)?;
        }
        self.remove_empty_folders(&goal)?;
        self.install(&open, &goal)?;
        self.clear_stage(Clear::Nothing)?;
        self.sync_folders()
    }

    /// Drops what was displaced.
    fn drop_stage(&self) -> Result<(), Failure> {
        self.clear_stage(Clear::All)?;
        for folder in self.places.folders() {
            self.tree
                .sync_dir(folder, SyncPoint::TreeDir)
                .map_err(failed("sync", folder))?;
        }
        Ok(())
    }

    /// The staging folders of these changes.
    fn stages_of(&self, open: &[(usize, &PathChange)]) -> BTreeSet<RelPath> {
        open.iter()
            .map(|(_, change)| self.places.stage_of(&change.path))
            .collect()
    }

    /// Where the n-th change's new content is staged and its displaced content lands.
    fn staged(&self, at: usize) -> RelPath {
        self.places
            .stage_of(&self.changes[at].path)
            .join(format!("{at}"))
    }

    /// Writes one new file or link into the staging folder and syncs it, unless it is there
    /// already: displaced by the opposite direction, or staged by a run that was killed.
    /// Going forward, a huge file is given up when a signal asks to stop: then all is put back.
    fn stage_file(
        &self,
        at: usize,
        change: &PathChange,
        goal: Option<&FileState>,
        forward: bool,
    ) -> Result<(), Failure> {
        let staged = self.staged(at);
        if self
            .tree
            .stat(&staged)
            .map_err(failed("look at", &staged))?
            .is_some()
        {
            if goal.is_some() && self.is(&staged, goal)? {
                return Ok(());
            }
            self.keep_stranger(&staged, change)?;
            self.tree
                .remove_file(&staged)
                .map_err(failed("remove", &staged))?;
        }
        let Some(state) = goal else { return Ok(()) };
        if state.link {
            let mut target = Vec::new();
            copy_checked(self.bytes, state, &mut target)?;
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
            copy_checked(self.bytes, state, &mut Stoppable(&mut file))?;
        } else {
            copy_checked(self.bytes, state, &mut file)?;
        }
        let mut finish = || -> io::Result<()> {
            if let Some(stat) = self.tree.stat(&change.path)? {
                file.set_owner(Owner {
                    uid: stat.uid,
                    gid: stat.gid,
                })?;
            }
            file.set_mode(state.mode)?;
            if let Some(mtime) = state.mtime {
                file.set_mtime(mtime)?;
            }
            file.sync(SyncPoint::StageFile)?;
            self.tree.rename(&path, &staged)
        };
        Ok(finish().map_err(failed("write", &path))?)
    }

    /// Takes away what has no place after the change.
    fn displace(
        &self,
        open: &[(usize, &'a PathChange)],
        goal: &dyn Fn(&'a PathChange) -> Option<&'a FileState>,
    ) -> Result<(), Failure> {
        for (at, change) in open
            .iter()
            .rev()
            .filter(|(_, change)| goal(change).is_none())
        {
            let path = &change.path;
            self.check_replaceable(path)?;
            self.tree
                .rename(path, &self.staged(*at))
                .map_err(failed("remove", path))?;
        }
        // Before the folders go that held it.
        for stage in self.stages_of(open) {
            self.tree
                .sync_dir(&stage, SyncPoint::TreeDir)
                .map_err(failed("sync", &stage))?;
        }
        Ok(())
    }

    /// Removes the folders that are empty because of the change, deepest first; also those that
    /// a run which was killed left so.
    fn remove_empty_folders(
        &self,
        goal: &dyn Fn(&'a PathChange) -> Option<&'a FileState>,
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

    /// Puts every staged file in its place.
    fn install(
        &self,
        open: &[(usize, &'a PathChange)],
        goal: &dyn Fn(&'a PathChange) -> Option<&'a FileState>,
    ) -> Result<(), Failure> {
        for (at, change) in open.iter().filter(|(_, change)| goal(change).is_some()) {
            let (path, staged) = (&change.path, self.staged(*at));
            create_dir_all(self.tree, &path.parent(), 0o777)
                .map_err(failed("create the folder of", path))?;
            if self.check_replaceable(path)?.is_none() {
                self.tree
                    .rename_new(&staged, path)
                    .map_err(failed("write", path))?;
                continue;
            }
            match self.tree.exchange(&staged, path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    self.keep_stranger(path, change)?;
                    self.tree
                        .rename(&staged, path)
                        .map_err(failed("write", path))?;
                }
                Err(error) => return Err(failed("write", path)(error).into()),
            }
        }
        Ok(())
    }

    /// What stands at a path, when it may be replaced.
    fn check_replaceable(&self, path: &RelPath) -> Result<Option<Stat>, Error> {
        let stat = self.tree.stat(path).map_err(failed("look at", path))?;
        let what = match stat.map(|stat| stat.kind) {
            None | Some(Type::File | Type::Symlink) => return Ok(stat),
            Some(Type::Dir) => DIRECTORY,
            Some(Type::Other) => "a device, FIFO or socket",
        };
        Err(Error::InTheWay {
            path: path.clone(),
            what,
        })
    }

    /// True when every file below a folder is one of a change that takes it away.
    fn is_emptied(
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

    /// Syncs every folder in which a name may have changed, and the folders above it: one of
    /// them may be new or gone.
    fn sync_folders(&self) -> Result<(), Failure> {
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
                    .sync_dir(dir, SyncPoint::TreeDir)
                    .map_err(failed("sync", dir))
            } else {
                Ok(())
            }
        })?;
        Ok(())
    }

    /// Keeps strangers' content that is in the staging folder in the store, and removes what is
    /// to be cleared.
    fn clear_stage(&self, clear: Clear) -> Result<(), Failure> {
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

    /// True when a path holds exactly a state (`None` = nothing).
    fn is(&self, path: &RelPath, state: Option<&FileState>) -> Result<bool, Failure> {
        Ok(holds(self.tree, path, state).map_err(failed("read", path))?)
    }
}

impl Step for Files<'_> {
    fn name(&self) -> &'static str {
        "files"
    }

    fn prepare(&mut self) -> Result<Value, Failure> {
        self.places = Places::of(self.tree, self.changes.iter().map(|change| &change.path))?;
        for stage in self.places.stages() {
            if self
                .tree
                .stat(&stage)
                .map_err(failed("look at", &stage))?
                .is_some()
            {
                return Err(Error::InTheWay {
                    path: stage,
                    what: "somebody else's",
                }
                .into());
            }
        }
        for change in self.changes {
            match self.check_replaceable(&change.path) {
                Err(Error::InTheWay {
                    what: DIRECTORY, ..
                }) if change.after.is_none()
                    || self.is_emptied(&change.path, &|change| change.after.is_none())? => {}
                other => drop(other?),
            }
        }
        Ok(self.places.note())
    }

    fn apply(&mut self, prepared: &Value) -> Result<(), Failure> {
        self.places = Places::recall(self.tree, prepared)?;
        self.go(true)?;
        if let Some(ground) = self.ground {
            let changed = self
                .changes
                .iter()
                .filter(|change| change.changes())
                .count();
            ground.say("files", format!("{changed} changed"));
        }
        Ok(())
    }

    fn undo(&mut self, prepared: &Value) -> Result<(), Failure> {
        self.places = Places::recall(self.tree, prepared)?;
        self.go(false)?;
        self.drop_stage()
    }

    fn finish(&mut self, prepared: &Value) -> Result<(), Failure> {
        self.places = Places::recall(self.tree, prepared)?;
        self.drop_stage()
    }
}
