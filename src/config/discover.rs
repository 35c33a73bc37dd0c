//! Finds tasks: folders that match a pattern, without following links.

use std::io;

use super::Error;
use crate::{
    base::{Fs, Globs, RelPath, fs::Type, glob::is_wild, text::escape as shown},
    model::TaskId,
};

/// The names of a task's configuration; the first one that exists counts.
pub(super) const CONFIG_NAMES: [&str; 4] =
    ["config.yaml", "config.yml", "config.json", "config.toml"];

/// A rule that says which folders are tasks, and their ids.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// A pattern of folders; each of its names may hold wildcards, `**` is not allowed.
    pub glob: String,
    /// The id, in which `{name}` stands for the folder's name.
    pub id: String,
    /// True when only folders with a configuration count.
    pub needs_config: bool,
}

/// A discovered task.
#[derive(Debug, Clone)]
pub(super) struct DiscoveredTask {
    /// Its id.
    pub id: TaskId,
    /// Its folder.
    pub dir: RelPath,
}

impl Rule {
    /// Returns the rule used without a configuration: `tasks/<id>/` with a `config.yaml` and such.
    pub fn usual() -> Self {
        Self {
            glob: "tasks/*/".to_string(),
            id: "{name}".to_string(),
            needs_config: true,
        }
    }
}

/// Finds the tasks of all rules; a folder that two rules find is found once.
pub(super) fn find(
    root: &dyn Fs,
    rules: &[Rule],
    warnings: &mut Vec<String>,
) -> Result<Vec<DiscoveredTask>, Error> {
    let mut found: Vec<DiscoveredTask> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for rule in rules {
        let dirs = expand(root, &rule.glob, warnings).map_err(|source| Error::Discover {
            glob: rule.glob.clone(),
            source,
        })?;
        for dir in dirs {
            if (rule.needs_config && config_in(root, &dir).is_none()) || !seen.insert(dir.clone()) {
                continue;
            }
            let name = String::from_utf8_lossy(dir.name());
            match rule.id.replace("{name}", &name).parse() {
                Ok(id) if std::str::from_utf8(dir.as_bytes()).is_ok() => {
                    found.push(DiscoveredTask { id, dir });
                }
                _ => warnings.push(format!(
                    "{dir} is not a task: {} is no task id",
                    shown(name.as_bytes())
                )),
            }
        }
    }
    Ok(found)
}

/// Returns the place of a task that no rule finds any more: the first place that a rule gives its
/// id. Anything there now makes room when the task comes back.
pub(super) fn lost(rules: &[Rule], id: TaskId) -> Option<DiscoveredTask> {
    let dir = rules.iter().find_map(|rule| {
        let (before, after) = rule.id.split_once("{name}")?;
        let name = id.as_str().strip_prefix(before)?.strip_suffix(after)?;
        let (above, last) = rule
            .glob
            .trim_end_matches('/')
            .rsplit_once('/')
            .unwrap_or(("", rule.glob.trim_end_matches('/')));
        let fits = Globs::new(&[last.to_string()])
            .ok()?
            .matches(&RelPath::parse(name).ok()?);
        let path = if above.is_empty() {
            name.to_string()
        } else {
            format!("{above}/{name}")
        };
        (fits && !is_wild(above))
            .then(|| RelPath::parse(path).ok())
            .flatten()
    })?;
    Some(DiscoveredTask { id, dir })
}

/// Returns the configuration file in a task's folder.
pub(super) fn config_in(root: &dyn Fs, dir: &RelPath) -> Option<RelPath> {
    let is_file =
        |path: &RelPath| matches!(root.stat(path), Ok(Some(stat)) if stat.kind == Type::File);
    CONFIG_NAMES.iter().map(|name| dir.join(name)).find(is_file)
}

/// Returns the folders that match a pattern, sorted.
fn expand(root: &dyn Fs, glob: &str, warnings: &mut Vec<String>) -> io::Result<Vec<RelPath>> {
    let mut dirs = vec![RelPath::root()];
    for name in glob.trim_end_matches('/').split('/') {
        let mut deeper = Vec::new();
        for dir in dirs {
            if is_wild(name) {
                matching(root, &dir, name, &mut deeper, warnings)?;
            } else if let Ok(path) = RelPath::parse(dir.join(name).as_bytes())
                && is_dir(root, &path, warnings)?
            {
                deeper.push(path);
            }
        }
        dirs = deeper;
    }
    dirs.sort();
    Ok(dirs)
}

/// Adds the folders in `dir` whose names match, except hidden ones and reserved names.
fn matching(
    root: &dyn Fs,
    dir: &RelPath,
    name: &str,
    out: &mut Vec<RelPath>,
    warnings: &mut Vec<String>,
) -> io::Result<()> {
    let globs = Globs::new(&[name.to_string()]).map_err(io::Error::other)?;
    let mut names = root.list(dir)?;
    names.sort();
    for found in names {
        let Ok(single) = RelPath::parse(&found) else {
            continue;
        };
        let path = dir.join(&found);
        if !found.starts_with(b".") && globs.matches(&single) && is_dir(root, &path, warnings)? {
            out.push(path);
        }
    }
    Ok(())
}

/// Returns true for a folder. Warns of a link to one, because no task may leave the tree.
fn is_dir(root: &dyn Fs, path: &RelPath, warnings: &mut Vec<String>) -> io::Result<bool> {
    let kind = root.stat(path)?.map(|stat| stat.kind);
    if kind == Some(Type::Symlink) {
        warnings.push(format!("{path} is a symbolic link, so it is no task"));
    }
    Ok(kind == Some(Type::Dir))
}
