//! Escape capsules: made from a release; checked and restored without a repository.

use std::path::Path;

use super::App;
use crate::{
    base::{Failure, RelPath},
    capsule::timed,
    model::{TaskId, Version, capsule::CapsuleReport, settings::EnvMode},
};

impl App {
    /// Makes a capsule of a release in a new file. A dry run finds out what it would hold.
    ///
    /// # Errors
    /// When the file is there, or a byte of the release is not.
    pub fn create_capsule(
        &self,
        task: &TaskId,
        version: &Version,
        path: &Path,
        dry_run: bool,
    ) -> Result<CapsuleReport, Failure> {
        timed::create(&self.site, task, version, path, dry_run)
    }

    /// Checks a capsule, wherever it is; no repository is needed.
    ///
    /// # Errors
    /// When it is not what it should be.
    pub fn verify_capsule(path: &Path) -> Result<CapsuleReport, Failure> {
        timed::verify(path)
    }

    /// What a restore would do: all is checked, and nothing written.
    ///
    /// # Errors
    /// Those of [`App::restore_capsule`].
    pub fn rehearse_capsule(
        path: &Path,
        into: &Path,
        links_out: bool,
    ) -> Result<CapsuleReport, Failure> {
        timed::rehearse(path, into, links_out)
    }

    /// Restores a capsule into a new or empty folder, whole or not at all; no repository is needed.
    ///
    /// # Errors
    /// When it is not what it should be, or the folder is not empty: nothing is there then.
    pub fn restore_capsule(
        path: &Path,
        into: &Path,
        links_out: bool,
    ) -> Result<CapsuleReport, Failure> {
        timed::restore(path, into, links_out)
    }

    /// Installs the packages of what was restored into an environment below it, from its wheels
    /// alone. The report says how that ended; the failure, if there is one, comes beside it.
    pub fn install_capsule(
        report: CapsuleReport,
        into: &Path,
        venv: &RelPath,
    ) -> (CapsuleReport, Option<Failure>) {
        timed::install(report, into, venv)
    }

    /// The environment of a task and whether a rollback would bring it along, by the settings here.
    pub fn environment_of(&self, task: &TaskId) -> (Option<RelPath>, EnvMode) {
        let spec = self.site.settings.task(task);
        let venv = spec.and_then(|spec| spec.venv.clone());
        (venv, self.site.settings.rollback.env)
    }
}
