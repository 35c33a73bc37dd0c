//! The four levels on one version of a task, as `verify-rollback` and every rollback run them.
//!
//! What is looked at once is given on: the scan, the manifest, the variables. Nothing is repaired
//! and nothing is decided here. [`kept_release`] is the same of a release where it is kept.

mod commands;
mod files;
mod kept_release;
pub mod signature;

use jiff::Timestamp;

use crate::{
    base::{Failure, Fault, Hint, Kind},
    catalog::{self, Scope, manifests, registry as read, releases::Releases},
    git::{Attributes, Scan},
    model::{
        Check, Manifest, Status, TaskId, TaskSpec, Verification, Version, trust::Role,
        verdict::Standing,
    },
    site::RepoSite,
    verify::{
        Checking, Commands,
        configuration::{self, Said},
    },
};

pub use commands::{command_dir, readiness};
pub use kept_release::{commit, refuse_other_commit, release};

/// A release whose commit is not what its manifest says.
#[derive(Debug, thiserror::Error)]
#[error("{tag} is damaged: {problems}")]
pub struct Damaged {
    /// The tag.
    pub tag: String,
    /// What is wrong.
    pub problems: String,
    /// The task.
    pub task: TaskId,
}

impl Fault for Damaged {
    fn kind(&self) -> Kind {
        Kind::Bad
    }

    fn hints(&self) -> Vec<Hint> {
        vec![Hint::run(
            "see which versions are whole",
            &[
                "snapback",
                "verify-snapshot",
                "--task",
                self.task.as_str(),
                "--all",
                "--deep",
            ],
        )]
    }
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent choices, each of its own caller"
)]
pub struct Levels {
    /// Run the smoke commands.
    pub smoke: bool,
    /// Run the readiness checks.
    pub readiness: bool,
    /// Run the commands of the settings at all; without them, what they check is reported as not
    /// run.
    pub commands: Commands,
    /// Read every byte again instead of believing git's stat cache.
    pub deep: bool,
    /// Whether what the registry says counts.
    pub registry: Entry,
    /// What differs and was touched since then is somebody's, and says nothing of the version.
    pub since: Option<Timestamp>,
    /// Whether a tag that is missing counts: no way back fails for it while its second reference is
    /// there.
    pub tag: bool,
}

/// Whether what the registry says counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It must say the version.
    Counts,
    /// It cannot be edited and stays as it is: what it says is told.
    Told,
}

impl Levels {
    /// All four.
    pub const ALL: Self = Self {
        smoke: true,
        readiness: true,
        commands: Commands::Run,
        deep: false,
        registry: Entry::Counts,
        since: None,
        tag: true,
    };
    /// Integrity and configuration only.
    pub const FIRST_TWO: Self = Self {
        smoke: false,
        readiness: false,
        ..Self::ALL
    };
}

/// Checks that the work tree holds a version.
pub fn tree(
    site: &RepoSite,
    task: &TaskSpec,
    releases: &Releases,
    standing: Standing,
    version: &Version,
    levels: Levels,
) -> Result<Verification, Failure> {
    let load = || {
        releases
            .find(&task.id, version)
            .map(|release| manifests::load(site, release))
    };
    // The manifest is read meanwhile; a failure is said below.
    let (_, scan) = rayon::join(load, || look(site, task));
    tree_as(site, task, releases, standing, version, levels, &scan?)
}

/// What lies in the folders of a task.
pub fn look(site: &RepoSite, task: &TaskSpec) -> Result<Scan, Failure> {
    Ok(site.git.scan(&Scope::new(&site.settings, task)?.dirs())?)
}

/// [`tree`], of what [`look`] found.
pub fn tree_as(
    site: &RepoSite,
    task: &TaskSpec,
    releases: &Releases,
    standing: Standing,
    version: &Version,
    levels: Levels,
    scan: &Scan,
) -> Result<Verification, Failure> {
    let release = releases.find(&task.id, version)?;
    let mut verification = Verification {
        task: task.id.clone(),
        version: version.clone(),
        checks: Vec::new(),
    };
    let found = match manifests::load(site, release) {
        Ok(found) => found,
        Err(failure) => {
            verification.checks.push(unread_manifest(site, failure)?);
            return Ok(verification);
        }
    };
    verification.checks.push(
        Checking::begin(1, "integrity.manifest")
            .end(Status::Pass, vec![kept_release::chain(release, &found)]),
    );
    if release.lost && levels.tag {
        verification
            .checks
            .push(kept_release::tag_check(site, release)?);
    }
    let scope = Scope::new(&site.settings, task)?;
    let check = TreeCheck {
        site,
        task,
        scope: &scope,
        manifest: &found.manifest,
        levels,
    };
    check.run(scan, standing, &mut verification)?;
    Ok(verification)
}

/// The check of a manifest that could not be read. Where a tag is by now says nothing of what was
/// released, as in [`release`].
fn unread_manifest(site: &RepoSite, failure: Failure) -> Result<Check, Failure> {
    let is_elsewhere = matches!(failure.find(), Some(catalog::Error::TagReplaced { .. }));
    let checking = Checking::begin(
        1,
        if is_elsewhere {
            "integrity.tag"
        } else {
            "integrity.manifest"
        },
    );
    checking.unmade(failure, &site.git)
}

/// A version of a task, to be compared with the work tree.
struct TreeCheck<'a> {
    site: &'a RepoSite,
    task: &'a TaskSpec,
    scope: &'a Scope,
    manifest: &'a Manifest,
    levels: Levels,
}

impl TreeCheck<'_> {
    /// Adds the checks of all levels that are wanted.
    fn run(
        &self,
        scan: &Scan,
        standing: Standing,
        verification: &mut Verification,
    ) -> Result<(), Failure> {
        verification.checks.extend(self.files(scan, &self.levels)?);
        let is_edited = !verification.meanwhile().is_empty();
        if !is_edited {
            verification.checks.extend(self.configuration()?);
        }
        let uses = self.run_commands(is_edited, standing, verification)?;
        let ran = self.levels.commands == Commands::Run
            && !self.site.commands_for(&self.task.id, &uses).is_empty();
        if ran {
            self.look_again(verification)?;
            if !is_edited {
                let worse = configuration::worse(&verification.checks, self.configuration()?);
                verification.checks.extend(worse);
            }
        }
        Ok(())
    }

    /// Levels 3 and 4, as far as they are wanted; returns whose commands may have run. Smoke
    /// commands are not run on files that somebody edited meanwhile.
    fn run_commands(
        &self,
        is_edited: bool,
        standing: Standing,
        verification: &mut Verification,
    ) -> Result<Vec<Role>, Failure> {
        let (site, task, levels) = (self.site, self.task, &self.levels);
        let variables = commands::variables(task, self.manifest);
        let mut uses: Vec<Role> = Vec::new();
        if levels.smoke {
            let commands = if is_edited {
                Commands::OtherFiles
            } else {
                levels.commands
            };
            uses.extend((!is_edited).then_some(Role::Smoke));
            verification
                .checks
                .extend(commands::smoke(site, task, &variables, commands)?);
        }
        if levels.readiness {
            uses.extend([Role::Probe, Role::Environment]);
            verification.checks.extend(commands::ready(
                site,
                task,
                self.manifest,
                (standing.held, levels.commands),
                &variables,
            )?);
        }
        Ok(uses)
    }

    /// Commands may change what was looked at before they ran, and so may others while they ran.
    fn look_again(&self, so_far: &mut Verification) -> Result<(), Failure> {
        // A file more that others committed is seen when the commit is made.
        let known = |id: &str| {
            id == "integrity.extra"
                || so_far
                    .checks
                    .iter()
                    .any(|check| check.id == id && check.status == Status::Fail)
        };
        let now = self.files(&look(self.site, self.task)?, &Levels::FIRST_TWO)?;
        let broken: Vec<String> = now
            .into_iter()
            .filter(|check| check.status == Status::Fail && !known(&check.id))
            .flat_map(|check| check.evidence)
            .collect();
        if !broken.is_empty() {
            let said = broken
                .into_iter()
                .map(|line| format!("while the commands ran: {line}"))
                .collect();
            so_far
                .checks
                .push(Checking::begin(1, "integrity.after").end(Status::Fail, said));
        }
        Ok(())
    }

    /// Level 2.
    fn configuration(&self) -> Result<Vec<Check>, Failure> {
        let (site, version) = (self.site, &self.manifest.metadata.version);
        let said = self.said();
        let converter = site.git.converter(Attributes::WorkTree)?;
        let mut checks = configuration::versions(version, &said, self.manifest.metadata.adopted);
        checks.push(configuration::lockfiles(
            &*site.tree,
            self.manifest,
            &converter,
        ));
        Ok(checks)
    }

    /// What the registry and the task's configuration say.
    fn said(&self) -> Said {
        let (site, task) = (self.site, self.task);
        let text = |failure: Failure| failure.to_string();
        let registry = read::in_tree(&*site.tree, &site.settings).and_then(|registry| {
            Ok(registry
                .map(|registry| registry.version(&task.id))
                .transpose()?
                .flatten())
        });
        let config = match &task.config {
            Some(path) if self.scope.owns(path) && !self.scope.protects(path) => {
                read::config_version(&*site.tree, task).map_err(text)
            }
            // A task without a configuration file cannot disagree with it, nor one that no
            // rollback touches.
            _ => Ok(Some(self.manifest.metadata.version.clone())),
        };
        Said {
            registry: registry.map_err(text),
            config,
            is_registry_left: self.levels.registry == Entry::Told,
        }
    }
}
