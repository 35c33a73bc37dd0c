//! Row 6, rollback, undo and redo.
