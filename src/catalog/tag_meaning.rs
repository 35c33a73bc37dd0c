//! What the name of a tag means where several tasks could have it.

use super::manifests::LIMIT;
use crate::{
    base::Failure,
    git::Repo,
    model::{GitId, Manifest, Settings, TagName},
};

/// Returns the meaning of a tag name. If two tasks match (such names are no longer created), its
/// manifest decides; without a manifest it is a marker, or belongs to the longer id.
pub fn meaning(git: &Repo, settings: &Settings, name: &str) -> Result<Option<TagName>, Failure> {
    let mut readings = settings.tag_readings(name);
    if readings.len() < 2 {
        return Ok(readings.pop());
    }
    let head = git.head_commit()?;
    let manifest = |reading: &TagName| -> Result<Option<GitId>, Failure> {
        let (Some(head), TagName::Release { task, version }) = (&head, reading) else {
            return Ok(None);
        };
        let entry = git.entry(head, &settings.manifest_path(task, version))?;
        Ok(entry.map(|entry| entry.id))
    };
    decide(git, &readings, manifest)
}

/// Returns the release that a manifest of this name is of: `<task>-v<version>`.
pub fn named_by_manifest(
    git: &Repo,
    settings: &Settings,
    name: &str,
    blob: &GitId,
) -> Result<Option<TagName>, Failure> {
    let readings = TagName::readings(name, &|id| settings.scheme_of(id));
    if readings.len() < 2 {
        return Ok(readings.into_iter().next());
    }
    decide(git, &readings, |_| Ok(Some(blob.clone())))
}

/// Chooses the reading whose manifest says so.
fn decide(
    git: &Repo,
    readings: &[TagName],
    manifest: impl Fn(&TagName) -> Result<Option<GitId>, Failure>,
) -> Result<Option<TagName>, Failure> {
    let (mut marker, mut is_manifest) = (None, false);
    for reading in readings {
        let TagName::Release { task, version } = reading else {
            marker = marker.or(Some(reading));
            continue;
        };
        let subject = manifest(reading)?
            .and_then(|id| Manifest::parse_subject(&git.read_blob_within(&id, LIMIT).ok()?).ok());
        if subject.as_ref().is_some_and(|(of, _)| of.is(task, version)) {
            return Ok(Some(reading.clone()));
        }
        is_manifest |= subject.is_some();
    }
    let chosen = marker.filter(|_| !is_manifest).or(readings.first());
    Ok(chosen.cloned())
}
