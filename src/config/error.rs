//! What can be wrong with a configuration, for people: the file, the key and its line.
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
        /// Why.
        source: io::Error,
    },
    /// Not YAML, or not of the right shape.
    #[error("{file} is not a valid configuration")]
    Parse {
        /// The file.
        file: String,
        /// What is wrong, with the place.
        source: yaml::Error,
        /// What an unknown key may have meant.
        meant: Vec<String>,
        /// How the file comes back as it was.
        back: Vec<Hint>,
    },
    /// Both names are there.
    #[error("both {} and {} are there; snapback does not guess which one counts", NAMES[0], NAMES[1])]
    Choose,
    /// A rule that the shape does not express.
    #[error("the configuration is wrong at {at}: {why}")]
    Rule {
        /// The key, dotted.
        at: String,
        /// What is wrong with its value.
        why: String,
    },
    /// A path that is not safe.
    #[error("the configuration is wrong at {at}")]
    Path {
        /// The key, dotted.
        at: String,
        /// What is wrong with its value.
        source: UnsafePath,
    },
    /// A pattern that does not compile.
    #[error("the configuration is wrong at {at}")]
    Glob {
        /// The key, dotted.
        at: String,
        /// What is wrong with its value.
        source: BadGlob,
    },
    /// Folders could not be listed.
    #[error("the folders of {glob:?} cannot be listed")]
    Discover {
        /// The pattern.
        glob: String,
        /// Why.
        source: io::Error,
    },
    /// A task's configuration gives no version for the first registry.
    #[error("the first registry cannot be written")]
    Registry(#[source] crate::registry::Error),
}

impl Error {
    /// The same with how the file comes back as it was committed, when the committed one can be
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

    /// The same with the line of the key, which a task may have from `defaults`.
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
            Self::Registry(error) => error.kind(),
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
            Self::Registry(error) => error.hints(),
            Self::Read { file, .. } => {
                vec![Hint::run("see whether it is there", &["ls", "-l", file])]
            }
        }
    }
}

/// How the file comes back as it was committed with these bytes.
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
