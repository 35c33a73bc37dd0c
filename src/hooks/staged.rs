//! The two optional hooks, which check what is about to be committed.
//!
//! The index that git passes to the hook is only read; it may be a temporary one.

use std::{ffi::OsStr, path::Path};

use super::{facts::HookFacts, run::HookMessages};
use crate::{
    base::{Failure, RelPath, fs::read_limited, text},
    catalog::{registry as read, releases},
    policy::conventional,
    registry::Registry,
};

/// Checks for manual changes to files that releases consist of.
pub fn before_commit(
    facts: &HookFacts<'_>,
    index: Option<&OsStr>,
) -> Result<HookMessages, Failure> {
    let mut said = HookMessages::default();
    if facts.head()?.is_none() {
        return Ok(said);
    }
    let settings = &facts.site.settings;
    for (path, old, new) in facts
        .site
        .git
        .staged(index, &[&settings.registry, &settings.snapshots])?
    {
        if path == settings.registry {
            let of = |id: Option<_>| id.map(|id| read::in_blob(&facts.site.git, &id)).transpose();
            match (of(old).unwrap_or_default(), of(new)) {
                (_, Err(failure)) => said.warnings.push(failure.to_string()),
                (old, Ok(Some(new))) => look_at_registry(facts, old.as_ref(), &new, &mut said)?,
                (_, Ok(None)) => said.warnings.push(format!(
                    "{path} would be deleted, and with it every task's version"
                )),
            }
        } else if old.is_some() {
            said.warnings.push(format!(
                "{path} is the manifest of a release, and a release never changes"
            ));
        }
    }
    Ok(said)
}

/// Warns of versions edited by hand in the registry.
fn look_at_registry(
    facts: &HookFacts<'_>,
    old: Option<&Registry>,
    new: &Registry,
    said: &mut HookMessages,
) -> Result<(), Failure> {
    for task in facts.site.settings.tasks.iter().map(|task| &task.id) {
        let before = old.and_then(|old| old.version(task).ok().flatten());
        let Some(version) = new
            .version(task)?
            .filter(|version| before.as_ref() != Some(version))
        else {
            continue;
        };
        let site = facts.site;
        let releases = releases::one(&site.git, &site.settings, task, &version)?;
        if releases.of(task).next().is_none() {
            said.warnings
                .push(format!("the registry would say {task} {version}, which is not released: `snapback create-snapshot -t {task}`"));
        } else if let Some(word) = facts.warning(task, &version) {
            said.warnings.push(format!(
                "the registry would say {task} {version}, which is {word}"
            ));
        }
    }
    Ok(())
}

/// Checks a commit's message, and adds the task's name if exactly one is affected.
pub fn message(
    facts: &HookFacts<'_>,
    file: Option<&Path>,
    index: Option<&OsStr>,
) -> Result<HookMessages, Failure> {
    let mut said = HookMessages::default();
    let Some(file) = file else { return Ok(said) };
    let file = facts.site.git.work_tree().join(file);
    let first = first_line(&file)?;
    let made_by_git = ["Merge ", "Revert ", "fixup! ", "squash! ", "amend! "]
        .iter()
        .any(|begin| first.starts_with(begin));
    if first.is_empty() || made_by_git {
        return Ok(said);
    }
    if conventional::parse(&first).is_none() {
        let shown = text::escape(first.chars().take(60).collect::<String>().as_bytes());
        said.warnings.push(format!("{shown:?} is no Conventional Commit (`fix: …`, `feat(T01): …`), so --bump auto takes it for a fix"));
    }
    if facts.head()?.is_none() {
        return Ok(said);
    }
    let paths: Vec<RelPath> = facts
        .site
        .git
        .staged(index, &[])?
        .into_iter()
        .map(|(path, ..)| path)
        .collect();
    if let [only] = facts.owners(&paths)?.as_slice() {
        facts
            .site
            .git
            .add_trailer(&file, "Snapback-Task", only.id.as_str())?;
    }
    Ok(said)
}

/// Returns the first line of a message that is not a comment.
fn first_line(file: &Path) -> Result<String, Failure> {
    let failed = |source| super::Error::Folder {
        name: file.to_string_lossy().into_owned(),
        source,
    };
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Ok(String::new());
    };
    let root = crate::base::Root::open(folder).map_err(failed)?;
    let bytes =
        read_limited(&root, &RelPath::own(name.as_encoded_bytes()), 1 << 20).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text
        .lines()
        .find(|line| !line.starts_with('#') && !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .to_string())
}
