//! Files of a task that no release keeps, because git ignores them: counted, measured and named.

use rayon::prelude::*;

use super::Scope;
use crate::{
    base::{Fs, RelPath, Type, sqlite},
    model::{LeftOut, TaskSpec},
    policy::litter,
};

/// What a task's releases leave out of the ignored files that a scan found; no folder is walked
/// again. What cannot be looked at counts with no bytes.
pub fn of<'a>(tree: &dyn Fs, task: &TaskSpec, scope: &Scope, ignored: impl Iterator<Item = &'a RelPath>) -> LeftOut {
    let in_environment = |path: &RelPath| task.venv.as_ref().is_some_and(|venv| path.is_in(venv));
    let ignored: Vec<&RelPath> = ignored.filter(|path| scope.owns(path) && !scope.names_large(path) && !in_environment(path)).collect();
    let named = litter::without(&ignored);
    // It goes with its database, wherever that goes.
    let is_beside = |path: &RelPath| {
        sqlite::database_of(path)
            .is_some_and(|database| tree.stat(&database).is_ok_and(|stat| stat.is_some_and(|stat| stat.kind == Type::File)))
    };
    let sized = named.par_iter().filter(|path| !is_beside(path)).map(|path| {
        let size = tree.stat(path).ok().flatten().map_or(0, |stat| stat.size);
        ((*path).clone(), size)
    });
    LeftOut::of(sized.collect())
}
