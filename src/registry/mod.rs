//! Row 4, `task_registry.json` and the version in a task's configuration: edits of one value.
//!
//! Both files belong to users, so an edit replaces the bytes of one scalar (or adds one entry) and
//! keeps every other byte: comments, order, indentation, line ends, byte-order mark. Edits that
//! cannot be exact are refused, and every result is parsed again and compared before its bytes are
//! returned. Nothing here reads or writes files; it maps bytes to bytes. See [`task_registry`] for
//! the shapes of a registry and [`task_config`] for configurations.

#[cfg(test)]
mod config_tests;
mod entry;
#[cfg(test)]
mod honest_tests;
mod json;
mod layout;
mod lines;
pub mod lock_file;
pub mod merge;
mod second;
pub mod task_config;
pub mod task_registry;
#[cfg(test)]
mod tests;
mod toml;
mod tree;
mod xml;
mod yaml;

use crate::{
    base::{Fault, Hint, Kind},
    model::{Advice, version::NotAVersion},
};

pub use task_registry::Registry;

/// Errors while reading or editing a registry or a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Larger than the limit.
    #[error("{file} has {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not valid in its format.
    #[error("{file} cannot be read: {}{why}", at_line(*.line))]
    Parse {
        /// The file.
        file: String,
        /// The line, counted from 1; 0 when unknown.
        line: usize,
        /// The parser's message.
        why: String,
    },
    /// Git left conflict markers in the file.
    #[error("{file}, line {line}: a merge left its conflict marks there")]
    Conflict {
        /// The file.
        file: String,
        /// The line of the first marker, counted from 1.
        line: usize,
    },
    /// The same key twice in one map: parsers disagree about which one counts.
    #[error("{file}, line {line}: the key {key:?} is there twice")]
    DuplicateKey {
        /// The file.
        file: String,
        /// The key or the id.
        key: String,
        /// The line of the second occurrence, counted from 1.
        line: usize,
    },
    /// Readable, but of no known shape.
    #[error("{file}: {why}")]
    Shape {
        /// The file.
        file: String,
        /// The shape found and the shape expected.
        why: String,
    },
    /// The value at the version key is not a version.
    #[error("{file}: the value of {key:?} cannot be a version")]
    ReadVersion {
        /// The file.
        file: String,
        /// The key, dotted.
        key: String,
        /// The reason, with the value.
        source: NotAVersion,
    },
    /// The configuration has no version at the key.
    #[error("{file} has no version: the key {key:?} is missing")]
    NoVersion {
        /// The file.
        file: String,
        /// The key, dotted.
        key: String,
        /// How to add it, in the syntax of the format.
        add: String,
        /// True when the file declares that its version is generated elsewhere.
        dynamic: bool,
    },
    /// A missing entry cannot be removed.
    #[error("{file} has no entry for {task}")]
    NoEntry {
        /// The file.
        file: String,
        /// The task.
        task: String,
    },
    /// The edit would not preserve every other byte and value.
    #[error("{file}{}: {key:?} is not edited, because {why}", in_line(*.line))]
    Edit {
        /// The file.
        file: String,
        /// The line, counted from 1; 0 when unknown.
        line: usize,
        /// The key, dotted.
        key: String,
        /// The reason.
        why: String,
    },
    /// The configuration is in an unsupported format.
    #[error("{file} is none of .yaml, .yml, .json and .toml")]
    Format {
        /// The file.
        file: String,
    },
}

/// Returns ", line 3", or nothing.
fn in_line(line: usize) -> String {
    if line == 0 {
        String::new()
    } else {
        format!(", line {line}")
    }
}

/// Returns "line 3: ", or nothing.
fn at_line(line: usize) -> String {
    if line == 0 {
        String::new()
    } else {
        format!("line {line}: ")
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Edit { .. } => Kind::Refused,
            Self::Format { .. } => Kind::Usage,
            Self::NoEntry { .. } => Kind::NotFound,
            _ => Kind::Bad,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        let mut hints = self.ways();
        hints.extend(self.file().filter(|file| is_of_packages(file)).map(|_| {
            Hint::say("or name another file or key with `config` and `version_key` of the task in snapback.yaml")
        }));
        hints
    }
}

/// True for a file that is looked at because of its name.
fn is_of_packages(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    task_config::PACKAGE_FILES.contains(&name)
}

impl Error {
    /// Returns the file that cannot be read.
    fn file(&self) -> Option<&str> {
        match self {
            Self::TooLarge { file, .. }
            | Self::Parse { file, .. }
            | Self::DuplicateKey { file, .. }
            | Self::Shape { file, .. }
            | Self::ReadVersion { file, .. } => Some(file),
            _ => None,
        }
    }

    /// Returns what can be done.
    fn ways(&self) -> Vec<Hint> {
        match self {
            Self::NoVersion { add, dynamic, .. } => version_hints(add, *dynamic),
            Self::Conflict { file, .. } if file == task_registry::FILE => vec![
                Advice::SyncFromConfigs
                    .because("take every entry of both sides, and the versions of the configs"),
                Hint::say("or mend the marks by hand"),
            ],
            Self::Conflict { .. } => {
                vec![Hint::say(
                    "decide for one side with `git checkout --ours` or `--theirs` and the file, or mend the marks by hand",
                )]
            }
            Self::Parse { file, .. } if file == task_registry::FILE => vec![
                Advice::SyncFromConfigs
                    .because("write what can be read anew, with the versions of the configs"),
                Hint::say(
                    "or see who changed it with `git log -p` and take the last good one with `git restore`",
                ),
            ],
            Self::ReadVersion { .. } => vec![Hint::say(
                "write it without a `v`: as three numbers, such as 1.2.0, unless `scheme` of the task in snapback.yaml says otherwise",
            )],
            Self::DuplicateKey { .. } => vec![Hint::say("remove one of the two")],
            Self::Edit { .. } => vec![Hint::say(
                "write the version as a plain or quoted text of its own, on one line",
            )],
            Self::NoEntry { .. } => {
                vec![Advice::CompareRegistry.because("see how registry and configs differ")]
            }
            _ => vec![Hint::say(
                "mend it, or see who changed it with `git log -p` and take the last good one with `git restore`",
            )],
        }
    }
}

/// Returns hints for a configuration without a version.
pub fn version_hints(add: &str, dynamic: bool) -> Vec<Hint> {
    if dynamic {
        return vec![
            Hint::say(
                "its `dynamic = [\"version\"]` says that the version is made elsewhere: name a file that holds it with `config` and `version_key` in snapback.yaml",
            ),
            Hint::say(format!("or take \"version\" out of `dynamic` and {add}")),
        ];
    }
    vec![Hint::say(format!(
        "{add}, or name the right key with `version_key`"
    ))]
}
