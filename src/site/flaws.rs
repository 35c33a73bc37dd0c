//! Mistakes in the settings: which rollbacks they stop, and what else.
//!
//! A rollback needs only its own task, so a mistake in another task's entry, or in a part that no
//! rollback uses, is reported and left out. Changes that later rollbacks rely on (a release,
//! `adopt`, `init`, an edit of the registry) are no emergency, and require settings without
//! mistakes.

use std::sync::Arc;

use super::{Error, RepoSite};
use crate::{
    base::{Fault, failure::errors_in},
    model::TaskId,
};

/// A part of the configuration that is unusable and left out.
#[derive(Debug, Clone)]
pub struct Flaw {
    /// The mistake, with its position.
    pub error: Arc<dyn Fault>,
    /// Which tasks cannot be rolled back until it is fixed.
    pub stops: StoppedTasks,
}

/// Which tasks a mistake stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoppedTasks {
    /// None: no rollback uses it.
    Nothing,
    /// These tasks.
    Tasks(Vec<TaskId>),
    /// All tasks without an entry that gives their location.
    Undeclared,
}

impl Flaw {
    /// Returns the mistake.
    pub fn mistake(&self) -> String {
        let chain: Vec<String> = errors_in(&*self.error).map(ToString::to_string).collect();
        chain.join(": ")
    }

    /// Returns the mistake and its consequence.
    pub fn sentence(&self) -> String {
        format!("{}: {}", self.mistake(), self.consequence())
    }

    /// Returns the consequence.
    pub fn consequence(&self) -> String {
        match &self.stops {
            StoppedTasks::Nothing => "it is left out: no way back takes anything from it here; nothing is released until it is mended".into(),
            StoppedTasks::Tasks(tasks) => {
                let names: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
                format!(
                    "no way back of {} until it is mended, and nothing is released; tasks without a mistake of their own can go back",
                    names.join(", ")
                )
            }
            StoppedTasks::Undeclared => "only tasks whose entry has a `path` can go back until it is mended, and nothing is released".into(),
        }
    }
}

impl RepoSite {
    /// Returns the mistake that stops a task.
    pub fn flaw_of(&self, task: &TaskId) -> Option<&Flaw> {
        let stops = |flaw: &&Flaw| match &flaw.stops {
            StoppedTasks::Nothing => false,
            StoppedTasks::Tasks(tasks) => tasks.contains(task),
            StoppedTasks::Undeclared => self.settings.task(task).is_none(),
        };
        self.flaws.iter().find(stops)
    }

    /// Refuses a task whose settings are unusable.
    ///
    /// # Errors
    /// Returns the mistake in them.
    pub fn refuse_flawed(&self, task: &TaskId) -> Result<(), Error> {
        self.flaw_of(task)
            .map_or(Ok(()), |flaw| Err(Error::Settings(flaw.error.clone())))
    }

    /// Refuses anything other than a rollback while the settings contain a mistake.
    ///
    /// # Errors
    /// Returns the first mistake.
    pub fn refuse_flaws(&self) -> Result<(), Error> {
        self.flaws
            .first()
            .map_or(Ok(()), |flaw| Err(Error::Settings(flaw.error.clone())))
    }
}
