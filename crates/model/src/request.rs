//! What a person asks for; engines turn it into a plan, and under the lock into an operation.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Version,
    overview::InitFile,
    settings::{EnvMode, OnVerifyFail},
    signature::{Demand, Signing},
    version::Bump,
};
use crate::{OpId, TaskId};
use base::RelPath;

/// Something that changes the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A release.
    CreateSnapshot(CreateSnapshot),
    /// A return to a release.
    Rollback(Rollback),
    /// The inverse of an operation.
    Undo(Undo),
    /// The inverse of an undo.
    Redo(Undo),
    /// Manifests for tags that have none.
    Adopt(Adopt),
    /// Registry and configuration of a task agree.
    SyncRegistry(SyncRegistry),
    /// The first files, as they were shown.
    Init(Vec<InitFile>),
    /// Files that an operation put aside come back to where they were.
    RestoreKept(RestoreKept),
}

/// Asks for files that an operation put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreKept {
    /// The operation.
    pub op: OpId,
    /// Files, or folders of them; none = all that somebody wrote.
    pub paths: Vec<RelPath>,
}

/// Asks for manifests of tags that have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopt {
    /// The tasks; none = all.
    pub tasks: Vec<TaskId>,
    /// How its commit is signed.
    pub signing: Signing,
}

/// Asks that the registry and the configuration of a task agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRegistry {
    /// The task.
    pub task: TaskId,
    /// Which side is believed.
    pub from: SyncFrom,
}

/// Which side is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFrom {
    /// The configurations: the registry follows.
    Config,
    /// The registry: the configurations follow.
    Registry,
}

/// Which version a release gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextVersion {
    /// This one.
    Exactly(Version),
    /// The newest one, raised. The version in the task's config wins when it is not released yet.
    Bump(Bump),
    /// The newest one, raised as the messages of the commits since then ask for (Conventional
    /// Commits); nothing is released when nothing changed.
    Auto,
}

/// Asks for a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// The task.
    pub task: TaskId,
    /// Its version; `None` = the version in the config if it is not released yet, else a patch
    /// bump.
    pub version: Option<NextVersion>,
    /// Why.
    pub message: String,
    /// False with `--no-verify`: the user's own `pre-commit` hook is not run.
    pub run_hooks: bool,
    /// Whether and how what it makes is signed; where that cannot be it is not made.
    pub signing: Signing,
    /// Versions of the task whose tags are somewhere else and not here, each with where.
    pub elsewhere: BTreeMap<Version, String>,
}

/// Asks for a return to a release.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four independent choices, each a flag of its own"
)]
pub struct Rollback {
    /// The task.
    pub task: TaskId,
    /// An optimistic lock: must equal the active version.
    pub from: Option<Version>,
    /// The target; `None` = the newest version proven good, not bad or held, older than the active
    /// one.
    pub to: Option<Version>,
    /// Why.
    pub message: String,
    /// False with `--no-commit`: only the work tree changes.
    pub commit: bool,
    /// True when files that other tasks use too are restored as well.
    pub with_shared: bool,
    /// Overrides the settings.
    pub env: Option<EnvMode>,
    /// Overrides the settings.
    pub on_verify_fail: Option<OnVerifyFail>,
    /// False with `--no-restart`: stop and start commands are not run.
    pub restart: bool,
    /// What is demanded of the target's signature.
    pub signature: Demand,
    /// True with `--past-floor`: one-way doors are passed.
    pub past_floor: bool,
    /// True with `--despite-verdict`: the target may be one that somebody took back.
    pub despite_verdict: bool,
    /// Whether what it makes is signed; where that cannot be it goes on unsigned.
    pub signing: Signing,
    /// It is taken back after so long unless somebody confirms it; `None` = it stays.
    pub confirm_within: Option<Duration>,
}

impl Rollback {
    /// A return to a version with nothing but the settings to say how.
    pub fn plain(task: TaskId, to: Version, message: String) -> Self {
        Self {
            task,
            from: None,
            to: Some(to),
            message,
            commit: true,
            with_shared: false,
            env: None,
            on_verify_fail: None,
            restart: true,
            signature: Demand::Optional,
            past_floor: false,
            despite_verdict: false,
            signing: Signing::default(),
            confirm_within: None,
        }
    }
}

/// Asks for the inverse of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// Only operations of this task count.
    pub task: Option<TaskId>,
    /// This operation; `None` = the newest one that can be taken back.
    pub op: Option<OpId>,
    /// Whether what it makes is signed; where that cannot be it goes on unsigned.
    pub signing: Signing,
}
