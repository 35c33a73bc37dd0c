//! The effects of an operation as data, written down before anything is changed.
//!
//! Every mutation is an [`Operation`], a list of [`Step`]s with the state before and after. All
//! bytes that a step needs are durable in git or in the store before the plan is written, so
//! recovery and undo need only the plan and the journal. Read `operation/wire.rs` for how files are
//! represented in a plan.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{VerdictRecord, Version, settings::OnVerifyFail};
use crate::{GitId, OpId, RootName, TaskId, file_record::FileRecord, git_mode::GitMode};
use base::RelPath;

pub(crate) mod wire;

/// Format of `plan.json`.
pub const OPERATION_SCHEMA: &str = "snapback.operation/1";

/// One path of the tree, before and after; `None` = absent. In a plan the bytes of both are stored;
/// in a draft they may still be only in the tree, or in the record itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathChange {
    /// The path below the work tree, the same as in both records.
    pub path: RelPath,
    /// The file before.
    pub before: Option<FileRecord>,
    /// The file after.
    pub after: Option<FileRecord>,
}

impl PathChange {
    /// False for a path that is part of an operation only for its undo and stays unchanged.
    pub fn changes(&self) -> bool {
        !FileRecord::same_at(self.before.as_ref(), self.after.as_ref())
    }
}

/// Changes of files below one root. In a plan, those of the work tree are a bare list, as they were
/// before other roots existed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileChanges {
    /// The root.
    pub root: RootName,
    /// The changes, sorted by path.
    pub changes: Vec<PathChange>,
}

impl FileChanges {
    /// Creates changes of the work tree.
    pub const fn of_work_tree(changes: Vec<PathChange>) -> Self {
        Self {
            root: RootName::WorkTree,
            changes,
        }
    }
}

/// An entry in a commit's tree or in the index. It is not a [`FileRecord`], because git knows
/// neither the size nor the digest of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// Its mode.
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

/// A change to a reference; the value before must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefChange {
    /// The full name, `refs/…`.
    pub name: String,
    /// The required value; `None` = it must not exist.
    pub before: Option<GitId>,
    /// The new value.
    pub after: GitId,
}

/// A reference with its required value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedRef {
    /// The full name, `refs/…`.
    pub name: String,
    /// The value.
    pub value: GitId,
}

/// Changes that become visible in git at once: the commit point of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// References, in the order in which they are updated; the branch is last.
    pub refs: Vec<RefChange>,
    /// The line for the reference logs.
    pub log_message: String,
    /// How the commit differs from its parent; undo applies the inverse to the newest commit.
    pub tree: Vec<TreeChange>,
    /// Changes of the index.
    pub index: Vec<TreeChange>,
}

/// The version in the task's registry entry, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryChange {
    /// The registry file.
    pub path: RelPath,
    /// The version before, `None` when the task had no entry.
    pub before: Option<Version>,
    /// The version after.
    pub after: Option<Version>,
}

/// A switch of the task's Python environment. Whatever is at its path is renamed aside and
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentChange {
    /// The environment's path below the work tree.
    pub path: RelPath,
    /// Where the current content is kept, next to it; `None` when there is none.
    pub aside: Option<RelPath>,
    /// The replacement, next to it: a newly built environment, or one renamed aside earlier; `None`
    /// when there is none.
    pub bring: Option<RelPath>,
}

/// The time at which a command of the task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandRole {
    /// Before the files change.
    Stop,
    /// After the change was verified; also to restart the old version when it was not.
    Start,
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Runs the task's stop or start command; undoing it runs the other one.
    Command {
        /// The command to run.
        role: CommandRole,
    },
    /// Changes files below a root.
    Files(FileChanges),
    /// Switches the environment.
    Environment(EnvironmentChange),
    /// Verifies the result of the earlier steps; a failure rolls the operation back.
    Verify {
        /// The version that the tree must now hold; `None` = exactly the recorded files.
        version: Option<Version>,
        /// When its files were taken in, if it is a new release: differences touched since then are
        /// foreign edits, and do not count against it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// Checks that the restarted task is ready for production; a failure may roll back.
    Ready {
        /// The version that must be ready.
        version: Version,
    },
    /// Moves references and the index: the commit point.
    Publish(Publication),
    /// Removes references, after the commit point; references with other values stay.
    RemoveRefs(Vec<NamedRef>),
    /// Records verdicts on versions.
    Verdicts(Vec<VerdictRecord>),
    /// Records that the version is proven, if the verification before the commit point proved it:
    /// then, and only then, the verdict's reference moves with the others.
    Proven(VerdictRecord),
}

impl Step {
    /// Returns the step's name in journals and messages.
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
            Self::Proven(_) => "proven",
        }
    }
}

/// The kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpKind {
    /// A release.
    CreateSnapshot,
    /// A rollback to a release.
    Rollback,
    /// The inverse of a rollback or redo, or of an unshared release.
    Undo,
    /// The inverse of an undo.
    Redo,
    /// Creation of manifests for existing tags.
    Adopt,
    /// Reconciliation of the registry and the configs.
    RegistrySync,
    /// Creation of the first files.
    Init,
    /// Restoration of files that an operation had put aside.
    Restore,
}

impl OpKind {
    /// Returns the command's name.
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

    /// True when it may affect several tasks, or none.
    pub fn is_of_no_task(self) -> bool {
        matches!(self, Self::Adopt | Self::Init)
    }
}

/// A person who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// git's `user.name`.
    pub name: String,
    /// git's `user.email`.
    pub email: String,
}

/// Writes `name <email>`, like git.
impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// The metadata of an operation, apart from its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its id.
    pub id: OpId,
    /// The kind of operation.
    pub kind: OpKind,
    /// The task; `None` when several are affected.
    pub task: Option<TaskId>,
    /// The active version before.
    pub from: Option<Version>,
    /// The active version after.
    pub to: Option<Version>,
    /// The user's reason.
    pub message: String,
    /// Who ran it.
    pub who: Person,
    /// The host.
    pub host: String,
    /// The work tree (absolute path as text, invalid bytes replaced).
    pub worktree: String,
    /// Time when it was planned.
    pub at: Timestamp,
    /// Reason why its commits and tag are unsigned although signing was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned: Option<String>,
    /// The operation that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<OpId>,
    /// The change of the registry entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryChange>,
}

/// A complete operation: the content of `plan.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// [`OPERATION_SCHEMA`].
    pub schema: String,
    /// Its metadata, flattened into the other fields.
    #[serde(flatten)]
    pub about: About,
    /// The action when level 3 or 4 fails; recorded so that a resumed operation does the same.
    #[serde(default, skip_serializing_if = "OnVerifyFail::is_undo")]
    pub on_verify_fail: OnVerifyFail,
    /// True with `--no-commands`: it runs none of the task's commands, even when resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_commands: bool,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// The summary of an operation for lists: everything but the changes of its steps. It is stored in
/// the journal, so that lists need not read plans, which grow with the number of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Metadata of the operation, flattened into the other fields.
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
    /// Returns all path changes of the work tree.
    pub fn path_changes(&self) -> impl Iterator<Item = &PathChange> {
        self.steps.iter().flat_map(|step| match step {
            Step::Files(files) if files.root.is_work_tree() => files.changes.as_slice(),
            _ => &[],
        })
    }

    /// True when the work tree's registry could not be edited, so that its entry was not set.
    pub fn leaves_registry(&self) -> bool {
        let unset = |change: &&RegistryChange| change.before != change.after;
        let change = self.about.registry.as_ref().filter(unset);
        change.is_some_and(|change| self.path_changes().all(|done| done.path != change.path))
    }

    /// Returns the name of the tag that it makes.
    pub fn tag(&self) -> Option<String> {
        let mut names = self.publication()?.refs.iter().map(|change| &change.name);
        names.find_map(|name| Some(name.strip_prefix("refs/tags/")?.to_string()))
    }

    /// Returns the commit that it leaves on its branch.
    pub fn branch_end(&self) -> Option<&GitId> {
        let refs = &self.publication()?.refs;
        let is_branch = |change: &&RefChange| change.name.starts_with("refs/heads/");
        refs.iter().rfind(is_branch).map(|change| &change.after)
    }

    /// Returns its publication, if it has one.
    pub fn publication(&self) -> Option<&Publication> {
        self.steps.iter().find_map(|step| match step {
            Step::Publish(publication) => Some(publication),
            _ => None,
        })
    }

    /// Like [`Self::publication`], but mutable.
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
