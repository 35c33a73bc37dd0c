//! Chooses where new files are staged: on their own mount, because no rename leaves a mount.

use serde_json::{Value, json};

use super::{Error, STAGE, failed};
use crate::base::{Fs, RelPath, Type};

/// The folders that have a staging folder: the top of the work tree, and every mount point above a
/// changed path. Sorted, the top first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    folders: Vec<RelPath>,
    /// True when staged files are named by their operation, too: not in the first journals.
    names_operation: bool,
}

impl Places {
    /// Returns the top of the work tree alone.
    pub(super) fn top() -> Self {
        Self {
            folders: vec![RelPath::root()],
            names_operation: true,
        }
    }

    /// Returns the places that changes of these paths need.
    ///
    /// # Errors
    /// [`Error::Mounted`] for a path that is a mount itself: nothing can be renamed onto it.
    pub fn of<'a>(tree: &dyn Fs, paths: impl Iterator<Item = &'a RelPath>) -> Result<Self, Error> {
        let root = RelPath::root();
        let mounts = tree
            .mounts()
            .map_err(failed("see what is mounted below", &root))?;
        let mut places = Self::top();
        if mounts.is_empty() {
            return Ok(places);
        }
        for path in paths {
            if mounts.binary_search(path).is_ok() {
                return Err(Error::Mounted { path: path.clone() });
            }
            let is_folder =
                |dir: &&RelPath| matches!(tree.stat(dir), Ok(Some(stat)) if stat.kind == Type::Dir);
            let above = mounts
                .iter()
                .rev()
                .find(|mount| path.is_in(mount))
                .filter(is_folder);
            places.folders.extend(
                above
                    .filter(|above| !places.folders.contains(above))
                    .cloned(),
            );
        }
        places.folders.sort();
        Ok(places)
    }

    /// Returns the places that were written down when the step began.
    ///
    /// # Errors
    /// [`Error::Unmounted`] when one of them is no longer a mount: its files are out of reach.
    pub(super) fn recall(tree: &dyn Fs, prepared: &Value) -> Result<Self, Error> {
        let told = prepared
            .get("mounts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let told: Vec<RelPath> = told
            .filter_map(|text| RelPath::from_text(text).ok())
            .collect();
        let mut places = Self {
            names_operation: prepared.get("names").is_some(),
            ..Self::top()
        };
        if told.is_empty() {
            return Ok(places);
        }
        let root = RelPath::root();
        let mounts = tree
            .mounts()
            .map_err(failed("see what is mounted below", &root))?;
        if let Some(path) = told.iter().find(|path| mounts.binary_search(path).is_err()) {
            return Err(Error::Unmounted { path: path.clone() });
        }
        places.folders.extend(told);
        places.folders.sort();
        Ok(places)
    }

    /// Returns the value to be written down.
    pub(super) fn note(&self) -> Value {
        let mounts: Vec<String> = self
            .folders
            .iter()
            .filter(|place| !place.is_root())
            .map(RelPath::to_text)
            .collect();
        json!({ "names": 2, "mounts": mounts })
    }

    /// Returns true when staged files are named by their operation, too.
    pub(super) fn names_operation(&self) -> bool {
        self.names_operation
    }

    /// Returns the folders.
    pub fn folders(&self) -> &[RelPath] {
        &self.folders
    }

    /// Returns the staging folders.
    pub(super) fn stages(&self) -> impl Iterator<Item = RelPath> {
        self.folders.iter().map(stage_in)
    }

    /// Returns the staging folder of a path.
    pub(super) fn stage_of(&self, path: &RelPath) -> RelPath {
        stage_in(
            self.folders
                .iter()
                .rev()
                .find(|place| path.is_in(place))
                .unwrap_or(&RelPath::root()),
        )
    }
}

/// Returns the staging folder in a place.
pub(super) fn stage_in(place: &RelPath) -> RelPath {
    if place.is_root() {
        RelPath::own(STAGE)
    } else {
        place.join(STAGE)
    }
}
