//! Reasons for refusing a push, by snapback or by the remote.

use crate::base::{Fault, Hint, Kind, RelPath};

/// The reason why a push is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The remote's branch has commits that are not here, so it would refuse a push.
    #[error("{branch} at {remote} has commits that are not here")]
    Behind {
        /// The remote.
        remote: String,
        /// The remote's branch.
        branch: String,
    },
    /// The remote already has a release's tag, with different content.
    #[error("{remote} has another {tag}: somebody released this version meanwhile")]
    TagThere {
        /// The tag.
        tag: String,
        /// The remote.
        remote: String,
    },
    /// Git LFS files would be pushed without their bytes.
    #[error(
        "{first}{} of Git LFS, whose bytes git does not push, and no pre-push hook uploads them here", files(*count)
    )]
    NotUploaded {
        /// The first such file.
        first: RelPath,
        /// The number of such files.
        count: usize,
        /// The remote.
        remote: String,
        /// The branch.
        branch: String,
    },
}

/// Returns ` is a file`, or ` and 2 more are files`.
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
