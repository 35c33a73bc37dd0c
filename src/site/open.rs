//! How a repository is opened: its ports, and what a program says of how it works with them.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{
    Error, Flaw, RepoSite,
    intake::Intake,
    state_folder::{self, open_state, umask},
};
use crate::{
    base::{
        Clock, Failure, RelPath,
        lock::{Holder, Lock},
    },
    consent::{Consent, Place},
    git::Repo,
    model::{Settings, Sink, audit::Via, event::Quiet},
    stat_cache::KnownFiles,
    store::ChunkStore,
};

/// How a repository is opened.
pub struct Options {
    /// What time it is.
    pub clock: Clock,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// A configuration file instead of the repository's own.
    pub config: Option<PathBuf>,
    /// How long to wait for another snapback.
    pub lock_wait: Duration,
    /// The command, for whoever has to wait for this one.
    pub command: String,
    /// Where agreements to run commands are kept.
    pub trust: Place,
    /// True when none of the commands of the configuration is to run.
    pub without_commands: bool,
    /// True when nothing is to be changed: nothing can be then.
    pub dry_run: bool,
    /// True when somebody is there to be asked, for a passphrase too.
    pub asks: bool,
    /// By whom or what the command was given, for the audit log.
    pub via: Via,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            sink: Arc::new(Quiet),
            config: None,
            lock_wait: Duration::ZERO,
            command: "library".into(),
            trust: Place::of_this_process(),
            without_commands: false,
            dry_run: false,
            asks: false,
            via: Via::default(),
        }
    }
}

/// The settings of a repository, as they were read.
pub struct ReadSettings {
    /// Those in force.
    pub settings: Settings,
    /// What is wrong and was left out.
    pub flaws: Vec<Flaw>,
    /// The file that they come from: below the work tree, or absolute.
    pub file: String,
}

impl RepoSite {
    /// Opens the ports of a repository whose settings were read.
    ///
    /// # Errors
    /// When the work tree or the state folder cannot be opened.
    pub fn open(git: Arc<Repo>, read: ReadSettings, options: Options) -> Result<Self, Failure> {
        let state = open_state(git.common_dir(), options.dry_run)?;
        let store = Arc::new(ChunkStore::local(state.clone(), RelPath::own("store")));
        let consent = Consent::new(
            options.trust,
            git.common_dir(),
            git.work_tree(),
            state.clone(),
        );
        let tree = git.files()?;
        let known = KnownFiles::new(
            tree.clone(),
            state.clone(),
            git.work_tree().to_path_buf(),
            git.trusts_ctime(),
        );
        let uname = rustix::system::uname();
        Ok(Self {
            tree,
            known: Arc::new(known),
            state_path: state_folder::of(git.common_dir()),
            state,
            store,
            git,
            settings: Arc::new(read.settings),
            flaws: read.flaws.into(),
            sink: options.sink,
            clock: options.clock,
            host: uname.nodename().to_string_lossy().into_owned(),
            read: Arc::default(),
            umask: umask(),
            consent: Arc::new(consent),
            config: read.file,
            without_commands: options.without_commands,
            asks: options.asks,
            dry_run: options.dry_run,
            lock_wait: options.lock_wait,
            command: options.command,
            via: options.via,
            intake: Intake::default(),
            warned: Arc::default(),
        })
    }

    /// Takes the operation lock.
    ///
    /// # Errors
    /// When somebody else has it, the repository is somebody else's, or nothing is to be changed.
    pub fn lock(&self) -> Result<Lock, Failure> {
        if self.dry_run {
            return Err(Error::DryRun.into());
        }
        self.check_owner()?;
        self.git.require_work_tree()?;
        if !self.state_path.is_dir() {
            let made = state_folder::make_state(self.git.common_dir(), &self.state_path);
            made.map_err(|source| self.state_error(source))?;
        }
        let holder = Holder {
            pid: std::process::id(),
            host: self.host.clone(),
            command: self.command.clone(),
            since: self.clock.now().to_string(),
        };
        Ok(Lock::take(
            &self.state_path.join("lock"),
            &holder,
            self.lock_wait,
        )?)
    }

    /// The same with other settings.
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            ..self.clone()
        }
    }

    /// The same, of which nothing is heard.
    pub fn quiet(&self) -> Self {
        Self {
            sink: Arc::new(Quiet),
            ..self.clone()
        }
    }

    /// That the state folder cannot be used.
    pub fn state_error(&self, source: std::io::Error) -> Error {
        Error::State {
            path: self.state_path.clone(),
            source,
        }
    }

    /// Warns of what is met again and again.
    pub fn warn_once(&self, text: String) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(text.clone()) {
            self.warn(text);
        }
    }
}
