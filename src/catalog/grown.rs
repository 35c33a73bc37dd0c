//! Files that became part of a task after its release, because its settings now cover more paths.
//!
//! The manifest lists the task's files at the time of release or adoption. Files that the settings
//! include today but the manifest does not list are still in the tag's commit, which the manifest
//! names and which therefore vouches for them. A rollback restores them from there, and the release
//! is not incomplete. Entries with modes that git does not write are excluded: they were never
//! released.

use super::{Scope, manifests::Found};
use crate::{
    base::{Digest, Failure, Fault, Kind, RelPath, Sorted},
    git::PeeledTag,
    model::{
        FileRecord, Manifest, TaskSpec,
        manifest::{FileRole, ManifestFile},
        operation::TreeEntry,
    },
    site::RepoSite,
};

/// Adds the unlisted files of a tag's commit that now belong to the task; returns their paths.
pub(super) fn complete(
    site: &RepoSite,
    task: &TaskSpec,
    tag: &PeeledTag,
    manifest: &mut Manifest,
) -> Result<Vec<RelPath>, Failure> {
    let scope = Scope::new(&site.settings, task)?;
    let entries = match site.git.entries(&tag.commit, &scope.dirs()) {
        Ok(entries) => entries,
        // A clone without the commit's trees shows only the manifest's list; callers that need the
        // trees ask again.
        Err(error) if error.kind() == Kind::Missing => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let listed = Sorted::new(manifest.files.iter().map(|file| (file.path(), ())));
    let is_grown = |(path, entry): &(RelPath, TreeEntry)| {
        entry.mode.blob_kind().is_some() && !listed.contains(path) && scope.owns(path)
    };
    let mut grown: Vec<_> = entries.into_iter().filter(is_grown).collect();
    if !grown.is_empty() {
        let odd = site
            .git
            .oddly_written(&tag.commit, grown.iter().map(|(path, _)| path))?;
        grown.retain(|(path, _)| !odd.contains(path));
    }
    if grown.is_empty() {
        return Ok(Vec::new());
    }
    for (path, TreeEntry { mode, id }) in &grown {
        let Some(kind) = mode.blob_kind() else {
            continue;
        };
        let bytes = site.git.read_blob(id)?;
        let read = (Digest::of(&bytes), bytes.len() as u64);
        let record = FileRecord::of_blob(path.clone(), kind, read, id.clone());
        manifest
            .files
            .push(ManifestFile::new(role(task, path), record));
    }
    manifest.files.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(grown.into_iter().map(|(path, _)| path).collect())
}

/// Returns a message about files the release did not list because they joined the task later.
pub fn words(found: &Found) -> String {
    let (version, count) = (&found.manifest.subject.version, found.grown.len());
    let shown: Vec<String> = found
        .grown
        .iter()
        .take(3)
        .map(ToString::to_string)
        .collect();
    let more = if count > shown.len() {
        format!(" and {} more", count - shown.len())
    } else {
        String::new()
    };
    let (are, they) = if count == 1 {
        ("is", "it")
    } else {
        ("are", "they")
    };
    format!(
        "{}{more} {are} not in the manifest of {version}, but the task's by now: as {they} {are} in the tag's commit",
        shown.join(", ")
    )
}

/// Returns the role of a task's file.
pub fn role(task: &TaskSpec, path: &RelPath) -> FileRole {
    if task.config.as_ref() == Some(path) {
        FileRole::Config
    } else {
        FileRole::Source
    }
}
