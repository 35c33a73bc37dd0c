//! Row 4, the opened ports of one repository, and the bytes that can be read through them.

pub mod bytes;
pub mod consent;
mod error;
mod flaws;
mod intake;
mod open;
pub mod owners;
mod places;
mod signing;
mod state_folder;

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    audit::Trail,
    base::{Clock, Digest, Failure, Fs, RelPath},
    consent::Consent,
    git::{PeeledTag, Repo},
    keys::Keys,
    model::{
        Event, GitId, Manifest, Operation, Settings, Sink, TaskId, Version, audit::Via,
        signature::Signer,
    },
    stat_cache::KnownFiles,
    store::ChunkStore,
};

pub use bytes::{Bytes, copy_checked};
pub use error::Error;
pub use flaws::{Flaw, Stops};
use intake::Intake;
pub use open::{Options, ReadSettings};
pub use signing::Signatures;

/// A copy of a release's manifest that is not the one which its tag names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCopy {
    /// Where it lies, in HEAD or in the work tree.
    pub path: RelPath,
    /// In what it differs.
    pub differs: Differs,
    /// A commit that has the manifest itself.
    pub source: Option<GitId>,
}

/// In what a copy of a manifest differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Differs {
    /// In its line ends alone.
    LineEnds,
    /// It was changed.
    Bytes {
        /// The digest of the manifest.
        expected: Digest,
        /// The digest of the copy, or why it has none.
        found: String,
    },
    /// It is the manifest of another release that took the same number.
    Release {
        /// The commit of that release.
        commit: String,
    },
}

/// A release that was read: its manifest, and its peeled tag.
#[derive(Debug)]
pub struct ReadRelease {
    /// The manifest, with what became the task's since.
    pub manifest: Manifest,
    /// The peeled tag.
    pub tag: PeeledTag,
    /// Files of the manifest that it did not list: they became the task's after the release.
    pub grown: Vec<RelPath>,
    /// The copy in HEAD or the work tree, when it is another one: no authority, and said.
    pub copy: Option<OtherCopy>,
}

impl ReadRelease {
    /// The manifest as it was written.
    pub fn as_written(&self) -> Manifest {
        let mut manifest = self.manifest.clone();
        manifest
            .files
            .retain(|file| !self.grown.contains(file.path()));
        manifest
    }
}

/// What a release was read by. Light tags of many tasks and versions may name one commit, so what a
/// tag holds tells no release; and a manifest that no tag vouches for is the one that HEAD has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseKey {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// What the reference of its tag holds.
    pub tag_id: GitId,
    /// The commit of HEAD.
    pub head: Option<GitId>,
}

/// Releases that were read: the manifest of 50,000 files takes a while to read.
pub type ReadReleases = Arc<Mutex<HashMap<ReleaseKey, Arc<ReadRelease>>>>;

/// What engines and steps act on.
#[derive(Clone)]
pub struct RepoSite {
    /// The work tree.
    pub tree: Arc<dyn Fs>,
    /// The state folder, `<git common dir>/snapback`.
    pub state: Arc<dyn Fs>,
    /// Where that is.
    pub state_path: PathBuf,
    /// The store.
    pub store: Arc<ChunkStore>,
    /// The repository.
    pub git: Arc<Repo>,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// What is wrong in the settings and was left out, in the order in which it was found.
    pub flaws: Arc<[Flaw]>,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// What time it is.
    pub clock: Clock,
    /// The name of this host.
    pub host: String,
    /// What the files that the store keeps hold, as far as their looks prove it.
    pub known: Arc<KnownFiles>,
    /// The releases that were read so far.
    pub read: ReadReleases,
    /// The permission bits that new files do not get.
    pub umask: u32,
    /// Which commands of the configuration may run.
    pub consent: Arc<Consent>,
    /// The file that the settings come from: below the work tree, or absolute.
    pub config: String,
    /// True with `--no-commands`: none of them runs.
    pub without_commands: bool,
    /// True when somebody is there to be asked, for a passphrase too.
    pub asks: bool,
    /// True when nothing is to be changed.
    pub dry_run: bool,
    /// How long to wait for another snapback.
    pub lock_wait: Duration,
    /// The command, for whoever has to wait for this one.
    pub command: String,
    /// By whom or what the command was given, for the audit log.
    pub via: Via,
    /// Where files are read into while an operation is described.
    intake: Intake,
    /// What was warned of already.
    warned: Arc<Mutex<BTreeSet<String>>>,
}

impl RepoSite {
    /// The user's keys.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(self.consent.key_folder(), self.git.work_tree())
    }

    /// Makes the user's key, and allows it under a name; `None` = git's name and address of the
    /// user.
    ///
    /// # Errors
    /// When there is one, or no private folder outside the work tree to keep it in.
    pub fn create_key(&self, name: Option<&str>) -> Result<(Signer, PathBuf), Failure> {
        let name = match name {
            Some(name) => name.to_string(),
            None => self.git.identity().map(|who| who.to_string())?,
        };
        let (key, path) = self.keys().create(&name)?;
        let signer = Signer {
            name: name.trim().into(),
            key,
            valid_until: None,
            revoked: None,
        };
        Ok((signer, path))
    }

    /// The audit log.
    pub fn audit(&self) -> Trail {
        Trail::new(self.state.clone())
    }

    /// True when an operation runs none of its task's commands: it was begun without them, or this
    /// run leaves them out.
    pub fn leaves_commands_out(&self, operation: &Operation) -> bool {
        self.without_commands || operation.without_commands
    }

    /// Emits a line about a finished step.
    pub fn say(&self, step: &'static str, text: impl Into<String>) {
        self.sink.take(Event::StepDone {
            step,
            text: text.into(),
        });
    }

    /// Emits a warning.
    pub fn warn(&self, text: impl Into<String>) {
        self.sink.take(Event::Warning(text.into()));
    }

    /// Runs long work between a begin and an end event.
    pub fn work<T>(
        &self,
        what: &'static str,
        total: u64,
        bytes: bool,
        run: impl FnOnce() -> T,
    ) -> T {
        self.sink.take(Event::WorkBegan { what, total, bytes });
        let result = run();
        self.sink.take(Event::WorkEnded);
        result
    }

    /// Says that some of the long work is done.
    pub fn progress(&self, more: u64) {
        self.sink.take(Event::WorkDone { more });
    }
}
