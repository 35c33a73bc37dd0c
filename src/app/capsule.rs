//! Escape capsules as a use case: made from a release; checked and restored without a repository.

use std::{path::Path, time::Instant};

use super::{App, change::millis};
use crate::{
    base::{Failure, TaskId},
    capsule::{self, create, open},
    catalog::manifests,
    model::{Version, capsule::CapsuleReport},
};

impl App {
    /// Makes a capsule of a release in a new file. A dry run finds out what it would hold.
    ///
    /// # Errors
    /// When the file is there, or a byte of the release is not.
    pub fn create_capsule(&self, task: &TaskId, version: &Version, path: &Path, dry_run: bool) -> Result<CapsuleReport, Failure> {
        let begun = Instant::now();
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(capsule::Error::Exists(path.to_path_buf()).into());
        }
        let releases = self.releases_for(task)?;
        let found = manifests::load(&self.ground, releases.find(task, version)?)?;
        let total = found.manifest.files.len() as u64;
        let prepared = self.ground.work("reading", total, false, || create::prepare(&self.ground, self.spec(task)?, &found))?;
        let report = if dry_run { prepared.report(path) } else { prepared.write(path)? };
        Ok(CapsuleReport { duration_ms: millis(begun), ..report })
    }

    /// Checks a capsule, wherever it is; no repository is needed.
    ///
    /// # Errors
    /// When it is not what it should be.
    pub fn verify_capsule(path: &Path) -> Result<CapsuleReport, Failure> {
        let begun = Instant::now();
        let report = open::verify(path)?;
        Ok(CapsuleReport { duration_ms: millis(begun), ..report })
    }

    /// Restores a capsule into a new or empty folder, whole or not at all; no repository is needed.
    ///
    /// # Errors
    /// When it is not what it should be, or the folder is not empty: nothing is there then.
    pub fn restore_capsule(path: &Path, into: &Path, links_out: bool) -> Result<CapsuleReport, Failure> {
        let begun = Instant::now();
        let report = open::restore(path, into, links_out)?;
        Ok(CapsuleReport { duration_ms: millis(begun), ..report })
    }
}
