//! The part of the work tree that belongs to a version of a task. Data shared by several checks is
//! read once.

use std::cell::OnceCell;

use jiff::Timestamp;

use super::{
    Commands, KeptRelease,
    evidence::TaskVariables,
    integrity::{FilesNow, Paths},
    readiness::Readiness,
};
use crate::{
    base::{Failure, RelPath, Stat},
    catalog::Scope,
    git::Scan,
    model::{Manifest, Operation, TaskSpec, trust::CommandUse},
    site::RepoSite,
};

/// The extent of verifying the work tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub struct Levels {
    /// The last level to run.
    pub last: u8,
    /// Whether configured commands run; without them, their checks are reported as not run.
    pub commands: Commands,
    /// Read every byte again instead of trusting git's stat cache.
    pub deep: bool,
    /// Whether the registry's version counts.
    pub registry: RegistryEntry,
    /// Differences touched since then are foreign edits, and do not count against the version.
    pub since: Option<Timestamp>,
    /// Whether a missing tag counts: no rollback fails because of it while its second reference
    /// exists.
    pub tag: bool,
    /// True when a person or a rollback holds the version.
    pub held: bool,
    /// True when the files are looked at again because commands ran.
    pub again: bool,
}

/// Whether the registry's version counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryEntry {
    /// It must name the version.
    Counts,
    /// It cannot be edited and stays unchanged: its version is only reported.
    Told,
}

impl RegistryEntry {
    /// Returns the value for an operation, which may leave the registry unchanged.
    pub fn of(operation: &Operation) -> Self {
        if operation.leaves_registry() {
            Self::Told
        } else {
            Self::Counts
        }
    }
}

impl Levels {
    /// All four levels.
    pub const ALL: Self = Self {
        last: 4,
        commands: Commands::Run,
        deep: false,
        registry: RegistryEntry::Counts,
        since: None,
        tag: true,
        held: false,
        again: false,
    };
    /// Integrity and configuration only.
    pub const FIRST_TWO: Self = Self {
        last: 2,
        ..Self::ALL
    };
}

/// The work tree, expected to hold a version.
pub struct TaskTree<'a> {
    /// The release of the version.
    pub release: &'a KeptRelease<'a>,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// The extent of the verification.
    pub levels: Levels,
    /// The scan of the task's folders.
    pub scan: &'a Scan,
    /// The classified paths of the manifest and the scan.
    pub(super) paths: Paths<'a>,
    files: OnceCell<FilesNow>,
    variables: OnceCell<TaskVariables>,
    /// Whether probes run.
    probes: OnceCell<Commands>,
}

impl<'a> TaskTree<'a> {
    /// Returns the tree for a release; `None` when its manifest was not read.
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

    /// Returns the ports.
    pub fn site(&self) -> &'a RepoSite {
        self.release.site
    }

    /// Returns the task.
    pub fn task(&self) -> &'a TaskSpec {
        self.release.task
    }

    /// Returns the scope of the task's files.
    pub fn scope(&self) -> &'a Scope {
        &self.release.scope
    }

    /// Returns the check of the version's files, made once.
    pub(super) fn files(&self) -> Result<&FilesNow, Failure> {
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let files = FilesNow::of(self)?;
        Ok(self.files.get_or_init(|| files))
    }

    /// Returns true when files were edited after the release took them in.
    pub fn is_edited(&self) -> Result<bool, Failure> {
        Ok(self.levels.since.is_some() && self.files()?.meanwhile.is_some())
    }

    /// Returns true for a path written, changed or removed since then, by the file system's clock.
    pub fn is_touched(&self, path: &RelPath, since: Timestamp) -> bool {
        let at = |stat: Stat| stat.mtime.0.max(stat.ctime.0);
        let stat = self.site().tree.stat(path);
        stat.is_ok_and(|stat| stat.is_none_or(|stat| at(stat) >= since.as_second()))
    }

    /// Returns the variables that the task and the release name.
    pub fn variables(&self) -> &TaskVariables {
        let read = || TaskVariables::of_version(self.site(), self.task(), self.manifest);
        self.variables.get_or_init(read)
    }

    /// Returns the input of level 4.
    pub fn readiness(&self) -> Readiness<'_> {
        let agreed = || {
            let commands = self.levels.commands;
            commands.agreed(self.site(), self.task(), CommandUse::Probe)
        };
        let commands = *self.probes.get_or_init(agreed);
        let (held, variables) = (self.levels.held, self.variables());
        self.release
            .readiness(self.manifest, variables, held, commands)
    }

    /// Returns true when this verification may run a configured command.
    pub fn runs_commands(&self) -> Result<bool, Failure> {
        let smoke = self.levels.last >= 3 && !self.is_edited()?;
        let mut roles = Vec::new();
        roles.extend(smoke.then_some(CommandUse::Smoke));
        if self.levels.last >= 4 {
            roles.extend([CommandUse::Probe, CommandUse::Environment]);
        }
        let runs = self.levels.commands == Commands::Run;
        Ok(runs && !self.site().commands_for(&self.task().id, &roles).is_empty())
    }
}
