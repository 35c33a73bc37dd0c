//! What is proved, and where it lies. A check says by what it does with each of these on which of
//! them it applies.

use super::{
    KeptRelease, OpenedCapsule, ScratchTree, arrival::RecordedPaths, readiness::Readiness,
    task_tree::TaskTree,
};

/// What a check proves something of.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// A release where it is kept.
    Release(&'a KeptRelease<'a>),
    /// The work tree, which should hold a version.
    WorkTree(&'a TaskTree<'a>),
    /// The work tree, which should hold what an operation recorded, whatever version that is.
    Recorded(&'a RecordedPaths<'a>),
    /// A task after its restart; its files were verified before.
    Restarted(&'a Readiness<'a>),
    /// The scratch place of a drill, into which a version was restored.
    Scratch(&'a ScratchTree<'a>),
    /// A capsule that was read to its end.
    Capsule(&'a OpenedCapsule<'a>),
}
