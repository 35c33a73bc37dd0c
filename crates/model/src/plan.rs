//! A plan as people and programs see it: what an operation would do, before it does it.

use serde::Serialize;

use super::{
    LeftOut, Version, dependencies::PackageChange, drill::Touched, operation::OpKind,
    trust::CommandState,
};
use crate::TaskId;
use base::RelPath;

/// What one path goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Letter {
    /// Added.
    A,
    /// Modified.
    M,
    /// Deleted.
    D,
}

/// One line of a plan's list of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileLine {
    /// The path.
    pub path: RelPath,
    /// What happens to it.
    pub letter: Letter,
    /// Lines added, `None` for binary or large files.
    pub added: Option<u32>,
    /// Lines removed, `None` for binary or large files.
    pub removed: Option<u32>,
    /// Size after, in bytes (before, when it is deleted).
    pub size: u64,
    /// True when its bytes lie in the store.
    pub large: bool,
    /// Short remarks: "uncommitted edits are saved", "max_leverage: 5 -> 3".
    pub note: String,
}

/// What an operation writes to a disk, in bytes.
#[derive(Debug, Clone, Copy, Eq, Serialize)]
pub struct Space {
    /// Certainly.
    pub needed: u64,
    /// With everything that is saved and that may be there already, or get smaller.
    pub at_most: u64,
    /// What is free now.
    pub free: u64,
}

impl PartialEq for Space {
    /// What is free changes by itself and makes no other plan.
    fn eq(&self, other: &Self) -> bool {
        (self.needed, self.at_most) == (other.needed, other.at_most)
    }
}

/// The plan of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The kind of operation.
    pub kind: OpKind,
    /// The task.
    pub task: TaskId,
    /// The task's name for people.
    pub title: Option<String>,
    /// The active version before.
    pub from: Option<Version>,
    /// The active version after.
    pub to: Option<Version>,
    /// About the version that is gone to: who made it, when, why, its standing.
    pub about: String,
    /// The files that change.
    pub files: Vec<FileLine>,
    /// How many files of the task stay as they are.
    pub unchanged: usize,
    /// Untracked files that stay where they are.
    pub untracked: Vec<RelPath>,
    /// Protected files that stay as they are.
    pub protected: Vec<RelPath>,
    /// Ignored files that no release keeps.
    pub left_out: LeftOut,
    /// Files that other tasks use too and that differ from what the version expects.
    pub drift: Vec<String>,
    /// Files that this changes and that other tasks use too.
    pub radius: Vec<Touched>,
    /// One-way doors that this passes.
    pub doors: Vec<String>,
    /// Packages that differ.
    pub packages: Vec<PackageChange>,
    /// Environment variables that the version needs and that are not set.
    pub missing_variables: Vec<String>,
    /// Commands that will run, and whether they are trusted.
    pub commands: Vec<CommandState>,
    /// Things people should know.
    pub notes: Vec<String>,
    /// How much is written to the disk that is fullest afterwards; `None` when nothing is.
    pub space: Option<Space>,
    /// True when nothing would change.
    pub nothing_to_do: bool,
    /// True when a release is taken back.
    #[serde(skip)]
    pub of_release: bool,
}

impl Plan {
    /// A plan of a kind for a task that says nothing yet.
    pub fn new(kind: OpKind, task: &TaskId) -> Self {
        Self {
            kind,
            task: task.clone(),
            title: None,
            from: None,
            to: None,
            about: String::new(),
            files: Vec::new(),
            unchanged: 0,
            untracked: Vec::new(),
            protected: Vec::new(),
            left_out: LeftOut::default(),
            drift: Vec::new(),
            radius: Vec::new(),
            doors: Vec::new(),
            packages: Vec::new(),
            missing_variables: Vec::new(),
            commands: Vec::new(),
            notes: Vec::new(),
            space: None,
            nothing_to_do: false,
            of_release: false,
        }
    }
}
