//! Row 9, the front door: the opened ports of one repository and one method a use case.
//!
//! Everything a program can do with snapback is here; the command line adds words only. Changing
//! methods take the operation lock, make the plan again under it, and refuse when it is no longer
//! the one that was shown. Read [`App::apply`] next.

mod adopt;
mod after;
mod alerts;
mod audit;
mod backup;
mod capsule;
mod change;
mod compare;
mod confirm;
mod doctor;
mod drift;
mod drill;
mod error;
mod flaws;
mod free_space;
mod guard;
mod health;
mod hooks;
mod kept;
mod left;
mod missing_tags;
mod noted;
mod operations;
mod owners;
mod planned;
mod planned_names;
mod preview;
mod push;
mod rehearse;
mod resolve;
mod setup;
mod shared;
mod signing;
mod state_folder;
mod store;
mod sync;
mod then;
mod timed;
mod trust;
mod view;
mod way_back;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    base::{
        Clock, Failure, RelPath,
        lock::{Holder, Lock},
        text,
    },
    catalog::{
        self,
        releases::{self, Releases},
    },
    config,
    consent::{Consent, Place},
    git::Repo,
    model::{Settings, Sink, TaskId, TaskSpec, Version, audit::Via, event::Quiet},
    rollback::Standings,
    site::RepoSite,
    store::ChunkStore,
};

pub use alerts::Attempt;
pub use drill::{DrillHow, DrillPlan};
pub use error::Error;
pub use guard::Look;
pub use missing_tags::{MissingTags, fetch_tags};
pub use push::{Beyond, Pushed};
use state_folder::{make_state, open_state, umask};
pub use store::{Names, Needed};
pub use sync::merge_registries;

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

/// An opened repository.
///
/// ```
/// use snapback::{app::{App, Options}, model::{Request, request::CreateSnapshot}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// # std::fs::create_dir_all(path.join("tasks/T01"))?;
/// # std::fs::write(path.join("tasks/T01/config.yaml"), "version: 1.0.0\n")?;
/// # for line in ["init -q -b main", "config user.name A", "config user.email a@example.org",
/// #     "add .", "commit -qm begin"] {
/// #     let mut git = std::process::Command::new("git");
/// #     assert!(git.args(line.split(' ')).current_dir(path).status()?.success());
/// # }
/// # let fail = |failure: snapback::base::Failure| failure.to_string();
/// let app = App::open(path, Options::default()).map_err(fail)?;
/// let request = Request::CreateSnapshot(CreateSnapshot {
///     task: app.find_task("T01").map_err(fail)?,
///     version: None,
///     message: "first".into(),
///     run_hooks: true,
///     signing: snapback::model::signature::Signing::default(),
///     elsewhere: std::collections::BTreeMap::new(),
/// });
/// let plan = app.plan(&request).map_err(fail)?;
/// let report = app.apply(&request, Some(&plan)).map_err(fail)?;
/// assert_eq!(report.tag.as_deref(), Some("T01-v1.0.0"));
/// # Ok(())
/// # }
/// ```
pub struct App {
    site: RepoSite,
    /// What is wrong in the settings and was left out.
    flaws: Vec<config::Flaw>,
    state_path: PathBuf,
    lock_wait: Duration,
    command: String,
    via: Via,
    dry_run: bool,
    /// What was warned of already.
    warned: Mutex<BTreeSet<String>>,
}

impl App {
    /// Opens the repository that holds a folder, and its settings.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Failure> {
        let git = Arc::new(Repo::discover(dir)?);
        let state_path = git.common_dir().join("snapback");
        let state = open_state(git.common_dir(), options.dry_run)?;
        let tree = git.files()?;
        let registry = |path: &RelPath| catalog::registry::read_small(&*tree, path).ok().flatten();
        let loaded = config::load(
            &*tree,
            options.config.as_deref(),
            registry,
            |path| catalog::lost::tasks(&git, path),
            is_released(&git),
        );
        let config::Loaded {
            settings,
            warnings,
            flaws,
        } = loaded.map_err(|error| flaws::with_committed(error, &git))?;
        let store = Arc::new(ChunkStore::local(state.clone(), RelPath::own("store")));
        let uname = rustix::system::uname();
        let trust = Arc::new(Consent::new(
            options.trust,
            git.common_dir(),
            git.work_tree(),
            state.clone(),
        ));
        let config = config::file_name(git.work_tree(), options.config.as_deref());
        let site = RepoSite {
            tree,
            state,
            store,
            git,
            settings: Arc::new(settings),
            sink: options.sink,
            clock: options.clock,
            host: uname.nodename().to_string_lossy().into_owned(),
            read: Arc::default(),
            umask: umask(),
            consent: trust,
            config,
            without_commands: options.without_commands,
            asks: options.asks,
        };
        for warning in warnings
            .into_iter()
            .chain(flaws.iter().map(config::Flaw::sentence))
        {
            site.warn(warning);
        }
        Ok(Self {
            site,
            flaws,
            state_path,
            lock_wait: options.lock_wait,
            command: options.command,
            via: options.via,
            dry_run: options.dry_run,
            warned: Mutex::default(),
        })
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.site.settings
    }

    /// The top of the work tree.
    pub fn work_tree(&self) -> &Path {
        self.site.git.work_tree()
    }

    /// The name of this host.
    pub fn host(&self) -> &str {
        &self.site.host
    }

    /// The task whose folder the opened folder is in.
    pub fn task_here(&self) -> Option<TaskId> {
        let here = self.site.git.prefix();
        let inside = |task: &&TaskSpec| !task.dir.is_root() && here.is_in(&task.dir);
        self.site
            .settings
            .tasks
            .iter()
            .find(inside)
            .map(|task| task.id.clone())
    }

    /// Finds a task by what was typed.
    pub fn find_task(&self, typed: &str) -> Result<TaskId, Failure> {
        let ids = || self.site.settings.tasks.iter().map(|task| task.id.as_str());
        match typed.parse::<TaskId>() {
            Ok(id) if self.site.settings.task(&id).is_some() => Ok(id),
            Ok(id) if self.flaw_of(&id).is_some() => {
                Err(self.refuse_flawed(&id).expect_err("because it has a flaw"))
            }
            _ => {
                let near = text::did_you_mean(typed, ids())
                    .into_iter()
                    .map(String::from)
                    .collect();
                Err(catalog::Error::UnknownTask {
                    task: text::escape(typed.as_bytes()),
                    near,
                }
                .into())
            }
        }
    }

    /// The settings of a task.
    fn spec(&self, id: &TaskId) -> Result<&TaskSpec, Failure> {
        match self.site.settings.task(id) {
            Some(task) => Ok(task),
            None => self
                .find_task(id.as_str())
                .map(|_| unreachable!("because the task was not found")),
        }
    }

    /// All releases.
    fn all_releases(&self) -> Result<Releases, Failure> {
        releases::all(&self.site.git, &self.site.settings)
            .inspect(|releases| self.name_broken(releases))
    }

    /// The releases of one task.
    fn tagged_releases(&self, task: &TaskId) -> Result<Releases, Failure> {
        releases::of_task(&self.site.git, &self.site.settings, task)
            .inspect(|releases| self.name_broken(releases))
    }

    /// Tags that lead nowhere, or to no commit, are passed over, and not without a word.
    fn name_broken(&self, releases: &Releases) {
        for tag in &releases.broken_tags {
            self.warn_once(format!(
                "{} is broken and passed over: {}",
                tag.name, tag.why
            ));
        }
        for (name, why) in &releases.misnamed {
            self.warn_once(format!("{name} is no release and passed over: {why}"));
        }
    }

    /// Warns of what is met again and again.
    fn warn_once(&self, text: String) {
        if self
            .warned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(text.clone())
        {
            self.site.warn(text);
        }
    }

    /// One release of a task; all that there are when its tag was deleted.
    fn release_for(&self, task: &TaskId, version: &Version) -> Result<Releases, Failure> {
        let found = releases::one(&self.site.git, &self.site.settings, task, version)?;
        if found.by_task.is_empty() {
            self.releases_for(task)
        } else {
            Ok(found)
        }
    }

    /// The releases of one task, those whose tag was deleted too.
    fn releases_for(&self, task: &TaskId) -> Result<Releases, Failure> {
        let mut releases = self.tagged_releases(task)?;
        releases.add_lost(&self.site.git, task)?;
        Ok(releases)
    }

    /// The verdicts of one task.
    fn standings_of(&self, task: &TaskId) -> Result<Standings, Failure> {
        Ok(self.judged(Some(task))?.standings)
    }

    /// Takes the operation lock.
    fn lock(&self) -> Result<Lock, Failure> {
        if self.dry_run {
            return Err(Error::DryRun.into());
        }
        self.check_owner()?;
        self.site.git.require_work_tree()?;
        if !self.state_path.is_dir() {
            let made = make_state(self.site.git.common_dir(), &self.state_path);
            made.map_err(|source| Error::State {
                path: self.state_path.clone(),
                source,
            })?;
        }
        let holder = Holder {
            pid: std::process::id(),
            host: self.site.host.clone(),
            command: self.command.clone(),
            since: self.site.clock.now().to_string(),
        };
        Ok(Lock::take(
            &self.state_path.join("lock"),
            &holder,
            self.lock_wait,
        )?)
    }
}

/// Says of a task whether it has a release; the tags are listed once, when somebody asks.
fn is_released(git: &Repo) -> impl Fn(&TaskId) -> bool {
    let tags = std::cell::OnceCell::new();
    move |id| {
        let prefix = format!("{id}-v");
        let tags = tags.get_or_init(|| git.tags().unwrap_or_default().whole);
        tags.iter()
            .any(|tag| tag.name.starts_with(prefix.as_bytes()))
    }
}
