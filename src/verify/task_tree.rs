//! The work tree, as far as a version of a task should be in it. What several checks look at is
//! looked at once.

use std::cell::OnceCell;

use jiff::Timestamp;

use super::{
    Commands, KeptRelease,
    evidence::Variables,
    integrity::{FilesNow, Paths},
    readiness::Readiness,
};
use crate::{
    base::{Failure, RelPath, Stat},
    catalog::Scope,
    git::Scan,
    model::{Manifest, Operation, TaskSpec, trust::Role},
    site::RepoSite,
};

/// How far the work tree is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// The last level that is run.
    pub last: u8,
    /// Run the commands of the settings at all; without them, what they check is reported as not
    /// run.
    pub commands: Commands,
    /// Read every byte again instead of believing git's stat cache.
    pub deep: bool,
    /// Whether what the registry says counts.
    pub registry: RegistryEntry,
    /// What differs and was touched since then is somebody's, and says nothing of the version.
    pub since: Option<Timestamp>,
    /// Whether a tag that is missing counts: no way back fails for it while its second reference is
    /// there.
    pub tag: bool,
    /// True when a person or a rollback holds the version back.
    pub held: bool,
}

/// Whether what the registry says counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryEntry {
    /// It must say the version.
    Counts,
    /// It cannot be edited and stays as it is: what it says is told.
    Told,
}

impl RegistryEntry {
    /// In an operation, which may leave the registry as it is.
    pub fn of(operation: &Operation) -> Self {
        if operation.leaves_registry() {
            Self::Told
        } else {
            Self::Counts
        }
    }
}

impl Levels {
    /// All four.
    pub const ALL: Self = Self {
        last: 4,
        commands: Commands::Run,
        deep: false,
        registry: RegistryEntry::Counts,
        since: None,
        tag: true,
        held: false,
    };
    /// Integrity and configuration only.
    pub const FIRST_TWO: Self = Self {
        last: 2,
        ..Self::ALL
    };
}

/// The work tree, which should hold a version.
pub struct TaskTree<'a> {
    /// The release of the version.
    pub release: &'a KeptRelease<'a>,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// How far it is verified.
    pub levels: Levels,
    /// What lies in the folders of the task.
    pub scan: &'a Scan,
    /// The paths of both.
    pub(super) paths: Paths<'a>,
    files: OnceCell<FilesNow>,
    variables: OnceCell<Variables>,
    /// Whether probes run.
    probes: OnceCell<Commands>,
}

impl<'a> TaskTree<'a> {
    /// What lies in the folders of a task; `None` when the manifest of the release was not read.
    pub fn of(release: &'a KeptRelease<'a>, levels: Levels, scan: &'a Scan) -> Option<Self> {
        let manifest = &release.found()?.manifest;
        Some(Self {
            release,
            manifest,
            levels,
            scan,
            paths: Paths::of(&*release.site.tree, &release.scope, manifest, scan),
            files: OnceCell::new(),
            variables: OnceCell::new(),
            probes: OnceCell::new(),
        })
    }

    /// The ports.
    pub fn site(&self) -> &'a RepoSite {
        self.release.site
    }

    /// The task.
    pub fn task(&self) -> &'a TaskSpec {
        self.release.task
    }

    /// The files of the task.
    pub fn scope(&self) -> &'a Scope {
        &self.release.scope
    }

    /// The files of the version as they were found.
    pub(super) fn files(&self) -> Result<&FilesNow, Failure> {
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let files = FilesNow::of(self)?;
        Ok(self.files.get_or_init(|| files))
    }

    /// True when somebody changed files after the release took them in.
    pub fn is_edited(&self) -> Result<bool, Failure> {
        Ok(self.levels.since.is_some() && self.files()?.meanwhile.is_some())
    }

    /// True for a path that was written, changed or removed since then, by the clock of the file
    /// system.
    pub fn is_touched(&self, path: &RelPath, since: Timestamp) -> bool {
        let at = |stat: Stat| stat.mtime.0.max(stat.ctime.0);
        let stat = self.site().tree.stat(path);
        stat.is_ok_and(|stat| stat.is_none_or(|stat| at(stat) >= since.as_second()))
    }

    /// The variables that the task and the release name.
    pub fn variables(&self) -> &Variables {
        let read = || Variables::of_version(self.site(), self.task(), self.manifest);
        self.variables.get_or_init(read)
    }

    /// What level 4 looks at.
    pub fn readiness(&self) -> Readiness<'_> {
        let agreed = || {
            let commands = self.levels.commands;
            commands.agreed(self.site(), self.task(), Role::Probe)
        };
        let commands = *self.probes.get_or_init(agreed);
        let (held, variables) = (self.levels.held, self.variables());
        self.release
            .readiness(self.manifest, variables, held, commands)
    }

    /// True when a command of the settings may run in this verification.
    pub fn runs_commands(&self) -> Result<bool, Failure> {
        let smoke = self.levels.last >= 3 && !self.is_edited()?;
        let mut roles = Vec::new();
        roles.extend(smoke.then_some(Role::Smoke));
        if self.levels.last >= 4 {
            roles.extend([Role::Probe, Role::Environment]);
        }
        let runs = self.levels.commands == Commands::Run;
        Ok(runs && !self.site().commands_for(&self.task().id, &roles).is_empty())
    }
}
