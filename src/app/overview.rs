//! The existing tasks and releases: overview, reading, export and verification.

use std::{io::Write, path::Path};

use super::App;
use crate::{
    base::{Failure, Hint, RelPath},
    health::{self, doctor},
    model::{
        TaskId, Verdict, Verification, Version,
        health::Health,
        overview::{DoctorLine, HistoryLine, ReleaseDetail, TaskLine, VersionDifference},
        signature::Demand,
    },
    operate::Operator,
    overview::{
        self, diff, preview,
        releases::{self, TaskReleases},
        status,
    },
    rollback::verify,
    site::Flaw,
};

impl App {
    /// Returns one line per task, worst first; no task = all.
    pub fn status(&self, tasks: &[TaskId]) -> Result<Vec<TaskLine>, Failure> {
        status::lines(&self.site, tasks)
    }

    /// Returns releases and operations, newest first; no task = all.
    pub fn history(&self, task: Option<&TaskId>) -> Result<Vec<HistoryLine>, Failure> {
        overview::history(&self.site, task)
    }

    /// Returns the releases of some tasks, the newest version of each first.
    pub fn releases(&self, tasks: &[TaskId]) -> Result<Vec<TaskReleases>, Failure> {
        releases::of_tasks(&self.site, tasks)
    }

    /// Returns versions and tags of a task, newest first; cheap, for completion.
    pub fn release_names(&self, task: &TaskId) -> Result<Vec<(Version, String)>, Failure> {
        releases::names(&self.site, task)
    }

    /// Returns one release in full.
    pub fn show(&self, task: &TaskId, version: &Version) -> Result<ReleaseDetail, Failure> {
        overview::show(&self.site, task, version)
    }

    /// Compares two versions; `None` = the work tree.
    pub fn diff(
        &self,
        task: &TaskId,
        before: Option<&Version>,
        after: Option<&Version>,
    ) -> Result<VersionDifference, Failure> {
        diff::diff(&self.site, task, before, after)
    }

    /// Writes one file of a release, as stored in git or the store.
    pub fn cat(
        &self,
        task: &TaskId,
        version: &Version,
        path: &RelPath,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        preview::cat(&self.site, task, version, path, out)
    }

    /// Exports a release's files below an empty or new folder; returns their number. A dry run only
    /// counts them.
    pub fn export(
        &self,
        task: &TaskId,
        version: &Version,
        into: &Path,
        dry_run: bool,
    ) -> Result<usize, Failure> {
        preview::export(&self.site, task, version, into, dry_run)
    }

    /// Exports a release into a scratch folder, runs a command in the task's folder there, and
    /// removes the scratch folder. Returns the command's exit code; its output goes to the sink.
    pub fn run_in_preview(
        &self,
        task: &TaskId,
        version: &Version,
        command: &str,
    ) -> Result<i32, Failure> {
        preview::run_in_preview(&self.site, task, version, command)
    }

    /// Verifies the stored release. `deep` reads every byte.
    pub fn verify_snapshot(
        &self,
        task: &TaskId,
        version: &Version,
        deep: bool,
        signature: Demand,
    ) -> Result<Verification, Failure> {
        verify::release(&self.site, task, version, deep, signature)
    }

    /// Verifies the work tree on four levels; without an expected version, against the active one.
    pub fn verify_rollback(
        &self,
        task: &TaskId,
        expected: Option<&Version>,
    ) -> Result<Verification, Failure> {
        verify::work_tree(&self.site, task, expected)
    }

    /// Records a verdict on a version.
    pub fn mark(
        &self,
        task: &TaskId,
        version: &Version,
        verdict: Verdict,
        reason: &str,
    ) -> Result<(), Failure> {
        Operator::new(&self.site).mark(task, version, verdict, reason)
    }

    /// Returns the health of these tasks, or of all, worst first. `deep` reads every byte of the
    /// active version, of the version to roll back to, and of the store.
    pub fn health(&self, tasks: &[TaskId], deep: bool) -> Result<Health, Failure> {
        health::check(&self.site, tasks, deep)
    }

    /// Checks everything that snapback needs; each problem comes with its remedy. A dry run does
    /// not try the lock.
    pub fn doctor(dir: &Path, dry_run: bool) -> Vec<DoctorLine> {
        doctor::look_at(dir, dry_run)
    }

    /// Returns the mistake in the settings that stops a task.
    pub fn flaw_of(&self, task: &TaskId) -> Option<&Flaw> {
        self.site.flaw_of(task)
    }

    /// Returns hints on the mistake that stops a task.
    pub fn flaw_hints(&self, task: &TaskId) -> Vec<Hint> {
        let flaw = self.site.flaw_of(task);
        flaw.map(|flaw| flaw.error.hints()).unwrap_or_default()
    }

    /// Refuses anything other than a rollback while the settings contain a mistake.
    ///
    /// # Errors
    /// Returns the first mistake.
    pub fn refuse_flaws(&self) -> Result<(), Failure> {
        Ok(self.site.refuse_flaws()?)
    }
}
