//! The guard as data: rules over metrics, what they saw, and what was decided.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Status, Version};
use crate::{OpId, TaskId};
use base::{Digest, clock::Moment};

/// The format of a task's state.
pub const GUARD_SCHEMA: &str = "snapback.guard/1";

/// One rule of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// Its name, unique in the task.
    pub name: String,
    /// What it looks at.
    pub metric: Metric,
    /// What a value must be to be bad.
    pub fail: Condition,
    /// What it must be to be good; without it, what is not bad is good.
    pub pass: Option<Condition>,
    /// How the samples of the window become one value.
    pub over: Aggregate,
    /// Samples older than this do not count.
    pub window: Duration,
    /// Fewer samples decide nothing.
    pub min_samples: usize,
    /// So many failing judgements in a row fire.
    pub consecutive: u32,
    /// Nothing is judged so long after a version became active.
    pub warmup: Duration,
    /// After firing it does not fire again for so long.
    pub cooldown: Duration,
    /// At most so many rollbacks of the task …
    pub max_rollbacks: usize,
    /// … in this time.
    pub per: Duration,
    /// A value is bad only when it is at least so many times as bad as that of the version before.
    pub compare: Option<f64>,
    /// How often it is judged.
    pub every: Duration,
    /// So many readings in a row that failed call a person.
    pub errors: u32,
    /// True when it only says what it would do.
    pub dry_run: bool,
}

/// Where a metric comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// From which source: the key that it has in the configuration.
    pub kind: String,
    /// Everything that decides what is run, read or asked: what a person agrees to.
    pub describes: String,
    /// The keys of its source as they are written; of a secret only where it lies.
    pub settings: Value,
    /// Its time limit; zero for what has none.
    pub timeout: Duration,
    /// True when its samples say themselves when they were taken.
    pub tells_times: bool,
}

/// A comparison with a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    /// How.
    pub how: Comparator,
    /// With what.
    pub than: f64,
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Condition {
    /// Reads `> 0.1`, `>= 3`, `< 0.5`, `<= 0`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (how, number) = [
            (">=", Comparator::AtLeast),
            ("<=", Comparator::AtMost),
            (">", Comparator::Above),
            ("<", Comparator::Below),
        ]
        .into_iter()
        .find_map(|(sign, how)| Some((how, text.strip_prefix(sign)?)))?;
        let than: f64 = number.trim().parse().ok()?;
        than.is_finite().then_some(Self { how, than })
    }

    /// True when a value is so.
    pub fn holds(self, value: f64) -> bool {
        match self.how {
            Comparator::Above => value > self.than,
            Comparator::AtLeast => value >= self.than,
            Comparator::Below => value < self.than,
            Comparator::AtMost => value <= self.than,
        }
    }

    /// True when larger values are the worse ones.
    pub fn is_upward(self) -> bool {
        matches!(self.how, Comparator::Above | Comparator::AtLeast)
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = match self.how {
            Comparator::Above => ">",
            Comparator::AtLeast => ">=",
            Comparator::Below => "<",
            Comparator::AtMost => "<=",
        };
        write!(f, "{sign} {}", self.than)
    }
}

/// How samples become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Aggregate {
    /// Their mean; of zeros and ones, the share of ones.
    Mean,
    /// Their sum.
    Sum,
    /// The largest of them.
    Max,
    /// The smallest of them.
    Min,
    /// The newest of them.
    Last,
    /// Their median.
    Median,
    /// Their 95th percentile (nearest rank).
    P95,
}

/// A judgement, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleJudgement {
    /// What it says.
    pub outcome: Status,
    /// The value that was judged.
    pub value: Option<f64>,
    /// How many samples it is made of.
    pub samples: usize,
    /// Why, in words.
    pub why: String,
}

/// One value of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// What; always finite.
    pub value: f64,
}

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Device and inode of the file.
    pub file: (u64, u64),
    /// Where the first line begins that was not read.
    pub offset: u64,
    /// The digest of what stands just before: another one means another content.
    pub mark: Digest,
}

/// What is known of one rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// The metric that the samples are of, as [`Metric::describes`] says.
    pub metric: String,
    /// Samples of the active version, oldest first.
    pub samples: Vec<Sample>,
    /// How many judgements failed in a row.
    pub failed: u32,
    /// When the last of them did.
    pub last_failed: Option<Timestamp>,
    /// How many readings went wrong in a row.
    pub errors: u32,
    /// When it was judged last.
    pub judged: Option<Moment>,
    /// What was said then.
    pub last: Option<RuleJudgement>,
    /// How far its file was read.
    pub cursor: Option<Cursor>,
}

/// A rollback that the guard began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    /// When.
    pub at: Moment,
    /// By which rule.
    pub rule: String,
    /// The version that was left.
    pub from: Version,
    /// Where to.
    pub to: Version,
    /// Why, in words.
    pub why: String,
}

/// The rollback that is under way: written before it begins, removed when people were told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Firing {
    /// The rollback.
    pub fired: Fired,
    /// The number of the newest operation before it.
    pub after: u64,
    /// How often it was begun.
    pub attempts: u32,
}

/// Why the guard does nothing for a task any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    /// Why.
    pub why: String,
    /// Since when.
    pub at: Timestamp,
    /// By whom: the guard, or a person.
    pub by: String,
}

/// A version that the guard went back to, until it held up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watching {
    /// The rule that fired.
    pub rule: String,
    /// The version that was left.
    pub from: Version,
    /// The operation.
    pub op: Option<OpId>,
}

/// What the version before was like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Which.
    pub version: Version,
    /// The last value of each rule.
    pub values: BTreeMap<String, f64>,
}

/// All that the guard knows of one task; durable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuardState {
    /// [`GUARD_SCHEMA`].
    pub schema: String,
    /// The task.
    pub task: TaskId,
    /// The version that is judged.
    pub version: Option<Version>,
    /// Since when it is active.
    pub since: Option<Moment>,
    /// What is known of each rule.
    pub rules: BTreeMap<String, RuleState>,
    /// The rollbacks, oldest first.
    pub fired: Vec<Fired>,
    /// The one under way.
    pub firing: Option<Firing>,
    /// Set when a person is needed.
    pub frozen: Option<Frozen>,
    /// Set after a rollback.
    pub watching: Option<Watching>,
    /// The version before.
    pub before: Option<Baseline>,
}

impl GuardState {
    /// Of a task that was never looked at.
    pub fn new(task: &TaskId) -> Self {
        Self {
            schema: GUARD_SCHEMA.into(),
            task: task.clone(),
            version: None,
            since: None,
            rules: BTreeMap::new(),
            fired: Vec::new(),
            firing: None,
            frozen: None,
            watching: None,
            before: None,
        }
    }
}

/// What is done about a judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", content = "why", rename_all = "snake_case")]
pub enum Decision {
    /// Nothing.
    Nothing,
    /// It fails, but not now: why.
    Wait(String),
    /// It would go back, but the rule only says so.
    Would(String),
    /// The task goes back.
    Fire,
    /// A person brought back what the guard had left: only people are called.
    Overruled(String),
    /// The guard cannot help: why.
    Freeze(String),
}

/// One rule after it was judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleLine {
    /// The task.
    pub task: TaskId,
    /// The rule.
    pub rule: String,
    /// The version.
    pub version: Option<Version>,
    /// What is said of it.
    pub judgement: RuleJudgement,
    /// What is done about it.
    pub decision: Decision,
}

/// One task after it was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskWatch {
    /// The task.
    pub task: TaskId,
    /// Its rules that were judged.
    pub rules: Vec<RuleLine>,
    /// Set when a person is needed.
    pub frozen: Option<Frozen>,
    /// The rollback that was done.
    pub report: Option<super::Report>,
    /// Things people should know.
    pub notes: Vec<String>,
}

/// What a rule would have done with a log.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Backtest {
    /// How many samples the log has.
    pub samples: usize,
    /// Lines without a value.
    pub unreadable: usize,
    /// The first and the last sample's time.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How often it was judged.
    pub judged: usize,
    /// How often each way: pass, inconclusive, fail.
    pub outcomes: [usize; 3],
    /// When it would have fired, and why.
    pub fired: Vec<(Timestamp, RuleJudgement)>,
    /// When it would have failed but waited: how often.
    pub waited: usize,
    /// When it would have frozen the task, and why.
    pub frozen: Option<(Timestamp, String)>,
    /// Things people should know.
    pub notes: Vec<String>,
}
