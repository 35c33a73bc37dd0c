//! Room for files that come back, by a rollback or by what takes one back: what lies in their way
//! and may go is saved and goes; what may not is named before anything is changed.

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

/// Where room is made.
pub struct Room<'a> {
    /// The ports.
    pub site: &'a RepoSite,
    /// The task's globs.
    pub scope: &'a Scope,
    /// What has files there, in words.
    pub needed: &'a str,
}

/// These paths, and what stands in the place of a folder of theirs: what is to be scanned to see
/// all that is in their way.
///
/// # Errors
/// When it cannot be looked.
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
    /// Makes room for files that are brought back, and proves that it is enough, given a scan of
    /// all paths of [`with_obstacles`]. Returns what git tracks of the files that go.
    ///
    /// # Errors
    /// [`Error::InTheWay`] for what stays.
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

    /// Adds to the changes those of some files that lie below the place of a new one, or in the
    /// place of its folder; returns their paths.
    ///
    /// # Errors
    /// [`Error::InTheWay`] for one that is protected.
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
            if self.scope.protects(path) {
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

    /// Every new file can be put in its place once the other files that go have gone.
    ///
    /// # Errors
    /// [`Error::InTheWay`] for what stays.
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

    /// Every file below a folder goes.
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

    /// The error for what stays in the way.
    fn in_the_way(&self, path: &RelPath, what: &str) -> Failure {
        Error::InTheWay {
            path: path.to_string(),
            what: what.into(),
            needed: self.needed.into(),
        }
        .into()
    }
}

/// What is said of files that made room; `back` is the command that brings them again.
pub fn note(made: usize, back: &str) -> Option<String> {
    let (s, them) = if made == 1 { ("", "it") } else { ("s", "them") };
    let (lies, is) = if made == 1 {
        ("lies", "it is")
    } else {
        ("lie", "they are")
    };
    (made > 0).then(|| format!("{made} file{s} {lies} where others must go: {is} saved, and `snapback {back}` brings {them} back"))
}

/// The files that are not there yet.
fn new(files: &[PathChange]) -> impl Iterator<Item = &RelPath> {
    files
        .iter()
        .filter(|file| file.after.is_some() && file.before.is_none())
        .map(|file| &file.path)
}
