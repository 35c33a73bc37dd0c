//! Row 10, drills: a return to a version rehearsed in an empty place, offline, with measured time.
//!
//! Nothing of the user's is written to: not the work tree, not the index, not a reference. The
//! bytes come from where a rollback takes them, and each is checked. The first two levels and the
//! task's own smoke test run on what was restored, and the place is removed afterwards. What a
//! broken version lacks is a failed check with its reason, never an error. See [`scratch`] for the
//! place, `restore` for what is put there, [`reports`] for what is kept.

mod environment;
pub mod hold;
mod recovery;
pub mod reports;
mod restore;
pub mod scratch;
mod share;
pub mod way_back;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{
    base::{Failure, Fault, Hint, Kind, clock::millis, process::offline::Offline},
    catalog::{self, Release, releases::Releases},
    model::{
        TaskSpec, Verification, Version,
        drill::{DRILL_SCHEMA, DrillReport, Network},
        manifest::ManifestFile,
    },
    site::RepoSite,
    verify::{CHECKS, Checks, Commands},
};
use recovery::DrillCourse;
use scratch::Scratch;

/// An error that keeps a drill from being held.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scratch place cannot be used.
    #[error("cannot use the scratch place {path}")]
    Scratch {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// There is not enough room for the version.
    #[error("{path} has {free} free, and {version} needs {needed}")]
    NoRoom {
        /// The path.
        path: PathBuf,
        /// The version.
        version: Version,
        /// The free space, in words.
        free: String,
        /// The space needed, in words.
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

/// Options of how a drill is held.
#[derive(Debug, Clone, Copy)]
pub struct DrillOptions<'a> {
    /// The folder in which the scratch place is made.
    pub scratch: &'a Path,
    /// How children are kept off the network.
    pub offline: &'a Offline,
    /// True when the task's packages are installed, from what is here.
    pub install: bool,
    /// True when shared files are those of the version, not the present ones.
    pub with_shared: bool,
    /// Whether the task's commands run.
    pub commands: Commands,
}

/// One drill.
pub struct Drill<'a> {
    /// The ports.
    pub site: &'a RepoSite,
    /// The task.
    pub task: &'a TaskSpec,
    /// Its releases.
    pub releases: &'a Releases,
    /// The version to return to.
    pub version: &'a Version,
    /// The active version.
    pub active: Option<&'a Version>,
    /// The options.
    pub how: DrillOptions<'a>,
}

impl Drill<'_> {
    /// Holds the drill; the report is not kept yet.
    ///
    /// # Errors
    /// When it could not be held: a signal, a full disk, an unknown version. A version that does
    /// not come back is a report that did not pass.
    pub fn hold(&self) -> Result<DrillReport, Failure> {
        self.hold_by(CHECKS)
    }

    /// Holds the drill with other checks.
    ///
    /// # Errors
    /// The errors of [`Drill::hold`].
    pub fn hold_by(&self, checks: Checks<'_>) -> Result<DrillReport, Failure> {
        let release = self.releases.find(&self.task.id, self.version)?;
        let scratch = Scratch::make(&self.site.state, self.how.scratch)?;
        let held = self.hold_in(&scratch, release, checks);
        let closed = scratch.close();
        let mut report = held?;
        if let Err(error) = closed {
            report.notes.push(format!(
                "the scratch place stays until the next drill: {error}"
            ));
        }
        Ok(report)
    }

    fn hold_in(
        &self,
        scratch: &Scratch,
        release: &Release,
        checks: Checks<'_>,
    ) -> Result<DrillReport, Failure> {
        let begun = Instant::now();
        let mut course = DrillCourse::new(begun, scratch, release, checks, self.empty(release)?);
        self.recover(&mut course)?;
        let mut report = course.report;
        report.recovery_ms = millis(begun.elapsed());
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

    /// Returns true for a file whose bytes are those of the version.
    fn is_of_version(&self, file: &ManifestFile) -> bool {
        file.is_restored()
            || (self.how.with_shared && file.role == crate::model::manifest::FileRole::Shared)
    }

    /// Returns a report that says nothing yet.
    fn empty(&self, release: &Release) -> Result<DrillReport, Failure> {
        let who = self.site.git.identity()?;
        Ok(DrillReport {
            schema: DRILL_SCHEMA.into(),
            task: self.task.id.clone(),
            version: release.version.clone(),
            release: catalog::verdict::meant(self.site, &release.task, &release.version),
            active: self.active.cloned(),
            at: self.site.clock.now(),
            who: who.to_string(),
            host: self.site.host.clone(),
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

/// Returns the words of a failure that is the version's own; passes on a momentary failure.
fn of_version(failure: Failure) -> Result<Vec<String>, Failure> {
    match failure.kind() {
        Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug => Err(failure),
        _ if failure.is_disk_full() => Err(failure),
        _ => Ok(failure.chain()),
    }
}
