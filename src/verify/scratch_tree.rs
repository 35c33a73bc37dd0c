//! The scratch place of a drill, into which a version was restored.

use std::path::Path;

use super::{Checkout, Commands, commands::Around};
use crate::{
    model::{Manifest, TaskSpec, manifest::ManifestFile},
    site::RepoSite,
};

/// A place into which a version was restored, and nothing else.
pub struct ScratchTree<'a> {
    /// The ports of the repository that the version comes from.
    pub site: &'a RepoSite,
    /// The task.
    pub task: &'a TaskSpec,
    /// The manifest of the version.
    pub manifest: &'a Manifest,
    /// Where it is.
    pub top: &'a Path,
    /// Its files, and how they are taken.
    pub checkout: Checkout<'a>,
    /// True for a file whose bytes are those of the version; others are those of now.
    pub is_of_version: &'a (dyn Fn(&ManifestFile) -> bool + Sync),
    /// True when the registry in it is that of the work tree, because it cannot be edited.
    pub is_registry_left: bool,
    /// Whether the task's commands run.
    pub commands: Commands,
    /// What is around each of them.
    pub around: Around<'a>,
}
