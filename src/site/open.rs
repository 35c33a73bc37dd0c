//! Opens a repository's ports, with a program's options for using them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    Environment, Error, Flaw, RepoSite, Roots, Site, Vault,
    intake::Intake,
    state_folder::{self, open_state},
};
use crate::{
    base::{Clock, Failure, lock::Lock},
    consent::{Consent, ConsentFolder},
    git::Repo,
    model::{Advice, RootName, Settings, Sink, advice::Spell, audit::Actor, event::Quiet},
    stat_cache::KnownFiles,
};

/// Options for opening a repository.
pub struct Options {
    /// The clock.
    pub clock: Clock,
    /// The receiver of events.
    pub sink: Arc<dyn Sink>,
    /// A configuration file instead of the repository's own.
    pub config: Option<PathBuf>,
    /// How long to wait for another snapback process.
    pub lock_wait: Duration,
    /// Who asks, and through which interface.
    pub actor: Actor,
    /// The variables used to plan and check operations.
    pub environment: Environment,
    /// How people are told what they can do next.
    pub spell: Spell,
    /// Where consent to commands is stored.
    pub trust: ConsentFolder,
    /// True when no command of the configuration may run.
    pub without_commands: bool,
    /// True when nothing may be changed; changes are then impossible.
    pub dry_run: bool,
    /// True when a person can be asked, also for a passphrase.
    pub asks: bool,
    /// Leave out tasks whose ids begin otherwise: for whoever wants to know of these tasks alone.
    pub only: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            sink: Arc::new(Quiet),
            config: None,
            lock_wait: Duration::ZERO,
            actor: Actor::default(),
            environment: Environment::of_this_process(),
            spell: Advice::name,
            trust: ConsentFolder::of_this_process(),
            without_commands: false,
            dry_run: false,
            asks: false,
            only: String::new(),
        }
    }
}

/// The settings of a repository, as read.
pub struct ReadSettings {
    /// The settings in force.
    pub settings: Settings,
    /// Mistakes that were left out.
    pub flaws: Vec<Flaw>,
    /// The settings file: relative to the work tree, or absolute.
    pub file: String,
}

impl RepoSite {
    /// Opens the ports of a repository, given its settings.
    ///
    /// # Errors
    /// Fails when the work tree or the state folder cannot be opened.
    pub fn open(git: Arc<Repo>, read: ReadSettings, options: Options) -> Result<Self, Failure> {
        let state = open_state(git.common_dir(), options.dry_run)?;
        let consent = Consent::new(
            options.trust,
            git.common_dir(),
            git.work_tree(),
            state.clone(),
        );
        let (tree, top) = (git.files()?, git.work_tree());
        let known = KnownFiles::new(
            tree.clone(),
            state.clone(),
            top.to_path_buf(),
            git.trusts_ctime(),
        );
        let vault = Vault::new(state, state_folder::of(git.common_dir()));
        let site = Site {
            roots: Roots::default().with(RootName::WorkTree, tree.clone(), top),
            settings: Arc::new(read.settings),
            sink: options.sink,
            actor: options.actor,
            environment: options.environment,
            spell: options.spell,
            without_commands: options.without_commands,
            asks: options.asks,
            dry_run: options.dry_run,
            lock_wait: options.lock_wait,
            ..Site::new(vault, options.clock)
        };
        Ok(Self {
            site,
            tree,
            git,
            flaws: read.flaws.into(),
            config: read.file,
            consent: Arc::new(consent),
            known: Arc::new(known),
            read: Arc::default(),
            intake: Intake::default(),
        })
    }

    /// Takes the operation lock.
    ///
    /// # Errors
    /// Fails when another process holds it, another user owns the repository, or this is a dry run.
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
        Ok(self.take_lock(&self.holder(), self.lock_wait)?)
    }

    /// Returns a copy with other settings.
    pub fn with_settings(&self, settings: Settings) -> Self {
        let mut site = self.clone();
        site.site.settings = Arc::new(settings);
        site
    }

    /// Returns a copy that emits no events.
    pub fn quiet(&self) -> Self {
        self.for_request(self.actor.clone(), Arc::new(Quiet))
    }

    /// Builds the error for an unusable state folder.
    pub fn state_error(&self, source: std::io::Error) -> Error {
        Error::State {
            path: self.state_path.clone(),
            source,
        }
    }
}
