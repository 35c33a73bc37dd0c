//! Runs the phases of a drill: a release is read, restored into the scratch place, verified and
//! tried.
//!
//! A phase that fails is a failed check; the phases that build on it are left out.

use std::{ffi::OsString, path::Path, time::Instant};

use super::{
    Drill, environment, of_version,
    restore::{self, DrillRestore},
    scratch::Scratch,
    share,
};
use crate::{
    base::{
        Failure,
        clock::millis,
        text::{self, size},
    },
    catalog::{
        Release,
        manifests::{self, Found},
    },
    git::{Attributes, Converter},
    model::{
        CheckResult, Status,
        drill::{DrillPhase, DrillReport},
        manifest::ManifestFile,
    },
    verify::{
        ALL_LEVELS, CheckRun, CheckSubject, Checkout, Checks, Commands, Depth, KeptRelease,
        ScratchTree, commands::Rehearsal, prove,
    },
};

/// The state of a drill while it goes on.
pub(super) struct DrillCourse<'a> {
    scratch: &'a Scratch,
    release: &'a Release,
    checks: Checks<'a>,
    /// The time when the phase began.
    last: Instant,
    pub(super) report: DrillReport,
}

impl<'a> DrillCourse<'a> {
    /// Creates the course of a drill that began then.
    pub(super) fn new(
        begun: Instant,
        scratch: &'a Scratch,
        release: &'a Release,
        checks: Checks<'a>,
        report: DrillReport,
    ) -> Self {
        Self {
            scratch,
            release,
            checks,
            last: begun,
            report,
        }
    }

    /// Ends a phase.
    fn phase(&mut self, name: &str, what: String) {
        let ms = millis(self.last.elapsed());
        self.last = Instant::now();
        self.report.phases.push(DrillPhase {
            name: name.into(),
            ms,
            what,
        });
    }

    /// Adds checks.
    fn checked(&mut self, checks: impl IntoIterator<Item = CheckResult>) {
        self.report.verification.checks.extend(checks);
    }

    /// Returns true when a check failed, so that what builds on it makes no sense.
    fn failed(&self) -> bool {
        self.report.verification.status() == Status::Fail
    }
}

impl Drill<'_> {
    /// Does everything that a recovery does, in order; stops where it cannot go on.
    pub(super) fn recover(&self, course: &mut DrillCourse<'_>) -> Result<(), Failure> {
        let (site, task) = (self.site, self.task);
        let release = KeptRelease::new(site, task, course.release, Depth::Commit)?;
        let Some(found) = self.read_release(&release, course)? else {
            return Ok(());
        };
        let converter = site.git.converter(Attributes::Commit(&found.tag.commit))?;
        let Some(restored) = self.restore_files(found, &converter, course)? else {
            return Ok(());
        };
        let scratch = course.scratch;
        if let Some((checks, said)) =
            environment::put(self, found, scratch, &mut course.report.notes)?
        {
            course.checked(checks);
            course.phase("environment", said);
        }
        let is_of_version = |file: &ManifestFile| self.is_of_version(file);
        let tree = ScratchTree {
            site,
            task,
            manifest: &found.manifest,
            top: scratch.tree(),
            checkout: Checkout {
                tree: scratch.root(),
                converter: &converter,
                file_mode: true,
                known: None,
                takes_pointers: false,
            },
            is_of_version: &is_of_version,
            is_registry_left: restored.is_registry_left,
            commands: self.how.commands,
            around: self.around(scratch),
        };
        self.verify(&tree, course)
    }

    /// Reads the release; returns `None` when the drill cannot go on from it.
    fn read_release<'a>(
        &self,
        release: &'a KeptRelease<'_>,
        course: &mut DrillCourse<'_>,
    ) -> Result<Option<&'a Found>, Failure> {
        let checks = prove(course.checks, &CheckSubject::Release(release), ALL_LEVELS)?;
        course.checked(checks);
        let Some(found) = release.found() else {
            return Ok(None);
        };
        share::look(self, found, &mut course.report)?;
        course.phase("read", release.chain(found));
        Ok((!course.failed()).then_some(found))
    }

    /// Restores the files into the scratch place; returns `None` when that failed.
    fn restore_files(
        &self,
        found: &Found,
        converter: &Converter,
        course: &mut DrillCourse<'_>,
    ) -> Result<Option<DrillRestore>, Failure> {
        let run = CheckRun::begin(1, "integrity.restore");
        match restore::restore(self, found, converter, course.scratch) {
            Ok(mut restored) => {
                let (files, bytes) = (restored.files, restored.bytes);
                (course.report.files, course.report.bytes) = (files, bytes);
                course.report.notes.append(&mut restored.notes);
                let said = format!(
                    "{}, {} into an empty place",
                    text::count(files, "file"),
                    size(bytes)
                );
                course.checked([run.end(Status::Pass, vec![said.clone()])]);
                course.phase("restore", said);
                Ok(Some(restored))
            }
            Err(failure) => {
                // Files that are elsewhere say nothing of the version.
                let is_elsewhere =
                    manifests::absent(&self.site.git, course.release).explains(&failure);
                let (status, hints) = (
                    if is_elsewhere {
                        Status::Inconclusive
                    } else {
                        Status::Fail
                    },
                    failure.hints(),
                );
                course.checked([CheckResult {
                    hints,
                    ..run.end(status, of_version(failure)?)
                }]);
                course.phase("restore", "it could not be restored".into());
                Ok(None)
            }
        }
    }

    /// Checks integrity and configuration of what was restored; if they hold, runs its smoke test.
    fn verify(&self, tree: &ScratchTree<'_>, course: &mut DrillCourse<'_>) -> Result<(), Failure> {
        let subject = CheckSubject::Scratch(tree);
        course.checked(prove(course.checks, &subject, 1..=2)?);
        let files = text::count(course.report.files, "file");
        course.phase("verify", format!("{files} read and hashed again"));
        if course.failed() {
            return Ok(());
        }
        course.checked(prove(course.checks, &subject, 3..=4)?);
        let all = self.task.smoke.len();
        let ran = if self.how.commands == Commands::Run {
            all
        } else {
            0
        };
        course.phase("smoke", format!("{ran} of {all} commands"));
        Ok(())
    }

    /// Returns the surroundings of each command: no network, and nothing of the user's.
    fn around(&self, scratch: &Scratch) -> Rehearsal<'_> {
        let text = |path: &Path| OsString::from(path);
        let set = vec![
            ("SNAPBACK_DRILL", OsString::from("1")),
            ("TMPDIR", text(scratch.temp())),
            // No git command finds the user's repository from here.
            ("GIT_CEILING_DIRECTORIES", text(scratch.path())),
            // An environment that is borrowed must stay as it is.
            ("PYTHONDONTWRITEBYTECODE", OsString::from("1")),
        ];
        Rehearsal {
            offline: Some(self.how.offline),
            set,
        }
    }
}
