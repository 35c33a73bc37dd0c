//! Prevents a held version from returning under another number.

use super::{Error, NewRelease, files::ReleaseFiles};
use crate::{
    base::{Digest, Failure},
    catalog::{locks, manifests},
    model::{
        GitId, TaskSpec, Version,
        manifest::{Manifest, ManifestFile},
    },
    registry::{lock_file, task_config},
    site::RepoSite,
};

/// Refuses files equal to those of a held version, apart from the number in the configuration.
pub(super) fn refuse(
    new: &NewRelease<'_>,
    version: &Version,
    found: &ReleaseFiles,
) -> Result<(), Failure> {
    let (site, task) = (new.site, new.task);
    let held = new
        .standings
        .get(&task.id)
        .into_iter()
        .flatten()
        .filter(|(_, standing)| standing.held);
    for (held, _) in held {
        let Ok(release) = new.releases.find(&task.id, held) else {
            continue;
        };
        // An unreadable manifest must not block other releases.
        let Ok(kept) = manifests::load(site, release) else {
            continue;
        };
        if is_same(site, task, version, &kept.manifest, found) {
            return Err(Error::Held {
                task: task.id.clone(),
                held: held.clone(),
            }
            .into());
        }
    }
    Ok(())
}

/// Returns true when a release of these files would be the held one with another number.
fn is_same(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
    held: &Manifest,
    found: &ReleaseFiles,
) -> bool {
    let same = |old: &ManifestFile, new: &ManifestFile| {
        let is_numbered = || {
            numbered(site, task, version, old).is_some_and(|digest| new.digest() == Some(digest))
        };
        old.kind() == new.kind() && (old.has_same_bytes(new) || is_numbered())
    };
    found.restores_like(held, &same)
}

/// Returns the digest that the held configuration would have with the new number.
fn numbered(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
    file: &ManifestFile,
) -> Option<Digest> {
    let path = file.path();
    let blob: &GitId = file.blob()?;
    let bytes = || site.git.read_blob_within(blob, 16 << 20).ok();
    let with = if task.config.as_ref() == Some(path) {
        task_config::with_version(&bytes()?, path, &task.version_key, version).ok()?
    } else {
        let locks = locks::of_task(&*site.tree, task);
        let lock = locks.into_iter().find(|lock| lock.path == *path)?;
        let bytes = bytes()?;
        let with = lock_file::with_version(&bytes, path, &lock.entry, version).ok()?;
        with.unwrap_or(bytes)
    };
    Some(Digest::of(&with))
}
