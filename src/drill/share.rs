//! The effects of a return on others: files that they use too, and one-way doors it passes.

use std::collections::BTreeMap;

use super::Drill;
use crate::{
    base::{Failure, RelPath},
    catalog::{
        affected_tasks,
        manifests::{self, Found},
        one_way::{self, VersionPair},
    },
    model::{
        GitId, Manifest,
        drill::DrillReport,
        manifest::{FileRole, ManifestFile},
    },
};

/// Fills in the blast radius, the drift of shared files, and the one-way doors.
pub fn look(drill: &Drill<'_>, found: &Found, report: &mut DrillReport) -> Result<(), Failure> {
    let active = drill
        .active
        .and_then(|version| drill.releases.find(&drill.task.id, version).ok());
    let active = active.and_then(|release| manifests::load(drill.site, release).ok());
    let now = active.as_ref().map(|active| &active.manifest);
    let target = &found.manifest;
    let (then_files, now_files) = (
        of_version(drill, target),
        now.map(|now| of_version(drill, now)).unwrap_or_default(),
    );
    let changed = then_files
        .iter()
        .filter(|(path, file)| now_files.get(*path).is_none_or(|now| !now.is_same(file)))
        .map(|(path, _)| *path);
    let gone: Vec<&RelPath> = now_files
        .keys()
        .filter(|path| !then_files.contains_key(*path))
        .copied()
        .collect();
    if now.is_some() {
        let mut paths: Vec<&RelPath> = changed.chain(gone.iter().copied()).collect();
        paths.sort();
        report.radius =
            affected_tasks::of(&drill.site.settings, &drill.task.id, paths.into_iter())?;
    }
    report.drift = drift(drill, target)?;
    report.doors = one_way::of(
        drill.task,
        &VersionPair {
            from: drill.active,
            to: drill.version,
            gone,
            needs: &target.dependencies.environment_variables,
            needed: now
                .filter(|now| now.knows_dependencies())
                .map(|now| now.dependencies.environment_variables.as_slice()),
            environment: &drill.site.environment,
        },
    )?;
    Ok(())
}

/// Returns the files whose bytes are those of a version.
fn of_version<'a>(
    drill: &Drill<'_>,
    manifest: &'a Manifest,
) -> BTreeMap<&'a RelPath, &'a ManifestFile> {
    manifest
        .files
        .iter()
        .filter(|file| drill.is_of_version(file))
        .map(|file| (file.path(), file))
        .collect()
}

/// Returns shared files that differ from the version's; its smoke test shows if that matters.
fn drift(drill: &Drill<'_>, target: &Manifest) -> Result<Vec<String>, Failure> {
    let head = drill.site.git.head_commit()?;
    let mut lines = Vec::new();
    for file in target
        .files
        .iter()
        .filter(|file| file.role == FileRole::Shared && !drill.how.with_shared)
    {
        let now = head
            .as_ref()
            .map(|head| drill.site.git.entry(head, file.path()))
            .transpose()?
            .flatten();
        if now.as_ref().map(|entry| &entry.id) != file.blob() {
            let short = |id: Option<&GitId>| {
                id.map_or_else(|| "no file".into(), |id| format!("@{}", id.short()))
            };
            let (expects, has) = (
                short(file.blob()),
                short(now.as_ref().map(|entry| &entry.id)),
            );
            lines.push(format!(
                "{} {} expects {} {expects}, HEAD has {has}",
                drill.task.id,
                drill.version,
                file.path()
            ));
        }
    }
    Ok(lines)
}
