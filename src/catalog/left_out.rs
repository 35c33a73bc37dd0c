//! Files of a task that no release keeps, because git ignores them: counted, measured and named.

use rayon::prelude::*;

use super::{Scope, databases};
use crate::{
    base::{Fs, RelPath},
    model::{LeftOut, TaskSpec},
    policy::litter,
};

/// What a task's releases leave out of the ignored files that a scan found; no folder is walked
/// again. What cannot be looked at counts with no bytes.
pub fn of<'a>(
    tree: &dyn Fs,
    task: &TaskSpec,
    scope: &Scope,
    ignored: impl Iterator<Item = &'a RelPath>,
) -> LeftOut {
    let in_environment = |path: &RelPath| task.venv.as_ref().is_some_and(|venv| path.is_in(venv));
    let ignored: Vec<&RelPath> = ignored
        .filter(|path| scope.owns(path) && !scope.names_large(path) && !in_environment(path))
        .collect();
    let named = litter::without(&ignored);
    // What lies beside a database goes with it, wherever that goes.
    let sized = named
        .par_iter()
        .filter(|path| databases::file_beside(tree, path).is_none())
        .map(|path| {
            let size = tree.stat(path).ok().flatten().map_or(0, |stat| stat.size);
            ((*path).clone(), size)
        });
    LeftOut::of(sized.collect())
}
