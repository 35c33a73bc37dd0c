//! What there is, looked at, read, exported and verified.

use std::{io::Write, path::Path};

use super::App;
use crate::{
    base::{Failure, Hint, RelPath},
    health::{self, doctor},
    model::{
        TaskId, Verdict, Verification, Version,
        health::Health,
        overview::{Difference, DoctorLine, HistoryLine, ReleaseDetail, ReleaseLine, TaskLine},
        signature::Demand,
    },
    operate::Operator,
    overview::{self, diff, preview, releases, status},
    rollback::verify,
    site::Flaw,
};

impl App {
    /// One line a task, worst first; no task = all.
    pub fn status(&self, tasks: &[TaskId]) -> Result<Vec<TaskLine>, Failure> {
        status::lines(&self.site, tasks)
    }

    /// Releases and operations, newest first; no task = all.
    pub fn history(&self, task: Option<&TaskId>) -> Result<Vec<HistoryLine>, Failure> {
        overview::history(&self.site, task)
    }

    /// The releases of a task, newest version first.
    pub fn releases(&self, task: &TaskId) -> Result<Vec<ReleaseLine>, Failure> {
        releases::of_task(&self.site, task)
    }

    /// Versions and tags of a task, newest first: cheap, for completion.
    pub fn release_names(&self, task: &TaskId) -> Result<Vec<(Version, String)>, Failure> {
        releases::names(&self.site, task)
    }

    /// One release in full.
    pub fn show(&self, task: &TaskId, version: &Version) -> Result<ReleaseDetail, Failure> {
        overview::show(&self.site, task, version)
    }

    /// Compares two versions; `None` = the work tree.
    pub fn diff(
        &self,
        task: &TaskId,
        before: Option<&Version>,
        after: Option<&Version>,
    ) -> Result<Difference, Failure> {
        diff::diff(&self.site, task, before, after)
    }

    /// Writes one file of a release, as git or the store keeps it.
    pub fn cat(
        &self,
        task: &TaskId,
        version: &Version,
        path: &RelPath,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        preview::cat(&self.site, task, version, path, out)
    }

    /// Exports a release's files below an empty or new folder; returns how many there are. A dry
    /// run only counts them.
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

    /// Checks a release where it is kept. `deep` reads every byte.
    pub fn verify_snapshot(
        &self,
        task: &TaskId,
        version: &Version,
        deep: bool,
        signature: Demand,
    ) -> Result<Verification, Failure> {
        verify::release(&self.site, task, version, deep, signature)
    }

    /// Runs the four levels on the work tree; without an expected version, the active one.
    pub fn verify_rollback(
        &self,
        task: &TaskId,
        expected: Option<&Version>,
    ) -> Result<Verification, Failure> {
        verify::work_tree(&self.site, task, expected)
    }

    /// Says something of a version.
    pub fn mark(
        &self,
        task: &TaskId,
        version: &Version,
        verdict: Verdict,
        reason: &str,
    ) -> Result<(), Failure> {
        Operator::new(&self.site).mark(task, version, verdict, reason)
    }

    /// The health of these tasks, or of all, worst first. `deep` reads every byte of the active
    /// version, of the one to go back to, and of the store.
    pub fn health(&self, tasks: &[TaskId], deep: bool) -> Result<Health, Failure> {
        health::check(&self.site, tasks, deep)
    }

    /// Looks at everything that snapback needs; each trouble with its remedy. A dry run does not
    /// try the lock.
    pub fn doctor(dir: &Path, dry_run: bool) -> Vec<DoctorLine> {
        doctor::look_at(dir, dry_run)
    }

    /// What stops a task.
    pub fn flaw_of(&self, task: &TaskId) -> Option<&Flaw> {
        self.site.flaw_of(task)
    }

    /// What to do about what stops a task.
    pub fn flaw_hints(&self, task: &TaskId) -> Vec<Hint> {
        let flaw = self.site.flaw_of(task);
        flaw.map(|flaw| flaw.error.hints()).unwrap_or_default()
    }

    /// Refuses what is no way back while anything is wrong in the settings.
    ///
    /// # Errors
    /// The first mistake.
    pub fn refuse_flaws(&self) -> Result<(), Failure> {
        Ok(self.site.refuse_flaws()?)
    }
}
