//! Derives a configuration for a repository that has tags but no configuration: its tasks are the
//! folders that the tags are named after. Reads git only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use crate::{
    base::{Failure, RelPath},
    model::{TagName, TaskId},
    site::RepoSite,
};

/// Returns a configuration whose tasks are the folders that the tags are named after; `None` when
/// no tag is named after a folder of HEAD.
pub fn configuration(site: &RepoSite) -> Result<Option<String>, Failure> {
    let names: BTreeSet<TaskId> = site
        .git
        .tags()?
        .whole
        .iter()
        .filter_map(|tag| {
            let readings = TagName::readings(std::str::from_utf8(&tag.name).ok()?, &|_| true);
            readings.first().map(|name| name.task().clone())
        })
        .collect();
    let Some(head) = site.git.head_commit()? else {
        return Ok(None);
    };
    let entries = site.git.entries(&head, &[RelPath::root()])?;
    let all: BTreeSet<RelPath> = entries
        .iter()
        .flat_map(|(path, _)| path.ancestors())
        .collect();
    let folders = folders_of(&names, all);
    if folders.is_empty() {
        return Ok(None);
    }
    let mut text = String::from(
        "# Written by `snapback adopt`: a task for each folder that tags are named after.\nversion: 1\ntasks:\n  discover: []\n",
    );
    for (name, folder) in &folders {
        let path = serde_json::to_string(&folder.to_text()).expect("because text always renders");
        let _ = writeln!(text, "  {name}: {{path: {path}}}");
    }
    Ok(Some(text))
}

/// Returns the folder with each name; of several, the least deep one.
fn folders_of(names: &BTreeSet<TaskId>, all: BTreeSet<RelPath>) -> BTreeMap<&str, RelPath> {
    let depth = |path: &RelPath| path.as_bytes().iter().filter(|byte| **byte == b'/').count();
    let mut folders: BTreeMap<&str, RelPath> = BTreeMap::new();
    for folder in all {
        if let Some(name) = names
            .iter()
            .find(|name| name.as_str().as_bytes() == folder.name())
        {
            let slot = folders
                .entry(name.as_str())
                .or_insert_with(|| folder.clone());
            if depth(&folder) < depth(slot) {
                *slot = folder;
            }
        }
    }
    folders
}
