//! Row 11, rollbacks by themselves: the guard, which goes back when a rule says so, and rollbacks
//! that go back unless somebody confirms them.
//!
//! [`Guard::watch`] reads the metrics of a task, has them judged ([`crate::policy::guard`]), and
//! acts through the operator like anybody else. [`Waiting`] settles what nobody confirmed in time.
//! What is run, read or asked was agreed to by the repository's owner before
//! ([`crate::consent`]). Every source of metrics is bounded in time and size.
//!
//! To add a source: a file with its [`MetricSource`], a line in [`METRICS`].

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

/// The sources of metrics, in the order in which people are shown them.
pub const METRICS: &[&dyn MetricSource] = &[
    &command::CommandMetric,
    &tail::GrowingFile,
    &http::Document,
    &prometheus::Query,
];

/// What can go wrong with the guard itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its memory cannot be read or written.
    #[error("cannot use the guard's memory of {0}")]
    Io(TaskId, #[source] std::io::Error),
    /// The folder of its memory cannot be written.
    #[error("cannot use the guard's memory")]
    Memory(#[source] std::io::Error),
    /// Its memory was changed by something else than snapback.
    #[error("the guard's memory of {0} is damaged: {1}")]
    Damaged(TaskId, String),
    /// Another guard looks at the task right now.
    #[error("another guard is at work on {0}")]
    Held(TaskId),
    /// Another guard runs for this repository.
    #[error("another guard runs for this repository")]
    Running,
    /// There are no rules.
    #[error("no task has a rule")]
    NoRules,
    /// There is no such rule.
    #[error("{task} has no rule {rule:?}")]
    NoRule {
        /// The task.
        task: TaskId,
        /// What was typed.
        rule: String,
    },
    /// The task has a rollback that waits already.
    #[error("a rollback of {0} waits to be confirmed already")]
    Waits(TaskId),
    /// Nothing waits to be confirmed.
    #[error("nothing waits to be confirmed{}", .0.as_ref().map(|task| format!(" for {task}")).unwrap_or_default())]
    NothingWaits(Option<TaskId>),
    /// Several wait.
    #[error("several rollbacks wait to be confirmed: {0}")]
    SeveralWait(String),
    /// It is being taken back right now.
    #[error("the rollback of {0} is being taken back right now")]
    TooLate(TaskId),
    /// The record of a rollback that waits cannot be read.
    #[error("the record of the rollback of {0} that waits to be confirmed is damaged: {1}")]
    Unconfirmable(TaskId, String),
    /// A log cannot be read.
    #[error("{path} cannot be read")]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
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

/// What a source says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// New values; never none.
    Samples(Vec<Sample>),
    /// There is nothing new.
    Nothing(String),
    /// It could not be read.
    Unread(String),
}

/// What sources need to know.
pub struct MetricContext<'a> {
    /// The work tree.
    pub work_tree: &'a Path,
    /// The task's folder.
    pub dir: PathBuf,
    /// What must not be shown.
    pub variables: &'a TaskVariables,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<&'a Path>,
    /// What time it is.
    pub now: Timestamp,
}

/// Gives the sample in a line of a log; `None` for a line without one.
pub type LogReader = Box<dyn Fn(&[u8]) -> Option<Sample>>;

/// A source of metrics: how it is configured, and how it is read.
pub trait MetricSource: Sync {
    /// The key of a rule that says that its metric comes from here.
    fn word(&self) -> &'static str;

    /// The keys that it brings to the block of a rule, its own word among them: a
    /// `settings_block!`. Several sources may bring the same key.
    fn block(&self) -> Declared;

    /// Everything in these keys that decides what is run, read or asked: what a person agrees to.
    /// The block has the shape that the schema says, without empty keys.
    ///
    /// # Errors
    /// What is wrong with the block, without what may be a secret.
    fn describe(&self, block: &Value) -> Result<String, String>;

    /// Reads a metric once, within its time limit. `cursor` says how far a file was read, and is
    /// moved.
    fn read(
        &self,
        metric: &Metric,
        place: &MetricContext<'_>,
        cursor: &mut Option<Cursor>,
    ) -> Reading;

    /// False when a reading needs no time limit.
    fn has_limit(&self) -> bool {
        true
    }

    /// True when the samples of such a block say themselves when they were taken.
    fn tells_times(&self, _block: &Value) -> bool {
        false
    }

    /// What reads the lines of a log on which a rule is tried.
    fn log_reader(&self, _block: &Value) -> LogReader {
        Box::new(lines::plain)
    }

    /// What is wrong with this key of its own beside another source, where there is more to say
    /// than that a rule has one source.
    fn misplaced(&self, _key: &str) -> Option<&'static str> {
        None
    }
}

/// The source of a metric.
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

/// One value now; what is no number is nothing.
fn one(value: Option<f64>, now: Timestamp) -> Reading {
    match value {
        Some(value) if value.is_finite() => Reading::Samples(vec![Sample { at: now, value }]),
        _ => Reading::Nothing("there is no value".into()),
    }
}
