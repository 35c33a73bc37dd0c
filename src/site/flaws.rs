//! What is wrong in the settings: whose way back it stops, and what it stops besides.
//!
//! A way back needs nothing but its task, so a mistake in another task's entry, or in what no way
//! back takes from, is named and left out. What makes or changes what later ways back rely on (a
//! release, `adopt`, `init`, an edit of the registry) is no emergency, and wants settings without a
//! mistake.

use std::sync::Arc;

use super::{Error, RepoSite};
use crate::{
    base::{Fault, failure::errors_in},
    model::TaskId,
};

/// Something in the configuration that cannot be used, and is left out.
#[derive(Debug, Clone)]
pub struct Flaw {
    /// What is wrong, with the place.
    pub error: Arc<dyn Fault>,
    /// Which tasks have no way back until it is mended.
    pub stops: Stops,
}

/// Which tasks something stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stops {
    /// None: no way back takes from it.
    Nothing,
    /// These.
    Tasks(Vec<TaskId>),
    /// All that have no entry which says where they are.
    Undeclared,
}

impl Flaw {
    /// What is wrong.
    pub fn mistake(&self) -> String {
        let chain: Vec<String> = errors_in(&*self.error).map(ToString::to_string).collect();
        chain.join(": ")
    }

    /// What is wrong, and what comes of it.
    pub fn sentence(&self) -> String {
        format!("{}: {}", self.mistake(), self.consequence())
    }

    /// What comes of it.
    pub fn consequence(&self) -> String {
        match &self.stops {
            Stops::Nothing => "it is left out: no way back takes anything from it here; nothing is released until it is mended".into(),
            Stops::Tasks(tasks) => {
                let names: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
                format!(
                    "no way back of {} until it is mended, and nothing is released; tasks without a mistake of their own can go back",
                    names.join(", ")
                )
            }
            Stops::Undeclared => "only tasks whose entry has a `path` can go back until it is mended, and nothing is released".into(),
        }
    }
}

impl RepoSite {
    /// What stops a task.
    pub fn flaw_of(&self, task: &TaskId) -> Option<&Flaw> {
        let stops = |flaw: &&Flaw| match &flaw.stops {
            Stops::Nothing => false,
            Stops::Tasks(tasks) => tasks.contains(task),
            Stops::Undeclared => self.settings.task(task).is_none(),
        };
        self.flaws.iter().find(stops)
    }

    /// Refuses what needs the settings of a task that cannot be used.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn refuse_flawed(&self, task: &TaskId) -> Result<(), Error> {
        self.flaw_of(task)
            .map_or(Ok(()), |flaw| Err(Error::Settings(flaw.error.clone())))
    }

    /// Refuses what is no way back while anything is wrong in the settings.
    ///
    /// # Errors
    /// The first mistake.
    pub fn refuse_flaws(&self) -> Result<(), Error> {
        self.flaws
            .first()
            .map_or(Ok(()), |flaw| Err(Error::Settings(flaw.error.clone())))
    }
}
