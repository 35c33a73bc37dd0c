//! Row 4, the place of operations: a [`Vault`] stores bytes and records, a [`Site`] adds the
//! folders that may change and who asks, a [`RepoSite`] the repository.

mod advice;
pub mod bytes;
pub mod consent;
mod environment;
mod error;
mod flaws;
mod intake;
mod open;
pub mod owners;
mod places;
mod roots;
mod signing;
mod state_folder;
mod vault;

use std::{
    collections::{BTreeSet, HashMap},
    ops::Deref,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    base::{Clock, Digest, Failure, Fs, RelPath, lock::Holder},
    consent::Consent,
    git::{self, PeeledTag, Repo},
    keys::Keys,
    model::{
        Advice, Event, GitId, Manifest, Operation, Settings, Sink, TaskId, TaskSpec, Version,
        advice::Spell, audit::Actor, event::Quiet, operation::Person, signature::Signer,
    },
    stat_cache::KnownFiles,
};

pub use bytes::{Bytes, RootBytes, copy_checked};
pub use environment::Environment;
pub use error::Error;
pub use flaws::{Flaw, StoppedTasks};
use intake::Intake;
pub use open::{Options, ReadSettings};
pub use roots::{Roots, SiteRoot};
pub use signing::Signatures;
use state_folder::umask;
pub use vault::Vault;

/// A copy of a release's manifest that differs from the one named by its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCopy {
    /// Its path, in HEAD or in the work tree.
    pub path: RelPath,
    /// The difference.
    pub differs: Differs,
    /// A commit that has the manifest itself.
    pub source: Option<GitId>,
}

/// How a copy of a manifest differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Differs {
    /// Only in line ends.
    LineEnds,
    /// It was changed.
    Bytes {
        /// The digest of the manifest.
        expected: Digest,
        /// The digest of the copy, or why it has none.
        found: String,
    },
    /// It is the manifest of a different release with the same number.
    Release {
        /// The commit of that release.
        commit: String,
    },
}

/// A release that was read: its manifest and peeled tag.
#[derive(Debug)]
pub struct ReadRelease {
    /// The manifest, including files that joined the task later.
    pub manifest: Manifest,
    /// The peeled tag.
    pub tag: PeeledTag,
    /// Files that the manifest did not list: they joined the task after the release.
    pub grown: Vec<RelPath>,
    /// The copy in HEAD or the work tree, if it differs; it has no authority and is only reported.
    pub copy: Option<OtherCopy>,
}

impl ReadRelease {
    /// Returns the manifest as written.
    pub fn as_written(&self) -> Manifest {
        let mut manifest = self.manifest.clone();
        manifest
            .files
            .retain(|file| !self.grown.contains(file.path()));
        manifest
    }
}

/// The key of a release that was read. Lightweight tags of many versions may point to one commit,
/// so the target identifies no release; and a manifest without a vouching tag is read from HEAD.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseKey {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The target of its tag's reference.
    pub tag_id: GitId,
    /// The commit of HEAD.
    pub head: Option<GitId>,
}

/// A cache of releases, because a manifest of 50,000 files takes a while to read.
pub type ReadReleases = Arc<Mutex<HashMap<ReleaseKey, Arc<ReadRelease>>>>;

/// The ports and settings for an operation.
#[derive(Clone)]
pub struct Site {
    /// Storage of bytes and records.
    pub vault: Vault,
    /// The folders that may change.
    pub roots: Roots,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// The receiver of events.
    pub sink: Arc<dyn Sink>,
    /// The clock.
    pub clock: Clock,
    /// The name of this host.
    pub host: String,
    /// The permission bits withheld from new files.
    pub umask: u32,
    /// Who asks, and through which interface.
    pub actor: Actor,
    /// The variables used to plan and check operations.
    pub environment: Environment,
    /// True with `--no-commands`: no command of the configuration runs.
    pub without_commands: bool,
    /// True when a person can be asked, also for a passphrase.
    pub asks: bool,
    /// True when nothing is to be changed.
    pub dry_run: bool,
    /// How long to wait for another snapback process.
    pub lock_wait: Duration,
    /// How people are told what they can do next.
    pub spell: Spell,
    /// Warnings already given.
    warned: Arc<Mutex<BTreeSet<String>>>,
}

/// A site with its repository: what engines and steps act on.
#[derive(Clone)]
pub struct RepoSite {
    /// The parts that do not involve git.
    pub site: Site,
    /// The repository.
    pub git: Arc<Repo>,
    /// The work tree.
    pub tree: Arc<dyn Fs>,
    /// Mistakes in the settings that were left out, in the order found.
    pub flaws: Arc<[Flaw]>,
    /// The settings file: relative to the work tree, or absolute.
    pub config: String,
    /// Which commands of the configuration may run.
    pub consent: Arc<Consent>,
    /// The known digests of files kept in the store, as far as their metadata proves them.
    pub known: Arc<KnownFiles>,
    /// The releases read so far.
    pub read: ReadReleases,
    /// The receiver of files while an operation is drafted.
    intake: Intake,
}

/// Gives access to the vault: `site.store` is the vault's store.
impl Deref for Site {
    type Target = Vault;

    fn deref(&self) -> &Vault {
        &self.vault
    }
}

/// Gives access to the site.
impl Deref for RepoSite {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Site {
    /// Returns a site over a vault, with no changeable folder, no settings, and no event receiver.
    pub fn new(vault: Vault, clock: Clock) -> Self {
        let uname = rustix::system::uname();
        Self {
            vault,
            roots: Roots::default(),
            settings: Arc::default(),
            sink: Arc::new(Quiet),
            clock,
            host: uname.nodename().to_string_lossy().into_owned(),
            umask: umask(),
            actor: Actor::default(),
            environment: Environment::default(),
            without_commands: false,
            asks: false,
            dry_run: false,
            lock_wait: Duration::ZERO,
            spell: Advice::name,
            warned: Arc::default(),
        }
    }

    /// Returns the lock holder that describes this process.
    pub fn holder(&self) -> Holder {
        Holder {
            pid: std::process::id(),
            host: self.host.clone(),
            command: self.actor.command.clone(),
            since: self.clock.now().to_string(),
        }
    }

    /// Returns the settings of an operation's task; `None` when it has none, or the settings no
    /// longer name it.
    pub fn task_of(&self, operation: &Operation) -> Option<&TaskSpec> {
        self.settings.task(operation.about.task.as_ref()?)
    }

    /// Returns true when an operation runs none of its task's commands: it was begun without them,
    /// or this run leaves them out.
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

    /// Emits a warning, but only once per text.
    pub fn warn_once(&self, text: String) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(text.clone()) {
            self.warn(text);
        }
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
        self.sink.take(Event::WorkEnded { what });
        result
    }

    /// Reports progress of the long work.
    pub fn progress(&self, more: u64) {
        self.sink.take(Event::WorkDone { more });
    }
}

impl RepoSite {
    /// Returns the user's keys.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(self.consent.key_folder(), self.git.work_tree())
    }

    /// Creates the user's key and allows it under a name; `None` = the user's name and address in
    /// git.
    ///
    /// # Errors
    /// Fails when a key exists, or there is no private folder outside the work tree for it.
    pub fn create_key(&self, name: Option<&str>) -> Result<(Signer, PathBuf), Failure> {
        let name = match name {
            Some(name) => name.to_string(),
            None => self.person().map(|who| who.to_string())?,
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

    /// Returns the requesting person: the actor's, or git's user.
    ///
    /// # Errors
    /// Fails when git does not know the user.
    pub fn person(&self) -> Result<Person, git::Error> {
        match &self.actor.person {
            Some(person) => Ok(person.clone()),
            None => self.git.identity(),
        }
    }

    /// Returns a copy for another request, with its actor and event receiver.
    #[must_use]
    pub fn for_request(&self, actor: Actor, sink: Arc<dyn Sink>) -> Self {
        let mut site = self.clone();
        (site.site.actor, site.site.sink) = (actor, sink);
        site
    }
}
