//! Releases whose tags have a form that no task has any more: the form was changed in the settings
//! after they were made. Their manifests name the tags.

use std::collections::BTreeSet;

use super::{
    Release,
    manifests::LIMIT,
    releases::{KEEP, Releases},
    untagged,
};
use crate::{
    base::Failure,
    git::Repo,
    model::{GitId, Manifest, Settings, TagForm, TagName, TaskId, Version, tag},
};

/// Adds the releases of one task, or of all, whose tags are found by their manifests only.
///
/// # Errors
/// Fails when the references or HEAD cannot be read.
pub(super) fn add(
    releases: &mut Releases,
    git: &Repo,
    settings: &Settings,
    only: Option<&TaskId>,
) -> Result<(), Failure> {
    let mut missing = made(releases, git, settings, only)?;
    // A clone that did not make them has no second references.
    let is_unusual = |id: &TaskId| {
        let task = settings.task(id);
        task.is_some_and(|task| task.tag != *TagForm::usual())
    };
    let is_any = |id: &TaskId| only.is_none_or(|only| only == id) && is_unusual(id);
    if settings.tasks.iter().any(|task| is_any(&task.id)) {
        for (task, versions) in untagged::in_head(git, settings)? {
            let versions = versions.into_keys();
            let versions = versions.filter(|version| {
                is_any(&task) && is_of(settings, &task, version) && !has(releases, &task, version)
            });
            missing.extend(versions.map(|version| (task.clone(), version)));
        }
    }
    let Some(head) = git.head_commit()?.filter(|_| !missing.is_empty()) else {
        return Ok(());
    };
    for (task, version) in missing {
        let Some((name, tag_id)) = by_manifest(git, settings, &head, (&task, &version)) else {
            continue;
        };
        let kept = git.find_ref(&TagName::keep_reference(&task, &version));
        if kept.ok().flatten().is_none_or(|kept| kept == tag_id) {
            let release = Release::of((&task, &version), name, tag_id);
            let versions = releases.by_task.entry(task).or_default();
            versions.insert(version, release);
        }
    }
    Ok(())
}

/// Returns the versions with a second reference and no tag that is known.
fn made(
    releases: &Releases,
    git: &Repo,
    settings: &Settings,
    only: Option<&TaskId>,
) -> Result<BTreeSet<(TaskId, Version)>, Failure> {
    let below = only.map_or_else(|| KEEP.to_string(), |task| format!("{KEEP}{task}/"));
    let named = |name: &str| {
        let (task, version) = name.strip_prefix(KEEP)?.split_once('/')?;
        Some((task.parse().ok()?, version.parse().ok()?))
    };
    let references = git.ref_names_below(&below)?;
    let made = references.iter().filter_map(|name| named(name));
    Ok(made
        .filter(|(task, version)| is_of(settings, task, version) && !has(releases, task, version))
        .collect())
}

/// True for a task that the settings have, and a version of its scheme.
fn is_of(settings: &Settings, task: &TaskId, version: &Version) -> bool {
    let task = settings.task(task);
    task.is_some_and(|task| task.scheme.accepts(version))
}

/// True for a version whose tag is known, be it broken.
fn has(releases: &Releases, task: &TaskId, version: &Version) -> bool {
    let there = releases.by_task.get(task);
    there.is_some_and(|versions| versions.contains_key(version))
        || releases
            .broken
            .contains_key(&(task.clone(), version.clone()))
}

/// Returns the tag that the manifest in a commit names, when it is there.
fn by_manifest(
    git: &Repo,
    settings: &Settings,
    head: &GitId,
    (task, version): (&TaskId, &Version),
) -> Option<(String, GitId)> {
    let path = settings.manifest_path(task, version);
    let entry = git.entry(head, &path).ok()??;
    let bytes = git.read_blob_within(&entry.id, LIMIT).ok()?;
    let (subject, _) = Manifest::parse_subject(&bytes).ok()?;
    let name =
        Some(subject.tag).filter(|_| subject.task == *task && subject.version == *version)?;
    let found = git.find_ref(&tag::reference(&name)).ok()??;
    Some((name, found))
}
