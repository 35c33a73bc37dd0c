//! Maps each git error to a kind of failure, which determines the exit code.
//!
//! All variants are listed, so that a new one cannot be forgotten.

use super::Error;
use base::{Fault, Hint, Kind};

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoRepository { .. } => Kind::NoRepository,
            Self::Bare { .. }
            | Self::RefStorage(_)
            | Self::Format(_)
            | Self::Extension(_)
            | Self::CommitRuns { .. }
            | Self::OtherIndex { .. }
            | Self::OtherName { .. }
            | Self::Unborn { .. }
            | Self::Detached
            | Self::LinkedHead { .. }
            | Self::SymbolicBranch { .. }
            | Self::InProgress { .. }
            | Self::Unmerged { .. }
            | Self::Sparse
            | Self::RefName { .. }
            | Self::Filter { .. }
            | Self::Attribute { .. }
            | Self::Convert { .. }
            | Self::AlreadyPublished { .. }
            | Self::HookRefused { .. } => Kind::Refused,
            Self::Owner { .. } => Kind::Denied,
            Self::GitLocked { .. } => Kind::Locked,
            Self::Identity { .. }
            | Self::Unsigned { .. }
            | Self::MissingObject { .. }
            | Self::MissingLfs { .. }
            | Self::Unreadable { .. }
            | Self::Git { .. }
            | Self::File { .. }
            | Self::Failed { .. }
            | Self::MergeFile { .. }
            | Self::Sync { .. } => Kind::Missing,
            Self::BrokenRef(_)
            | Self::BadObject { .. }
            | Self::OtherObject(..)
            | Self::BadTag { .. }
            | Self::BadPath { .. }
            | Self::TooMany { .. }
            | Self::Prepared(_) => Kind::Bad,
            Self::Ambiguous { .. }
            | Self::WhichRemote { .. }
            | Self::Parameters
            | Self::Date { .. } => Kind::Usage,
            Self::PathChanged { .. }
            | Self::IndexChanged
            | Self::RefChanged { .. }
            | Self::MovedUnder { .. }
            | Self::HeadMoved { .. }
            | Self::RefClash { .. } => Kind::Conflict,
            Self::Push { .. } | Self::Fetch { .. } | Self::Asked { .. } | Self::NoRemote => {
                Kind::Network
            }
            Self::Program(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<Hint> {
        self.advice()
    }
}
