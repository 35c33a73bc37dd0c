//! Files that became a task's after a release of it: its settings name more paths by now.
//!
//! The manifest lists what was the task's when it was released, or adopted. What the settings count
//! to the task today and the manifest does not list lies in the tag's commit all the same, which
//! vouches for it, as the manifest names that commit: a way back brings it as it was there, and
//! nothing is missing in such a release. An entry with a mode that git does not write is none of
//! these: nobody released it.

use super::{Scope, manifests::Found};
use crate::{
    base::{Digest, Failure, Fault, Kind, RelPath, Sorted},
    git::PeeledTag,
    model::{
        Manifest, TaskSpec,
        manifest::{FileEntry, Role},
        operation::TreeEntry,
    },
    site::RepoSite,
};

/// Adds the files of a tag's commit that are the task's by now and not listed; returns their paths.
pub(super) fn complete(
    site: &RepoSite,
    task: &TaskSpec,
    tag: &PeeledTag,
    manifest: &mut Manifest,
) -> Result<Vec<RelPath>, Failure> {
    let scope = Scope::new(&site.settings, task)?;
    let entries = match site.git.entries(&tag.commit, &scope.dirs()) {
        Ok(entries) => entries,
        // A clone that lacks the commit's trees shows what the manifest says; whoever needs them
        // asks again.
        Err(error) if error.kind() == Kind::Missing => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let listed = Sorted::new(manifest.files.iter().map(|file| (&file.path, ())));
    let is_grown = |(path, entry): &(RelPath, TreeEntry)| {
        matches!(&*entry.mode, "100644" | "100755" | "120000")
            && !listed.contains(path)
            && scope.owns(path)
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
    for (path, entry) in &grown {
        let bytes = site.git.read_blob(&entry.id)?;
        manifest.files.push(FileEntry {
            path: path.clone(),
            checksum: Digest::of(&bytes).to_string(),
            size: Some(bytes.len() as u64),
            mode: Some(entry.mode.clone()),
            role: role(task, path),
            blob: Some(entry.id.clone()),
            object: None,
        });
    }
    manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(grown.into_iter().map(|(path, _)| path).collect())
}

/// What a release did not list, because it became the task's later.
pub fn words(found: &Found) -> String {
    let (version, count) = (&found.manifest.metadata.version, found.grown.len());
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

/// The role of a file of the task.
pub fn role(task: &TaskSpec, path: &RelPath) -> Role {
    if task.config.as_ref() == Some(path) {
        Role::Config
    } else {
        Role::Source
    }
}
