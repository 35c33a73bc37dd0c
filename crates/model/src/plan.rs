//! A plan as shown to users and programs: what an operation would do.

use serde::Serialize;

use super::{
    IgnoredFiles, Version, dependencies::PackageChange, drill::Touched, operation::OpKind,
    trust::CommandState,
};
use crate::TaskId;
use base::{Digest, RelPath};

/// The kind of change to one path.
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
    /// The kind of change.
    pub letter: Letter,
    /// Lines added, `None` for binary or large files.
    pub added: Option<u32>,
    /// Lines removed, `None` for binary or large files.
    pub removed: Option<u32>,
    /// Size after, in bytes (before, when it is deleted).
    pub size: u64,
    /// True when its bytes are in the store.
    pub large: bool,
    /// Short remarks: "uncommitted edits are saved", "max_leverage: 5 -> 3".
    pub note: String,
}

/// The disk space that an operation needs, in bytes.
#[derive(Debug, Clone, Copy, Eq, Serialize)]
pub struct Space {
    /// Bytes that are certainly written.
    pub needed: u64,
    /// Upper bound: includes saved data that may already be stored, or may compress.
    pub at_most: u64,
    /// Bytes that are free now.
    pub free: u64,
}

impl PartialEq for Space {
    /// Ignores free space, which changes by itself and does not make a plan different.
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
    /// The task's display name.
    pub title: Option<String>,
    /// The active version before.
    pub from: Option<Version>,
    /// The active version after.
    pub to: Option<Version>,
    /// Description of the target version: who made it, when, why, its standing.
    pub about: String,
    /// The files that change.
    pub files: Vec<FileLine>,
    /// Number of unchanged files of the task.
    pub unchanged: usize,
    /// Untracked files, which stay where they are.
    pub untracked: Vec<RelPath>,
    /// Protected files, which stay as they are.
    pub protected: Vec<RelPath>,
    /// Ignored files that no release keeps.
    pub left_out: IgnoredFiles,
    /// Files that other tasks also use and that differ from what the version expects.
    pub drift: Vec<String>,
    /// Files that this changes and that other tasks also use.
    pub radius: Vec<Touched>,
    /// One-way versions that this crosses.
    pub doors: Vec<String>,
    /// Packages that differ.
    pub packages: Vec<PackageChange>,
    /// Environment variables that the version needs and that are not set.
    pub missing_variables: Vec<String>,
    /// Commands that would run, and whether they are trusted.
    pub commands: Vec<CommandState>,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// Space needed on the disk that is fullest afterwards; `None` when nothing is written.
    pub space: Option<Space>,
    /// True when nothing would change.
    pub nothing_to_do: bool,
    /// True when a release is undone.
    #[serde(skip)]
    pub of_release: bool,
    /// A digest of what will be released, so that a plan is another one when only bytes differ.
    #[serde(skip)]
    pub contents: Option<Digest>,
}

impl Plan {
    /// Creates an empty plan of a kind for a task.
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
            left_out: IgnoredFiles::default(),
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
            contents: None,
        }
    }
}
