//! Changes files of the tree: the core of a rollback, and of taking one back.
//!
//! Protocol (see the design's reliability rules): every new file is written whole into the staging
//! folder `.snapback` at the top of the work tree, or of the mount that it belongs to (by
//! [`crate::materialise::journaled`]), before the operation is written; the first barrier syncs
//! both. Then each is swapped with what stands at its path; deletions are renames into the staging
//! folder. The second barrier syncs the folders; only after it are emptied folders removed, because
//! until then a power cut may bring back what was moved out of them. Displaced content
//! must be the recorded old or new content; anything else is a foreign edit made since the plan and
//! is put into the store. Displaced files stay in the staging folder until the whole operation is
//! over, so that taking it back moves them and needs no space. The step never follows a link, never
//! writes in place, and never removes a folder that is not empty.

mod databases;
mod error;
mod folders;
mod foreign_edits;
mod places;
mod stage;
mod unbegun;

use std::{collections::BTreeSet, io, sync::Arc};

use rayon::prelude::*;
use serde_json::Value;

use crate::{
    base::{Due, Failure, Fs, RelPath, Stat, SyncPoint, Type, fs::create_dir_all},
    catalog::holds,
    journal::JournalStep,
    model::{
        FileRecord, OpId, PathChange, RootName,
        operation::{About, FileChanges},
    },
    site::{self, Bytes, RepoSite, RootBytes, Site},
    stat_cache::KnownFiles,
    store::ChunkStore,
};

pub use crate::materialise::journaled::STAGE;
pub use databases::refuse_open;
pub use error::Error;
use error::failed;
use foreign_edits::PendingChange;
pub use foreign_edits::notes;
pub use places::Places;
use stage::Clear;
pub use stage::{has_leftovers, is_staged, is_taken, sweep};
pub use unbegun::{ASIDE, set_aside};

/// The bytes of a file staged for the tree.
pub const STAGED_FILE: SyncPoint = SyncPoint::new("steps.staged-file");
/// The folders of the tree in which names changed.
pub const TREE_DIR: SyncPoint = SyncPoint::new("steps.tree-dir");
/// The places where a change of the tree forces bytes to the disk; the tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 2] = [STAGED_FILE, TREE_DIR];

/// The name of a folder that stands in the way.
const DIRECTORY: &str = "a directory";

/// The step that changes files.
pub struct Files<'a> {
    site: Option<&'a Site>,
    root: &'a RootName,
    tree: Arc<dyn Fs>,
    state: &'a dyn Fs,
    store: &'a ChunkStore,
    bytes: Box<dyn Bytes + 'a>,
    /// What is known of large files.
    known: Option<&'a KnownFiles>,
    op: OpId,
    places: Places,
    changes: &'a [PathChange],
    /// The changes whose new content this process staged before the operation began, if it did.
    staged: Option<BTreeSet<usize>>,
}

/// The ports of the step.
pub struct Ports<'a> {
    /// The files that change.
    pub tree: Arc<dyn Fs>,
    /// The state folder.
    pub state: &'a dyn Fs,
    /// The store that receives foreign edits.
    pub store: &'a ChunkStore,
    /// The bytes of the files.
    pub bytes: Box<dyn Bytes + 'a>,
}

impl<'a> Files<'a> {
    /// Creates the step in a repository.
    ///
    /// # Errors
    /// When the site has no root of that name.
    pub fn new(
        site: &'a RepoSite,
        about: &About,
        files: &'a FileChanges,
    ) -> Result<Self, site::Error> {
        let step = Self::below(site, about, files)?;
        Ok(if files.root.is_work_tree() {
            Self {
                bytes: Box::new(site),
                known: Some(&site.known),
                ..step
            }
        } else {
            step
        })
    }

    /// Creates the step at a site for files of which git keeps nothing.
    ///
    /// # Errors
    /// When the site has no root of that name.
    pub fn below(
        site: &'a Site,
        about: &About,
        files: &'a FileChanges,
    ) -> Result<Self, site::Error> {
        let root = site.roots.get(&files.root)?;
        let ports = Ports {
            tree: root.files.clone(),
            state: &*site.state,
            store: &site.store,
            bytes: Box::new(RootBytes(site, &files.root)),
        };
        Ok(Self {
            site: Some(site),
            ..Self::over(ports, about, files)
        })
    }

    /// Creates the step over any ports.
    pub fn over(ports: Ports<'a>, about: &About, files: &'a FileChanges) -> Self {
        let Ports {
            tree,
            state,
            store,
            bytes,
        } = ports;
        Self {
            site: None,
            root: &files.root,
            tree,
            state,
            store,
            bytes,
            known: None,
            op: about.id.clone(),
            places: Places::top(),
            changes: &files.changes,
            staged: None,
        }
    }

    /// Brings every path from any state to its `after` (or `before` when going back).
    fn go(&self, forward: bool, due: &Due) -> Result<(), Failure> {
        let goal = |change: &'a PathChange| {
            if forward {
                change.after.as_ref()
            } else {
                change.before.as_ref()
            }
        };
        self.clear_stage(Clear::Unfinished)?;
        let mut open = self.open(&goal, forward)?;
        if !forward {
            open = self.leave_foreign_edits(open)?;
        }
        self.wait_closed(&open, forward)?;
        // Even when nothing is open, a run that was killed may have left its last renames unsynced.
        if !open.is_empty() {
            self.stage_all(&open, &goal, forward)?;
            self.take_logs_away(&open)?;
            self.displace(&open, &goal, due)?;
        }
        if !forward {
            self.remove_emptied_folders(&goal)?;
        }
        open.retain(|(_, change)| goal(change).is_some());
        self.install(&open, forward, due)?;
        self.clear_stage(Clear::Nothing)?;
        self.sync_folders(due)
    }

    /// Returns the changes that are not in place, with their numbers. Of an operation that this
    /// process has only just begun that is known.
    fn open(
        &self,
        goal: &(dyn Fn(&'a PathChange) -> Option<&'a FileRecord> + Sync),
        forward: bool,
    ) -> Result<Vec<PendingChange<'a>>, Failure> {
        let new = self.staged.as_ref().filter(|_| forward);
        let is_open = |(at, change): (usize, &'a PathChange)| {
            let is_new = new.is_some_and(|staged| staged.contains(&at));
            let is_open = is_new || !self.is(&change.path, goal(change))?;
            Ok(is_open.then_some((at, change)))
        };
        let all = self.changes.par_iter().enumerate().map(is_open);
        all.filter_map(Result::transpose).collect()
    }

    /// Removes what has no place after the change.
    fn displace(
        &self,
        open: &[(usize, &'a PathChange)],
        goal: &dyn Fn(&'a PathChange) -> Option<&'a FileRecord>,
        due: &Due,
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
        for stage in self.stages_of(open) {
            self.sync_later(&stage, due);
        }
        Ok(())
    }

    /// Puts every staged file in its place.
    fn install(&self, open: &[PendingChange<'a>], forward: bool, due: &Due) -> Result<(), Failure> {
        let mut blocked = Vec::new();
        for (at, change) in open {
            match self.check_replaceable(&change.path) {
                Err(Error::InTheWay {
                    what: DIRECTORY, ..
                }) => blocked.push((*at, *change)),
                there => self.install_one((*at, change), there?, forward)?,
            }
        }
        if blocked.is_empty() {
            return Ok(());
        }
        self.remove_folders_in_the_way(&blocked, due)?;
        blocked.into_iter().try_for_each(|(at, change)| {
            let there = self.check_replaceable(&change.path)?;
            self.install_one((at, change), there, forward)
        })
    }

    /// Puts a staged file in place of what is there.
    fn install_one(
        &self,
        (at, change): PendingChange<'_>,
        there: Option<Stat>,
        forward: bool,
    ) -> Result<(), Failure> {
        let (path, staged) = (&change.path, self.staged(at));
        if there.is_none() {
            if forward {
                self.note_deleted(change)?;
            }
            create_dir_all(&*self.tree, &path.parent(), 0o777)
                .map_err(failed("create the folder of", path))?;
            let named = self.tree.rename_new(&staged, path);
            return Ok(named.map_err(failed("write", path))?);
        }
        match self.tree.exchange(&staged, path) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.keep_foreign_edit(path, change)?;
                let named = self.tree.rename(&staged, path);
                Ok(named.map_err(failed("write", path))?)
            }
            exchanged => Ok(exchanged.map_err(failed("write", path))?),
        }
    }

    /// Returns what stands at a path, when it may be replaced.
    fn check_replaceable(&self, path: &RelPath) -> Result<Option<Stat>, Error> {
        replaceable(path, self.tree.stat(path))
    }

    /// Returns what stands at the path of each change, if all of it may be replaced.
    fn look_before(&self) -> Result<Vec<Option<Stat>>, Failure> {
        let paths: Vec<&RelPath> = self.changes.iter().map(|change| &change.path).collect();
        let look = |(change, stat): (&PathChange, io::Result<Option<Stat>>)| match replaceable(
            &change.path,
            stat,
        ) {
            Err(Error::InTheWay {
                what: DIRECTORY, ..
            }) if change.after.is_none()
                || self.is_emptied(&change.path, &|change| change.after.is_none())? =>
            {
                Ok(None)
            }
            other => Ok(other?),
        };
        let stats = self.tree.stats(&paths);
        self.changes.iter().zip(stats).map(look).collect()
    }

    /// Returns true when a path holds exactly a state (`None` = nothing).
    fn is(&self, path: &RelPath, state: Option<&FileRecord>) -> Result<bool, Failure> {
        Ok(holds(&*self.tree, self.known, path, state).map_err(failed("read", path))?)
    }
}

/// Returns what stands at a path, when it may be replaced.
fn replaceable(path: &RelPath, stat: io::Result<Option<Stat>>) -> Result<Option<Stat>, Error> {
    let stat = stat.map_err(failed("look at", path))?;
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

impl JournalStep for Files<'_> {
    fn name(&self) -> &'static str {
        "files"
    }

    fn prepare(&mut self, due: &Due) -> Result<Value, Failure> {
        self.places = Places::of(&*self.tree, self.changes.iter().map(|change| &change.path))?;
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
        let there = self.look_before()?;
        self.stage_early(&there, due)?;
        Ok(self.places.note())
    }

    fn is_prepared_early(&self) -> bool {
        true
    }

    fn abandon(&mut self) {
        for stage in self.places.stages() {
            let staging = self.staging(stage);
            let files = staging.files().unwrap_or_default();
            for (path, _) in files.iter().filter(|(_, number)| number.is_some()) {
                let _ = self.tree.remove_file(path);
            }
            let _ = staging.remove();
        }
    }

    fn apply(&mut self, prepared: &Value, due: &Due) -> Result<(), Failure> {
        self.places = Places::recall(&*self.tree, prepared)?;
        self.go(true, due)?;
        if let Some(site) = self.site {
            let changed = self
                .changes
                .iter()
                .filter(|change| change.changes())
                .count();
            site.say("files", format!("{changed} changed"));
        }
        Ok(())
    }

    fn undo(&mut self, prepared: &Value, due: &Due) -> Result<(), Failure> {
        self.places = Places::recall(&*self.tree, prepared)?;
        self.go(false, due)?;
        self.drop_stage(due)
    }

    fn finish(&mut self, prepared: &Value, due: &Due) -> Result<(), Failure> {
        self.places = Places::recall(&*self.tree, prepared)?;
        self.remove_emptied_folders(&|change| change.after.as_ref())?;
        self.drop_stage(due)?;
        self.sync_folders(due)
    }
}
