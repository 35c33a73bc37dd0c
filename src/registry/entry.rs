//! One entry of a registry: where its id and its version stand, and the errors that name it. Reads
//! nodes only; what is written is up to [`Registry`](super::Registry).

use super::{
    Error,
    task_registry::FILE,
    tree::{Node, Value},
};
use crate::model::{TaskId, Version};

/// The names of a version, in an entry.
pub(super) const VERSION_KEYS: [&str; 3] = ["version", "current_version", "active_version"];
/// The names of a task's id, in an entry of a list.
pub(super) const ID_KEYS: [&str; 3] = ["id", "task_id", "name"];

/// The id in an entry of a list.
pub(super) fn id_of(item: &Node) -> Option<&str> {
    ID_KEYS
        .iter()
        .find_map(|key| item.get(key))
        .and_then(Node::scalar)
}

/// The version of an entry, with its key; two of them are an error.
pub(super) fn version_of<'a>(
    task: &TaskId,
    entry: &'a Node,
) -> Result<Option<(&'static str, &'a Node)>, Error> {
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

/// The version of an entry, read.
pub(super) fn read_version(task: &TaskId, entry: &Node) -> Result<Option<Version>, Error> {
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
            text.parse().map(Some).map_err(wrong)
        }
    }
}

/// True for a scalar, and for a map that holds one under a version's name.
pub(super) fn names_version(entry: &Node) -> bool {
    let named = || VERSION_KEYS.iter().find_map(|key| entry.get(key));
    let node = if matches!(entry.value, Value::Map(_)) {
        named()
    } else {
        Some(entry)
    };
    node.is_some_and(|node| !matches!(node.value, Value::Map(_) | Value::List(_)))
}

/// True for a text that is a version.
pub(super) fn is_version(node: &Node) -> bool {
    matches!(&node.value, Value::Text(text) if text.parse::<Version>().is_ok())
}

/// The error for an unexpected shape.
pub(super) fn shape(why: impl Into<String>) -> Error {
    Error::Shape {
        file: FILE.to_string(),
        why: why.into(),
    }
}

/// The error for an edit that cannot be exact.
pub(super) fn refused(task: &TaskId, why: String) -> Error {
    Error::Edit {
        file: FILE.to_string(),
        line: 0,
        key: task.to_string(),
        why,
    }
}
