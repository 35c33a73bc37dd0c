//! Level 4, production readiness: dependencies, variables, probes, and that nobody holds it. One
//! check a file.
//!
//! Values of variables are looked at only to see that they are there. Packages are compared
//! with the environment on the disk; no Python is run.

mod dependencies;
mod hold;
mod probes;
mod variables;

use std::path::Path;

use crate::{
    base::Fs,
    model::{DependencyList, TaskSpec},
};

use super::{Commands, Subject, evidence::Variables};

pub use dependencies::DependenciesCheck;
pub use hold::HoldCheck;
pub use probes::ProbesCheck;
pub use variables::VariablesCheck;

/// What level 4 looks at.
#[derive(Clone, Copy)]
pub struct Readiness<'a> {
    /// The task.
    pub task: &'a TaskSpec,
    /// The work tree.
    pub fs: &'a dyn Fs,
    /// Where the work tree is.
    pub work_tree: &'a Path,
    /// The dependencies that the release recorded.
    pub expected: &'a DependencyList,
    /// True when a person or a rollback holds the version back.
    pub is_held: bool,
    /// The variables of the task, read with the names of both the settings and the release.
    pub variables: &'a Variables,
    /// Whether probes run.
    pub commands: Commands,
}

impl<'a> Subject<'a> {
    /// What level 4 looks at of this; `None` where nothing is to be ready.
    fn readiness(&self) -> Option<Readiness<'a>> {
        match *self {
            Subject::WorkTree(tree) => Some(tree.readiness()),
            Subject::Restarted(of) => Some(*of),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
