//! Row 10, git hooks: how they are installed beside those of others, and what each one does.
//!
//! [`setup`] installs and removes them by one of three methods, none of which changes a byte of a
//! foreign hook: git's own configuration where supported, a script in the hooks folder that first
//! runs the earlier hook, or a folder of our own that `core.hooksPath` names and that delegates.
//! Apart from the installed files no state is kept, so a killed run is simply repeated. [`run`]
//! defines what a hook does: it reads, prints at most a few lines, and fails open.

pub mod config_text;
pub mod driver;
pub mod facts;
pub mod install;
pub mod merge;
pub mod moved;
pub mod place;
mod push;
pub mod redirect;
pub mod run;
pub mod script;
pub mod setup;
pub mod staged;

use std::{io, path::PathBuf};

use crate::{
    base::{Fault, Hint, Kind},
    model::{Advice, hooks::HookMethod},
};
pub use place::SYNC_POINTS;

/// Errors that stop an installation, or a git command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A hook file cannot be read or written.
    #[error("cannot use {name:?} among the hooks")]
    Folder {
        /// The file.
        name: String,
        /// The system's error.
        source: io::Error,
    },
    /// A user changed one of our scripts.
    #[error("{name} was changed since snapback wrote it, so it is not touched")]
    Edited {
        /// The script.
        name: String,
    },
    /// Something that is not a hook has a hook's name.
    #[error("{name} is neither a file nor a link, so no hook can be put there")]
    NoHook {
        /// The name.
        name: String,
    },
    /// The name for keeping a hook is taken by a different one.
    #[error("{name} is there already and is another hook")]
    KeptTaken {
        /// The name.
        name: String,
    },
    /// The requested method is unusable here.
    #[error("hooks cannot be installed by the method {} here: {why}", method.word())]
    Method {
        /// The method.
        method: HookMethod,
        /// The reason.
        why: &'static str,
    },
    /// The configuration is in a form that is not edited.
    #[error("core.hooksPath in {} is written in a way that snapback does not edit", .0.display())]
    ConfigForm(PathBuf),
    /// git does not see what was written.
    #[error("git does not see what was written into {}: another setting wins over it", .0.display())]
    NotInForce(PathBuf),
    /// A hook refuses.
    #[error("{0}")]
    Refused(String, Vec<Hint>),
    /// The hook takes too long.
    #[error("the hook {0} took too long")]
    TooLong(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Folder { .. } => Kind::Missing,
            Self::TooLong(_) => Kind::TimeLimit,
            _ => Kind::Refused,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Edited { name } => vec![
                Hint::run("see it, and keep what you wrote", &["cat", name]),
                Hint::say(format!(
                    "then remove it: where {name}.pre-snapback is there, that is the hook from before: mv {name}.pre-snapback {name}"
                )),
                Advice::InstallHooks.because("and install anew if you want to"),
            ],
            Self::NoHook { name } => vec![Hint::say(format!(
                "move {name} away, or leave that hook out with --only"
            ))],
            Self::KeptTaken { name } => vec![Hint::say(format!(
                "look at it and move it away: snapback keeps a hook under {name}"
            ))],
            Self::Method { .. } => vec![Advice::InstallHooks.because("let snapback choose")],
            Self::ConfigForm(_) => {
                vec![Hint::run(
                    "write it on one line",
                    &["git", "config", "core.hooksPath", "<the same folder>"],
                )]
            }
            Self::NotInForce(_) => {
                vec![Hint::run(
                    "see who sets it",
                    &[
                        "git",
                        "config",
                        "--show-origin",
                        "--get-all",
                        "core.hooksPath",
                    ],
                )]
            }
            Self::Refused(_, hints) => hints.clone(),
            Self::Folder { .. } | Self::TooLong(_) => Vec::new(),
        }
    }
}
