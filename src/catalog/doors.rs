//! The one-way doors between two versions of a task; what they are is decided by `policy::floor`.

use crate::{
    base::{Failure, Globs, RelPath},
    model::{TaskSpec, Version},
    policy::floor,
    site::Environment,
};

/// Two versions, and what is known of them.
pub struct Between<'a> {
    /// The version that is left; `None` = the task has none, and there are no doors.
    pub from: Option<&'a Version>,
    /// The version that is gone to.
    pub to: &'a Version,
    /// Files that are gone afterwards.
    pub gone: Vec<&'a RelPath>,
    /// Variables that the version gone to needs.
    pub needs: &'a [String],
    /// Variables that the version left needs; `None` = that is not known.
    pub needed: Option<&'a [String]>,
    /// The variables that are set.
    pub environment: &'a Environment,
}

/// The doors, in words; none when the way is forward.
///
/// # Errors
/// When the task's patterns are wrong.
pub fn of(task: &TaskSpec, between: &Between<'_>) -> Result<Vec<String>, Failure> {
    let Some(from) = between.from.filter(|from| between.to < *from) else {
        return Ok(Vec::new());
    };
    let mut doors = floor::declared(&task.one_way, from, between.to);
    let globs = task
        .migrations
        .as_ref()
        .map(|patterns| Globs::new(patterns))
        .transpose()?;
    let is_migration = |path: &RelPath| {
        globs
            .as_ref()
            .map_or_else(|| floor::is_migration(path), |globs| globs.matches(path))
    };
    doors.extend(floor::migrations(
        between
            .gone
            .iter()
            .copied()
            .filter(|path| is_migration(path)),
    ));
    let is_set = |name: &str| between.environment.has(name);
    doors.extend(
        between
            .needed
            .and_then(|needed| floor::variables(between.needs, needed, is_set)),
    );
    Ok(doors)
}
