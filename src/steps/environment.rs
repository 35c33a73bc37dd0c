//! Switches a task's Python environment to one that was built beside it.
//!
//! The environment at the path is renamed aside and kept. Its place is taken by the built one,
//! whose scripts name their final place already, or by the one that an earlier switch put aside.
//! The inverse does the same with the roles exchanged.

use serde_json::Value;

use super::files::TREE_DIR;
use crate::{
    base::{Due, Failure, Fault, Fs, Kind, RelPath},
    journal::JournalStep,
    model::operation::EnvironmentChange,
};

/// An error that stops a switch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file system call failed.
    #[error("cannot switch the environment {0}")]
    Switch(String, #[source] std::io::Error),
    /// The environment that was built is gone.
    #[error("the environment that was built, {0}, is gone")]
    Gone(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Missing
    }
}

/// The step that switches an environment.
pub struct EnvironmentStep<'a> {
    tree: &'a dyn Fs,
    change: &'a EnvironmentChange,
}

impl<'a> EnvironmentStep<'a> {
    /// Creates the step for one environment.
    pub fn new(tree: &'a dyn Fs, change: &'a EnvironmentChange) -> Self {
        Self { tree, change }
    }

    /// Returns true when a path exists.
    fn stands(&self, path: &RelPath) -> std::io::Result<bool> {
        Ok(self.tree.stat(path)?.is_some())
    }

    /// Returns true when the new environment is in its place.
    fn is_switched(&self) -> std::io::Result<bool> {
        let there = self.stands(&self.change.path)?;
        match &self.change.bring {
            Some(from) => Ok(there && !self.stands(from)?),
            None => Ok(!there),
        }
    }

    /// Switches; part of it may already be done.
    fn switch(&self) -> std::io::Result<()> {
        let EnvironmentChange { path, aside, bring } = self.change;
        if !self.is_switched()? {
            if let Some(aside) = aside
                && self.stands(path)?
                && !self.stands(aside)?
            {
                self.tree.rename_new(path, aside)?;
                // The second rename must not reach the disk before the first.
                self.sync()?;
            }
            if let Some(from) = bring {
                self.tree.rename_new(from, path)?;
            }
        }
        self.sync()
    }

    /// Makes the names durable.
    fn sync(&self) -> std::io::Result<()> {
        self.tree.sync_dir(&self.change.path.parent(), TREE_DIR)
    }

    /// Switches back; part of it may already be done.
    fn switch_back(&self) -> std::io::Result<()> {
        let EnvironmentChange { path, aside, bring } = self.change;
        if let Some(from) = bring
            && self.is_switched()?
        {
            self.tree.rename_new(path, from)?;
            self.sync()?;
        }
        if let Some(aside) = aside
            && !self.stands(path)?
            && self.stands(aside)?
        {
            self.tree.rename_new(aside, path)?;
        }
        self.sync()
    }
}

impl JournalStep for EnvironmentStep<'_> {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        let Some(from) = &self.change.bring else {
            return Ok(Value::Null);
        };
        match self.stands(from) {
            Ok(true) => Ok(Value::Null),
            Ok(false) => Err(Error::Gone(from.to_string()).into()),
            Err(error) => Err(Error::Switch(self.change.path.to_string(), error).into()),
        }
    }

    fn apply(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(self
            .switch()
            .map_err(|error| Error::Switch(self.change.path.to_string(), error))?)
    }

    fn undo(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(self
            .switch_back()
            .map_err(|error| Error::Switch(self.change.path.to_string(), error))?)
    }
}
