//! How a repository is opened: its ports, and what a program says of how it works with them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    Environment, Error, Flaw, RepoSite, Roots, Site, Vault,
    intake::Intake,
    state_folder::{self, open_state},
};
use crate::{
    base::{Clock, Failure, lock::Lock},
    consent::{Consent, Place},
    git::Repo,
    model::{Advice, RootName, Settings, Sink, advice::Spell, audit::Actor, event::Quiet},
    stat_cache::KnownFiles,
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
    /// Who asks, and through what.
    pub actor: Actor,
    /// The variables by which operations are planned and checked.
    pub environment: Environment,
    /// How people are told what they can do next.
    pub spell: Spell,
    /// Where agreements to run commands are kept.
    pub trust: Place,
    /// True when none of the commands of the configuration is to run.
    pub without_commands: bool,
    /// True when nothing is to be changed: nothing can be then.
    pub dry_run: bool,
    /// True when somebody is there to be asked, for a passphrase too.
    pub asks: bool,
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
            trust: Place::of_this_process(),
            without_commands: false,
            dry_run: false,
            asks: false,
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
        Ok(self.take_lock(&self.holder(), self.lock_wait)?)
    }

    /// The same with other settings.
    pub fn with_settings(&self, settings: Settings) -> Self {
        let mut site = self.clone();
        site.site.settings = Arc::new(settings);
        site
    }

    /// The same, of which nothing is heard.
    pub fn quiet(&self) -> Self {
        self.for_request(self.actor.clone(), Arc::new(Quiet))
    }

    /// That the state folder cannot be used.
    pub fn state_error(&self, source: std::io::Error) -> Error {
        Error::State {
            path: self.state_path.clone(),
            source,
        }
    }
}
