//! The subjects of verification. Each check decides by its match to which of them it applies.

use super::{
    KeptRelease, OpenedCapsule, ScratchTree, arrival::RecordedPaths, readiness::Readiness,
    task_tree::TaskTree,
};

/// The subject of a check.
#[derive(Clone, Copy)]
pub enum CheckSubject<'a> {
    /// A stored release.
    Release(&'a KeptRelease<'a>),
    /// The work tree, expected to hold a version.
    WorkTree(&'a TaskTree<'a>),
    /// The work tree, expected to hold what an operation recorded, whatever version that is.
    Recorded(&'a RecordedPaths<'a>),
    /// A task after its restart; its files were verified before.
    Restarted(&'a Readiness<'a>),
    /// The scratch folder of a drill, into which a version was restored.
    Scratch(&'a ScratchTree<'a>),
    /// A capsule that was read completely.
    Capsule(&'a OpenedCapsule<'a>),
}
