//! User requests; engines turn them into plans, and under the lock into operations.

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

/// A request for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A release.
    CreateSnapshot(CreateSnapshot),
    /// A rollback to a release.
    Rollback(RollbackRequest),
    /// The inverse of an operation.
    Undo(Undo),
    /// The inverse of an undo.
    Redo(Undo),
    /// Creation of manifests for tags that have none.
    Adopt(Adopt),
    /// Reconciliation of the registry and the configuration of a task.
    SyncRegistry(SyncRegistry),
    /// Creation of the first files, as they were shown.
    Init(Vec<InitFile>),
    /// Restoration of files that an operation put aside.
    RestoreKept(RestoreKept),
}

/// Requests files that an operation put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreKept {
    /// The operation.
    pub op: OpId,
    /// Files, or their folders; empty = all foreign edits.
    pub paths: Vec<RelPath>,
}

/// Requests manifests for tags that have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopt {
    /// The tasks; empty = all.
    pub tasks: Vec<TaskId>,
    /// How to sign the commit.
    pub signing: Signing,
}

/// Requests that the registry and the configuration of a task be reconciled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRegistry {
    /// The task.
    pub task: TaskId,
    /// The side that is authoritative.
    pub from: SyncFrom,
}

/// The side that is authoritative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFrom {
    /// The configurations; the registry is updated.
    Config,
    /// The registry; the configurations are updated.
    Registry,
}

/// How to choose the version of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextVersion {
    /// This version.
    Exactly(Version),
    /// The newest version, raised. An unreleased version in the task's config takes precedence.
    Bump(Bump),
    /// The newest version, raised according to the commit messages since then (Conventional
    /// Commits); nothing is released when nothing changed.
    Auto,
}

/// Requests a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// The task.
    pub task: TaskId,
    /// Its version; `None` = the version in the config if not released yet, else a patch bump.
    pub version: Option<NextVersion>,
    /// The reason.
    pub message: String,
    /// False with `--no-verify`: the user's own `pre-commit` hook is not run.
    pub run_hooks: bool,
    /// True with `--allow-failing`: a version whose checks fail is released, as failed.
    pub allow_failing: bool,
    /// Whether and how to sign the result; if signing is impossible, nothing is released.
    pub signing: Signing,
    /// Versions of the task whose tags exist only elsewhere, each with the place.
    pub elsewhere: BTreeMap<Version, String>,
}

/// Requests a rollback to a release.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four independent choices, each a flag of its own"
)]
pub struct RollbackRequest {
    /// The task.
    pub task: TaskId,
    /// An optimistic lock: must equal the active version.
    pub from: Option<Version>,
    /// The target; `None` = the newest version proven good, not bad or held, older than the active
    /// one.
    pub to: Option<Version>,
    /// The reason.
    pub message: String,
    /// False with `--no-commit`: only the work tree changes.
    pub commit: bool,
    /// True when files that other tasks also use are restored as well.
    pub with_shared: bool,
    /// Overrides the setting.
    pub env: Option<EnvMode>,
    /// Overrides the setting.
    pub on_verify_fail: Option<OnVerifyFail>,
    /// False with `--no-restart`: stop and start commands are not run.
    pub restart: bool,
    /// The requirement on the target's signature.
    pub signature: Demand,
    /// True with `--past-floor`: one-way versions may be crossed.
    pub past_floor: bool,
    /// True with `--despite-verdict`: the target may be a withdrawn version.
    pub despite_verdict: bool,
    /// Whether to sign the result; if signing is impossible, it continues unsigned.
    pub signing: Signing,
    /// Time after which it is undone unless confirmed; `None` = it stays.
    pub confirm_within: Option<Duration>,
}

impl RollbackRequest {
    /// Creates a rollback to a version that relies on the settings.
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

/// Requests the inverse of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// Only operations of this task count.
    pub task: Option<TaskId>,
    /// The operation; `None` = the newest one that can be undone.
    pub op: Option<OpId>,
    /// Whether to sign the result; if signing is impossible, it continues unsigned.
    pub signing: Signing,
}
