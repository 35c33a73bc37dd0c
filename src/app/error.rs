//! What the front door itself refuses.

use std::path::PathBuf;

use super::missing_tags::{fetch_tags, not_here};
use crate::{
    base::{Fault, Hint, Kind, RelPath},
    model::{TaskId, Version},
    rollback,
};

/// What the front door itself refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operation to take back was done in another work tree.
    #[error("the operation was done in the work tree {place}, whose files it changed")]
    DoneElsewhere {
        /// Which.
        place: String,
        /// The operation's short id.
        op: String,
        /// `undo` or `redo`.
        word: &'static str,
    },
    /// A word that names no version.
    #[error("{text:?} names no version of {task}: {why}")]
    NoSuchVersion {
        /// The task.
        task: TaskId,
        /// What was typed.
        text: String,
        /// Why not.
        why: String,
    },
    /// Releases whose manifests are here and whose tags are not.
    #[error("{task} {}", not_here(versions))]
    TagsNotHere {
        /// The task.
        task: TaskId,
        /// The versions, rising.
        versions: Vec<Version>,
    },
    /// The folder to export into is not empty.
    #[error("{0} exists and is not an empty folder")]
    NotEmpty(PathBuf),
    /// The release has no such file.
    #[error("{task} {version} has no file {path}")]
    NoSuchFile {
        /// The task.
        task: TaskId,
        /// The version.
        version: String,
        /// The file.
        path: RelPath,
    },
    /// An operation has nothing that can be brought back.
    #[error("operation {0} has put nothing aside")]
    NothingKept(String),
    /// What it overwrote or deleted was as released, and no file of it was named.
    #[error(
        "nobody had written any of what operation {0} overwrote or deleted: it was as released"
    )]
    NothingWritten(String),
    /// It has nothing at a path.
    #[error("operation {op} has put nothing aside of {path}")]
    NotKept {
        /// The operation.
        op: String,
        /// The path.
        path: RelPath,
    },
    /// It is of no one task, so its files only come into a folder.
    #[error("operation {0} is of no one task: its files come back into a folder only")]
    OnlyInto(String),
    /// A file outside the repository cannot be written or read.
    #[error("cannot use {0}")]
    Outside(PathBuf, #[source] std::io::Error),
    /// The branch at a remote has commits that are not here, so a push is refused.
    #[error("{branch} at {remote} has commits that are not here")]
    Behind {
        /// The remote.
        remote: String,
        /// The branch there.
        branch: String,
    },
    /// The remote has a release's tag already, with another content.
    #[error("{remote} has another {tag}: somebody released this version meanwhile")]
    TagThere {
        /// The tag.
        tag: String,
        /// The remote.
        remote: String,
    },
    /// Files of Git LFS would be pushed without their bytes.
    #[error(
        "{first}{} of Git LFS, whose bytes git does not push, and no pre-push hook uploads them here", files(*count)
    )]
    NotUploaded {
        /// The first of them.
        first: RelPath,
        /// How many there are.
        count: usize,
        /// The remote.
        remote: String,
        /// The branch.
        branch: String,
    },
    /// The registry and the config disagree and neither can be taken.
    #[error("{0}")]
    CannotSync(String),
}

/// ` is a file`, or ` and 2 more are files`.
fn files(count: usize) -> String {
    if count == 1 {
        " is a file".into()
    } else {
        format!(" and {} more are files", count - 1)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Outside(..) | Self::NotUploaded { .. } => Kind::Missing,
            Self::Behind { .. } | Self::TagThere { .. } => Kind::Conflict,
            Self::DoneElsewhere { .. }
            | Self::NotEmpty(_)
            | Self::CannotSync(_)
            | Self::OnlyInto(_) => Kind::Refused,
            Self::NoSuchVersion { .. }
            | Self::TagsNotHere { .. }
            | Self::NoSuchFile { .. }
            | Self::NothingKept(_)
            | Self::NothingWritten(_)
            | Self::NotKept { .. } => Kind::NotFound,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::NotEmpty(_) => vec![Hint::say("name a folder that does not exist yet")],
            Self::DoneElsewhere { place, op, word } => {
                vec![rollback::in_work_tree(place, "do it there", &[word, op])]
            }
            Self::NothingKept(_)
            | Self::NothingWritten(_)
            | Self::NotKept { .. }
            | Self::OnlyInto(_) => self.hints_on_kept_files(),
            Self::NoSuchVersion { .. } | Self::TagsNotHere { .. } | Self::NoSuchFile { .. } => {
                self.hints_on_releases()
            }
            Self::Behind { .. } | Self::NotUploaded { .. } | Self::TagThere { .. } => {
                self.hints_on_pushing()
            }
            Self::Outside(..) | Self::CannotSync(_) => Vec::new(),
        }
    }
}

impl Error {
    /// What to do about files that an operation put aside, or did not.
    fn hints_on_kept_files(&self) -> Vec<Hint> {
        match self {
            Self::NothingKept(_) => vec![Hint::run(
                "see what others have",
                &["snapback", "op", "kept"],
            )],
            Self::NothingWritten(op) => vec![
                Hint::run(
                    "see what it has, and name what is to come back",
                    &["snapback", "op", "kept", op],
                ),
                Hint::run("or take all of it back", &["snapback", "undo", op]),
            ],
            Self::NotKept { op, .. } => vec![Hint::run(
                "see what it has",
                &["snapback", "op", "kept", op],
            )],
            Self::OnlyInto(op) => vec![Hint::run(
                "write them there",
                &["snapback", "op", "restore", op, "--into", "kept"],
            )],
            _ => Vec::new(),
        }
    }

    /// What to do about a release, or a file of one, that is not there.
    fn hints_on_releases(&self) -> Vec<Hint> {
        match self {
            Self::NoSuchVersion { task, .. } => vec![Hint::run(
                "see its versions",
                &["snapback", "list", "--task", task.as_str()],
            )],
            Self::TagsNotHere { .. } => vec![fetch_tags()],
            Self::NoSuchFile { task, version, .. } => {
                vec![Hint::run(
                    "see its files",
                    &["snapback", "show", "--task", task.as_str(), version],
                )]
            }
            _ => Vec::new(),
        }
    }

    /// What to do about what a remote has, or lacks.
    fn hints_on_pushing(&self) -> Vec<Hint> {
        match self {
            Self::Behind { remote, branch } => vec![Hint::run(
                "bring them here",
                &["git", "pull", "--rebase", remote, branch],
            )],
            Self::NotUploaded { remote, branch, .. } => vec![
                Hint::run("upload them", &["git", "lfs", "push", remote, branch]),
                Hint::run(
                    "let each push do so from now on",
                    &["git", "lfs", "install", "--local"],
                ),
            ],
            Self::TagThere { remote, .. } => vec![Hint::run(
                "see what was released",
                &["git", "fetch", "--tags", remote],
            )],
            _ => Vec::new(),
        }
    }
}
