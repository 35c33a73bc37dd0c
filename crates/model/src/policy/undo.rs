//! The operations that `undo` and `redo` revert: two stacks, derived from the list of operations.

use crate::{OpId, TaskId, operation::OpKind};

/// The facts about a finished operation that the decision needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its id.
    pub id: OpId,
    /// Its kind.
    pub kind: OpKind,
    /// Its task.
    pub task: Option<TaskId>,
    /// The operation that it reverted.
    pub undoes: Option<OpId>,
}

/// The operations that can be undone, and the undos that can be redone, oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stacks {
    /// The operations that `undo` reverts, starting at the end.
    pub undo: Vec<OpId>,
    /// The undos that `redo` reverts, starting at the end.
    pub redo: Vec<OpId>,
}

/// Derives the stacks from all completed operations, oldest first. With a task, only its operations
/// count. A release is a barrier: operations before it can no longer be undone, because the release
/// builds on them.
pub fn stacks<'a>(operations: impl Iterator<Item = &'a Done>, task: Option<&TaskId>) -> Stacks {
    let mut all: Vec<(OpId, Option<TaskId>)> = Vec::new();
    let mut redo: Vec<(OpId, Option<TaskId>)> = Vec::new();
    for op in operations.filter(|op| task.is_none() || op.task.as_ref() == task) {
        let same = |other: &Option<TaskId>| *other == op.task;
        match op.kind {
            OpKind::CreateSnapshot => {
                all.retain(|(_, task)| !same(task));
                redo.retain(|(_, task)| !same(task));
            }
            OpKind::Rollback | OpKind::RegistrySync | OpKind::Restore => {
                redo.retain(|(_, task)| !same(task));
                all.push((op.id.clone(), op.task.clone()));
            }
            OpKind::Undo => {
                all.retain(|(id, _)| Some(id) != op.undoes.as_ref());
                redo.push((op.id.clone(), op.task.clone()));
            }
            OpKind::Redo => {
                redo.retain(|(id, _)| Some(id) != op.undoes.as_ref());
                all.push((op.id.clone(), op.task.clone()));
            }
            OpKind::Adopt | OpKind::Init => {}
        }
    }
    let ids = |list: Vec<(OpId, Option<TaskId>)>| list.into_iter().map(|(id, _)| id).collect();
    Stacks {
        undo: ids(all),
        redo: ids(redo),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(n: u64, kind: OpKind, undoes: Option<u64>) -> Done {
        Done {
            id: OpId::new(n, 0),
            kind,
            task: Some("T01".parse().expect("id")),
            undoes: undoes.map(|n| OpId::new(n, 0)),
        }
    }

    fn numbers(ids: &[OpId]) -> Vec<u64> {
        ids.iter().map(OpId::counter).collect()
    }

    #[test]
    fn undo_walks_back_and_redo_forth_again() {
        use OpKind::{Redo, Rollback, Undo};
        let mut ops = vec![op(1, Rollback, None), op(2, Rollback, None)];
        let of = |ops: &[Done]| {
            let stacks = stacks(ops.iter(), None);
            (numbers(&stacks.undo), numbers(&stacks.redo))
        };
        assert_eq!(of(&ops), (vec![1, 2], vec![]));
        ops.push(op(3, Undo, Some(2)));
        assert_eq!(of(&ops), (vec![1], vec![3]));
        ops.push(op(4, Undo, Some(1)));
        assert_eq!(of(&ops), (vec![], vec![3, 4]));
        ops.push(op(5, Redo, Some(4)));
        assert_eq!(of(&ops), (vec![5], vec![3]));
        ops.push(op(6, Rollback, None));
        assert_eq!(
            of(&ops),
            (vec![5, 6], vec![]),
            "a new rollback ends what could be redone"
        );
    }

    #[test]
    fn a_release_is_a_barrier_for_its_task_only() {
        let other = Done {
            task: Some("T02".parse().expect("id")),
            ..op(1, OpKind::Rollback, None)
        };
        let ops = [
            other,
            op(2, OpKind::Rollback, None),
            op(3, OpKind::CreateSnapshot, None),
        ];
        assert_eq!(numbers(&stacks(ops.iter(), None).undo), [1]);
    }
}
