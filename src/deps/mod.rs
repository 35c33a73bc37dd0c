//! Row 3, dependency lists: collectors and how an environment is restored.
//!
//! A [`Collector`] reads one ecosystem's files below the work tree and adds names and versions to a
//! list; a new one needs a file here and a row in [`COLLECTORS`]. Lists are committed, so no
//! collector runs a program, reads `.env`, or records a value, password or token. See `places.rs`
//! for where lock files are looked for, and [`environment`] for `env: sync`.

use std::{collections::BTreeMap, io};

use crate::{
    base::{Digest, Fault, Fs, Hint, Kind, RelPath, encoding, fs::read_limited, process},
    model::{DependencyList, GitId, dependencies::LockFile},
};

mod cargo;
pub mod environment;
pub mod facts;
#[cfg(feature = "fuzz")]
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

pub use installed::{PackageDifference, difference, installed};

/// Maximum size of a lock file, in bytes.
const LOCK_LIMIT: u64 = 64 << 20;
/// Maximum size of a searched source or configuration file, in bytes.
const SOURCE_LIMIT: u64 = 4 << 20;

/// The collectors, in execution order.
pub const COLLECTORS: [&dyn Collector; 5] = [
    &python::Python,
    &node::NodeLocks,
    &cargo::Cargo,
    &others::Others,
    &variables::VariableCollector,
];

/// Reads one ecosystem's dependencies.
pub trait Collector: Sync {
    /// A stable name for messages.
    fn name(&self) -> &'static str;
    /// Adds what it finds; warns about input it cannot parse and fails on input it cannot read.
    fn collect(&self, task: &CollectedTask<'_>, found: &mut Collected) -> Result<(), Error>;
}

/// The task whose dependencies are collected.
#[derive(Clone, Copy)]
pub struct CollectedTask<'a> {
    /// The work tree.
    pub fs: &'a dyn Fs,
    /// The task's folder.
    pub dir: &'a RelPath,
    /// The files of the release.
    pub files: &'a [RelPath],
    /// The environment's folder, if configured.
    pub venv: Option<&'a RelPath>,
    /// Configured names of environment variables.
    pub variables: &'a [String],
    /// Facts of files that need not be read again.
    pub known: KnownSources<'a>,
}

/// Facts about sources known before reading them.
#[derive(Clone, Copy)]
pub struct KnownSources<'a> {
    /// The blob of each of the task's files, in order, where known without reading.
    pub blobs: &'a [Option<&'a GitId>],
    /// Computes the blob id of bytes; `None` when ids are not needed.
    pub id: &'a (dyn Fn(&[u8]) -> Option<GitId> + Sync),
    /// Facts by blob.
    pub facts: &'a facts::SourceFacts,
}

impl KnownSources<'_> {
    /// Nothing is known, so every source is read.
    pub const NOTHING: Self = KnownSources {
        blobs: &[],
        id: &|_| None,
        facts: &facts::SourceFacts::NONE,
    };
}

/// The results collected so far.
#[derive(Debug, Default)]
pub struct Collected {
    /// The list, unsorted and with duplicates until [`collect`] returns it.
    pub list: DependencyList,
    /// Warnings for the user about input that could not be parsed.
    pub warnings: Vec<String>,
    /// The sources that were searched.
    pub sources: shared::Sources,
    /// Their facts, if some are new.
    pub facts: Option<facts::NewFacts>,
    /// Targets of recorded links.
    linked: BTreeMap<RelPath, RelPath>,
}

/// Errors while handling dependencies.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file in the work tree could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: RelPath,
        /// The system's error.
        source: io::Error,
    },
    /// A program that builds an environment could not be run.
    #[error("cannot build the environment {path}")]
    Run {
        /// The environment's folder.
        path: RelPath,
        /// The reason.
        source: process::Error,
    },
    /// A program that builds an environment failed.
    #[error("cannot build the environment {path}: {step} failed: {output}")]
    Step {
        /// The environment's folder.
        path: RelPath,
        /// The step that failed.
        step: &'static str,
        /// The last lines of output, escaped, without credentials.
        output: String,
    },
    /// Packages that cannot be installed from a list of names and versions.
    #[error("cannot build the environment {path}: not installed from a package index: {}", .packages.join(", "))]
    Unpinned {
        /// The environment's folder.
        path: RelPath,
        /// The packages, as recorded.
        packages: Vec<String>,
    },
    /// The environment was built, but differs from the requested one.
    #[error("the environment {path} came out different: {difference}")]
    Different {
        /// The environment's folder.
        path: RelPath,
        /// The difference.
        difference: PackageDifference,
    },
    /// The new environment's files could not be processed.
    #[error("cannot prepare the environment {path}: {source}")]
    Files {
        /// The file or folder.
        path: RelPath,
        /// The system's error.
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

impl Collected {
    /// Records a lock file with the digest of its bytes.
    fn lock_file(&mut self, task: &CollectedTask<'_>, path: &RelPath) -> Result<(), Error> {
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

    /// Returns the file that holds the bytes of a recorded lock file; a link is resolved.
    fn file_of(&self, path: &RelPath) -> RelPath {
        self.linked.get(path).unwrap_or(path).clone()
    }

    /// Reads a lock file as text; warns and returns `None` when it is too large or not text.
    fn lock_text(
        &mut self,
        task: &CollectedTask<'_>,
        path: &RelPath,
    ) -> Result<Option<String>, Error> {
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

    /// Warns that a file could not be parsed. `why` never quotes the file.
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

/// Collects the dependency list of a task; every list is sorted and free of duplicates.
///
/// Also returns warnings for the user about input that could not be parsed.
pub fn collect(task: &CollectedTask<'_>) -> Result<(DependencyList, Vec<String>), Error> {
    collect_all(task).map(|found| (found.list, found.warnings))
}

/// Like [`collect`], but also returns the sources that were searched.
pub fn collect_all(task: &CollectedTask<'_>) -> Result<Collected, Error> {
    let mut found = Collected::default();
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
