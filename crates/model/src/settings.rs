//! The settings in force: what `snapback.yaml` (or discovery without it) says, resolved.

use std::{collections::BTreeSet, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{alert::AlertSettings, guard::RuleSpec};
use crate::{Scheme, TagForm, TagForms, TagName, TaskId, Version, version::NotAVersion};
use base::RelPath;

mod block;
mod secret;

pub use block::{Block, Declared, LeftOut};
pub use secret::{SecretBlock, check_url, is_variable};

/// Settings of a repository. Paths are relative to the work tree.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The registry file, default `task_registry.json`.
    pub registry: RelPath,
    /// The folder of release manifests, default `snapshots`.
    pub snapshots: RelPath,
    /// The tasks, sorted by id.
    pub tasks: Vec<TaskSpec>,
    /// Tasks whose settings cannot be used, sorted: nothing is known of them but that they are
    /// there.
    pub left_out: Vec<TaskId>,
    /// How rollbacks behave.
    pub rollback: RollbackSettings,
    /// How releases are made.
    pub releases: ReleaseSettings,
    /// How git hooks behave.
    pub hooks: HookSettings,
    /// Where alerts go.
    pub alerts: AlertSettings,
    /// The forms of tags in use.
    pub tags: TagForms,
    /// The scheme of versions of tasks that say nothing.
    pub scheme: Scheme,
    /// True when the settings come from a file, false when they were discovered.
    pub from_file: bool,
}

impl Settings {
    /// Where the registry lies when nothing else is said.
    pub const REGISTRY: &str = "task_registry.json";
    /// Where manifests lie when nothing else is said.
    pub const SNAPSHOTS: &str = "snapshots";
}

/// Settings of a place of which nothing is said and that has no tasks.
impl Default for Settings {
    fn default() -> Self {
        Self {
            registry: RelPath::own(Self::REGISTRY),
            snapshots: RelPath::own(Self::SNAPSHOTS),
            tasks: Vec::new(),
            left_out: Vec::new(),
            rollback: RollbackSettings::default(),
            releases: ReleaseSettings::default(),
            hooks: HookSettings::default(),
            alerts: AlertSettings::default(),
            tags: TagForms::default(),
            scheme: Scheme::default(),
            from_file: false,
        }
    }
}

crate::settings_block! {
    /// How releases are made.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ReleaseSettings as "releases", optional {
        /// Every manifest is signed with your own key (`snapback keys create`).
        sign: bool = false,
        /// File names that Windows or macOS cannot write, or would fold together, are refused.
        portable: bool = false,
    }
}

crate::settings_block! {
    /// How rollbacks behave.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RollbackSettings as "rollback", optional {
        /// What happens when a smoke test or a probe fails after a rollback.
        on_verify_fail: OnVerifyFail = OnVerifyFail::Undo,
        /// What a rollback does with the task's dependencies.
        env: EnvMode = EnvMode::Plan,
        /// A rollback without `--message` is refused.
        require_reason: bool = false,
        /// What marks a rollback in git.
        marker: MarkerKind = MarkerKind::Tag,
    }
}

crate::settings_block! {
    /// How git hooks behave.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct HookSettings as "hooks", optional {
        /// Hooks refuse where they would otherwise only warn.
        strict: bool = false,
    }
}

impl Settings {
    /// Finds a task.
    pub fn task(&self, id: &TaskId) -> Option<&TaskSpec> {
        self.tasks
            .binary_search_by(|task| task.id.cmp(id))
            .ok()
            .map(|at| &self.tasks[at])
    }

    /// True for a task, even when its settings cannot be used.
    pub fn knows(&self, id: &TaskId) -> bool {
        self.task(id).is_some() || self.left_out.contains(id)
    }

    /// The task, when there is one only.
    pub fn only_task(&self) -> Option<&TaskSpec> {
        if let [only] = self.tasks.as_slice() {
            Some(only).filter(|_| self.left_out.is_empty())
        } else {
            None
        }
    }

    /// The path of a release's manifest: `<snapshots>/snapshot-<task>-v<version>.yaml`, whatever
    /// form its tag has.
    pub fn manifest_path(&self, task: &TaskId, version: &Version) -> RelPath {
        self.snapshots
            .join(format!("snapshot-{task}-v{version}.yaml"))
    }

    /// The name of a tag.
    pub fn tag(&self, name: &TagName) -> String {
        match self.task(name.task()) {
            Some(task) => task.tag.write(name, &task.dir),
            None => self.tags.usual().write(name, &RelPath::root()),
        }
    }

    /// The name of a release's tag.
    pub fn release_tag(&self, task: &TaskId, version: &Version) -> String {
        self.tag(&TagName::release(task, version))
    }

    /// The names that the tag of a release can have: in the task's form, else in the default one.
    pub fn release_tags(&self, task: &TaskId, version: &Version) -> Vec<String> {
        let name = TagName::release(task, version);
        let mut names = vec![
            self.tag(&name),
            TagForm::usual().write(&name, &RelPath::root()),
        ];
        names.dedup();
        names
    }

    /// What the names of a task's tags begin with, in its form and in the default one.
    pub fn tag_beginnings(&self, task: &TaskId) -> BTreeSet<String> {
        let own = self
            .task(task)
            .map(|task| task.tag.beginning(&task.id, &task.dir));
        let usual = TagForm::usual().beginning(task, &RelPath::root());
        own.into_iter().chain([usual]).collect()
    }

    /// The scheme of a task's versions; `None` when there is no such task.
    pub fn scheme_of(&self, id: &TaskId) -> Option<Scheme> {
        let own = self.task(id).map(|task| task.scheme);
        own.or_else(|| self.left_out.contains(id).then_some(self.scheme))
    }

    /// Each meaning that the name of a tag has among the tasks.
    pub fn tag_readings(&self, name: &str) -> Vec<TagName> {
        self.tags.readings(name, &|id| self.scheme_of(id))
    }

    /// Why the name of a tag that has no meaning is none: its version is not of the scheme of the
    /// task that it names.
    pub fn misfit(&self, name: &str) -> Option<(TaskId, NotAVersion)> {
        let readings = self.tags.of_any_scheme(name, &|id| self.knows(id));
        let (task, version) = readings.into_iter().find_map(|reading| match reading {
            TagName::Release { task, version } => Some((task, version)),
            TagName::Marker { .. } => None,
        })?;
        let error = self.scheme_of(&task)?.check(&version).err()?;
        Some((task, error))
    }

    /// The meaning that the name of a tag has for one task.
    pub fn tag_of(&self, task: &TaskId, name: &str) -> Option<TagName> {
        let readings = self.tag_readings(name).into_iter();
        readings.into_iter().find(|reading| reading.task() == task)
    }
}

/// What happens when level 3 or 4 fails after a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnVerifyFail {
    /// Everything is put back as it was before.
    #[default]
    Undo,
    /// The version stays; the exit code says that it failed.
    Keep,
    /// You are asked; without a terminal, it is undone.
    Ask,
}

/// What marks a rollback in git, beside its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum MarkerKind {
    /// A tag, which `git push --follow-tags` takes along.
    #[default]
    Tag,
    /// A reference below `refs/snapback/markers`, which stays here.
    Ref,
    /// Nothing.
    None,
}

impl OnVerifyFail {
    /// True for what happens when nobody says otherwise.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    pub(super) fn is_undo(&self) -> bool {
        *self == Self::Undo
    }
}

/// What a rollback does with the task's dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum EnvMode {
    /// The plan says what differs.
    #[default]
    Plan,
    /// A new environment is built beside the old one and switched to.
    Sync,
    /// Nothing is done.
    Off,
}

/// One task.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    /// Its id.
    pub id: TaskId,
    /// A name for people.
    pub title: Option<String>,
    /// The folder that the task lives in, usually `tasks/<id>`; commands run here.
    pub dir: RelPath,
    /// How its tags are written.
    pub tag: TagForm,
    /// How its versions are written, ordered and counted.
    pub scheme: Scheme,
    /// Globs of its files (git's syntax: `*` stops at `/`, `**` does not). Default `<dir>/**`.
    pub paths: Vec<String>,
    /// Globs of files that are not its, though `paths` matches.
    pub exclude: Vec<String>,
    /// Globs of files it uses together with other tasks: recorded, not restored unless asked.
    pub shared: Vec<String>,
    /// Globs of files that no rollback overwrites or removes.
    pub protect: Vec<String>,
    /// Globs of files that are kept in the store instead of git, ignored by git or not.
    pub large_files: Vec<String>,
    /// A file of `paths` at least this big is kept in the store too; `None` = only the globs.
    pub large_over: Option<u64>,
    /// The configuration file that holds the version; `None` when the task has none.
    pub config: Option<RelPath>,
    /// Where in the configuration the version is, default `version`; dots go deeper.
    pub version_key: String,
    /// The Python environment's folder, when the task has one of its own.
    pub venv: Option<RelPath>,
    /// Names of environment variables that must be set.
    pub environment_variables: Vec<String>,
    /// Level 3.
    pub smoke: Vec<CommandSpec>,
    /// Level 4.
    pub probes: Vec<Probe>,
    /// Stops the running task before a change.
    pub stop: Option<CommandSpec>,
    /// Starts it after the change.
    pub start: Option<CommandSpec>,
    /// Versions that cannot be gone back from.
    pub one_way: Vec<OneWayVersion>,
    /// Globs of migrations; `None` = they are known by their places and names.
    pub migrations: Option<Vec<String>>,
    /// When the guard puts it back by itself.
    pub guard: Vec<RuleSpec>,
}

/// A version that no rollback goes below unless it is told to: what it did stays done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneWayVersion {
    /// The first version on the other side.
    pub version: super::Version,
    /// Why.
    pub why: Option<String>,
}

/// A command of the task, run in its folder, without standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// The command line, run by `sh -c`.
    pub run: String,
    /// Time limit; its whole process group is killed after it.
    pub timeout: Duration,
}

/// A level 4 probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A command that must exit 0.
    Command(CommandSpec),
    /// An address that must accept a TCP connection: host, port.
    Port(String, u16, Duration),
    /// A URL (plain `http://`) that must answer with a status from 200 to 299.
    Http(String, Duration),
    /// Bytes that must be free on the disk of the work tree.
    DiskFree(u64),
}
