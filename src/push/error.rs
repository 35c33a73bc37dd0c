//! Why a push is refused, by us or by the remote.

use crate::base::{Fault, Hint, Kind, RelPath};

/// Why a push is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
            Self::NotUploaded { .. } => Kind::Missing,
            Self::Behind { .. } | Self::TagThere { .. } => Kind::Conflict,
        }
    }

    fn hints(&self) -> Vec<Hint> {
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
        }
    }
}
