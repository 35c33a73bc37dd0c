//! The graph of shared files: Python modules of the repository that a task imports from outside.
//!
//! Imports are found line by line and resolved as Python would with every folder from the importing
//! file up to the root on its path, nearest first. Imports that do not resolve to a file in the
//! work tree (standard library, installed packages) are not shared.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use rayon::prelude::*;

use crate::{
    base::{Fs, RelPath, Type, fs::read_limited},
    model::TaskId,
};

use super::{SOURCE_LIMIT, facts::Says, places};

/// Maximum number of files read while following imports.
const FOLLOWED: usize = 10_000;

/// Returns the files outside `files` that its Python sources import, directly or indirectly,
/// sorted. Unreadable files import nothing.
pub fn imports(fs: &dyn Fs, files: &[RelPath]) -> Vec<RelPath> {
    imports_with(fs, files, &Sources::default())
}

/// Like [`imports`], but reuses sources that were already read.
pub fn imports_with(fs: &dyn Fs, files: &[RelPath], sources: &Sources) -> Vec<RelPath> {
    let own: BTreeSet<&RelPath> = files.iter().collect();
    let mut modules = Modules {
        fs,
        known: HashMap::new(),
    };
    let mut shared: BTreeSet<RelPath> = BTreeSet::new();
    let mut wave: Vec<RelPath> = files
        .iter()
        .filter(|path| is_source(path))
        .cloned()
        .collect();
    let mut left = FOLLOWED.max(wave.len());
    while !wave.is_empty() && left > 0 {
        wave.truncate(left);
        left -= wave.len();
        let found: Vec<Cow<'_, [Import]>> = wave
            .par_iter()
            .map(|path| sources.imports_of(fs, path))
            .collect();
        let mut next = Vec::new();
        for (path, import) in wave
            .iter()
            .zip(&found)
            .flat_map(|(path, all)| all.iter().map(move |import| (path, import)))
        {
            for target in modules.resolve(path, import) {
                if !own.contains(&target) && shared.insert(target.clone()) {
                    next.push(target);
                }
            }
        }
        wave = next;
    }
    shared.into_iter().collect()
}

/// Maps each shared file to the tasks that import it; `tasks` are ids with their files.
pub fn users(fs: &dyn Fs, tasks: &[(TaskId, Vec<RelPath>)]) -> BTreeMap<RelPath, Vec<TaskId>> {
    let mut users: BTreeMap<RelPath, Vec<TaskId>> = BTreeMap::new();
    for (task, files) in tasks {
        for path in imports(fs, files) {
            users.entry(path).or_default().push(task.clone());
        }
    }
    users
}

/// Returns true for a Python source that is not part of an installed package.
pub(super) fn is_source(path: &RelPath) -> bool {
    path.name().ends_with(b".py") && !places::is_installed(path)
}

/// Returns the imports of a source, given its bytes; `None` for other files.
pub(super) fn imports_in(path: &RelPath, bytes: &[u8]) -> Option<Vec<Import>> {
    is_source(path).then(|| parse(&String::from_utf8_lossy(bytes)))
}

/// Sources that were already searched, so that none is read twice.
#[derive(Debug, Default)]
pub struct Sources(HashMap<RelPath, Arc<Says>>);

impl Sources {
    /// Reserves capacity for `more` sources.
    pub(super) fn expect(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// Stores the facts of a file.
    pub(super) fn keep(&mut self, path: &RelPath, says: Arc<Says>) {
        self.0.insert(path.clone(), says);
    }

    /// Returns the imports of a source; none when it cannot be read.
    fn imports_of(&self, fs: &dyn Fs, path: &RelPath) -> Cow<'_, [Import]> {
        match self.0.get(path).and_then(|says| says.imports.as_ref()) {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(read_limited(fs, path, SOURCE_LIMIT).map_or_else(
                |_| Vec::new(),
                |bytes| parse(&String::from_utf8_lossy(&bytes)),
            )),
        }
    }
}

/// One imported module, or a name that may be one.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
pub(super) struct Import {
    /// Number of leading dots: 0 is absolute, 1 the file's own package.
    dots: usize,
    /// `a.b` as `[a, b]`.
    module: Vec<String>,
    /// Names after `import`, which may be modules of the package.
    names: Vec<String>,
}

impl Import {
    /// Renders dots, module and names, separated by spaces; [`Import::from_text`] is its inverse.
    pub(super) fn to_text(&self) -> String {
        let list = |parts: &[String], between: &str| {
            if parts.is_empty() {
                "-".into()
            } else {
                parts.join(between)
            }
        };
        format!(
            "{} {} {}",
            self.dots,
            list(&self.module, "."),
            list(&self.names, ",")
        )
    }

    /// Parses the output of [`Import::to_text`].
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let dots = parts.next()?.parse().ok()?;
        let mut list = |between: char| {
            let part = parts.next()?;
            let names: Vec<String> = if part == "-" {
                Vec::new()
            } else {
                part.split(between).map(String::from).collect()
            };
            names
                .iter()
                .all(|name| is_identifier(name))
                .then_some(names)
        };
        Some(Self {
            dots,
            module: list('.')?,
            names: list(',')?,
        })
    }
}

/// Returns the imports of a source, without duplicates.
fn parse(source: &str) -> Vec<Import> {
    let mut all = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if !line.starts_with("import ") && !line.starts_with("from ") {
            continue;
        }
        let mut statement = line.split('#').next().unwrap_or_default().to_string();
        // A list in brackets or a backslash continues on the next lines; at most 1,000 are read.
        for _ in 0..1000 {
            let open = statement.contains('(') && !statement.contains(')');
            let Some(next) = (open || statement.trim_end().ends_with('\\'))
                .then(|| lines.next())
                .flatten()
            else {
                break;
            };
            statement = format!(
                "{} {}",
                statement.trim_end().trim_end_matches('\\'),
                next.split('#').next().unwrap_or_default()
            );
        }
        for part in statement.split(';') {
            understand(part.trim(), &mut all);
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|import: &Import| {
        seen.insert((import.dots, import.module.clone(), import.names.clone()))
    });
    all
}

/// Parses one statement.
fn understand(statement: &str, all: &mut Vec<Import>) {
    let path = |text: &str| -> Option<Vec<String>> {
        let names: Vec<String> = text
            .split('.')
            .map(|name| name.trim().to_string())
            .collect();
        names
            .iter()
            .all(|name| is_identifier(name))
            .then_some(names)
    };
    let first_word = |text: &str| {
        text.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_string()
    };
    if let Some(rest) = statement.strip_prefix("import ") {
        let modules = rest.split(',').filter_map(|part| path(&first_word(part)));
        all.extend(modules.map(|module| Import {
            dots: 0,
            module,
            names: Vec::new(),
        }));
    } else if let Some((from, names)) = statement
        .strip_prefix("from ")
        .and_then(|rest| rest.split_once(" import ").or(rest.split_once(" import(")))
    {
        let from = from.trim();
        let module = from.trim_start_matches('.');
        let dots = from.len() - module.len();
        let names = names
            .trim_matches(|c: char| c.is_whitespace() || "()".contains(c))
            .split(',')
            .map(first_word);
        let names = names.filter(|name| is_identifier(name)).collect();
        let module = if module.is_empty() {
            Some(Vec::new())
        } else {
            path(module)
        };
        all.extend(module.map(|module| Import {
            dots,
            module,
            names,
        }));
    }
}

fn is_identifier(name: &str) -> bool {
    name.chars().all(|c| c == '_' || c.is_alphanumeric())
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
}

/// The modules of the work tree.
struct Modules<'a> {
    fs: &'a dyn Fs,
    /// The file type at a path, looked up once.
    known: HashMap<RelPath, Option<Type>>,
}

impl Modules<'_> {
    /// Returns the files run by an import in the file `from`: the module and its parent packages.
    fn resolve(&mut self, from: &RelPath, import: &Import) -> Vec<RelPath> {
        if import.dots > 0 {
            let mut base = from.parent();
            for _ in 1..import.dots {
                if base.is_root() {
                    return Vec::new();
                }
                base = base.parent();
            }
            return self.below(&base, import);
        }
        let mut bases: Vec<RelPath> = from.ancestors().collect();
        bases.push(RelPath::root());
        bases
            .iter()
            .map(|base| self.below(base, import))
            .find(|files| !files.is_empty())
            .unwrap_or_default()
    }

    /// Returns the files of an import when `base` is on Python's path.
    fn below(&mut self, base: &RelPath, import: &Import) -> Vec<RelPath> {
        let mut files = Vec::new();
        let mut at = base.clone();
        if import.dots > 0 {
            files.extend(self.package(&at));
        }
        for (depth, name) in import.module.iter().enumerate() {
            at = at.join(name);
            let last = depth + 1 == import.module.len();
            match self.module(&at) {
                Some(file) if last => files.push(file),
                _ if self.kind(&at) == Some(Type::Dir) => files.extend(self.package(&at)),
                // `import a.b` where `b` is a name inside a module: the parent packages still run.
                _ => return files,
            }
        }
        for name in &import.names {
            let name = at.join(name);
            files.extend(self.module(&name).or_else(|| self.package(&name)));
        }
        files
    }

    /// Returns `path.py`, if it is a file.
    fn module(&mut self, path: &RelPath) -> Option<RelPath> {
        let file = RelPath::parse([path.as_bytes(), b".py"].concat()).ok()?;
        (self.kind(&file) == Some(Type::File)).then_some(file)
    }

    /// Returns `path/__init__.py`, if it is a file.
    fn package(&mut self, path: &RelPath) -> Option<RelPath> {
        if self.kind(path) != Some(Type::Dir) {
            return None;
        }
        let file = path.join("__init__.py");
        (self.kind(&file) == Some(Type::File)).then_some(file)
    }

    fn kind(&mut self, path: &RelPath) -> Option<Type> {
        if path.is_root() {
            return Some(Type::Dir);
        }
        let fs = self.fs;
        *self
            .known
            .entry(path.clone())
            .or_insert_with(|| fs.stat(path).ok().flatten().map(|stat| stat.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Tree;
    use super::*;

    fn import(dots: usize, module: &[&str], names: &[&str]) -> Import {
        let own = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Import {
            dots,
            module: own(module),
            names: own(names),
        }
    }

    #[test]
    fn statements_are_understood() {
        let source = "import os, lib.util as u; import c\nfrom lib import (a,  # why\n    b as x,\n)\n    from ..p.q import r\nfrom . import s\n\
            from lib import \\\n  t\n# import no\nimportant = 1\nfrom x import *\nimport a-b\n";
        assert_eq!(
            parse(source),
            [
                import(0, &["os"], &[]),
                import(0, &["lib", "util"], &[]),
                import(0, &["c"], &[]),
                import(0, &["lib"], &["a", "b"]),
                import(2, &["p", "q"], &["r"]),
                import(1, &[], &["s"]),
                import(0, &["lib"], &["t"]),
                import(0, &["x"], &[]),
            ]
        );
    }

    #[test]
    fn shared_files_are_followed_and_own_files_are_not_shared() {
        let tree = Tree::new(&[
            (
                "tasks/T01/main.py",
                "import os\nfrom lib import util\nimport helper\nfrom ..common.base import X\nimport lib.missing\n",
            ),
            ("tasks/T01/helper.py", "import yaml\n"),
            (
                "tasks/T01/broken.py",
                "from ......... import x\nfrom .git import config\n",
            ),
            (
                "tasks/T02/main.py",
                "import lib.util\nimport lib.only_two\n",
            ),
            ("tasks/common/__init__.py", ""),
            ("tasks/common/base.py", "from . import deep\n"),
            ("tasks/common/deep.py", "from .base import X\n"),
            ("lib/__init__.py", ""),
            ("lib/util.py", "from lib.inner import *\n"),
            ("lib/inner/__init__.py", ""),
            ("lib/only_two.py", ""),
            ("lib/unused.py", ""),
        ]);
        let files = |task: &str| {
            tree.files()
                .into_iter()
                .filter(|path| path.is_in(&RelPath::own(task)))
                .collect::<Vec<_>>()
        };
        let found: Vec<_> = imports(tree.fs(), &files("tasks/T01"))
            .iter()
            .map(RelPath::to_text)
            .collect();
        assert_eq!(
            found,
            [
                "lib/__init__.py",
                "lib/inner/__init__.py",
                "lib/util.py",
                "tasks/common/__init__.py",
                "tasks/common/base.py",
                "tasks/common/deep.py"
            ]
        );
        let id = |text: &str| text.parse::<TaskId>().expect("it is an id");
        let users = users(
            tree.fs(),
            &[
                (id("T01"), files("tasks/T01")),
                (id("T02"), files("tasks/T02")),
            ],
        );
        assert_eq!(users[&RelPath::own("lib/util.py")], [id("T01"), id("T02")]);
        assert_eq!(users[&RelPath::own("lib/only_two.py")], [id("T02")]);
    }
}
