//! The blast radius: other tasks that use files touched by a change of one task.

use super::Scope;
use crate::{
    base::{Failure, RelPath},
    model::{Settings, TaskId, drill::Touched},
};

/// Maximum number of files listed.
const MOST: usize = 50;

/// Returns the sorted paths among these that other tasks share, each with those tasks.
///
/// # Errors
/// Fails when another task's patterns are invalid.
pub fn of<'a>(
    settings: &Settings,
    task: &TaskId,
    paths: impl Iterator<Item = &'a RelPath>,
) -> Result<Vec<Touched>, Failure> {
    let others = settings
        .tasks
        .iter()
        .filter(|other| other.id != *task && !other.shared.is_empty());
    let scopes: Vec<(&TaskId, Scope)> = others
        .map(|other| Ok((&other.id, Scope::new(settings, other)?)))
        .collect::<Result<_, Failure>>()?;
    let mut touched = Vec::new();
    if scopes.is_empty() {
        return Ok(touched);
    }
    for path in paths {
        let tasks: Vec<TaskId> = scopes
            .iter()
            .filter(|(_, scope)| scope.shares(path))
            .map(|(id, _)| (*id).clone())
            .collect();
        if !tasks.is_empty() && touched.len() < MOST {
            touched.push(Touched {
                path: path.clone(),
                tasks,
            });
        }
    }
    Ok(touched)
}
