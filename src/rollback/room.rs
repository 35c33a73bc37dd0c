//! Makes room for files restored by a rollback or its inverse: removable files in the way are saved
//! and removed; others are reported before any change.

use std::collections::BTreeSet;

use super::Error;
use crate::{
    base::{Failure, Fs, RelPath, Type},
    catalog::{Scope, capture},
    draft::tree,
    git::{Scan, Tracked},
    model::PathChange,
    site::RepoSite,
};

/// The context for making room.
pub struct Room<'a> {
    /// The ports.
    pub site: &'a RepoSite,
    /// The compiled globs of the task.
    pub scope: &'a Scope,
    /// What needs the files, as text.
    pub needed: &'a str,
}

/// Returns these paths plus any non-folder in the place of their folders: the paths to scan for
/// obstacles.
///
/// # Errors
/// Fails when a path cannot be inspected.
pub fn with_obstacles(fs: &dyn Fs, paths: Vec<RelPath>) -> Result<Vec<RelPath>, Failure> {
    let dirs: BTreeSet<RelPath> = paths.iter().flat_map(RelPath::ancestors).collect();
    let mut all = paths;
    for dir in dirs {
        if capture::stat(fs, &dir)?.is_some_and(|stat| stat.kind != Type::Dir) {
            all.push(dir);
        }
    }
    Ok(all)
}

impl Room<'_> {
    /// Makes room for restored files, and proves that it suffices, given a scan of all paths from
    /// [`with_obstacles`]. Returns the paths that go, and their tracked entries.
    ///
    /// # Errors
    /// Returns [`Error::InTheWay`] for an obstacle that stays.
    pub fn make_all<'s>(
        &self,
        scan: &'s Scan,
        files: &mut Vec<PathChange>,
    ) -> Result<(Vec<RelPath>, Vec<&'s Tracked>), Failure> {
        let is_of_another = |path: &&RelPath| {
            scan.submodules
                .iter()
                .chain(&scan.nested)
                .any(|nested| path.is_in(nested))
        };
        if let Some(path) = files
            .iter()
            .filter(|file| file.after.is_some())
            .map(|file| &file.path)
            .find(is_of_another)
        {
            let nested = scan
                .submodules
                .iter()
                .chain(&scan.nested)
                .find(|nested| path.is_in(nested))
                .unwrap_or(path);
            return Err(self.in_the_way(nested, "a git repository of its own"));
        }
        let tracked = || {
            scan.tracked
                .iter()
                .filter(|tracked| self.scope.owns(&tracked.path))
        };
        let loose = scan
            .untracked
            .iter()
            .chain(&scan.ignored)
            .chain(tracked().map(|tracked| &tracked.path));
        let made = self.make(loose, files)?;
        self.check(files)?;
        let gone = tracked()
            .filter(|tracked| made.contains(&tracked.path))
            .collect();
        Ok((made, gone))
    }

    /// Adds the removal of loose files below the place of a new file, or in the place of its
    /// folder; returns their paths.
    ///
    /// # Errors
    /// Returns [`Error::InTheWay`] for a protected one.
    pub fn make<'p>(
        &self,
        loose: impl Iterator<Item = &'p RelPath>,
        files: &mut Vec<PathChange>,
    ) -> Result<Vec<RelPath>, Failure> {
        let new: BTreeSet<RelPath> = new(files).cloned().collect();
        let mut made = Vec::new();
        if new.is_empty() {
            return Ok(made);
        }
        let above: BTreeSet<RelPath> = new.iter().flat_map(RelPath::ancestors).collect();
        let changes: BTreeSet<RelPath> = files.iter().map(|file| file.path.clone()).collect();
        let is_in_the_way = |path: &&RelPath| {
            above.contains(*path) || path.ancestors().any(|dir| new.contains(&dir))
        };
        for path in loose
            .filter(is_in_the_way)
            .filter(|path| !changes.contains(*path))
        {
            let Some(before) = tree::existing(&*self.site.tree, &self.site.git, path, None)? else {
                continue;
            };
            if self.scope.stays(path) {
                return Err(self.in_the_way(path, "protected"));
            }
            files.push(PathChange {
                path: path.clone(),
                before: Some(before),
                after: None,
            });
            made.push(path.clone());
        }
        Ok(made)
    }

    /// Checks that every new file fits once the files to be removed are gone.
    ///
    /// # Errors
    /// Returns [`Error::InTheWay`] for an obstacle that stays.
    pub fn check(&self, files: &[PathChange]) -> Result<(), Failure> {
        let tree = &*self.site.tree;
        let goes: BTreeSet<&RelPath> = files
            .iter()
            .filter(|file| file.after.is_none())
            .map(|file| &file.path)
            .collect();
        for path in new(files) {
            for dir in path.ancestors() {
                let kind = capture::stat(tree, &dir)?.map_or(Type::Dir, |stat| stat.kind);
                if kind != Type::Dir && !goes.contains(&dir) {
                    return Err(self.in_the_way(
                        &dir,
                        if kind == Type::Symlink {
                            "a symbolic link"
                        } else {
                            "no folder"
                        },
                    ));
                }
            }
            match capture::stat(tree, path)?.map(|stat| stat.kind) {
                None => {}
                Some(Type::Dir) => self.check_emptied(path, &goes)?,
                Some(_) => return Err(self.in_the_way(path, "something else")),
            }
        }
        Ok(())
    }

    /// Checks that every file below a folder is removed.
    fn check_emptied(&self, dir: &RelPath, goes: &BTreeSet<&RelPath>) -> Result<(), Failure> {
        let tree = &*self.site.tree;
        let read = |source| crate::catalog::Error::Read {
            path: dir.clone(),
            source,
        };
        for name in tree.list(dir).map_err(read)? {
            let path = dir.join(name);
            match capture::stat(tree, &path)?.map(|stat| stat.kind) {
                Some(Type::Dir) => self.check_emptied(&path, goes)?,
                Some(_) if !goes.contains(&path) => return Err(self.in_the_way(&path, "there")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Builds the error for an obstacle that stays.
    fn in_the_way(&self, path: &RelPath, what: &str) -> Failure {
        Error::InTheWay {
            path: path.to_string(),
            what: what.into(),
            needed: self.needed.into(),
        }
        .into()
    }
}

/// Returns the note about removed files; `back` is the command that restores them.
pub fn note(made: usize, back: &str) -> Option<String> {
    let (s, them) = if made == 1 { ("", "it") } else { ("s", "them") };
    let (lies, is) = if made == 1 {
        ("lies", "it is")
    } else {
        ("lie", "they are")
    };
    (made > 0).then(|| format!("{made} file{s} {lies} where others must go: {is} saved, and `snapback {back}` brings {them} back"))
}

/// Returns the files that do not exist yet.
fn new(files: &[PathChange]) -> impl Iterator<Item = &RelPath> {
    files
        .iter()
        .filter(|file| file.after.is_some() && file.before.is_none())
        .map(|file| &file.path)
}
