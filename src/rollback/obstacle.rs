//! Finds the obstacles that a rollback would meet in this work tree now, using the rollback's own
//! draft and the checks it makes before changing anything.
//!
//! Rollbacks, drills and health all use this, so that none knows an obstacle that another misses.
//! Temporary obstacles (a running git, a merge) are distinguished from lasting ones.

use super::BeforeRollback;
use crate::{
    base::Failure,
    catalog::{registry, tasks},
    journal,
    model::{TaskSpec, Version, request},
    operate::{Operator, operations},
    site::RepoSite,
    verdict,
};

/// An obstacle to a rollback.
pub enum Obstacle {
    /// A temporary state of the repository: another branch, a merge, a lock, parts that are not
    /// checked out.
    Moment(Failure),
    /// It remains until somebody fixes it.
    Lasting(Failure),
}

/// Returns the obstacle that a task's rollback would meet; `None` = it would begin.
pub fn obstacle(site: &RepoSite, task: &TaskSpec, version: &Version) -> Option<Obstacle> {
    rehearse_alone(site, task, version).err().map(classify)
}

/// Like [`obstacle`], given what is known already, when no operation is unfinished.
pub fn obstacle_from(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
    before: BeforeRollback<'_>,
) -> Option<Obstacle> {
    rehearse(site, task, version, before).err().map(classify)
}

/// Distinguishes temporary obstacles from lasting ones.
fn classify(failure: Failure) -> Obstacle {
    let waits = failure.find::<journal::Error>().is_some()
        || matches!(failure.find(), Some(super::Error::NoBranch(_)));
    let passes = waits
        || failure.find::<git::Error>().is_some_and(|error| {
            use git::Error::{GitLocked, InProgress, Sparse, Unborn, Unmerged};
            matches!(
                error,
                Sparse | GitLocked { .. } | InProgress { .. } | Unborn { .. } | Unmerged { .. }
            )
        });
    if passes {
        Obstacle::Moment(failure)
    } else {
        Obstacle::Lasting(failure)
    }
}

/// Does what a rollback does before it changes anything.
fn rehearse_alone(site: &RepoSite, task: &TaskSpec, version: &Version) -> Result<(), Failure> {
    if let Some(line) = operations::unfinished(site)? {
        return Err(journal::Error::Unfinished(line.id).into());
    }
    let before = BeforeRollback {
        releases: &tasks::releases_of(site, &task.id)?,
        standings: &verdict::standings_of(site, &task.id)?,
        active: registry::active(site, task),
        edits_registry: true,
    };
    rehearse(site, task, version, before)
}

/// Like [`rehearse_alone`], given what is known already.
fn rehearse(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
    before: BeforeRollback<'_>,
) -> Result<(), Failure> {
    let quiet = site.quiet();
    let plain =
        request::RollbackRequest::plain(task.id.clone(), version.clone(), "a rehearsal".into());
    let wanted = request::RollbackRequest {
        past_floor: true,
        despite_verdict: true,
        ..plain
    };
    let mut draft = super::draft_from(&quiet, task, before, &wanted)?;
    let operator = Operator::new(site);
    operator.check_draft(&mut draft, site.settings.rollback.on_verify_fail)?;
    operator.check_doable(&draft)
}

impl Obstacle {
    /// Returns the failure.
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Moment(failure) | Self::Lasting(failure) => failure,
        }
    }
}
