//! The one-way versions between two versions of a task; `policy::floor` decides what they are.

use crate::{
    base::{Failure, Globs, RelPath},
    model::{TaskSpec, Version},
    policy::floor,
    site::Environment,
};

/// Two versions and the facts that decide about one-way versions between them.
pub struct VersionPair<'a> {
    /// The version that is left; `None` = the task has none, and nothing is one-way.
    pub from: Option<&'a Version>,
    /// The target version.
    pub to: &'a Version,
    /// Files that will be gone afterwards.
    pub gone: Vec<&'a RelPath>,
    /// Variables that the target version needs.
    pub needs: &'a [String],
    /// Variables that the version left needs; `None` = unknown.
    pub needed: Option<&'a [String]>,
    /// The variables that are set.
    pub environment: &'a Environment,
}

/// Returns the one-way versions as text; none when moving forward.
///
/// # Errors
/// Fails when the task's patterns are invalid.
pub fn of(task: &TaskSpec, between: &VersionPair<'_>) -> Result<Vec<String>, Failure> {
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
