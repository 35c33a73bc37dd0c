//! Row 3, consent: the commands in a repository's configuration that its owner agreed to.
//!
//! A repository may be cloned from anywhere, so the commands in its configuration run only after
//! the user of this machine has approved exactly those commands. The agreement is stored in the
//! user's state folder, outside every work tree, in one file per repository (see [`place`]), and is
//! valid for one repository only: besides the path it names a random mark stored in the git folder.
//! A clone at the path of another repository does not have that mark. An unreadable agreement is no
//! agreement. This room neither runs nor shows commands.

pub mod place;

use std::{
    collections::BTreeSet,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    base::{Digest, Fault, Fs, Hint, Kind, random, text},
    model::{
        Advice,
        trust::{CommandState, ConfiguredCommand, digest_of_all},
    },
    records::{
        JsonRecord, PrivateFolder, RecordFiles, RecordPort,
        private::{NotPrivate, OTHERS_DO_NOT_WRITE},
    },
};
pub use place::ConsentFolder;

/// The format of an agreement.
const SCHEMA: &str = "snapback.trust/1";
/// Name of a repository's mark in its state folder.
const MARK: &str = "trust-mark";

/// Errors that prevent a command or an agreement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Commands would run that were not agreed to.
    #[error("{} that nobody agreed to on this machine; nothing was run: {}", counted(.0.len()), shown(.0))]
    NotTrusted(Vec<ConfiguredCommand>),
    /// There is no folder for agreements.
    #[error(
        "there is no folder to keep an agreement in: neither XDG_STATE_HOME nor HOME is an absolute path"
    )]
    NoPlace,
    /// The folder for agreements is inside the work tree, where it could be committed and cloned.
    #[error("the folder for agreements, {0}, is inside the work tree, where it could be committed")]
    PlaceInside(PathBuf),
    /// The folder or the agreement could have been written by another user.
    #[error("{path} cannot be believed: {why}")]
    NotOurs {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        why: &'static str,
    },
    /// A file could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Returns `the configuration names 2 commands`.
fn counted(number: usize) -> String {
    format!("the configuration names {}", text::count(number, "command"))
}

/// Lists the first commands, for an error.
fn shown(commands: &[ConfiguredCommand]) -> String {
    let line = |command: &ConfiguredCommand| {
        let task = command
            .task
            .as_ref()
            .map(|task| format!("{task} "))
            .unwrap_or_default();
        format!("{task}{}: {}", command.role.word(), command.run)
    };
    let mut text = commands
        .iter()
        .take(3)
        .map(line)
        .collect::<Vec<_>>()
        .join("; ");
    if commands.len() > 3 {
        text.push_str("; …");
    }
    text
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotTrusted(_) | Self::PlaceInside(_) => Kind::Refused,
            Self::NotOurs { .. } => Kind::Denied,
            Self::NoPlace | Self::File { .. } => Kind::Missing,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::NotTrusted(_) => vec![
                Advice::AgreeToCommands.because("look at them and agree"),
                Hint::say(
                    "or leave them out with --no-commands: what they check is then reported as not run",
                ),
            ],
            Self::NoPlace | Self::PlaceInside(_) => vec![Hint::say(
                "set XDG_STATE_HOME to a folder outside the work tree",
            )],
            Self::NotOurs { .. } => {
                vec![Hint::say(
                    "make it your own and writable by you alone, or remove it and run `snapback trust` again",
                )]
            }
            Self::File { .. } => Vec::new(),
        }
    }
}

/// An agreement as stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Agreement {
    schema: String,
    repository: String,
    mark: Digest,
    at: Timestamp,
    commands: Vec<ConfiguredCommand>,
}

impl JsonRecord for Agreement {
    const LIMIT: u64 = 8 << 20;
    const SCHEMA: Option<&'static str> = Some(SCHEMA);

    fn schema(&self) -> Option<&str> {
        Some(&self.schema)
    }
}

impl From<NotPrivate> for Error {
    fn from(refusal: NotPrivate) -> Self {
        match refusal {
            NotPrivate::Inside(path) => Self::PlaceInside(path),
            NotPrivate::NotSafe { path, why, .. } => Self::NotOurs { path, why },
            NotPrivate::TooLarge(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let why = format!("{name} is larger than {} bytes", Agreement::LIMIT);
                let source = io::Error::new(io::ErrorKind::FileTooLarge, why);
                Self::File { path, source }
            }
            NotPrivate::File { path, source } => Self::File { path, source },
        }
    }
}

/// The agreement for one repository.
pub struct Consent {
    place: ConsentFolder,
    repository: PathBuf,
    work_tree: PathBuf,
    state: Arc<dyn Fs>,
    agreed: Mutex<Option<BTreeSet<Digest>>>,
}

impl Consent {
    /// Returns the consent for the repository with this shared git folder and this state folder in
    /// it. Reads nothing yet.
    pub fn new(
        place: ConsentFolder,
        repository: &Path,
        work_tree: &Path,
        state: Arc<dyn Fs>,
    ) -> Self {
        Self {
            place,
            repository: repository.to_path_buf(),
            work_tree: work_tree.to_path_buf(),
            state,
            agreed: Mutex::default(),
        }
    }

    /// Returns the folder of the user's keys, if there is one.
    pub fn key_folder(&self) -> Option<&Path> {
        self.place.keys.as_deref()
    }

    /// Returns the folders of agreements and of keys, as far as the user has them.
    pub fn places(&self) -> Vec<PathBuf> {
        self.place
            .folder
            .iter()
            .chain(&self.place.keys)
            .cloned()
            .collect()
    }

    /// Returns each command with its state; `all` are the commands of the whole configuration.
    pub fn states_of(
        &self,
        commands: &[ConfiguredCommand],
        all: &[ConfiguredCommand],
    ) -> Vec<CommandState> {
        commands
            .iter()
            .map(|command| CommandState {
                command: command.clone(),
                trusted: self.permits(command, all),
            })
            .collect()
    }

    /// Returns true when a command may run; `all` are the commands of the whole configuration.
    pub fn permits(&self, command: &ConfiguredCommand, all: &[ConfiguredCommand]) -> bool {
        let pinned = || {
            !self.place.pins.is_empty()
                && all.contains(command)
                && self.place.pins.contains(&digest_of_all(all))
        };
        let read = || {
            self.read()
                .map(|commands| commands.iter().map(ConfiguredCommand::digest).collect())
                .unwrap_or_default()
        };
        let mut agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        agreed.get_or_insert_with(read).contains(&command.digest()) || pinned()
    }

    /// Agrees to these commands; keeps earlier ones that are still among `all`.
    ///
    /// # Errors
    /// Fails when there is no folder for it, or another user can write to that folder.
    pub fn agree(
        &self,
        commands: &[ConfiguredCommand],
        all: &[ConfiguredCommand],
        at: Timestamp,
    ) -> Result<(), Error> {
        let before = self.read().unwrap_or_default();
        let mut kept: Vec<ConfiguredCommand> = before
            .into_iter()
            .filter(|command| all.contains(command))
            .collect();
        for command in commands {
            if !kept.contains(command) {
                kept.push(command.clone());
            }
        }
        let folder = self.place.make(&self.work_tree)?;
        // A new mark each time, so that knowledge of an earlier one is useless elsewhere.
        let mark = Digest::of(&random::<32>());
        let failed = |path: PathBuf| move |source| Error::File { path, source };
        self.marks()
            .write("", MARK, mark.to_string().as_bytes())
            .map_err(failed(self.repository.join("snapback").join(MARK)))?;
        let agreement = Agreement {
            schema: SCHEMA.into(),
            repository: self.repository.to_string_lossy().into_owned(),
            mark,
            at,
            commands: kept,
        };
        let key = self.key();
        folder
            .records()
            .save(&key, &agreement)
            .map_err(failed(folder.path(&key)))?;
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Revokes every agreement for this repository; returns false when there was none.
    ///
    /// # Errors
    /// Fails when the file is there and cannot be removed.
    pub fn revoke(&self) -> Result<bool, Error> {
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let Some(folder) = self.place.look(&self.work_tree)? else {
            return Ok(false);
        };
        let key = self.key();
        let removed = folder.records::<Agreement>().remove(&key);
        removed.map_err(|source| Error::File {
            path: folder.path(&key),
            source,
        })
    }

    /// Returns why an existing agreement does not count, if so.
    pub fn trouble(&self) -> Option<Error> {
        self.read().err()
    }

    /// Returns the commands that were agreed to; none without an agreement for this repository.
    fn read(&self) -> Result<Vec<ConfiguredCommand>, Error> {
        let folder = self.place.look(&self.work_tree)?;
        let load = |folder: PrivateFolder| folder.load(&self.key(), OTHERS_DO_NOT_WRITE);
        let Some(agreement) = folder.map(load).transpose()?.flatten() else {
            return Ok(Vec::new());
        };
        let agreement: Agreement = agreement;
        let mark = self.marks().read("", MARK, 256).ok().flatten();
        let mark = mark.and_then(|text| String::from_utf8(text).ok());
        let same = agreement.schema == SCHEMA
            && agreement.repository == self.repository.to_string_lossy()
            && mark.is_some_and(|mark| mark.trim() == agreement.mark.to_string());
        Ok(if same { agreement.commands } else { Vec::new() })
    }

    /// Returns the key of this repository's agreement.
    fn key(&self) -> String {
        Digest::of(self.repository.as_os_str().as_bytes()).hex()
    }

    /// Returns the place of the repository's mark: a digest as text, older than JSON records.
    fn marks(&self) -> impl RecordPort + '_ {
        RecordFiles::within(&*self.state)
    }
}

#[cfg(test)]
mod tests;
