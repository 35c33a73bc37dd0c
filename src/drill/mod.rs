//! Row 7, drills: a return to a version rehearsed in an empty place, offline, with measured time.
//!
//! Nothing of the user's is written to: not the work tree, not the index, not a reference. The
//! bytes come from where a rollback takes them, each is checked, the first two levels and the
//! task's own smoke test run on what was restored, and the place goes away afterwards. What a
//! broken version lacks is a failed check with its reason, never an error. Read [`scratch`] for
//! the place, `restore` for what is put there, [`reports`] for what is kept.

mod environment;
pub mod reports;
mod restore;
pub mod scratch;
mod share;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{
    base::{
        Failure, Fault, Hint, Kind, Root,
        process::offline::Offline,
        text::{self, size},
    },
    catalog::{
        self, Release, Scope, grown,
        manifests::{self, Found},
        releases::Releases,
    },
    git::{Attributes, Converter},
    ground::Ground,
    model::{
        Check, Status, TaskSpec, Verification, Version,
        drill::{DRILL_SCHEMA, DrillReport, Network, Phase},
        manifest::FileEntry,
    },
    verify::{
        Checking, Commands,
        commands::Around,
        configuration::{self, Said},
        evidence::Variables,
        integrity, smoke,
    },
};
use restore::Restored;
use scratch::Scratch;

/// What keeps a drill from being held.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scratch place cannot be used.
    #[error("cannot use the scratch place {path}")]
    Scratch {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is not enough room for the version.
    #[error("{path} has {free} free, and {version} needs {needed}")]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// The version.
        version: Version,
        /// What is free, in words.
        free: String,
        /// What is needed, in words.
        needed: String,
    },
    /// The record of drills cannot be used.
    #[error("cannot use the drill reports")]
    Reports(#[from] std::io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Missing
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Scratch { .. } | Self::NoRoom { .. } => {
                vec![Hint::say("name a folder on another disk: --scratch DIR")]
            }
            Self::Reports(_) => Vec::new(),
        }
    }
}

/// How a drill is held.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// The folder in which the scratch place is made.
    pub scratch: &'a Path,
    /// How children are kept off the network.
    pub offline: &'a Offline,
    /// True when the task's packages are installed, from what is here.
    pub install: bool,
    /// True when shared files are those of the version, not those of now.
    pub with_shared: bool,
    /// Whether the task's commands run.
    pub commands: Commands,
}

/// One drill.
pub struct Drill<'a> {
    /// The ports.
    pub ground: &'a Ground,
    /// The task.
    pub task: &'a TaskSpec,
    /// Its releases.
    pub releases: &'a Releases,
    /// The version to return to.
    pub version: &'a Version,
    /// The active version.
    pub active: Option<&'a Version>,
    /// How.
    pub how: How<'a>,
}

/// What is known while a drill goes on.
struct Course {
    begun: Instant,
    last: Instant,
    report: DrillReport,
}

impl Course {
    /// Ends a phase.
    fn phase(&mut self, name: &str, what: String) {
        let ms = millis(self.last);
        self.last = Instant::now();
        self.report.phases.push(Phase {
            name: name.into(),
            ms,
            what,
        });
    }

    /// Takes checks in.
    fn checked(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.report.verification.checks.extend(checks);
    }

    /// True when a check failed, so that what builds on it makes no sense.
    fn failed(&self) -> bool {
        self.report.verification.status() == Status::Fail
    }
}

impl Drill<'_> {
    /// Holds it; the report is not kept yet.
    ///
    /// # Errors
    /// When it could not be held: a signal, a full disk, an unknown version. A version that does
    /// not come back is a report that did not pass.
    pub fn hold(&self) -> Result<DrillReport, Failure> {
        let release = self.releases.find(&self.task.id, self.version)?;
        let scratch = Scratch::make(&self.ground.state, self.how.scratch)?;
        let held = self.hold_in(&scratch, release);
        let closed = scratch.close();
        let mut report = held?;
        if let Err(error) = closed {
            report.notes.push(format!(
                "the scratch place stays until the next drill: {error}"
            ));
        }
        Ok(report)
    }

    fn hold_in(&self, scratch: &Scratch, release: &Release) -> Result<DrillReport, Failure> {
        let begun = Instant::now();
        let mut course = Course {
            begun,
            last: begun,
            report: self.empty(release)?,
        };
        self.recover(scratch, release, &mut course)?;
        let Course {
            begun, mut report, ..
        } = course;
        report.recovery_ms = millis(begun);
        let left_out = self.how.commands != Commands::Run && !self.task.smoke.is_empty();
        report.passed = report.verification.is_good() && !left_out;
        report.why = match report
            .verification
            .problems()
            .max_by_key(|check| check.status)
        {
            Some(check) => format!("{}: {}", check.id, check.evidence.join("; ")),
            None if left_out => "the smoke test was left out".into(),
            None => String::new(),
        };
        Ok(report)
    }

    /// Everything that a recovery does, in order; stops at what cannot be gone on from.
    fn recover(
        &self,
        scratch: &Scratch,
        release: &Release,
        course: &mut Course,
    ) -> Result<(), Failure> {
        let checking = Checking::begin(1, "integrity.manifest");
        let found = match manifests::load(self.ground, release) {
            Ok(found) => found,
            Err(failure) => {
                course.checked([checking.unmade(failure, &self.ground.git)?]);
                return Ok(());
            }
        };
        let way = format!(
            "tag {} -> commit {} -> manifest",
            release.tag(),
            found.tag.commit.short()
        );
        let scope = Scope::new(&self.ground.settings, self.task)?;
        course.checked([
            checking.end(Status::Pass, vec![way.clone()]),
            grown::commit(self.ground, &scope, &found, true)?,
        ]);
        share::look(self, &found, &mut course.report)?;
        course.phase("read", way);
        if course.failed() {
            return Ok(());
        }
        let converter = self
            .ground
            .git
            .converter(Attributes::Commit(&found.tag.commit))?;
        let root = scratch.root();
        let checking = Checking::begin(1, "integrity.restore");
        let is_registry_left;
        match restore::restore(self, &found, &converter, scratch) {
            Ok(Restored {
                files,
                bytes,
                notes,
                is_registry_left: left,
            }) => {
                is_registry_left = left;
                (course.report.files, course.report.bytes) = (files, bytes);
                course.report.notes.extend(notes);
                let said = format!(
                    "{}, {} into an empty place",
                    text::count(files, "file"),
                    size(bytes)
                );
                course.checked([checking.end(Status::Pass, vec![said.clone()])]);
                course.phase("restore", said);
            }
            Err(failure) => {
                // What is elsewhere says nothing of the version.
                let is_elsewhere = manifests::absent(&self.ground.git, release).explains(&failure);
                let (status, hints) = (
                    if is_elsewhere {
                        Status::Inconclusive
                    } else {
                        Status::Fail
                    },
                    failure.hints(),
                );
                course.checked([Check {
                    hints,
                    ..checking.end(status, of_version(failure)?)
                }]);
                course.phase("restore", "it could not be restored".into());
                return Ok(());
            }
        }
        if let Some((checks, said)) =
            environment::put(self, &found, scratch, &mut course.report.notes)?
        {
            course.checked(checks);
            course.phase("environment", said);
        }
        course.checked(self.verify(root, &found, &converter, is_registry_left));
        course.phase(
            "verify",
            format!(
                "{} read and hashed again",
                text::count(course.report.files, "file")
            ),
        );
        if !course.failed() {
            let checks = self.smoke(scratch, &found)?;
            let said = format!(
                "{} of {} commands",
                if self.how.commands == Commands::Run {
                    self.task.smoke.len()
                } else {
                    0
                },
                self.task.smoke.len()
            );
            course.checked(checks);
            course.phase("smoke", said);
        }
        Ok(())
    }

    /// Levels 1 and 2 on what was restored.
    fn verify(
        &self,
        root: &Root,
        found: &Found,
        converter: &Converter,
        is_registry_left: bool,
    ) -> Vec<Check> {
        let wanted = |file: &FileEntry| self.is_of_version(file);
        let text = |failure: Failure| failure.to_string();
        let registry =
            crate::catalog::registry::in_tree(root, &self.ground.settings).and_then(|registry| {
                Ok(registry
                    .map(|registry| registry.version(&self.task.id))
                    .transpose()?
                    .flatten())
            });
        let config = match &self.task.config {
            Some(_) => crate::catalog::registry::config_version(root, self.task).map_err(text),
            None => Ok(Some(self.version.clone())),
        };
        let said = Said {
            registry: registry.map_err(text),
            config,
            is_registry_left,
        };
        let manifest = &found.manifest;
        let work = integrity::WorkTree {
            tree: root,
            converter,
            file_mode: true,
            takes_pointers: false,
        };
        let mut checks = vec![integrity::tree(&work, manifest, &wanted, &|_| false)];
        checks.extend(configuration::versions(
            self.version,
            &said,
            manifest.metadata.adopted,
        ));
        checks.push(configuration::lockfiles(root, manifest, converter));
        checks.extend(integrity::line_ends(manifest));
        checks
    }

    /// Level 3, in the scratch place and off the network.
    fn smoke(&self, scratch: &Scratch, found: &Found) -> Result<Vec<Check>, Failure> {
        let dir = scratch.tree().join(self.task.dir.as_os());
        let dir = if dir.is_dir() {
            dir
        } else {
            scratch.tree().to_path_buf()
        };
        let variables = Variables::read(
            self.task
                .environment_variables
                .iter()
                .chain(&found.manifest.dependencies.environment_variables),
        );
        let text = |path: &Path| OsString::from(path);
        let set = vec![
            ("SNAPBACK_DRILL", OsString::from("1")),
            ("TMPDIR", text(scratch.temp())),
            // No git command finds the user's repository from here.
            ("GIT_CEILING_DIRECTORIES", text(scratch.path())),
            // An environment that is borrowed must stay as it is.
            ("PYTHONDONTWRITEBYTECODE", OsString::from("1")),
        ];
        let around = Around {
            offline: Some(self.how.offline),
            set,
        };
        Ok(smoke::smoke_around(
            &self.task.smoke,
            &dir,
            &variables,
            self.how.commands,
            &around,
        )?)
    }

    /// True for a file whose bytes are those of the version.
    fn is_of_version(&self, file: &FileEntry) -> bool {
        file.is_restored()
            || (self.how.with_shared && file.role == crate::model::manifest::Role::Shared)
    }

    /// A report that says nothing yet.
    fn empty(&self, release: &Release) -> Result<DrillReport, Failure> {
        let who = self.ground.git.identity()?;
        Ok(DrillReport {
            schema: DRILL_SCHEMA.into(),
            task: self.task.id.clone(),
            version: release.version.clone(),
            release: catalog::verdict::meant(&self.ground.git, &release.task, &release.version),
            active: self.active.cloned(),
            at: self.ground.clock.now(),
            who: format!("{} <{}>", who.name, who.email),
            host: self.ground.host.clone(),
            passed: false,
            why: String::new(),
            recovery_ms: 0,
            phases: Vec::new(),
            files: 0,
            bytes: 0,
            network: Network {
                shut_off: self.how.offline.is_certain(),
                how: self.how.offline.words(),
            },
            verification: Verification {
                task: self.task.id.clone(),
                version: release.version.clone(),
                checks: Vec::new(),
            },
            radius: Vec::new(),
            drift: Vec::new(),
            doors: Vec::new(),
            notes: Vec::new(),
        })
    }
}

/// The words of a failure that is the version's own; one that is of this moment is passed on.
fn of_version(failure: Failure) -> Result<Vec<String>, Failure> {
    match failure.kind() {
        Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug => Err(failure),
        _ if failure.is_disk_full() => Err(failure),
        _ => Ok(failure.chain()),
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
