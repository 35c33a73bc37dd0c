//! Row 10, escape capsules: one file that holds a version whole, for the day when nothing else is
//! left.
//!
//! A capsule is a tar, plain or compressed, with the tree, large files out of the store, wheels
//! that are here, the manifest, `SHA256SUMS` and a `restore.sh` that needs `sh` and coreutils only.
//! The same release gives the same bytes. Reading a capsule trusts nothing: see [`open`].
//! See [`create`] for what is put in, [`script`] for restoring without snapback, [`tar`] for the
//! format.

mod codec;
pub mod create;
pub mod open;
pub mod packages;
mod proof;
pub mod script;
pub mod tar;
pub mod timed;

use std::{io, path::PathBuf};

use crate::{
    base::{Fault, Hint, Kind, RelPath},
    model::capsule::{MANIFEST, SUMS, TREE_SUMS},
};

/// Members of a capsule besides files and wheels.
pub(crate) const PAPERS: [&str; 6] = [
    "restore.sh",
    "README.txt",
    MANIFEST,
    "requirements.txt",
    TREE_SUMS,
    SUMS,
];
/// The name of the list, the first member.
pub(crate) const LISTING: &str = "capsule.json";

/// The folder of wheels, in a capsule and in what is restored.
pub(crate) const WHEELS: &str = "wheels";

/// An error of making or reading a capsule.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something has the name already.
    #[error("{0} is there already, and no capsule is written over anything")]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The capsule is not what it should be; nothing of it was restored.
    #[error("{path} is damaged, or no capsule: {why}; nothing was restored")]
    Damaged {
        /// The capsule.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// Nothing in the release vouches for wheels that would be installed.
    #[error("nothing in the release vouches for {}, so no package was installed", .0.join(", "))]
    Unproven(Vec<String>),
    /// The capsule holds a link out of the tree.
    #[error(
        "{path} holds the link {link} to {target:?}, which leads out of the folder; nothing was restored"
    )]
    LinkOut {
        /// The capsule.
        path: PathBuf,
        /// The link.
        link: RelPath,
        /// Its target, escaped.
        target: String,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Exists(_) | Self::LinkOut { .. } | Self::Unproven(_) => Kind::Refused,
            Self::Io { .. } => Kind::Missing,
            Self::Damaged { .. } => Kind::Bad,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Exists(_) => vec![Hint::say("name a file that is not there yet")],
            Self::Unproven(_) => vec![Hint::say(
                "a wheel is proven by its digest in a dependency file of the release, such as `--hash=sha256:…` in requirements.txt",
            )],
            Self::Damaged { .. } => {
                vec![Hint::say(
                    "take another copy of it; the release itself, if it is still there, can make a new one",
                )]
            }
            Self::LinkOut { .. } => vec![Hint::say(
                "when you know whose capsule it is, and the link is meant: --links-out",
            )],
            Self::Io { .. } => Vec::new(),
        }
    }
}
