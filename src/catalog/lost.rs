//! Tasks of which the work tree knows nothing any more: no registry names them, and their releases are there.

use std::collections::BTreeSet;

use super::{manifests, registry};
use crate::{
    base::{GitId, RelPath, TaskId},
    git::{PeeledTag, Repo},
    model::TagName,
};

/// Tags that are looked into.
const MOST: usize = 1000;

/// The tasks that the registry of HEAD names, and those that HEAD has a release of whose tag names a
/// manifest: another branch may never have had them. What cannot be read names none.
pub fn tasks(git: &Repo, registry: &RelPath) -> Vec<TaskId> {
    let Ok(Some(head)) = git.head_commit() else { return Vec::new() };
    let mut tasks = of_commit(git, &head, registry).unwrap_or_default();
    let tags = git.tags().unwrap_or_default().whole;
    for tag in tags.iter().rev().take(MOST) {
        let name = std::str::from_utf8(&tag.name).ok().filter(|name| !TagName::is_marker(name));
        let reading = name.and_then(|name| TagName::readings(name, &|_| true).next());
        let Some(TagName::Release { task, .. }) = reading else { continue };
        let is_release = |tag: &PeeledTag| {
            manifests::digest_in(&tag.message).is_some()
                && git.first_ancestor(&head, [Some(tag.commit.clone())]).is_ok_and(|at| at.is_some())
        };
        if !tasks.contains(&task) && git.peel_tag(&tag.id).is_ok_and(|tag| is_release(&tag)) {
            tasks.insert(task);
        }
    }
    tasks.into_iter().collect()
}

/// The tasks that the registry of a commit names.
fn of_commit(git: &Repo, commit: &GitId, registry: &RelPath) -> Option<BTreeSet<TaskId>> {
    let entry = git.entry(commit, registry).ok()??;
    Some(registry::in_blob(git, &entry.id).ok()?.tasks().into_iter().map(|(task, _)| task).collect())
}
