//! Errors that prevent restoring files which an operation saved.

use crate::{
    base::{Fault, Hint, Kind, RelPath},
    model::Advice,
};

/// Errors that prevent restoring files which an operation saved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operation saved nothing that can be restored.
    #[error("operation {0} has put nothing aside")]
    NothingKept(String),
    /// Everything it overwrote or deleted was as released, and no file was named.
    #[error(
        "nobody had written any of what operation {0} overwrote or deleted: it was as released"
    )]
    NothingWritten(String),
    /// It saved nothing at this path.
    #[error("operation {op} has put nothing aside of {path}")]
    NotKept {
        /// The operation.
        op: String,
        /// The path.
        path: RelPath,
    },
    /// It belongs to no single task, so its files can only be restored into a folder.
    #[error("operation {0} is of no one task: its files come back into a folder only")]
    OnlyInto(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::OnlyInto(_) => Kind::Refused,
            Self::NothingKept(_) | Self::NothingWritten(_) | Self::NotKept { .. } => Kind::NotFound,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::NothingKept(_) => vec![Advice::ListKept.because("see what others have")],
            Self::NothingWritten(op) => vec![
                Advice::SeeKept { op: op.clone() }
                    .because("see what it has, and name what is to come back"),
                Advice::UndoThis { what: op.clone() }.because("or take all of it back"),
            ],
            Self::NotKept { op, .. } => {
                vec![Advice::SeeKept { op: op.clone() }.because("see what it has")]
            }
            Self::OnlyInto(op) => vec![
                Advice::RestoreKept {
                    op: op.clone(),
                    into: "kept".into(),
                }
                .because("write them there"),
            ],
        }
    }
}
