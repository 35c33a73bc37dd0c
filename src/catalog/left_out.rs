//! Files of a task that no release keeps because git ignores them: counted, measured and named.

use rayon::prelude::*;

use super::{Scope, databases};
use crate::{
    base::{Fs, RelPath},
    model::{IgnoredFiles, TaskSpec},
    policy::litter,
};

/// Summarizes the task's files among the ignored files that a scan found, without another walk.
/// Files that cannot be inspected count as zero bytes.
pub fn of<'a>(
    tree: &dyn Fs,
    task: &TaskSpec,
    scope: &Scope,
    ignored: impl Iterator<Item = &'a RelPath>,
) -> IgnoredFiles {
    let in_environment = |path: &RelPath| task.venv.as_ref().is_some_and(|venv| path.is_in(venv));
    let ignored: Vec<&RelPath> = ignored
        .filter(|path| scope.owns(path) && !scope.names_large(path) && !in_environment(path))
        .collect();
    let named = litter::without(&ignored);
    // A database's companion files follow the database.
    let sized = named
        .par_iter()
        .filter(|path| databases::file_beside(tree, path).is_none())
        .map(|path| {
            let size = tree.stat(path).ok().flatten().map_or(0, |stat| stat.size);
            ((*path).clone(), size)
        });
    IgnoredFiles::of(sized.collect())
}
