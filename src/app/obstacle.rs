//! What a rollback would meet in this work tree, now: found by the very draft that it makes, and by
//! the checks that it makes of the draft before it changes anything.
//!
//! Rollbacks, drills and health ask here, so that none of them knows of an obstacle that another
//! one does not. What is of this moment (a running git, a merge) is told apart from what stays.

use crate::verdict;

use crate::operate::operations;

use crate::model::Version;

use crate::operate::Operator;

use crate::rollback;

use crate::base::Failure;

use crate::catalog::tasks;

use crate::model::TaskSpec;

use crate::journal;

use crate::model::request;

use super::App;

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
        if let Some(line) = operations::unfinished(&self.site)? {
            return Err(journal::Error::Unfinished(line.id).into());
        }
        let site = self.site.quiet();
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
            &tasks::releases_of(&self.site, &task.id)?,
            &verdict::standings_of(&self.site, &task.id)?,
            &wanted,
        )?;
        let operator = Operator::new(&self.site);
        operator.check_draft(&mut draft, self.site.settings.on_verify_fail)?;
        operator.check_doable(&draft)
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
