//! Errors that prevent the use of keys, with hints. No message contains a key's secret part.

use std::{io, path::PathBuf};

use crate::{
    base::{Fault, Hint, Kind},
    model::{Advice, signature::KeyId},
    records::private::NotPrivate,
};

/// Errors that prevent the use of keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no folder for keys.
    #[error("there is no folder for keys: neither XDG_CONFIG_HOME nor HOME is an absolute path")]
    NoPlace,
    /// The folder is inside the work tree, where it could be committed and cloned.
    #[error("the folder for keys, {0}, is inside the work tree, where it could be committed")]
    PlaceInside(PathBuf),
    /// There is no key to sign with.
    #[error("there is no key to sign with: {0} is not there")]
    NoKey(PathBuf),
    /// There is a key already.
    #[error("there is a key already: {0}")]
    KeyThere(PathBuf),
    /// A file or folder that cannot be trusted.
    #[error("{path} is not used: {why}")]
    NotSafe {
        /// The file or folder.
        path: PathBuf,
        /// The problem; never the contents.
        why: &'static str,
        /// The required permission bits.
        mode: &'static str,
    },
    /// A key whose signatures are meaningless.
    #[error("{0} is not a sound key: everybody could sign with it")]
    Weak(KeyId),
    /// No key is allowed with this name or id.
    #[error("no key is allowed that is, or belongs to, {0:?}")]
    Unknown(String),
    /// A revoked key cannot be allowed again.
    #[error("{0} was revoked")]
    Revoked(KeyId),
    /// An invalid signer name.
    #[error("a name has 1 to 200 characters, none of them a control character")]
    Name,
    /// A file could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl From<NotPrivate> for Error {
    fn from(refusal: NotPrivate) -> Self {
        match refusal {
            NotPrivate::Inside(path) => Self::PlaceInside(path),
            NotPrivate::NotSafe { path, why, mode } => Self::NotSafe { path, why, mode },
            NotPrivate::TooLarge(path) => Self::NotSafe {
                path,
                why: "it is too large",
                mode: "600",
            },
            NotPrivate::File { path, source } => Self::File { path, source },
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoPlace | Self::NoKey(_) | Self::File { .. } => Kind::Missing,
            Self::PlaceInside(_) | Self::KeyThere(_) | Self::Revoked(_) | Self::Weak(_) => {
                Kind::Refused
            }
            Self::NotSafe { .. } => Kind::Denied,
            Self::Unknown(_) => Kind::NotFound,
            Self::Name => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::NoPlace | Self::PlaceInside(_) => vec![Hint::say(
                "set XDG_CONFIG_HOME to a folder outside the work tree",
            )],
            Self::NoKey(_) => {
                vec![
                    Advice::CreateKey.because("make one"),
                    Hint::say("or release without a signature: --no-sign"),
                ]
            }
            Self::KeyThere(_) => vec![Hint::say(
                "to begin with a new one, move it away; what it signed stays good until it is revoked",
            )],
            Self::NotSafe { path, mode, .. } => vec![Hint::run(
                "see to it, for instance",
                &["chmod", mode, &path.to_string_lossy()],
            )],
            Self::Unknown(_) => vec![Advice::ListKeys.because("see which are")],
            Self::Revoked(_) => vec![Hint::say("let its owner make a new one, and allow that")],
            Self::Weak(_) | Self::Name | Self::File { .. } => Vec::new(),
        }
    }
}
