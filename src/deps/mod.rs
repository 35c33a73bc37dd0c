//! Row 3, dependency lists: collectors and how an environment is put back.
//!
//! A [`Collector`] reads one ecosystem's files below the work tree and adds names and versions
//! to a list; a new one is a file here and one row in [`COLLECTORS`]. No collector runs a
//! program, reads `.env`, or records a value, a password or a token: lists are committed.
//! Read `places.rs` for where lock files are looked for, [`environment`] for `env: sync`.

use std::{collections::BTreeMap, io};

use crate::{
    base::{Digest, Fault, Fs, Hint, Kind, RelPath, encoding, fs::read_limited, process},
    model::{DependencyList, GitId, dependencies::LockFile},
};

mod cargo;
pub mod environment;
pub mod facts;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
mod installed;
mod node;
mod node_text;
mod others;
mod places;
mod python;
mod python_lock;
mod requirements;
mod scan;
pub mod shared;
mod url;
mod variables;
pub mod wheels;

pub use installed::{Difference, difference, installed};

/// Largest lock file that is read, in bytes.
const LOCK_LIMIT: u64 = 64 << 20;
/// Largest source or configuration file that is searched, in bytes.
const SOURCE_LIMIT: u64 = 4 << 20;

/// The collectors, in the order in which they run.
pub const COLLECTORS: [&dyn Collector; 5] = [
    &python::Python,
    &node::Node,
    &cargo::Cargo,
    &others::Others,
    &variables::Variables,
];

/// Reads one ecosystem's dependencies.
pub trait Collector: Sync {
    /// A stable word for messages.
    fn name(&self) -> &'static str;
    /// Adds what it finds; what it cannot understand is a warning, what it cannot read an error.
    fn collect(&self, task: &Task<'_>, found: &mut Found) -> Result<(), Error>;
}

/// The task whose dependencies are read.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The work tree.
    pub fs: &'a dyn Fs,
    /// The task's folder.
    pub dir: &'a RelPath,
    /// The files of the release.
    pub files: &'a [RelPath],
    /// The environment's folder, when the settings name one.
    pub venv: Option<&'a RelPath>,
    /// Names of environment variables that the settings name.
    pub variables: &'a [String],
    /// Which files need not be read, because it is known what they say.
    pub known: Known<'a>,
}

/// What is known of sources before they are read.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The blobs that the task's files are, in their order, where that is known unread.
    pub blobs: &'a [Option<&'a GitId>],
    /// The id that bytes have as a blob; `None` when nobody wants to know.
    pub id: &'a (dyn Fn(&[u8]) -> Option<GitId> + Sync),
    /// What blobs say.
    pub facts: &'a facts::Facts,
}

impl Known<'_> {
    /// Every source is read.
    pub const NOTHING: Self = Known {
        blobs: &[],
        id: &|_| None,
        facts: &facts::Facts::NONE,
    };
}

/// What the collectors have found so far.
#[derive(Debug, Default)]
pub struct Found {
    /// The list, in any order and with doubles until [`collect`] returns it.
    pub list: DependencyList,
    /// What was found but not understood, for people.
    pub warnings: Vec<String>,
    /// The sources that were looked into.
    pub sources: shared::Sources,
    /// What they say, when some of it was not known before.
    pub facts: Option<facts::NewFacts>,
    /// The files that recorded links lead to.
    linked: BTreeMap<RelPath, RelPath>,
}

/// What went wrong with dependencies.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the work tree could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: RelPath,
        /// What the system said.
        source: io::Error,
    },
    /// A program that builds an environment could not be run.
    #[error("cannot build the environment {path}")]
    Run {
        /// The environment's folder.
        path: RelPath,
        /// Why.
        source: process::Error,
    },
    /// A program that builds an environment failed.
    #[error("cannot build the environment {path}: {step} failed: {output}")]
    Step {
        /// The environment's folder.
        path: RelPath,
        /// What was tried.
        step: &'static str,
        /// The last lines it printed, escaped, without credentials.
        output: String,
    },
    /// Packages that no program can install from a list of names and versions.
    #[error("cannot build the environment {path}: not installed from a package index: {}", .packages.join(", "))]
    Unpinned {
        /// The environment's folder.
        path: RelPath,
        /// The packages, as recorded.
        packages: Vec<String>,
    },
    /// The environment was built, but is not what was asked for.
    #[error("the environment {path} came out different: {difference}")]
    Different {
        /// The environment's folder.
        path: RelPath,
        /// What differs.
        difference: Difference,
    },
    /// The new environment's files could not be handled.
    #[error("cannot prepare the environment {path}: {source}")]
    Files {
        /// The file or folder.
        path: RelPath,
        /// What the system said.
        source: io::Error,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Run { source, .. } => source.kind(),
            Self::Read { .. }
            | Self::Step { .. }
            | Self::Unpinned { .. }
            | Self::Different { .. }
            | Self::Files { .. } => Kind::Missing,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Run { .. } => vec![Hint::say(
                "install uv, or Python with its venv module, or set env: plan",
            )],
            Self::Step { .. } | Self::Different { .. } => {
                vec![Hint::say(
                    "the old environment is untouched; set env: plan to roll back without it",
                )]
            }
            Self::Unpinned { .. } => vec![Hint::say("install these by hand, or set env: plan")],
            Self::Read { .. } | Self::Files { .. } => Vec::new(),
        }
    }
}

impl Found {
    /// Records a lock file with the digest of its bytes.
    fn lock_file(&mut self, task: &Task<'_>, path: &RelPath) -> Result<(), Error> {
        if let Some(file) = places::file_at(task, path)?.filter(|file| file != path) {
            self.linked.insert(path.clone(), file);
        }
        let file = self.file_of(path);
        let digest = task
            .fs
            .open(&file)
            .and_then(|mut file| Digest::of_reader(&mut file));
        let (checksum, _) = digest.map_err(|source| Error::Read {
            path: file.clone(),
            source,
        })?;
        self.list.lockfiles.push(LockFile {
            path: file,
            checksum,
            unread: false,
        });
        Ok(())
    }

    /// The file that holds the bytes of a recorded lock file: a link holds none itself.
    fn file_of(&self, path: &RelPath) -> RelPath {
        self.linked.get(path).unwrap_or(path).clone()
    }

    /// Reads a lock file as text; a warning and `None` when it is too large or none.
    fn lock_text(&mut self, task: &Task<'_>, path: &RelPath) -> Result<Option<String>, Error> {
        match read_limited(task.fs, &self.file_of(path), LOCK_LIMIT) {
            Ok(bytes) => {
                let text = encoding::text(&bytes);
                if text.is_none() {
                    self.warn(
                        path,
                        "it is neither UTF-8 nor what its byte-order mark says",
                    );
                }
                Ok(text)
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.warn(path, "it is larger than 64 MiB");
                Ok(None)
            }
            Err(source) => Err(Error::Read {
                path: path.clone(),
                source,
            }),
        }
    }

    /// Says that a file was not understood. `why` never quotes the file.
    fn warn(&mut self, path: &RelPath, why: &str) {
        self.unread(path);
        self.warnings.push(format!(
            "{path} is not understood; it is recorded by digest, its packages are not: {why}"
        ));
    }

    /// Marks a recorded lock file as one whose packages are not in the list.
    fn unread(&mut self, path: &RelPath) {
        let path = self.file_of(path);
        for file in self
            .list
            .lockfiles
            .iter_mut()
            .filter(|file| file.path == path)
        {
            file.unread = true;
        }
    }
}

/// Reads the dependency list of a task: every list sorted, without doubles.
///
/// Returns it with warnings for people about what was found but not understood.
pub fn collect(task: &Task<'_>) -> Result<(DependencyList, Vec<String>), Error> {
    collect_all(task).map(|found| (found.list, found.warnings))
}

/// [`collect`], with the sources that were looked into on the way.
pub fn collect_all(task: &Task<'_>) -> Result<Found, Error> {
    let mut found = Found::default();
    for collector in COLLECTORS {
        collector.collect(task, &mut found)?;
    }
    let list = &mut found.list;
    for names in [
        &mut list.python_packages,
        &mut list.node_packages,
        &mut list.cargo_packages,
        &mut list.environment_variables,
    ] {
        names.sort_unstable();
        names.dedup();
    }
    list.lockfiles.sort_unstable();
    list.lockfiles.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests;
