//! Rollback drills.

use super::App;
use crate::{
    base::Failure,
    catalog::tasks,
    drill::{
        hold::{self, DrillHow, DrillPlan},
        way_back,
    },
    model::{TaskId, Version, drill::DrillReport, overview::WayBack, trust::CommandState},
    rollback,
};

impl App {
    /// Returns the version that a drill of a task returns to by default, the same as a rollback's.
    pub fn way_back(&self, task: &TaskId) -> Result<WayBack, Failure> {
        way_back::of_task(&self.site, task)
    }

    /// Returns the error that explains why a rollback of a task has no default version.
    pub fn no_target(&self, task: &TaskId) -> Result<rollback::Error, Failure> {
        way_back::no_target(&self.site, task)
    }

    /// Returns every released version of a task, oldest first.
    pub fn released_versions(&self, task: &TaskId) -> Result<Vec<Version>, Failure> {
        let releases = tasks::tagged_releases(&self.site, task)?;
        Ok(releases.of(task).map(|one| one.version.clone()).collect())
    }

    /// Returns what drills of these versions would do. Reads only.
    pub fn plan_drills(&self, wanted: &[(TaskId, Version)]) -> Result<Vec<DrillPlan>, Failure> {
        hold::plan_drills(&self.site, wanted)
    }

    /// Returns the commands that drills of a task would run.
    pub fn commands_of_drill(&self, task: &TaskId, how: &DrillHow) -> Vec<CommandState> {
        hold::commands_of_drill(&self.site, task, how)
    }

    /// Runs drills one after the other and stores a report of each. `see` receives each report.
    ///
    /// # Errors
    /// Fails before the first drill when commands may not run, and when a drill could not be run.
    pub fn drill(
        &self,
        wanted: &[(TaskId, Version)],
        how: &DrillHow,
        see: impl FnMut(&DrillReport),
    ) -> Result<Vec<DrillReport>, Failure> {
        hold::drill(&self.site, wanted, how, see)
    }
}
