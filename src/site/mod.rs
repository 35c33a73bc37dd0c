//! Row 4, where operations act: a [`Vault`] keeps bytes and records, a [`Site`] adds the folders
//! that may change and who asks, a [`RepoSite`] the repository.

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
        Advice, Event, GitId, Manifest, Operation, Settings, Sink, TaskId, Version, advice::Spell,
        audit::Actor, event::Quiet, operation::Person, signature::Signer,
    },
    stat_cache::KnownFiles,
};

pub use bytes::{Below, Bytes, copy_checked};
pub use environment::Environment;
pub use error::Error;
pub use flaws::{Flaw, Stops};
use intake::Intake;
pub use open::{Options, ReadSettings};
pub use roots::{Root, Roots};
pub use signing::Signatures;
use state_folder::umask;
pub use vault::Vault;

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

/// What an operation may act on.
#[derive(Clone)]
pub struct Site {
    /// Where bytes and records are kept.
    pub vault: Vault,
    /// The folders that may change.
    pub roots: Roots,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// What time it is.
    pub clock: Clock,
    /// The name of this host.
    pub host: String,
    /// The permission bits that new files do not get.
    pub umask: u32,
    /// Who asks, and through what.
    pub actor: Actor,
    /// The variables by which operations are planned and checked.
    pub environment: Environment,
    /// True with `--no-commands`: no command of the configuration runs.
    pub without_commands: bool,
    /// True when somebody is there to be asked, for a passphrase too.
    pub asks: bool,
    /// True when nothing is to be changed.
    pub dry_run: bool,
    /// How long to wait for another snapback.
    pub lock_wait: Duration,
    /// How people are told what they can do next.
    pub spell: Spell,
    /// What was warned of already.
    warned: Arc<Mutex<BTreeSet<String>>>,
}

/// A site with the repository that it is of: what engines and steps act on.
#[derive(Clone)]
pub struct RepoSite {
    /// What has nothing to do with git.
    pub site: Site,
    /// The repository.
    pub git: Arc<Repo>,
    /// The work tree.
    pub tree: Arc<dyn Fs>,
    /// What is wrong in the settings and was left out, in the order in which it was found.
    pub flaws: Arc<[Flaw]>,
    /// The file that the settings come from: below the work tree, or absolute.
    pub config: String,
    /// Which commands of the configuration may run.
    pub consent: Arc<Consent>,
    /// What the files that the store keeps hold, as far as their looks prove it.
    pub known: Arc<KnownFiles>,
    /// The releases that were read so far.
    pub read: ReadReleases,
    /// Where files are read into while an operation is described.
    intake: Intake,
}

/// A site has a vault: `site.store` is that of the vault.
impl Deref for Site {
    type Target = Vault;

    fn deref(&self) -> &Vault {
        &self.vault
    }
}

/// A repository is a site.
impl Deref for RepoSite {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Site {
    /// A site over a vault, with no folder that may change, no settings, and nobody listening.
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

    /// Who holds the lock while this runs.
    pub fn holder(&self) -> Holder {
        Holder {
            pid: std::process::id(),
            host: self.host.clone(),
            command: self.actor.command.clone(),
            since: self.clock.now().to_string(),
        }
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

    /// Warns of what is met again and again.
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

    /// Says that some of the long work is done.
    pub fn progress(&self, more: u64) {
        self.sink.take(Event::WorkDone { more });
    }
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

    /// Who asks: the actor, or whoever git says the user is.
    ///
    /// # Errors
    /// When git does not know.
    pub fn person(&self) -> Result<Person, git::Error> {
        match &self.actor.person {
            Some(person) => Ok(person.clone()),
            None => self.git.identity(),
        }
    }

    /// The same for a request of somebody: who asks, and where its events go.
    #[must_use]
    pub fn for_request(&self, actor: Actor, sink: Arc<dyn Sink>) -> Self {
        let mut site = self.clone();
        (site.site.actor, site.site.sink) = (actor, sink);
        site
    }
}
