//! Row 4, task_registry.json and task configs: edits that keep every other byte.
