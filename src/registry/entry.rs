//! Reads one registry entry: the position of its id and version, and the errors that name it. Only
//! reads nodes; [`Registry`](super::Registry) decides what is written.

use super::{
    Error,
    task_registry::FILE,
    tree::{Value, ValueNode},
};
use crate::model::{TaskId, Version};

/// Keys under which an entry may hold its version.
pub(super) const VERSION_KEYS: [&str; 3] = ["version", "current_version", "active_version"];
/// Keys under which a list entry may hold its task id.
pub(super) const ID_KEYS: [&str; 3] = ["id", "task_id", "name"];

/// Returns the id of a list entry.
pub(super) fn id_of(item: &ValueNode) -> Option<&str> {
    ID_KEYS
        .iter()
        .find_map(|key| item.get(key))
        .and_then(ValueNode::scalar)
}

/// Returns the version node of an entry with its key; two version keys are an error.
pub(super) fn version_of<'a>(
    task: &TaskId,
    entry: &'a ValueNode,
) -> Result<Option<(&'static str, &'a ValueNode)>, Error> {
    if !matches!(entry.value, Value::Map(_)) {
        let scalar = entry.scalar().is_some() || matches!(entry.value, Value::Null);
        return Ok(scalar.then_some(("version", entry)));
    }
    let mut found = VERSION_KEYS
        .into_iter()
        .filter_map(|key| Some((key, entry.get(key)?)));
    match (found.next(), found.next()) {
        (Some((first, _)), Some((second, _))) => Err(shape(format!(
            "{task} has both {first:?} and {second:?}; keep one of them"
        ))),
        (first, _) => Ok(first),
    }
}

/// Returns the parsed version of an entry.
pub(super) fn read_version(task: &TaskId, entry: &ValueNode) -> Result<Option<Version>, Error> {
    let Some((key, node)) = version_of(task, entry)? else {
        return Ok(None);
    };
    match (&node.value, node.scalar()) {
        (Value::Null, _) => Ok(None),
        (_, None) => Err(shape(format!(
            "the {key} of {task} is neither text nor null"
        ))),
        (_, Some(text)) => {
            let wrong = |source| Error::ReadVersion {
                file: FILE.to_string(),
                key: format!("{task}.{key}"),
                source,
            };
            node.to_version(text).map(Some).map_err(wrong)
        }
    }
}

/// Returns true for a scalar, and for a map that holds a scalar under a version key.
pub(super) fn names_version(entry: &ValueNode) -> bool {
    let named = || VERSION_KEYS.iter().find_map(|key| entry.get(key));
    let node = if matches!(entry.value, Value::Map(_)) {
        named()
    } else {
        Some(entry)
    };
    node.is_some_and(|node| !matches!(node.value, Value::Map(_) | Value::List(_)))
}

/// Returns true when the node is a text that is a semantic version. Others, such as a date, may as
/// well be a fact beside the tasks.
pub(super) fn is_version(node: &ValueNode) -> bool {
    let is_semantic = |text: &str| {
        text.parse()
            .is_ok_and(|version: Version| version.is_semantic())
    };
    matches!(&node.value, Value::Text(text) if is_semantic(text))
}

/// Builds the error for an unexpected shape.
pub(super) fn shape(why: impl Into<String>) -> Error {
    Error::Shape {
        file: FILE.to_string(),
        why: why.into(),
    }
}

/// Builds the error for an edit that cannot be exact.
pub(super) fn refused(task: &TaskId, why: String) -> Error {
    Error::Edit {
        file: FILE.to_string(),
        line: 0,
        key: task.to_string(),
        why,
    }
}
