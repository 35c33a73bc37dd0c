//! Row 11, rollbacks by themselves: the guard, which goes back when a rule says so, and rollbacks
//! that go back unless somebody confirms them.
//!
//! [`Guard::watch`] reads the metrics of a task, has them judged ([`crate::policy::guard`]), and
//! acts through the operator like anybody else. [`Waiting`] settles what nobody confirmed in time.
//! What is run, read or asked was agreed to by the repository's owner before
//! ([`crate::consent`]). Every source of metrics is bounded in time and size.
//!
//! To add a source: a file with its reading, a variant of [`Metric`], a line in [`read`].

mod active;
mod awaited;
mod calls;
mod command;
pub mod confirm;
mod fire;
mod http;
mod judging;
mod lines;
pub mod state;
mod tail;
mod upkeep;
mod value;
mod waiting;
mod watch;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::{
    base::{Fault, Hint, Kind},
    model::{
        Advice, TaskId,
        guard::{Cursor, Metric, Sample},
    },
    verify::evidence::Variables,
};

pub use awaited::AwaitedRollback;
pub use lines::of_log;
pub use state::Memory;
pub use waiting::Waiting;
pub use watch::{Guard, Look};

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
pub struct Place<'a> {
    /// The work tree.
    pub work_tree: &'a Path,
    /// The task's folder.
    pub dir: PathBuf,
    /// What must not be shown.
    pub variables: &'a Variables,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<&'a Path>,
    /// What time it is.
    pub now: Timestamp,
}

/// Reads a metric once. `cursor` says how far a file was read, and is moved.
pub fn read(metric: &Metric, place: &Place<'_>, cursor: &mut Option<Cursor>) -> Reading {
    let reading = match metric {
        Metric::Command {
            run,
            value,
            timeout,
        } => command::read(run, value, *timeout, place),
        Metric::File { path, line } => tail::read(&place.dir.join(path), line, cursor, place.now),
        Metric::Http {
            url,
            value,
            token,
            timeout,
        } => http::json(url, value, token.as_ref(), *timeout, place),
        Metric::Prometheus {
            url,
            query,
            token,
            timeout,
        } => http::prometheus(url, query, token.as_ref(), *timeout, place),
    };
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
