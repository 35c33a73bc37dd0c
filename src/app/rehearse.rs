//! What a rollback would meet in this work tree, now: found by the very draft that it makes, and by
//! the checks that it makes of the draft before it changes anything.
//!
//! Rollbacks, drills and health ask here, so that none of them knows of an obstacle that another
//! one does not. What is of this moment (a running git, a merge) is told apart from what stays.

use std::{collections::BTreeSet, sync::Arc};

use super::App;
use crate::{
    base::{Failure, RelPath, Type},
    catalog,
    draft::{Draft, StepDraft},
    git, journal,
    model::{TaskSpec, Version, event::Quiet, request, settings::OnVerifyFail},
    rollback,
    site::RepoSite,
    steps::files::{self, Places},
};

/// What keeps a rollback from being done.
pub(super) enum Obstacle {
    /// The repository is in a state that passes: another branch, a merge, a lock, parts that are
    /// not checked out.
    Moment(Failure),
    /// It stays until somebody mends it.
    Lasting(Failure),
}

impl App {
    /// What a rollback of a task would meet; `None` = it would begin.
    pub(super) fn obstacle(&self, task: &TaskSpec, version: &Version) -> Option<Obstacle> {
        let failure = self.rehearse(task, version).err()?;
        let waits = failure.find::<journal::Error>().is_some()
            || matches!(failure.find(), Some(rollback::Error::NoBranch(_)));
        let passes = waits
            || failure.find::<git::Error>().is_some_and(|error| {
                use git::Error::{GitLocked, InProgress, Sparse, Unborn, Unmerged};
                matches!(
                    error,
                    Sparse | GitLocked { .. } | InProgress { .. } | Unborn { .. } | Unmerged { .. }
                )
            });
        Some(if passes {
            Obstacle::Moment(failure)
        } else {
            Obstacle::Lasting(failure)
        })
    }

    /// Does what a rollback does before it changes anything.
    fn rehearse(&self, task: &TaskSpec, version: &Version) -> Result<(), Failure> {
        if let Some(line) = self.unfinished()? {
            return Err(journal::Error::Unfinished(line.id).into());
        }
        let site = RepoSite {
            sink: Arc::new(Quiet),
            ..self.site.clone()
        };
        let plain =
            request::Rollback::plain(task.id.clone(), version.clone(), "a rehearsal".into());
        let wanted = request::Rollback {
            past_floor: true,
            despite_verdict: true,
            ..plain
        };
        let mut draft = rollback::draft(
            &site,
            task,
            &self.releases_for(&task.id)?,
            &self.standings_of(&task.id)?,
            &wanted,
        )?;
        self.check_draft(&mut draft, self.site.settings.rollback.on_verify_fail)?;
        self.check_doable(&draft)
    }

    /// What a draft needs to be one that can be shown: places that can be changed, and what its own
    /// verification will ask for. Names its commands.
    pub(super) fn check_draft(
        &self,
        draft: &mut Draft,
        on_fail: OnVerifyFail,
    ) -> Result<(), Failure> {
        self.name_commands(draft);
        self.check_places(draft)?;
        self.check_space(draft)?;
        self.check_variables(draft, on_fail)
    }

    /// What it needs to be done, beyond that: the owner's word on its commands, and a name for its
    /// commit.
    pub(super) fn check_doable(&self, draft: &Draft) -> Result<(), Failure> {
        self.require_commands(&draft.plan.commands)?;
        if draft.commit.is_some() && !draft.plan.nothing_to_do {
            self.site.git.identity()?;
            self.site.git.committer()?;
        }
        Ok(())
    }

    /// Variables that the settings ask for and nobody set would turn a rollback back after it
    /// changed the files.
    fn check_variables(&self, draft: &Draft, on_fail: OnVerifyFail) -> Result<(), Failure> {
        let asks = draft
            .steps
            .iter()
            .any(|step| matches!(step, StepDraft::Ready(_)));
        if !asks || on_fail == OnVerifyFail::Keep {
            return Ok(());
        }
        let task = self.spec(&draft.plan.task)?;
        let is_unset =
            |name: &&String| std::env::var_os(name.as_str()).is_none_or(|value| value.is_empty());
        let names: Vec<String> = task
            .environment_variables
            .iter()
            .filter(is_unset)
            .cloned()
            .collect();
        if names.is_empty() {
            Ok(())
        } else {
            Err(rollback::Error::Unset {
                task: task.id.clone(),
                names,
            }
            .into())
        }
    }

    /// Refuses a file or folder that nobody may change while it has an attribute.
    fn refuse_fixed(&self, path: &RelPath) -> Result<(), Failure> {
        let fixed = !path.is_root()
            && self
                .site
                .tree
                .is_fixed(path)
                .map_err(|source| catalog::Error::Read {
                    path: path.clone(),
                    source,
                })?;
        if fixed {
            Err(catalog::Error::Fixed(path.clone()).into())
        } else {
            Ok(())
        }
    }

    /// Everything that a draft would change can be: its folders can be written to, nothing of the
    /// user's has the name of a staging folder, no path is a mount itself, and no file is fixed.
    fn check_places(&self, draft: &Draft) -> Result<(), Failure> {
        let tree = &*self.site.tree;
        let mut folders: BTreeSet<RelPath> =
            draft.files.iter().map(|file| file.path.parent()).collect();
        if !draft.files.is_empty() {
            let places = Places::of(tree, draft.files.iter().map(|file| &file.path))?;
            let is_free = self.unfinished()?.is_none();
            for place in places.folders() {
                let stage = if place.is_root() {
                    RelPath::own(files::STAGE)
                } else {
                    place.join(files::STAGE)
                };
                if is_free && catalog::capture::stat(tree, &stage)?.is_some() {
                    return Err(super::Error::StageTaken(stage).into());
                }
                folders.insert(place.clone());
            }
        }
        for folder in folders {
            // A folder that is missing is made in the nearest one above it that is there.
            let there = |dir: &RelPath| {
                tree.stat(dir)
                    .is_ok_and(|stat| stat.is_some_and(|stat| stat.kind == Type::Dir))
            };
            let nearest = std::iter::once(folder.clone())
                .chain(folder.ancestors())
                .find(there)
                .unwrap_or_default();
            let failed = |source| catalog::Error::Unwritable {
                folder: nearest.clone(),
                source,
            };
            tree.check_writable(&nearest).map_err(failed)?;
            self.refuse_fixed(&nearest)?;
        }
        draft
            .files
            .iter()
            .filter(|file| file.before.is_some())
            .try_for_each(|file| self.refuse_fixed(&file.path))?;
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
