//! What can be done next, as data: rooms say what, and whoever talks to people says how.
//!
//! `cli/advice.rs` spells each as a command line. Nothing here knows a command or an option.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TaskId;
use base::{Act, Hint};

/// Something that a person can do next. Versions and operations are as they are typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each value is what its name says")]
pub enum Advice {
    /// Check everything that is needed here.
    CheckEverything,
    /// Set the repository up.
    SetUp,
    /// See where all tasks stand.
    SeeStatus,
    /// See where a task stands.
    SeeTask { task: TaskId },
    /// See what would keep any rollback from working.
    SeeHealth,
    /// See every key of the settings and its form.
    SeeSettings,
    /// See what there is to type.
    SeeUsage,
    /// Look at the commands of the configuration and agree to them.
    AgreeToCommands,
    /// Walk through the demonstration.
    SeeDemo,
    /// Walk through it, and look at what it leaves.
    KeepDemo,
    /// Install the hooks.
    InstallHooks,
    /// See the hooks.
    SeeHooks,

    /// See the versions of a task.
    ListVersions { task: TaskId },
    /// See a version and its files.
    SeeVersion { task: TaskId, version: String },
    /// Write the files of a version into a new folder.
    Preview { task: TaskId, version: String },
    /// See what differs from the active release.
    Compare { task: TaskId },
    /// See what differs from a version.
    CompareWith { task: TaskId, version: String },
    /// See what was done with a task.
    SeeHistory { task: TaskId },

    /// Make the first release, with a message.
    ReleaseFirst { message: String },
    /// Release a task.
    Release { task: TaskId },
    /// Release a task although its checks fail.
    ReleaseFailing { task: TaskId },
    /// Release it as this version.
    ReleaseAs { task: TaskId, version: String },
    /// Release it as its next version.
    ReleaseNext { task: TaskId },
    /// Make manifests for the tags of a task.
    Adopt { task: TaskId },

    /// Go back to the newest good version.
    RollBack { task: TaskId },
    /// Go to a version.
    RollBackTo { task: TaskId, to: String },
    /// Go to a version, if the active one is the one that is named.
    RollBackFrom {
        task: TaskId,
        from: String,
        to: String,
    },
    /// Go to a version behind a one-way door.
    RollBackPastFloor { task: TaskId, to: String },
    /// Go to a version that somebody took back.
    RollBackDespiteVerdict { task: TaskId, to: String },
    /// Let a rollback stay.
    Confirm { task: TaskId },
    /// Take back what nobody confirmed in time.
    TakeBackUnconfirmed,

    /// Rehearse a rollback to a version.
    Rehearse { task: TaskId, to: String },
    /// Rehearse rollbacks to all versions of a task.
    RehearseAll { task: TaskId },
    /// Read every byte of all releases of all tasks.
    VerifyAll,
    /// Read every byte of all releases of a task.
    VerifyTask { task: TaskId },
    /// See what is wrong with a version.
    VerifyVersion { task: TaskId, version: String },
    /// See what is wrong with a version, and read every byte of it.
    VerifyBytes { task: TaskId, version: String },

    /// Lift the hold of a version.
    LiftHold { task: TaskId, version: String },
    /// See what was said of the versions of a task.
    ListVerdicts { task: TaskId },
    /// Fetch what others said of versions.
    FetchVerdicts,

    /// See how registry and configurations differ.
    CompareRegistry,
    /// Write the registry by the configurations.
    SyncFromConfigs,
    /// Write the entry of a task by its configuration.
    SyncTask { task: TaskId },
    /// Write the configurations by the registry.
    SyncFromRegistry,

    /// See all operations.
    ListOperations,
    /// See an operation.
    SeeOperation { op: String },
    /// Bring the unfinished operation to its end.
    FinishOperation,
    /// Take the unfinished operation back.
    AbortOperation,
    /// Take the last operation back.
    Undo,
    /// Take an operation or a release back.
    UndoThis { what: String },
    /// Take the last operation of a task back.
    UndoTask { task: TaskId },
    /// Bring the last thing that was taken back again.
    Redo,
    /// Bring an operation that was taken back again.
    RedoThis { op: String },
    /// See what operations have put aside.
    ListKept,
    /// See what an operation has put aside.
    SeeKept { op: String },
    /// Write what it has put aside into a folder.
    RestoreKept { op: String, into: String },
    /// Write one file that it has put aside into a folder.
    RestoreKeptFile {
        op: String,
        path: String,
        into: String,
    },
    /// Write what it has put aside back to where it was.
    RestoreKeptInPlace { op: String },

    /// See the rules of the guard.
    SeeGuard,
    /// Let the guard look after a task again.
    Thaw { task: TaskId },
    /// See all alerts.
    ListAlerts,
    /// See the alerts that want an answer.
    ListOpenAlerts,
    /// Answer an alert.
    AnswerAlert { alert: String, answer: String },
    /// See that the audit log is whole.
    VerifyAudit,

    /// See what is in the store.
    ListStore,
    /// See what the store can give back.
    SeeGarbage,
    /// Heal what can be healed in the store.
    RepairStore,
    /// Write what was put into the store into a folder.
    RestoreStored { name: String, into: String },
    /// Check a capsule.
    VerifyCapsule { file: String },

    /// Make a key of one's own.
    CreateKey,
    /// See whose keys are trusted here.
    ListKeys,
    /// Let the signatures of a key count.
    AllowKey { key: String, name: String },

    /// The same in another work tree.
    There { place: String, then: Box<Self> },
    /// The same, to be said as shortly as can be: it stands below a line of a table.
    InShort(Box<Self>),
}

/// How whoever talks to people says an advice, one element a word.
pub type Spell = fn(&Advice) -> Vec<String>;

impl Advice {
    /// The hint with this advice, and why it is good.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Hint {
        Hint {
            why: why.into(),
            act: Some(self.into()),
        }
    }

    /// The same, to be done in another work tree.
    #[must_use]
    pub fn there(self, place: impl Into<String>) -> Self {
        Self::There {
            place: place.into(),
            then: Box::new(self),
        }
    }

    /// The same, to be said as shortly as can be.
    #[must_use]
    pub fn in_short(self) -> Self {
        Self::InShort(Box::new(self))
    }

    /// The advice of an act; `None` for a command line as it stands.
    pub fn of(act: &Act) -> Option<Self> {
        match act {
            Act::Own(data) => serde_json::from_value(data.clone()).ok(),
            Act::Command(_) => None,
        }
    }

    /// Its name alone: what a program says that has no commands for people.
    pub fn name(&self) -> Vec<String> {
        let data = serde_json::to_value(self).expect("because plain data always renders");
        let name = match &data {
            Value::Object(one) => one.keys().next(),
            _ => None,
        };
        let name = name.map_or_else(|| data.as_str().unwrap_or_default(), String::as_str);
        vec![name.replace('_', " ")]
    }
}

impl From<Advice> for Act {
    fn from(advice: Advice) -> Self {
        Self::Own(serde_json::to_value(advice).expect("because plain data always renders"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Failure, Fault, cancel::Cancelled};

    #[test]
    fn what_the_ground_floor_advises_is_known_here() {
        #[derive(Debug, thiserror::Error)]
        #[error("it failed")]
        struct Plain;
        impl Fault for Plain {
            fn kind(&self) -> base::Kind {
                base::Kind::Missing
            }
        }
        let advised = |failure: Failure| failure.hints()[0].act.as_ref().and_then(Advice::of);
        assert_eq!(advised(Plain.into()), Some(Advice::CheckEverything));
        let stopped = Cancelled { signal: 2 };
        assert_eq!(advised(stopped.into()), Some(Advice::SeeStatus));
    }

    #[test]
    fn an_advice_is_data_and_back() {
        let task: TaskId = "T01".parse().expect("it is an id");
        let there = Advice::SeeTask { task }.in_short().there("/elsewhere");
        let hint = there.clone().because("see it");
        assert_eq!(hint.act.as_ref().and_then(Advice::of), Some(there));
        assert_eq!(Advice::SeeStatus.name(), ["see status"]);
        assert_eq!(Advice::Undo.there("/elsewhere").name(), ["there"]);
    }
}
