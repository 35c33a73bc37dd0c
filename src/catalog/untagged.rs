//! Versions that were released but have no tag here: their manifests are in the branch or in
//! another known branch. Clones without tags, shallow checkouts in a pipeline, and squash merges
//! cause this. Such a version is never released again, and the next number is above it.

use std::collections::{BTreeMap, HashSet};

use super::tag_meaning;
use crate::{
    base::{Failure, RelPath},
    git::Repo,
    model::{GitId, Settings, TagName, TaskId, Version},
};

/// Maximum number of branches searched besides HEAD; manifests beyond them are not found.
const MOST_BRANCHES: usize = 5_000;

/// Versions by task, each with the place of its manifest: `HEAD`, or a branch.
pub type Manifests = BTreeMap<TaskId, BTreeMap<Version, String>>;

/// The place name for manifests in HEAD.
pub const HEAD: &str = "HEAD";

/// Returns the releases with a manifest in HEAD, by task.
///
/// # Errors
/// Fails when the commit cannot be read. A branch without a commit has none.
pub fn in_head(git: &Repo, settings: &Settings) -> Result<Manifests, Failure> {
    let mut found = Manifests::new();
    if let Some(head) = git.head_commit()? {
        collect(git, settings, &head, HEAD, &mut found)?;
    }
    Ok(found)
}

/// Returns the releases with a manifest on any known branch; HEAD takes precedence as the place.
///
/// # Errors
/// Fails when HEAD cannot be read. Other unreadable branches, missing in a partial clone or
/// hostile, are skipped, because they must not block a release.
pub fn everywhere(git: &Repo, settings: &Settings) -> Result<Manifests, Failure> {
    let mut found = in_head(git, settings)?;
    let mut seen: HashSet<GitId> = HashSet::new();
    for prefix in ["refs/heads/", "refs/remotes/"] {
        for (name, commit) in git
            .refs_below(prefix)
            .unwrap_or_default()
            .into_iter()
            .take(MOST_BRANCHES)
        {
            let Ok(Some(folder)) = git.folder(&commit, &settings.snapshots) else {
                continue;
            };
            if seen.insert(folder) {
                let _ = collect(git, settings, &commit, &name[prefix.len()..], &mut found);
            }
        }
    }
    Ok(found)
}

/// Adds the manifests of one commit.
fn collect(
    git: &Repo,
    settings: &Settings,
    commit: &GitId,
    place: &str,
    found: &mut Manifests,
) -> Result<(), Failure> {
    for (path, entry) in git.entries(commit, std::slice::from_ref(&settings.snapshots))? {
        if let Some((task, version)) = named(git, settings, &path, &entry.id) {
            found
                .entry(task)
                .or_default()
                .entry(version)
                .or_insert_with(|| place.to_string());
        }
    }
    Ok(())
}

/// Returns the release whose manifest has this path.
fn named(
    git: &Repo,
    settings: &Settings,
    path: &RelPath,
    blob: &GitId,
) -> Option<(TaskId, Version)> {
    let name = std::str::from_utf8(path.name())
        .ok()?
        .strip_prefix("snapshot-")?
        .strip_suffix(".yaml")?;
    let meaning = tag_meaning::named_by_manifest(git, settings, name, blob)
        .ok()
        .flatten();
    let Some(TagName::Release { task, version }) = meaning else {
        return None;
    };
    (settings.manifest_path(&task, &version) == *path).then_some((task, version))
}
