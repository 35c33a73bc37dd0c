//! Builds what `init` would write: a first `snapback.yaml`, a first registry, `.gitignore` lines.
//!
//! Nothing is written here, and no existing file loses a value. A second run gives no files.

use std::{io::Read, path::Path};

use super::{Error, NAMES, ignore};
use crate::{
    base::{Fs, Globs, RelPath, Root},
    catalog::merge_lines,
    model::{Settings, TaskId, TaskSpec, Version, overview::InitFile},
    registry::{Registry, task_config},
};

/// The first configuration: valid as it is, and still valid when every `# ` of its sample is
/// removed.
pub(super) const TEMPLATE: &str = r#"# snapback's configuration; all of it is optional. `snapback schema config` prints every key.
version: 1

# Without more, every folder tasks/<id>/ that holds a config.yaml, .yml, .json or .toml is a task.
#
# tasks:
#   discover:                              # other places; each folder that matches is a task
#     - {glob: "strategies/*/", id: "{name}"}
#   T01:                                   # what one task needs besides
#     exclude: ["*.parquet"]               # not part of its releases
#     protect: [positions.json]            # never overwritten by a rollback
#     large_files: {patterns: ["*.db"], over: 50MB}   # kept in the store instead of git
#     env: {venv: .venv, variables: [TUSHARE_TOKEN]}  # names only, never values
#     verify: [{run: "python -m pytest -q -m smoke", timeout: 2m}]
#     ready: [{disk_free: 1GB}]
#     restart: {run: "systemctl --user restart t01"}
# releases: {sign: false, portable: false} # signed with your own key; names that every system can write
# rollback: {on_verify_fail: undo, env: plan, require_reason: false}
"#;

/// The addition to the template when databases and data are in the tasks' folders.
const DATA: &str = "
# Databases and data were found in the folders of tasks. Git ignores such files, so releases keep
# them in the store; take out what no release is to have.
defaults:
";

/// Returns the files that `init` would write, and remarks on versions that cannot be read: their
/// tasks are not in the first registry. `found` is the text of settings with tasks that were
/// found, `data` are patterns of databases and data found.
///
/// `tracks` is true when git already tracks a file that matches. A `.gitignore` rule that would
/// ignore such files, or the task's and snapback's own, is left out.
///
/// # Errors
/// When a file cannot be read.
pub fn init_files(
    work_tree: &Path,
    settings: &Settings,
    found: Option<&str>,
    tracks: impl Fn(&Globs) -> bool,
    data: &[String],
) -> Result<(Vec<InitFile>, Vec<String>), Error> {
    let mut remarks = Vec::new();
    let unreadable = |source| Error::Read {
        file: work_tree.display().to_string(),
        source,
    };
    let root = Root::open(work_tree).map_err(unreadable)?;
    let files = [
        configuration(&root, settings, found, data)?,
        registry(&root, settings, &mut remarks)?,
        ignore_rules(&root, settings, tracks)?,
        attributes(&root, settings)?,
    ];
    Ok((files.into_iter().flatten().collect(), remarks))
}

/// Returns a first configuration, if there is none.
fn configuration(
    root: &Root,
    settings: &Settings,
    found: Option<&str>,
    data: &[String],
) -> Result<Option<InitFile>, Error> {
    let [path, other] = NAMES.map(RelPath::own);
    if (settings.from_file && found.is_none())
        || read(root, &path)?.is_some()
        || read(root, &other)?.is_some()
    {
        return Ok(None);
    }
    let patterns: Vec<String> = data
        .iter()
        .map(|pattern| format!("\"{pattern}\""))
        .collect();
    let large = format!("large_files: {{patterns: [{}]}}\n", patterns.join(", "));
    let text = found.unwrap_or(TEMPLATE);
    let after = match text.split_once("\ndefaults:\n") {
        _ if data.is_empty() => text.to_string(),
        Some((before, rest)) => format!("{before}{DATA}  {large}{rest}"),
        None => format!("{text}{DATA}  {large}"),
    };
    Ok(Some(InitFile {
        path,
        before: None,
        after,
    }))
}

/// Returns a first registry, or the existing one with a block for each task. With only a line for
/// each, releases of neighbouring tasks conflict in every merge.
fn registry(
    root: &Root,
    settings: &Settings,
    remarks: &mut Vec<String>,
) -> Result<Option<InitFile>, Error> {
    let path = settings.registry.clone();
    let text = |bytes| String::from_utf8(bytes).expect("because JSON is UTF-8");
    let Some(bytes) = read(root, &path)? else {
        let after = text(Registry::of(&versions(root, settings, remarks)));
        return Ok(Some(InitFile {
            path,
            before: None,
            after,
        }));
    };
    let blocks = Registry::parse(&bytes)
        .ok()
        .and_then(|registry| registry.in_blocks());
    Ok(blocks.map(|after| InitFile {
        path,
        before: Some(text(bytes)),
        after: text(after),
    }))
}

/// Returns `.gitignore` with the missing rules, if there are any.
fn ignore_rules(
    root: &Root,
    settings: &Settings,
    tracks: impl Fn(&Globs) -> bool,
) -> Result<Option<InitFile>, Error> {
    let path = RelPath::own(".gitignore");
    let before = read(root, &path)?;
    let not_text = |_| Error::Read {
        file: path.to_string(),
        source: std::io::Error::other("it is not UTF-8; add the rules by hand"),
    };
    let before = before
        .map(String::from_utf8)
        .transpose()
        .map_err(not_text)?;
    let after = ignore::completed(before.as_deref().unwrap_or_default(), settings, tracks);
    Ok(after.map(|after| InitFile {
        path,
        before,
        after,
    }))
}

/// Returns `.gitattributes` with the lines by which git merges registry and manifests, if one is
/// missing. They have no effect where the driver is not installed (`hooks install`).
fn attributes(root: &Root, settings: &Settings) -> Result<Option<InitFile>, Error> {
    let path = RelPath::own(".gitattributes");
    let before = read(root, &path)?;
    let Ok(before) = before.map(String::from_utf8).transpose() else {
        return Ok(None);
    };
    let text = before.as_deref().unwrap_or_default();
    let lines = merge_lines::of(&settings.registry, &settings.snapshots);
    let missing: Vec<&str> = lines
        .lines()
        .filter(|line| !text.lines().any(|there| there.trim() == *line))
        .collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        newline
    };
    let after = format!("{text}{gap}{}{newline}", missing.join(newline));
    Ok(Some(InitFile {
        path,
        before,
        after,
    }))
}

/// Returns the tasks that have a version in their configuration. Of one that cannot be read it is
/// said why: a release refuses it, but all other tasks can be set up.
fn versions(root: &Root, settings: &Settings, remarks: &mut Vec<String>) -> Vec<(TaskId, Version)> {
    let mut versions = Vec::new();
    for task in &settings.tasks {
        match version(root, task) {
            Ok(found) => versions.extend(found.map(|version| (task.id.clone(), version))),
            Err(error) => remarks.push(unreadable_version(&task.id, &error)),
        }
    }
    versions
}

/// Returns the remark on a version that cannot be read.
fn unreadable_version(task: &TaskId, error: &Error) -> String {
    let why = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let why: Vec<String> = std::iter::once(error.to_string())
        .chain(why.map(ToString::to_string))
        .collect();
    format!(
        "{task} cannot be released before its version can be read: {}; mend it there, or name another file and key with `config` and `version_key` in snapback.yaml",
        why.join(": ")
    )
}

/// Returns the version in a task's configuration.
fn version(root: &Root, task: &TaskSpec) -> Result<Option<Version>, Error> {
    let Some(config) = &task.config else {
        return Ok(None);
    };
    let Some(bytes) = read(root, config)? else {
        return Ok(None);
    };
    let key = &task.version_key;
    task_config::version_of(&bytes, config, key, task.scheme).map_err(Error::Version)
}

/// Returns the bytes of a file; `None` when it does not exist.
fn read(root: &Root, path: &RelPath) -> Result<Option<Vec<u8>>, Error> {
    let unreadable = |source| Error::Read {
        file: path.to_string(),
        source,
    };
    if root.stat(path).map_err(unreadable)?.is_none() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    root.open(path)
        .and_then(|file| file.take(16 << 20).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(Some(bytes))
}
