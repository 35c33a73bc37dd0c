//! Room for the files of a version: what nobody tracks and lies in their way is saved and goes; what
//! cannot be saved is named before anything is changed.

use std::collections::BTreeSet;

use super::{
    Error,
    compare::{Compared, Way},
};
use crate::{
    base::{Failure, RelPath, Type},
    catalog::capture,
    draft::FileDraft,
    git::Scan,
};

/// Untracked files below the place of a new file, or in the place of its folder, go.
pub(super) fn make(way: &Way<'_>, scan: &Scan, compared: &mut Compared) -> Result<(), Failure> {
    let new: BTreeSet<RelPath> = new(compared).cloned().collect();
    if new.is_empty() {
        return Ok(());
    }
    let above: BTreeSet<RelPath> = new.iter().flat_map(RelPath::ancestors).collect();
    let goes: BTreeSet<RelPath> = going(compared).cloned().collect();
    let is_in_the_way = |path: &&RelPath| above.contains(*path) || path.ancestors().any(|dir| new.contains(&dir));
    for path in scan.untracked.iter().chain(&scan.ignored).filter(is_in_the_way).filter(|path| !goes.contains(*path)) {
        if way.scope.protects(path) {
            return Err(in_the_way(way, path, "protected"));
        }
        let Some(before) = way.existing(path, None)? else { continue };
        compared.untracked.retain(|other| other != path);
        compared.files.push(FileDraft { path: path.clone(), before: Some(before), after: None });
        compared.made_room += 1;
    }
    Ok(())
}

/// Every new file can be put in its place once the other files that go have gone.
pub(super) fn check(way: &Way<'_>, compared: &Compared) -> Result<(), Failure> {
    let goes: BTreeSet<&RelPath> = going(compared).collect();
    for path in new(compared) {
        for dir in path.ancestors() {
            let kind = capture::stat(&*way.ground.tree, &dir)?.map_or(Type::Dir, |stat| stat.kind);
            if kind != Type::Dir && !goes.contains(&dir) {
                return Err(in_the_way(way, &dir, if kind == Type::Symlink { "a symbolic link" } else { "no folder" }));
            }
        }
        match capture::stat(&*way.ground.tree, path)?.map(|stat| stat.kind) {
            None => {}
            Some(Type::Dir) => check_emptied(way, path, &goes)?,
            Some(_) => return Err(in_the_way(way, path, "something else")),
        }
    }
    Ok(())
}

/// Every file below a folder goes.
fn check_emptied(way: &Way<'_>, dir: &RelPath, goes: &BTreeSet<&RelPath>) -> Result<(), Failure> {
    let read = |source| crate::catalog::Error::Read { path: dir.clone(), source };
    for name in way.ground.tree.list(dir).map_err(read)? {
        let path = dir.join(name);
        match capture::stat(&*way.ground.tree, &path)?.map(|stat| stat.kind) {
            Some(Type::Dir) => check_emptied(way, &path, goes)?,
            Some(_) if !goes.contains(&path) => return Err(in_the_way(way, &path, "there")),
            _ => {}
        }
    }
    Ok(())
}

/// The files that are not there yet.
fn new(compared: &Compared) -> impl Iterator<Item = &RelPath> {
    compared.files.iter().filter(|file| file.after.is_some() && file.before.is_none()).map(|file| &file.path)
}

/// The files that go.
fn going(compared: &Compared) -> impl Iterator<Item = &RelPath> {
    compared.files.iter().filter(|file| file.after.is_none()).map(|file| &file.path)
}

/// The error for what stays in the way.
fn in_the_way(way: &Way<'_>, path: &RelPath, what: &str) -> Failure {
    let version = way.target.manifest.metadata.version.clone();
    Error::InTheWay { path: path.to_string(), what: what.into(), version }.into()
}
