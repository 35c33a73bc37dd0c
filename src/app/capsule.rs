//! Escape capsules as a use case: made from a release; checked and restored without a repository.

use std::{path::Path, time::Instant};

use super::{App, change::millis};
use crate::{
    base::{Clock, Failure, RelPath, output},
    capsule::{self, create, open, packages},
    catalog::{Scope, manifests},
    model::{
        TaskId, Version,
        capsule::CapsuleReport,
        report::{Moment, MomentEnd},
    },
    rollback::check,
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
        let begun = Instant::now();
        if std::fs::symlink_metadata(path).is_ok() && !output::is_stream(path) {
            return Err(capsule::Error::Exists(path.to_path_buf()).into());
        }
        output::check(path)?;
        let releases = self.releases_for(task)?;
        let found = manifests::load(&self.site, releases.find(task, version)?)?;
        let spec = self.spec(task)?;
        check::refuse_other_commit(&self.site, &Scope::new(&self.site.settings, spec)?, &found)?;
        let total = found.manifest.files.len() as u64;
        let prepared = self.site.work("reading", total, false, || {
            create::prepare(&self.site, spec, &found)
        })?;
        let report = if dry_run {
            prepared.report(path)
        } else {
            prepared.write(path)?
        };
        Ok(CapsuleReport {
            duration_ms: millis(begun),
            ..report
        })
    }

    /// Checks a capsule, wherever it is; no repository is needed.
    ///
    /// # Errors
    /// When it is not what it should be.
    pub fn verify_capsule(path: &Path) -> Result<CapsuleReport, Failure> {
        let begun = Instant::now();
        let report = open::verify(path)?;
        Ok(CapsuleReport {
            duration_ms: millis(begun),
            ..report
        })
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
        let begun = Instant::now();
        let report = open::rehearse(path, into, links_out)?;
        Ok(CapsuleReport {
            duration_ms: millis(begun),
            ..report
        })
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
        let (begun, began_at) = (Instant::now(), Some(Clock::System.now()));
        let report = open::restore(path, into, links_out)?;
        let duration_ms = millis(begun);
        let moment = Moment {
            what: "check, restore and read back".into(),
            at_ms: 0,
            took_ms: duration_ms,
            end: MomentEnd::Done,
        };
        Ok(CapsuleReport {
            duration_ms,
            began_at,
            timeline: vec![moment],
            ..report
        })
    }

    /// Installs the packages of what was restored into an environment below it, from its wheels
    /// alone. The report says how that ended; the failure, if there is one, comes beside it.
    pub fn install_capsule(
        report: CapsuleReport,
        into: &Path,
        venv: &RelPath,
    ) -> (CapsuleReport, Option<Failure>) {
        let begun = Instant::now();
        let done = packages::install(&report, into, venv);
        let (took_ms, mut report) = (millis(begun), report);
        let end = if done.is_ok() {
            MomentEnd::Done
        } else {
            MomentEnd::Failed
        };
        report.timeline.push(Moment {
            what: "packages".into(),
            at_ms: report.duration_ms,
            took_ms,
            end,
        });
        report.duration_ms += took_ms;
        match done {
            Ok(said) => {
                report.proved.push(said);
                (report, None)
            }
            Err(failure) => {
                report.notes.push(format!(
                    "the packages could not be installed from its wheels: {}",
                    failure.chain().join(": ")
                ));
                (report, Some(failure))
            }
        }
    }

    /// The environment of a task and whether a rollback would bring it along, by the settings here.
    pub fn environment_of(
        &self,
        task: &TaskId,
    ) -> (Option<RelPath>, crate::model::settings::EnvMode) {
        let settings = &self.site.settings;
        (
            settings.task(task).and_then(|spec| spec.venv.clone()),
            settings.rollback.env,
        )
    }
}
