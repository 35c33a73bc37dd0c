//! Versions that were released although their tag is not here: their manifests are in the branch,
//! or in another one that is known here. A clone without tags, a shallow checkout of a pipeline,
//! and a squash merge leave a repository so. Such a version is never released again, and the next
//! one is not counted from below it.

use std::collections::{BTreeMap, HashSet};

use super::releases;
use crate::{
    base::{Failure, RelPath},
    git::Repo,
    model::{GitId, Settings, TagName, TaskId, Version},
};

/// Branches whose manifests are looked at beside those of HEAD; what is on none of so many is not
/// found.
const MOST_BRANCHES: usize = 5_000;

/// Versions by task, each with where its manifest is: `HEAD`, or a branch.
pub type Manifests = BTreeMap<TaskId, BTreeMap<Version, String>>;

/// Where the manifests of HEAD are said to be.
pub const HEAD: &str = "HEAD";

/// The releases that HEAD has a manifest of, by task.
///
/// # Errors
/// When the commit cannot be read. A branch without a commit has none.
pub fn in_head(git: &Repo, settings: &Settings) -> Result<Manifests, Failure> {
    let mut found = Manifests::new();
    if let Some(head) = git.head_commit()? {
        collect(git, settings, &head, HEAD, &mut found)?;
    }
    Ok(found)
}

/// The releases that any branch known here has a manifest of; HEAD's place counts most.
///
/// # Errors
/// When HEAD cannot be read. Another branch that cannot be read, because a partial clone has it not
/// or because it is hostile, must not keep anybody from releasing: it is passed over.
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

/// The release that a path is the manifest of.
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
    let meaning = releases::meaning_by(git, settings, name, || Ok(Some(blob.clone())))
        .ok()
        .flatten();
    let Some(TagName::Release { task, version }) = meaning else {
        return None;
    };
    (settings.manifest_path(&task, &version) == *path).then_some((task, version))
}
