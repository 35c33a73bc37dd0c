//! The scratch folder of a drill, into which a version was restored.

use std::path::Path;

use super::{Checkout, Commands, commands::Rehearsal};
use crate::{
    model::{Manifest, TaskSpec, manifest::ManifestFile},
    site::RepoSite,
};

/// A folder that holds a restored version and nothing else.
pub struct ScratchTree<'a> {
    /// The ports of the repository that the version comes from.
    pub site: &'a RepoSite,
    /// The task.
    pub task: &'a TaskSpec,
    /// The manifest of the version.
    pub manifest: &'a Manifest,
    /// Its path.
    pub top: &'a Path,
    /// Its files, and how to read them.
    pub checkout: Checkout<'a>,
    /// Returns true for a file with the version's bytes; others have the current ones.
    pub is_of_version: &'a (dyn Fn(&ManifestFile) -> bool + Sync),
    /// True when its registry is the work tree's, because that cannot be edited.
    pub is_registry_left: bool,
    /// Whether the task's commands run.
    pub commands: Commands,
    /// The surroundings of each command.
    pub around: Rehearsal<'a>,
}
