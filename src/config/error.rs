//! Errors of a configuration, as shown to people: the file, the key and its line.
//!
//! A value that may be a secret is never part of a message.

use std::io;

use super::{NAMES, parts};
use crate::{
    base::{Fault, Hint, Kind, RelPath, glob::BadGlob, path::UnsafePath, yaml},
    model::Advice,
};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or the work tree cannot be read.
    #[error("{file} cannot be read")]
    Read {
        /// The file.
        file: String,
        /// The reason.
        source: io::Error,
    },
    /// The file is not YAML, or does not have the right shape.
    #[error("{file} is not a valid configuration")]
    Parse {
        /// The file.
        file: String,
        /// The mistake, with its place.
        source: yaml::Error,
        /// The keys that an unknown key may have meant.
        meant: Vec<String>,
        /// Hints for restoring the file.
        back: Vec<Hint>,
    },
    /// Both names of the configuration exist.
    #[error("both {} and {} are there; snapback does not guess which one counts", NAMES[0], NAMES[1])]
    Choose,
    /// A value breaks a rule that the shape does not express.
    #[error("the configuration is wrong at {at}: {why}")]
    Rule {
        /// The key, dotted.
        at: String,
        /// The mistake in its value.
        why: String,
    },
    /// A path is not safe.
    #[error("the configuration is wrong at {at}")]
    Path {
        /// The key, dotted.
        at: String,
        /// The mistake in its value.
        source: UnsafePath,
    },
    /// A pattern does not compile.
    #[error("the configuration is wrong at {at}")]
    Glob {
        /// The key, dotted.
        at: String,
        /// The mistake in its value.
        source: BadGlob,
    },
    /// The folders of a pattern cannot be listed.
    #[error("the folders of {glob:?} cannot be listed")]
    Discover {
        /// The pattern.
        glob: String,
        /// The reason.
        source: io::Error,
    },
    /// The version of a task cannot be read.
    #[error(transparent)]
    Version(crate::registry::Error),
}

impl Error {
    /// Adds hints for restoring the file as it was committed, if the committed one can be
    /// read.
    pub fn with_committed(mut self, committed: impl FnOnce(&RelPath) -> Option<Vec<u8>>) -> Self {
        if let Self::Parse { file, back, .. } = &mut self
            && NAMES.contains(&file.as_str())
            && let Some(bytes) = committed(&RelPath::own(file.as_str()))
        {
            *back = ways_back(file, &bytes);
        }
        self
    }

    /// Adds the line of the key, which a task may have taken from `defaults`.
    pub(super) fn with_line(mut self, bytes: &[u8]) -> Self {
        if let Self::Rule { at, .. } | Self::Path { at, .. } | Self::Glob { at, .. } = &mut self {
            let found = yaml::line_of(bytes, at);
            let of_all = at
                .strip_prefix("tasks.")
                .and_then(|rest| Some(format!("defaults.{}", rest.split_once('.')?.1)));
            let from = of_all.filter(|_| found.is_none_or(|(_, is_whole)| !is_whole));
            match from.and_then(|from| {
                Some((
                    yaml::line_of(bytes, &from).filter(|(_, is_whole)| *is_whole)?,
                    from,
                ))
            }) {
                Some(((line, _), from)) => *at = format!("line {line}, {from}"),
                None => {
                    *at =
                        found.map_or_else(|| at.clone(), |(line, _)| format!("line {line}, {at}"));
                }
            }
        }
        self
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Discover { .. } => Kind::Missing,
            Self::Version(error) => error.kind(),
            _ => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        let schema = || Advice::SeeSettings.because("see every key and its form");
        match self {
            Self::Parse { meant, back, .. } => {
                let meant = if meant.is_empty() {
                    schema()
                } else {
                    Hint::say(format!("did you mean {}?", meant.join(" or ")))
                };
                std::iter::once(meant).chain(back.iter().cloned()).collect()
            }
            Self::Rule { .. } | Self::Path { .. } | Self::Glob { .. } | Self::Discover { .. } => {
                vec![schema()]
            }
            Self::Choose => vec![Hint::say("remove one of the two")],
            Self::Version(error) => error.hints(),
            Self::Read { file, .. } => {
                vec![Hint::run("see whether it is there", &["ls", "-l", file])]
            }
        }
    }
}

/// Returns hints for restoring the file as it was committed with these bytes.
fn ways_back(file: &str, committed: &[u8]) -> Vec<Hint> {
    let there = format!(":/{file}");
    if parts::read(file, committed).is_err() {
        return vec![Hint::run(
            "what was committed cannot be read either; see what changed it",
            &["git", "log", "-p", "--", &there],
        )];
    }
    vec![
        Hint::say(format!(
            "go by what was committed: git show HEAD:{file} >committed.yaml, then the same with --config committed.yaml"
        )),
        Hint::run(
            "put back what was committed; edits since then are lost",
            &["git", "restore", "--source=HEAD", "--", &there],
        ),
    ]
}
