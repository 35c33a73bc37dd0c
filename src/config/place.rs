//! Converts written paths and patterns of the configuration to paths and globs of the work tree.
//! The rules are in the documentation of the room.

use super::{Error, file::OneOrMany};
use crate::base::{
    Fs, Globs, RelPath,
    fs::Type,
    glob::{escape, is_wild},
};

/// Returns paths from the work tree as globs, and the folder that the first of them names.
pub(super) fn places(
    at: &str,
    list: &OneOrMany,
    root: &dyn Fs,
) -> Result<(RelPath, Vec<String>), Error> {
    let mut dir = None;
    let mut globs = Vec::new();
    for text in &list.0 {
        let trimmed = text.trim_start_matches("./").trim_end_matches('/');
        let (folder, glob) = if matches!(trimmed, "" | "." | "**") && !text.is_empty() {
            (RelPath::root(), "**".to_string())
        } else if is_wild(trimmed) {
            check_glob(at, trimmed)?;
            let glob = if text.ends_with('/') {
                format!("{trimmed}/**")
            } else {
                trimmed.to_string()
            };
            let prefixes =
                Globs::new(std::slice::from_ref(&glob)).map_err(|source| Error::Glob {
                    at: at.to_string(),
                    source,
                })?;
            (prefixes.literal_prefixes().swap_remove(0), glob)
        } else {
            let path = path(at, trimmed)?;
            let is_file = matches!(root.stat(&path), Ok(Some(stat)) if stat.kind != Type::Dir);
            if is_file && !text.ends_with('/') {
                (path.parent(), escape(trimmed))
            } else {
                (path.clone(), all_below(&path))
            }
        };
        // A named folder says more about where the task is than a file or a pattern.
        let is_folder = glob == all_below(&folder);
        if dir
            .as_ref()
            .is_none_or(|(_, was_folder)| is_folder && !was_folder)
        {
            dir = Some((folder, is_folder));
        }
        globs.push(glob);
    }
    if list.0.is_empty() && at.ends_with(".path") {
        return Err(rule(at, "it is an empty list"));
    }
    Ok((dir.map(|(dir, _)| dir).unwrap_or_default(), globs))
}

/// Returns the pattern of everything below a folder.
pub(super) fn all_below(dir: &RelPath) -> String {
    if dir.is_root() {
        "**".to_string()
    } else {
        format!("{}/**", escape(&String::from_utf8_lossy(dir.as_bytes())))
    }
}

/// Converts patterns of a task's folder, written as in `.gitignore`, to globs from the work tree.
pub(super) fn patterns(at: &str, dir: &RelPath, list: &[String]) -> Result<Vec<String>, Error> {
    let mut globs = Vec::new();
    for text in list {
        let body = text.trim_start_matches('/').trim_end_matches('/');
        check_glob(at, body)?;
        let below = escape(&String::from_utf8_lossy(dir.as_bytes()));
        let from_root =
            text.starts_with('/') || dir.is_root() || body.starts_with(&format!("{below}/"));
        let deep = !body.contains('/') && !text.starts_with('/');
        let glob = match (from_root, deep) {
            (true, false) => body.to_string(),
            (true, true) => format!("**/{body}"),
            (false, false) => format!("{below}/{body}"),
            (false, true) => format!("{below}/**/{body}"),
        };
        if !body.ends_with("**") {
            globs.push(format!("{glob}/**"));
        }
        if !text.ends_with('/') {
            globs.push(glob);
        }
    }
    Ok(globs)
}

/// Returns a path in a task's folder; from the work tree if it begins with `/` or with the folder.
pub(super) fn in_folder(at: &str, dir: &RelPath, text: &str) -> Result<RelPath, Error> {
    let text = text.trim_end_matches('/');
    if let Some(text) = text.strip_prefix('/') {
        return path(at, text);
    }
    let inner = path(at, text.trim_start_matches("./"))?;
    Ok(if inner.is_in(dir) {
        inner
    } else {
        dir.join(inner.as_bytes())
    })
}

/// Returns a checked path from the work tree.
pub(super) fn path(at: &str, text: &str) -> Result<RelPath, Error> {
    RelPath::parse(text).map_err(|source| Error::Path {
        at: at.to_string(),
        source,
    })
}

/// Checks a pattern.
pub(super) fn check_glob(at: &str, glob: &str) -> Result<(), Error> {
    Globs::check(glob).map_err(|source| Error::Glob {
        at: at.to_string(),
        source,
    })
}

/// Returns the error for a broken rule.
pub(super) fn rule(at: &str, why: impl Into<String>) -> Error {
    Error::Rule {
        at: at.to_string(),
        why: why.into(),
    }
}
