//! The blast radius: which other tasks use files that a change of one task touches.

use super::Scope;
use crate::{
    base::{Failure, RelPath},
    model::{Settings, TaskId, drill::Touched},
};

/// Most files that are named.
const MOST: usize = 50;

/// Of these paths, sorted, those that other tasks share, each with these tasks.
///
/// # Errors
/// When another task's patterns are wrong.
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
