//! What an operation does to the world, as data: it is written down before anything is changed.
//!
//! Everything that mutates is an [`Operation`], a list of [`Step`]s with the state before and
//! after. All bytes that a step needs lie in git or in the store, durable, before the plan is
//! written; so recovery and undo need nothing but the plan and the journal. Read
//! `operation/wire.rs` for how files stand in a plan.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{VerdictRecord, Version, settings::OnVerifyFail};
use crate::{GitId, OpId, RootName, TaskId, file_record::FileRecord, git_mode::GitMode};
use base::RelPath;

pub(crate) mod wire;

/// The format of `plan.json`.
pub const OPERATION_SCHEMA: &str = "snapback.operation/1";

/// One path of the tree, before and after; `None` = absent. In a plan the bytes of both are kept;
/// in a draft they may still lie in the tree only, or in the record itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathChange {
    /// The path below the work tree, which is that of both records.
    pub path: RelPath,
    /// What is there before.
    pub before: Option<FileRecord>,
    /// What is there after.
    pub after: Option<FileRecord>,
}

impl PathChange {
    /// False for a path that is part of an operation, for its undo, and stays as it is.
    pub fn changes(&self) -> bool {
        !FileRecord::same_at(self.before.as_ref(), self.after.as_ref())
    }
}

/// Changes of files below one root. In a plan those of the work tree are a bare list, as they were
/// when there was no other root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileChanges {
    /// Below which root.
    pub root: RootName,
    /// The changes, sorted by path.
    pub changes: Vec<PathChange>,
}

impl FileChanges {
    /// Changes of the work tree.
    pub const fn of_work_tree(changes: Vec<PathChange>) -> Self {
        Self {
            root: RootName::WorkTree,
            changes,
        }
    }
}

/// A path in a commit's tree or in the index. Git knows neither size nor digest of what it names,
/// so this is no [`FileRecord`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// What it is.
    pub mode: GitMode,
    /// The blob.
    pub id: GitId,
}

/// One path of a commit's tree or of the index, before and after; `None` = absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeChange {
    /// The path below the work tree.
    pub path: RelPath,
    /// The entry before.
    pub before: Option<TreeEntry>,
    /// The entry after.
    pub after: Option<TreeEntry>,
}

/// A reference that moves; the value before must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefChange {
    /// The full name, `refs/…`.
    pub name: String,
    /// The value that it must have; `None` = it must not exist.
    pub before: Option<GitId>,
    /// The value it gets.
    pub after: GitId,
}

/// A reference with the value that it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedRef {
    /// The full name, `refs/…`.
    pub name: String,
    /// The value.
    pub value: GitId,
}

/// What becomes visible in git, in one go: the commit point of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// References, in the order in which they move; the branch is last.
    pub refs: Vec<RefChange>,
    /// The line for the reference logs.
    pub log_message: String,
    /// How the commit differs from its parent; undo applies the inverse to the then newest commit.
    pub tree: Vec<TreeChange>,
    /// How the index changes.
    pub index: Vec<TreeChange>,
}

/// The registry entry of the task, as JSON text, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryChange {
    /// The registry file.
    pub path: RelPath,
    /// The version before, `None` when the task had no entry.
    pub before: Option<Version>,
    /// The version after.
    pub after: Option<Version>,
}

/// A switch of the task's Python environment. What stands at its path is renamed aside, and
/// something else takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentChange {
    /// The environment's path below the work tree.
    pub path: RelPath,
    /// Where what stands there is kept, beside it; `None` when nothing does.
    pub aside: Option<RelPath>,
    /// What takes its place, beside it: a freshly built environment, or what was renamed aside
    /// before; `None` when nothing does.
    pub bring: Option<RelPath>,
}

/// When a command of the task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandRole {
    /// Before the files change.
    Stop,
    /// After the change was verified; also to bring the old version back when it was not.
    Start,
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Runs the task's stop or start command; its undo runs the opposite one.
    Command {
        /// Which of the two.
        role: CommandRole,
    },
    /// Changes files below a root.
    Files(FileChanges),
    /// Switches the environment.
    Environment(EnvironmentChange),
    /// Verifies what the earlier steps did; failing turns the operation back.
    Verify {
        /// The version that the tree must hold now; `None` = exactly the recorded files.
        version: Option<Version>,
    },
    /// Checks that the restarted task is ready for production; failing may turn back.
    Ready {
        /// The version that must be ready.
        version: Version,
    },
    /// Moves references and the index: the commit point.
    Publish(Publication),
    /// Removes references, after the commit point; one with another value stays.
    RemoveRefs(Vec<NamedRef>),
    /// Writes verdicts on versions.
    Verdicts(Vec<VerdictRecord>),
}

impl Step {
    /// The step's name in journals and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Command {
                role: CommandRole::Stop,
            } => "stop",
            Self::Command {
                role: CommandRole::Start,
            } => "start",
            Self::Files(_) => "files",
            Self::Environment(_) => "environment",
            Self::Verify { .. } => "verify",
            Self::Ready { .. } => "ready",
            Self::Publish(_) => "publish",
            Self::RemoveRefs(_) => "remove-refs",
            Self::Verdicts(_) => "verdicts",
        }
    }
}

/// The kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpKind {
    /// A release.
    CreateSnapshot,
    /// A return to a release.
    Rollback,
    /// The inverse of a rollback or redo, or of a release that nobody else has.
    Undo,
    /// The inverse of an undo.
    Redo,
    /// Manifests for tags that existed before.
    Adopt,
    /// The registry or the configs were made to agree.
    RegistrySync,
    /// The first files were written.
    Init,
    /// Files that an operation had put aside were brought back.
    Restore,
}

impl OpKind {
    /// The command's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::CreateSnapshot => "create-snapshot",
            Self::Rollback => "rollback",
            Self::Undo => "undo",
            Self::Redo => "redo",
            Self::Adopt => "adopt",
            Self::RegistrySync => "registry-sync",
            Self::Init => "init",
            Self::Restore => "restore",
        }
    }

    /// True when it may touch several tasks, or none.
    pub fn is_of_no_task(self) -> bool {
        matches!(self, Self::Adopt | Self::Init)
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// git's `user.name`.
    pub name: String,
    /// git's `user.email`.
    pub email: String,
}

/// `name <email>`, as git writes it.
impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// What an operation is, apart from what its steps do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its id.
    pub id: OpId,
    /// What kind of operation.
    pub kind: OpKind,
    /// The task; `None` when several are touched.
    pub task: Option<TaskId>,
    /// The active version before.
    pub from: Option<Version>,
    /// The active version after.
    pub to: Option<Version>,
    /// The user's reason.
    pub message: String,
    /// Who ran it.
    pub who: Person,
    /// On which host.
    pub host: String,
    /// In which work tree (absolute path as text, foreign bytes replaced).
    pub worktree: String,
    /// When it was planned.
    pub at: Timestamp,
    /// Why its commits and tag are not signed although they were to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned: Option<String>,
    /// The operation that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<OpId>,
    /// The registry entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryChange>,
}

/// A change of the world: the content of `plan.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// [`OPERATION_SCHEMA`].
    pub schema: String,
    /// What it is; its fields stand beside the others.
    #[serde(flatten)]
    pub about: About,
    /// What happens when level 3 or 4 fails, so that a resumed operation does the same.
    #[serde(default, skip_serializing_if = "OnVerifyFail::is_undo")]
    pub on_verify_fail: OnVerifyFail,
    /// True with `--no-commands`: it runs none of the task's commands, when it is resumed neither.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_commands: bool,
    /// What it does, in order.
    pub steps: Vec<Step>,
}

/// What lists show of an operation: all but what its steps change. It stands in the journal, so
/// that a list need not read plans, which grow with the number of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// What the operation is; its fields stand beside the others.
    #[serde(flatten)]
    pub about: About,
    /// The names of its steps, in order.
    pub steps: Vec<String>,
}

impl From<&Operation> for Summary {
    fn from(operation: &Operation) -> Self {
        let steps = operation
            .steps
            .iter()
            .map(|step| step.name().to_string())
            .collect();
        Self {
            about: operation.about.clone(),
            steps,
        }
    }
}

impl Operation {
    /// All path changes of the work tree.
    pub fn path_changes(&self) -> impl Iterator<Item = &PathChange> {
        self.steps.iter().flat_map(|step| match step {
            Step::Files(files) if files.root.is_work_tree() => files.changes.as_slice(),
            _ => &[],
        })
    }

    /// True when the work tree's registry could not be edited, so that its entry is not set.
    pub fn leaves_registry(&self) -> bool {
        let unset = |change: &&RegistryChange| change.before != change.after;
        let change = self.about.registry.as_ref().filter(unset);
        change.is_some_and(|change| self.path_changes().all(|done| done.path != change.path))
    }

    /// Its publication, if it has one.
    pub fn publication(&self) -> Option<&Publication> {
        self.steps.iter().find_map(|step| match step {
            Step::Publish(publication) => Some(publication),
            _ => None,
        })
    }

    /// The same, to be added to.
    pub fn publication_mut(&mut self) -> Option<&mut Publication> {
        self.steps.iter_mut().find_map(|step| match step {
            Step::Publish(publication) => Some(publication),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_and_summaries_are_written_as_they_always_were() {
        let about = format!(
            r#""id":"{}","kind":"undo","task":"T01","from":null,"to":"1.0.0","message":"it lost money","who":{{"name":"Ada","email":"a@b"}},"host":"desk","worktree":"/w","at":"2026-02-24T05:10:00Z","undoes":"{}","registry":{{"path":"r.json","before":null,"after":"1.0.0"}}"#,
            OpId::new(2, 7),
            OpId::new(1, 7)
        );
        let plan = format!(
            r#"{{"schema":"snapback.operation/1",{about},"on_verify_fail":"keep","steps":[{{"verify":{{"version":null}}}}]}}"#
        );
        let operation: Operation = serde_json::from_str(&plan).expect("it is a plan");
        assert_eq!(serde_json::to_string(&operation).expect("it renders"), plan);
        let summary = serde_json::to_string(&Summary::from(&operation)).expect("it renders");
        assert_eq!(summary, format!(r#"{{{about},"steps":["verify"]}}"#));
        assert_eq!(
            serde_json::from_str::<Summary>(&summary).expect("it is one"),
            Summary::from(&operation)
        );
    }
}
