//! Finds tasks: folders that match a pattern, without following links.

use std::io;

use super::Error;
use crate::{
    base::{Fs, Globs, RelPath, fs::Type, glob::is_wild, text::escape as shown},
    catalog::version_place::{self, VersionPlace},
    model::TaskId,
};

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
    /// Where its version is, if it has one.
    pub version: Option<VersionPlace>,
}

impl Rule {
    /// Returns the rule used without a configuration: `tasks/<id>/` with a `config.yaml`, a
    /// `package.json` and such.
    pub fn usual() -> Self {
        Self {
            glob: "tasks/*/".to_string(),
            id: "{name}".to_string(),
            needs_config: true,
        }
    }

    /// Returns the id of the task in a folder with this name.
    fn id_of(&self, name: &[u8]) -> String {
        self.id.replace("{name}", &String::from_utf8_lossy(name))
    }
}

/// Finds the tasks of all rules whose ids begin with `only`; a folder that two rules find is found
/// once.
pub(super) fn find(
    root: &dyn Fs,
    rules: &[Rule],
    only: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<DiscoveredTask>, Error> {
    let mut found: Vec<DiscoveredTask> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for rule in rules {
        let is_wanted = |name: &[u8]| only.is_empty() || rule.id_of(name).starts_with(only);
        let dirs =
            expand(root, &rule.glob, &is_wanted, warnings).map_err(|source| Error::Discover {
                glob: rule.glob.clone(),
                source,
            })?;
        for dir in dirs {
            let version = version_place::in_folder(root, &dir);
            if (rule.needs_config && version.is_none()) || !seen.insert(dir.clone()) {
                continue;
            }
            let name = String::from_utf8_lossy(dir.name());
            match rule.id_of(dir.name()).parse() {
                Ok(id) if std::str::from_utf8(dir.as_bytes()).is_ok() => {
                    found.push(DiscoveredTask { id, dir, version });
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
    Some(DiscoveredTask {
        id,
        dir,
        version: None,
    })
}

/// Chooses among the names of folders.
type IsWanted<'a> = &'a dyn Fn(&[u8]) -> bool;

/// Returns the folders that match a pattern, sorted. Where its last name is wild, `is_wanted`
/// chooses among the names.
fn expand(
    root: &dyn Fs,
    glob: &str,
    is_wanted: IsWanted<'_>,
    warnings: &mut Vec<String>,
) -> io::Result<Vec<RelPath>> {
    let mut dirs = vec![RelPath::root()];
    let mut names = glob.trim_end_matches('/').split('/').peekable();
    while let Some(name) = names.next() {
        let mut deeper = Vec::new();
        let is_last = names.peek().is_none();
        let is_wanted = |name: &[u8]| !is_last || is_wanted(name);
        for dir in dirs {
            if is_wild(name) {
                matching(root, &dir, (name, &is_wanted), &mut deeper, warnings)?;
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
    (name, is_wanted): (&str, IsWanted<'_>),
    out: &mut Vec<RelPath>,
    warnings: &mut Vec<String>,
) -> io::Result<()> {
    let globs = Globs::new(&[name.to_string()]).map_err(io::Error::other)?;
    let mut names = root.list(dir)?;
    names.sort();
    for found in names.into_iter().filter(|found| is_wanted(found)) {
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
