//! Makes, checks, restores and installs capsules, and measures how long each took.

use std::{path::Path, time::Instant};

use super::{create, open, packages};
use crate::{
    base::{Clock, Failure, RelPath, clock::millis, output},
    catalog::{Scope, manifests, tasks},
    model::{
        TaskId, Version,
        capsule::CapsuleReport,
        report::{MomentEnd, StepTime},
    },
    site::RepoSite,
    verify::refuse_other_commit,
};

/// Makes a capsule of a release in a new file. A dry run finds out what it would hold.
///
/// # Errors
/// When the file exists, or a byte of the release is missing.
pub fn create(
    site: &RepoSite,
    task: &TaskId,
    version: &Version,
    path: &Path,
    dry_run: bool,
) -> Result<CapsuleReport, Failure> {
    let begun = Instant::now();
    if std::fs::symlink_metadata(path).is_ok() && !output::is_stream(path) {
        return Err(super::Error::Exists(path.to_path_buf()).into());
    }
    output::check(path)?;
    let releases = tasks::releases_of(site, task)?;
    let found = manifests::load(site, releases.find(task, version)?)?;
    let spec = tasks::spec(site, task)?;
    refuse_other_commit(site, &Scope::new(&site.settings, spec)?, &found)?;
    let total = found.manifest.files.len() as u64;
    let prepared = site.work("reading", total, false, || {
        create::prepare(site, spec, &found)
    })?;
    let report = if dry_run {
        prepared.report(path)
    } else {
        prepared.write(path)?
    };
    Ok(CapsuleReport {
        duration_ms: millis(begun.elapsed()),
        ..report
    })
}

/// Checks a capsule, wherever it is; no repository is needed.
///
/// # Errors
/// When it is not what it should be.
pub fn verify(path: &Path) -> Result<CapsuleReport, Failure> {
    let begun = Instant::now();
    let report = open::verify(path)?;
    Ok(CapsuleReport {
        duration_ms: millis(begun.elapsed()),
        ..report
    })
}

/// Returns what a restore would do: all is checked, and nothing written.
///
/// # Errors
/// The errors of [`restore`].
pub fn rehearse(path: &Path, into: &Path, links_out: bool) -> Result<CapsuleReport, Failure> {
    let begun = Instant::now();
    let report = open::rehearse(path, into, links_out)?;
    Ok(CapsuleReport {
        duration_ms: millis(begun.elapsed()),
        ..report
    })
}

/// Restores a capsule into a new or empty folder, whole or not at all; no repository is needed.
///
/// # Errors
/// When it is not what it should be, or the folder is not empty: nothing is there then.
pub fn restore(path: &Path, into: &Path, links_out: bool) -> Result<CapsuleReport, Failure> {
    let (begun, began_at) = (Instant::now(), Some(Clock::System.now()));
    let report = open::restore(path, into, links_out)?;
    let duration_ms = millis(begun.elapsed());
    let moment = StepTime {
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

/// Installs the packages of what was restored into an environment below it, from its wheels alone.
/// The report says how that ended; the failure, if there is one, comes beside it.
pub fn install(
    report: CapsuleReport,
    into: &Path,
    venv: &RelPath,
) -> (CapsuleReport, Option<Failure>) {
    let begun = Instant::now();
    let done = packages::install(&report, into, venv);
    let (took_ms, mut report) = (millis(begun.elapsed()), report);
    let end = if done.is_ok() {
        MomentEnd::Done
    } else {
        MomentEnd::Failed
    };
    report.timeline.push(StepTime {
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
