//! Level 4, production readiness: dependencies, variables, probes, and no hold. One file per check.
//!
//! Variables are only checked for being set; their values are not used. Packages are compared with
//! the environment on disk; no Python is run.

mod dependencies;
mod hold;
mod probes;
mod variables;

use std::path::Path;

use crate::{
    base::Fs,
    model::{DependencyList, TaskSpec},
};

use super::{CheckSubject, Commands, evidence::TaskVariables};

pub use dependencies::DependenciesCheck;
pub use hold::HoldCheck;
pub use probes::ProbesCheck;
pub use variables::VariablesCheck;

/// The input of level 4.
#[derive(Clone, Copy)]
pub struct Readiness<'a> {
    /// The task.
    pub task: &'a TaskSpec,
    /// The work tree.
    pub fs: &'a dyn Fs,
    /// The path of the work tree.
    pub work_tree: &'a Path,
    /// The dependencies that the release recorded.
    pub expected: &'a DependencyList,
    /// True when a person or a rollback holds the version.
    pub is_held: bool,
    /// The variables of the task, named by the settings or the release.
    pub variables: &'a TaskVariables,
    /// Whether probes run.
    pub commands: Commands,
}

impl<'a> CheckSubject<'a> {
    /// Returns the input of level 4; `None` where readiness does not apply.
    fn readiness(&self) -> Option<Readiness<'a>> {
        match *self {
            CheckSubject::WorkTree(tree) => Some(tree.readiness()),
            CheckSubject::Restarted(of) => Some(*of),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
