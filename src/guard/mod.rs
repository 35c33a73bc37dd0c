//! Row 11, rollbacks by themselves: the guard, which rolls back when a rule demands it, and
//! rollbacks that are taken back unless a person confirms them.
//!
//! [`Guard::watch`] reads the metrics of a task, has them judged ([`crate::policy::guard`]), and
//! acts through the operator like any other caller. [`Waiting`] settles rollbacks that were not
//! confirmed in time. The repository's owner has agreed beforehand to everything that is run, read
//! or asked ([`crate::consent`]). Every source of metrics is bounded in time and size.
//!
//! To add a source, add a file with its [`MetricSource`] and a line in [`METRICS`].

mod active;
mod awaited;
mod calls;
mod command;
pub mod confirm;
mod fire;
mod http;
mod judging;
mod lines;
mod prometheus;
pub mod state;
mod tail;
mod upkeep;
mod value;
mod waiting;
mod watch;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    base::{Fault, Hint, Kind},
    model::{
        Advice, TaskId,
        guard::{Cursor, Metric, Sample},
        settings::Declared,
    },
    verify::evidence::TaskVariables,
};

pub use awaited::AwaitedRollback;
pub use state::Memory;
pub use waiting::Waiting;
pub use watch::{Guard, WatchOptions};

/// The sources of metrics, in the order in which they are shown.
pub const METRICS: &[&dyn MetricSource] = &[
    &command::CommandMetric,
    &tail::GrowingFile,
    &http::Document,
    &prometheus::Query,
];

/// Errors of the guard itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The guard's memory of a task cannot be read or written.
    #[error("cannot use the guard's memory of {0}")]
    Io(TaskId, #[source] std::io::Error),
    /// The folder of the guard's memory cannot be written.
    #[error("cannot use the guard's memory")]
    Memory(#[source] std::io::Error),
    /// The guard's memory was changed by something other than snapback.
    #[error("the guard's memory of {0} is damaged: {1}")]
    Damaged(TaskId, String),
    /// Another guard is looking at the task right now.
    #[error("another guard is at work on {0}")]
    Held(TaskId),
    /// Another guard runs for this repository.
    #[error("another guard runs for this repository")]
    Running,
    /// No task has a rule.
    #[error("no task has a rule")]
    NoRules,
    /// The task has no such rule.
    #[error("{task} has no rule {rule:?}")]
    NoRule {
        /// The task.
        task: TaskId,
        /// The name of the rule, as typed.
        rule: String,
    },
    /// The task already has a rollback that waits to be confirmed.
    #[error("a rollback of {0} waits to be confirmed already")]
    Waits(TaskId),
    /// No rollback waits to be confirmed.
    #[error("nothing waits to be confirmed{}", .0.as_ref().map(|task| format!(" for {task}")).unwrap_or_default())]
    NothingWaits(Option<TaskId>),
    /// Several rollbacks wait to be confirmed.
    #[error("several rollbacks wait to be confirmed: {0}")]
    SeveralWait(String),
    /// The rollback is being taken back right now.
    #[error("the rollback of {0} is being taken back right now")]
    TooLate(TaskId),
    /// The record of a rollback that waits to be confirmed cannot be read.
    #[error("the record of the rollback of {0} that waits to be confirmed is damaged: {1}")]
    Unconfirmable(TaskId, String),
    /// A log cannot be read.
    #[error("{path} cannot be read")]
    Log {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Io(..) | Self::Memory(_) | Self::Log { .. } => Kind::Missing,
            Self::Damaged(..) | Self::Unconfirmable(..) => Kind::Bad,
            Self::Held(_) | Self::Running => Kind::Locked,
            Self::NoRules | Self::SeveralWait(_) => Kind::Usage,
            Self::NoRule { .. } | Self::NothingWaits(_) => Kind::NotFound,
            Self::Waits(_) => Kind::Refused,
            Self::TooLate(_) => Kind::Conflict,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Damaged(task, _) => {
                vec![Hint::say(format!(
                    "move .git/snapback/guard/{task}.json aside: the guard begins anew, cooldowns too"
                ))]
            }
            Self::NoRules => vec![Hint::say(
                "add `guard: [{name: …, file: …, fail: \"> 0.1\"}]` to a task; docs/guard.md explains rules",
            )],
            Self::NoRule { .. } => {
                vec![Advice::SeeGuard.because("see the rules")]
            }
            Self::Waits(task) => vec![
                Advice::Confirm { task: task.clone() }.because("let it stay"),
                Advice::UndoTask { task: task.clone() }.because("take it back"),
            ],
            Self::NothingWaits(_) => {
                vec![Advice::ListOperations.because("see what was done")]
            }
            Self::SeveralWait(_) => vec![Hint::say("name one: --task TASK")],
            Self::TooLate(task) => {
                vec![Advice::SeeTask { task: task.clone() }.because("see where it stands")]
            }
            Self::Unconfirmable(task, _) => {
                vec![Hint::say(format!(
                    "if the rollback shall stay, remove .git/snapback/confirm/{task}.json"
                ))]
            }
            Self::Held(_) | Self::Running => vec![Hint::say("wait for it, or stop it")],
            _ => Vec::new(),
        }
    }
}

/// The result of reading a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// New values, at least one.
    Samples(Vec<Sample>),
    /// There is nothing new; the text says why.
    Nothing(String),
    /// The metric could not be read; the text says why.
    Unread(String),
}

/// The surroundings that sources need to know.
pub struct MetricContext<'a> {
    /// The work tree.
    pub work_tree: &'a Path,
    /// The task's folder.
    pub dir: PathBuf,
    /// The task's variables, whose values must not be shown.
    pub variables: &'a TaskVariables,
    /// Certificates to trust in addition to the system's.
    pub ca_file: Option<&'a Path>,
    /// The current time.
    pub now: Timestamp,
}

/// Returns the sample in a line of a log; `None` for a line without one.
pub type LogReader = Box<dyn Fn(&[u8]) -> Option<Sample>>;

/// A source of metrics: how it is configured, and how it is read.
pub trait MetricSource: Sync {
    /// Returns the key by which a rule selects this source.
    fn word(&self) -> &'static str;

    /// Returns the keys that it adds to the block of a rule, including its own word: a
    /// `settings_block!`. Several sources may add the same key.
    fn block(&self) -> Declared;

    /// Describes everything in these keys that decides what is run, read or asked. A person agrees
    /// to this text. The block matches the schema and has no empty keys.
    ///
    /// # Errors
    /// The mistake in the block, without anything that may be secret.
    fn describe(&self, block: &Value) -> Result<String, String>;

    /// Reads a metric once, within its time limit. `cursor` holds the place up to which a file was
    /// read, and is advanced.
    fn read(
        &self,
        metric: &Metric,
        place: &MetricContext<'_>,
        cursor: &mut Option<Cursor>,
    ) -> Reading;

    /// Returns false when a reading needs no time limit.
    fn has_limit(&self) -> bool {
        true
    }

    /// Returns true when the samples of such a block carry their own times.
    fn tells_times(&self, _block: &Value) -> bool {
        false
    }

    /// Returns the reader for the lines of a log on which a rule is tried.
    fn log_reader(&self, _block: &Value) -> LogReader {
        Box::new(lines::plain)
    }

    /// Explains why this key of its own is wrong beside another source, if there is more to say
    /// than that a rule has one source.
    fn misplaced(&self, _key: &str) -> Option<&'static str> {
        None
    }
}

/// Returns the source of a metric.
fn source_of(
    sources: &[&'static dyn MetricSource],
    kind: &str,
) -> Option<&'static dyn MetricSource> {
    let mut sources = sources.iter().copied();
    sources.find(|source| source.word() == kind)
}

/// Reads a metric once.
fn read(
    sources: &[&'static dyn MetricSource],
    metric: &Metric,
    place: &MetricContext<'_>,
    cursor: &mut Option<Cursor>,
) -> Reading {
    let unknown = || Reading::Unread("metrics of this kind are not known".into());
    let reading = source_of(sources, &metric.kind)
        .map_or_else(unknown, |source| source.read(metric, place, cursor));
    match reading {
        Reading::Unread(why) => Reading::Unread(place.variables.line(&why)),
        Reading::Samples(samples) if samples.is_empty() => {
            Reading::Nothing("there is nothing new".into())
        }
        other => other,
    }
}

/// Returns one value with the current time; a value that is not a number means nothing new.
fn one(value: Option<f64>, now: Timestamp) -> Reading {
    match value {
        Some(value) if value.is_finite() => Reading::Samples(vec![Sample { at: now, value }]),
        _ => Reading::Nothing("there is no value".into()),
    }
}
