//! Errors of the command line itself, before or around the calls of `App`.

use std::{path::PathBuf, time::Duration};

use crate::{
    base::{Act, Fault, Hint, Kind},
    model::Advice,
};

/// An error of the command line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments are invalid or do not fit together.
    #[error("{message}")]
    Usage {
        /// The problem.
        message: String,
        /// Hints on the correct usage.
        hints: Vec<Hint>,
    },
    /// A confirmation is required, and nobody can be asked.
    #[error(
        "this asks before it changes anything, and nobody can be asked here: add --yes to carry the plan out"
    )]
    NeedsYes {
        /// The same command with `--yes`.
        argv: Vec<String>,
    },
    /// The answer to the question was not yes.
    #[error("not done")]
    Declined,
    /// A changing command was run in a hook that snapback runs.
    #[error("called from inside a hook that snapback runs: it would wait for itself")]
    InsideHook,
    /// The time of `--timeout` has passed.
    #[error("the time limit of {0:?} passed")]
    TimeLimit(Duration),
    /// The answer could not be written.
    #[error("the answer cannot be written to standard output")]
    Answer(#[source] std::io::Error),
    /// A file could not be written.
    #[error("{path} cannot be written")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The named operation is not the unfinished one.
    #[error("operation {0} is not unfinished")]
    NotUnfinished(String),
    /// The demo waits for Enter, and nobody can press it.
    #[error("the demo waits for Enter between its steps, and there is no terminal: add --auto")]
    NeedsAuto,
    /// A program that the demo needs is missing or failed.
    #[error("the demo cannot go on: {0}")]
    Demo(String),
    /// The demo found an unexpected state.
    #[error("the demo saw what must not be: {0}")]
    DemoIsWrong(String),
}

impl Error {
    /// Returns a usage error without hints.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hints: Vec::new(),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Usage { .. } => Kind::Usage,
            Self::NeedsYes { .. } | Self::NeedsAuto | Self::Declined | Self::InsideHook => {
                Kind::Refused
            }
            Self::TimeLimit(_) => Kind::TimeLimit,
            Self::Answer(_) | Self::Write { .. } | Self::Demo(_) => Kind::Missing,
            Self::NotUnfinished(_) => Kind::NotFound,
            Self::DemoIsWrong(_) => Kind::Bug,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Usage { hints, .. } if hints.is_empty() => {
                vec![Advice::SeeUsage.because("see how it is written")]
            }
            Self::Usage { hints, .. } => hints.clone(),
            Self::NeedsYes { argv } => vec![Hint {
                why: "without a question".into(),
                act: Some(Act::Command(argv.clone())),
            }],
            Self::InsideHook => vec![Hint::say(
                "take the command out of the hook; reading commands such as `snapback status` may stay",
            )],
            Self::TimeLimit(_) => vec![Advice::SeeStatus.because("see where it stands")],
            Self::NotUnfinished(_) => vec![Advice::ListOperations.because("list the operations")],
            Self::Answer(_) | Self::Write { .. } => vec![Hint::say(
                "check that the disk is not full and the place is writable",
            )],
            Self::NeedsAuto => vec![Advice::SeeDemo.because("walk through by itself")],
            Self::DemoIsWrong(_) => vec![Advice::KeepDemo.because("look at what it left")],
            Self::Declined => vec![Hint::say(
                "run it again and answer y, or add --dry-run to see the plan alone",
            )],
            Self::Demo(_) => vec![Advice::CheckEverything.because("see what is missing")],
        }
    }
}
