//! Tasks missing from the work tree: no registry names them, but their releases exist.

use std::collections::{BTreeMap, BTreeSet};

use super::{manifests, registry};
use crate::{
    base::RelPath,
    git::Repo,
    model::{GitId, Scheme, TagName, TaskId},
};

/// Maximum number of a task's tags to check.
const MOST: usize = 3;

/// Returns the tasks in HEAD's registry, and those with a release in HEAD's history whose tag names
/// a manifest; other tags may be of tasks this branch never had. Unreadable data names none.
pub fn tasks(git: &Repo, registry: &RelPath) -> Vec<TaskId> {
    let Ok(Some(head)) = git.head_commit() else {
        return Vec::new();
    };
    let mut tasks = of_commit(git, &head, registry).unwrap_or_default();
    let mut seen: BTreeMap<TaskId, usize> = BTreeMap::new();
    let mut releases: Vec<(TaskId, GitId)> = Vec::new();
    for tag in git.tags().unwrap_or_default().whole.iter().rev() {
        let name = std::str::from_utf8(&tag.name)
            .ok()
            .filter(|name| !TagName::is_marker(name));
        let reading = name.and_then(|name| {
            let read =
                |scheme| TagName::readings(name, &|task| (!tasks.contains(task)).then_some(scheme));
            Scheme::ALL.into_iter().flat_map(read).next()
        });
        let Some(TagName::Release { task, .. }) = reading else {
            continue;
        };
        let count = seen.entry(task.clone()).or_default();
        *count += 1;
        let made = (*count <= MOST)
            .then(|| git.peel_tag(&tag.id).ok())
            .flatten();
        releases.extend(
            made.filter(|tag| manifests::digest_in(&tag.message).is_some())
                .map(|tag| (task, tag.commit)),
        );
    }
    let reached = git
        .reached(&head, releases.iter().map(|(_, commit)| commit.clone()))
        .unwrap_or_default();
    tasks.extend(
        releases
            .into_iter()
            .filter(|(_, commit)| reached.contains(commit))
            .map(|(task, _)| task),
    );
    tasks.into_iter().collect()
}

/// Returns the tasks in the registry of a commit.
fn of_commit(git: &Repo, commit: &GitId, registry: &RelPath) -> Option<BTreeSet<TaskId>> {
    let entry = git.entry(commit, registry).ok()??;
    Some(
        registry::in_blob(git, &entry.id)
            .ok()?
            .tasks()
            .into_iter()
            .map(|(task, _)| task)
            .collect(),
    )
}
