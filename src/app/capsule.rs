//! Escape capsules: created from a release; verified and restored without a repository.

use std::path::Path;

use super::App;
use crate::{
    base::{Failure, RelPath},
    capsule::timed,
    model::{TaskId, Version, capsule::CapsuleReport, settings::EnvMode},
};

impl App {
    /// Creates a capsule of a release as a new file. A dry run determines what it would contain.
    ///
    /// # Errors
    /// Fails when the file exists, or bytes of the release are missing.
    pub fn create_capsule(
        &self,
        task: &TaskId,
        version: &Version,
        path: &Path,
        dry_run: bool,
    ) -> Result<CapsuleReport, Failure> {
        timed::create(&self.site, task, version, path, dry_run)
    }

    /// Verifies a capsule anywhere; needs no repository.
    ///
    /// # Errors
    /// Fails when the capsule is invalid.
    pub fn verify_capsule(path: &Path) -> Result<CapsuleReport, Failure> {
        timed::verify(path)
    }

    /// Checks everything for a restore and returns what it would do; writes nothing.
    ///
    /// # Errors
    /// Fails as [`App::restore_capsule`] does.
    pub fn rehearse_capsule(
        path: &Path,
        into: &Path,
        links_out: bool,
    ) -> Result<CapsuleReport, Failure> {
        timed::rehearse(path, into, links_out)
    }

    /// Restores a capsule into a new or empty folder, entirely or not at all; needs no repository.
    ///
    /// # Errors
    /// Fails when the capsule is invalid or the folder is not empty, and then leaves nothing there.
    pub fn restore_capsule(
        path: &Path,
        into: &Path,
        links_out: bool,
    ) -> Result<CapsuleReport, Failure> {
        timed::restore(path, into, links_out)
    }

    /// Installs the packages of a restored capsule, from its wheels alone, into an environment
    /// below `into`. Returns the report with the result, and the failure if there is one.
    pub fn install_capsule(
        report: CapsuleReport,
        into: &Path,
        venv: &RelPath,
    ) -> (CapsuleReport, Option<Failure>) {
        timed::install(report, into, venv)
    }

    /// Returns a task's environment and what a rollback does with it, according to the settings.
    pub fn environment_of(&self, task: &TaskId) -> (Option<RelPath>, EnvMode) {
        let spec = self.site.settings.task(task);
        let venv = spec.and_then(|spec| spec.venv.clone());
        (venv, self.site.settings.rollback.env)
    }
}
