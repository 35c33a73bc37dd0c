//! Row 11, overviews of tasks and releases, for people and programs. Reads only.
//!
//! [`status`] has one line per task, [`releases`] one per release, [`diff`] compares two versions;
//! [`preview`] reads and exports the files of a release.

pub mod diff;
pub mod drift;
mod error;
pub mod preview;
pub mod releases;
pub mod status;

use jiff::Timestamp;

use crate::{
    base::{Failure, Kind},
    catalog::{self, manifests, registry, tasks},
    model::{
        TaskId, Version,
        operation::OpKind,
        overview::{HistoryLine, ReleaseDetail, ReleaseLine},
    },
    operate::operations,
    site::RepoSite,
    verdict,
};

pub use error::Error;

/// Returns releases and operations, newest first; no task = all.
pub fn history(site: &RepoSite, task: Option<&TaskId>) -> Result<Vec<HistoryLine>, Failure> {
    let tasks: Vec<TaskId> = match task {
        Some(task) => vec![tasks::spec(site, task)?.id.clone()],
        None => site
            .settings
            .tasks
            .iter()
            .map(|task| task.id.clone())
            .collect(),
    };
    let releases = match task {
        Some(task) => tasks::tagged_releases(site, task)?,
        None => tasks::all_releases(site)?,
    };
    let of_tags = releases::lines(site, &tasks.iter().collect::<Vec<_>>(), &releases)?;
    let mut lines: Vec<(Timestamp, HistoryLine)> = of_tags
        .into_iter()
        .map(|line| (line.at, HistoryLine::Release(line)))
        .collect();
    let ours = |op: &crate::model::overview::OperationLine| {
        op.kind != OpKind::CreateSnapshot && op.task.as_ref().is_none_or(|id| tasks.contains(id))
    };
    // Another user may not read the operations; the releases are readable.
    let done = if site.is_closed() {
        Vec::new()
    } else {
        operations::all(site)?
    };
    lines.extend(
        done.into_iter()
            .filter(ours)
            .map(|line| (line.at, HistoryLine::Operation(line))),
    );
    // Tags have whole seconds only; within one second, the operation came after the release.
    lines.sort_by_key(|(at, line)| {
        (
            std::cmp::Reverse(at.as_second()),
            matches!(line, HistoryLine::Release(_)),
        )
    });
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// Returns one release in full.
pub fn show(site: &RepoSite, task: &TaskId, version: &Version) -> Result<ReleaseDetail, Failure> {
    let releases = tasks::releases_of(site, task)?;
    let release = releases.find(task, version)?;
    let active = registry::active_told(site, tasks::spec(site, task)?);
    let tag = site.git.peel_tag(&release.tag_id)?;
    let (manifest, unread) = match manifests::load(site, release) {
        Ok(found) => (Some(found.manifest.clone()), None),
        Err(failure) if matches!(failure.find(), Some(catalog::Error::NoManifest { .. })) => {
            (None, None)
        }
        Err(failure)
            if matches!(
                failure.kind(),
                Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug
            ) =>
        {
            return Err(failure);
        }
        Err(failure) => (None, Some(failure.chain().join(": "))),
    };
    let line = ReleaseLine {
        active: active.as_ref() == Some(&release.version),
        manifest: manifest.is_some(),
        ..releases::line(site, release, &tag, &verdict::summary(site, None)?)?
    };
    let own = || {
        manifest
            .iter()
            .flat_map(|manifest| &manifest.files)
            .filter(|file| file.is_restored())
    };
    Ok(ReleaseDetail {
        release: line,
        files: own().count(),
        bytes: own().filter_map(|file| file.size()).sum(),
        manifest: manifest.clone(),
        unread,
    })
}

/// Returns true when a version is a release here, by its tag or, if that was deleted, by its second
/// reference.
fn is_release(site: &RepoSite, task: &TaskId, version: &Version) -> bool {
    catalog::verdict::meant(site, task, version).is_some()
}
