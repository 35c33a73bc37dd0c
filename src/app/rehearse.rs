//! What a rollback would meet in this work tree, now: found by the very draft that it makes.
//!
//! Rollbacks, drills and health ask here, so that none of them knows of an obstacle that another one
//! does not. What is of this moment (a running git, a merge) is told apart from what stays.

use std::{collections::BTreeSet, sync::Arc};

use super::App;
use crate::{
    base::{Failure, RelPath, Type},
    catalog,
    draft::Draft,
    git,
    ground::Ground,
    model::{TaskSpec, Version, event::Quiet, request},
    rollback,
    steps::files::{self, Places},
};

/// What keeps a rollback from being done.
pub(super) enum Obstacle {
    /// The repository is in a state that passes: another branch, a merge, a lock, parts that are not checked out.
    Moment(Failure),
    /// It stays until somebody mends it.
    Lasting(Failure),
}

impl App {
    /// What a rollback of a task would meet; `None` = it would begin.
    pub(super) fn obstacle(&self, task: &TaskSpec, version: &Version) -> Option<Obstacle> {
        let failure = self.rehearse(task, version).err()?;
        let is_detached = matches!(failure.find(), Some(rollback::Error::NoBranch(_)));
        let passes = is_detached
            || failure.find::<git::Error>().is_some_and(|error| {
                use git::Error::{GitLocked, InProgress, Sparse, Unborn, Unmerged};
                matches!(error, Sparse | GitLocked { .. } | InProgress { .. } | Unborn { .. } | Unmerged { .. })
            });
        Some(if passes { Obstacle::Moment(failure) } else { Obstacle::Lasting(failure) })
    }

    /// Drafts a rollback as a rollback does, and changes nothing.
    fn rehearse(&self, task: &TaskSpec, version: &Version) -> Result<(), Failure> {
        let ground = Ground { sink: Arc::new(Quiet), ..self.ground.clone() };
        let plain = request::Rollback::plain(task.id.clone(), version.clone(), "a rehearsal".into());
        let wanted = request::Rollback { past_floor: true, despite_verdict: true, ..plain };
        let draft = rollback::draft(&ground, task, &self.releases_for(&task.id)?, &self.standings_of(&task.id)?, &wanted)?;
        self.check_places(&draft)
    }

    /// Everything that a draft would change can be: its folders can be written to, nothing of the
    /// user's has the name of a staging folder, and no path is a mount itself.
    pub(super) fn check_places(&self, draft: &Draft) -> Result<(), Failure> {
        let tree = &*self.ground.tree;
        let mut folders: BTreeSet<RelPath> = draft.files.iter().map(|file| file.path.parent()).collect();
        if !draft.files.is_empty() {
            let places = Places::of(tree, draft.files.iter().map(|file| &file.path))?;
            let is_free = self.unfinished()?.is_none();
            for place in places.folders() {
                let stage = if place.is_root() { RelPath::own(files::STAGE) } else { place.join(files::STAGE) };
                if is_free && catalog::capture::stat(tree, &stage)?.is_some() {
                    return Err(super::Error::StageTaken(stage).into());
                }
                folders.insert(place.clone());
            }
        }
        for folder in folders {
            // A folder that is missing is made in the nearest one above it that is there.
            let there = |dir: &RelPath| tree.stat(dir).is_ok_and(|stat| stat.is_some_and(|stat| stat.kind == Type::Dir));
            let nearest = std::iter::once(folder.clone()).chain(folder.ancestors()).find(there).unwrap_or_default();
            let failed = |source| catalog::Error::Unwritable { folder: nearest.clone(), source };
            tree.check_writable(&nearest).map_err(failed)?;
        }
        Ok(())
    }
}

impl Obstacle {
    /// What is wrong.
    pub(super) fn failure(&self) -> &Failure {
        match self {
            Self::Moment(failure) | Self::Lasting(failure) => failure,
        }
    }
}
