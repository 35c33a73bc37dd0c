//! An alert as data: what people are told when automation acted or stopped, and what they may
//! answer. All channels and the record in the state folder hold the same value; where it goes is in
//! `alert/channels.rs`.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::{OpId, TaskId};

mod channels;
pub use channels::{AlertSettings, ChannelSpec};

/// The format of an alert.
pub const ALERT_SCHEMA: &str = "snapback.alert/1";

/// The id of an alert: 8 hex digits, which people type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AlertId(u32);

/// A text that is not the id of an alert.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the id of an alert")]
pub struct NotAnAlertId(pub String);

impl AlertId {
    /// The id with these digits.
    pub fn new(digits: u32) -> Self {
        Self(digits)
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for AlertId {
    type Err = NotAnAlertId;
    fn from_str(text: &str) -> Result<Self, NotAnAlertId> {
        let digits =
            text.len() == 8 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        let id = u32::from_str_radix(text, 16).ok().filter(|_| digits);
        id.map(Self).ok_or_else(|| NotAnAlertId(text.to_string()))
    }
}

impl From<AlertId> for String {
    fn from(id: AlertId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for AlertId {
    type Error = NotAnAlertId;
    fn try_from(text: String) -> Result<Self, NotAnAlertId> {
        text.parse()
    }
}

/// How much it matters; fixes the colour.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Severity {
    /// All is well again.
    Good,
    /// Worth knowing.
    Info,
    /// Something was done automatically; look at it.
    Warning,
    /// Nothing can be done automatically: a person is needed.
    Critical,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Topic {
    /// Somebody tries the channels.
    #[serde(rename = "alert.test")]
    Test,
    /// The guard put a task back.
    #[serde(rename = "guard.rolled-back")]
    RolledBack,
    /// The version that the guard went back to holds up.
    #[serde(rename = "guard.recovered")]
    Recovered,
    /// The guard cannot help and froze the task.
    #[serde(rename = "guard.needs-person")]
    NeedsPerson,
    /// A person brought back what the guard had left, and it fails again.
    #[serde(rename = "guard.overruled")]
    Overruled,
    /// A metric cannot be read.
    #[serde(rename = "guard.blind")]
    Blind,
    /// A rollback that nobody confirmed was taken back.
    #[serde(rename = "confirm.reverted")]
    Reverted,
    /// A rollback that nobody confirmed could not be taken back.
    #[serde(rename = "confirm.needs-person")]
    NotReverted,
    /// An operation could neither be finished nor taken back.
    #[serde(rename = "operation.stuck")]
    Stuck,
}

impl Topic {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Test => "alert.test",
            Self::RolledBack => "guard.rolled-back",
            Self::Recovered => "guard.recovered",
            Self::NeedsPerson => "guard.needs-person",
            Self::Overruled => "guard.overruled",
            Self::Blind => "guard.blind",
            Self::Reverted => "confirm.reverted",
            Self::NotReverted => "confirm.needs-person",
            Self::Stuck => "operation.stuck",
        }
    }

    /// How much it matters.
    pub fn severity(self) -> Severity {
        match self {
            Self::Test => Severity::Info,
            Self::Recovered => Severity::Good,
            Self::RolledBack | Self::Blind | Self::Reverted => Severity::Warning,
            Self::NeedsPerson | Self::Overruled | Self::NotReverted | Self::Stuck => {
                Severity::Critical
            }
        }
    }
}

/// What a person can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum AlertOption {
    /// Back to the newest version proven good.
    LastGood,
    /// Back to this version.
    Version(Version),
    /// Nothing is done until a person does it.
    Hold,
}

/// A text that is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no answer: write last-good, hold or a version such as 1.2.0")]
pub struct NotAChoice(pub String);

impl FromStr for AlertOption {
    type Err = NotAChoice;
    fn from_str(text: &str) -> Result<Self, NotAChoice> {
        match text {
            "last-good" => Ok(Self::LastGood),
            "hold" => Ok(Self::Hold),
            _ => text
                .strip_prefix('v')
                .unwrap_or(text)
                .parse()
                .map(Self::Version)
                .map_err(|_| NotAChoice(text.to_string())),
        }
    }
}

impl fmt::Display for AlertOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastGood => f.write_str("last-good"),
            Self::Version(version) => version.fmt(f),
            Self::Hold => f.write_str("hold"),
        }
    }
}

impl From<AlertOption> for String {
    fn from(choice: AlertOption) -> Self {
        choice.to_string()
    }
}

impl TryFrom<String> for AlertOption {
    type Error = NotAChoice;
    fn try_from(text: String) -> Result<Self, NotAChoice> {
        text.parse()
    }
}

/// One of the answers that an alert offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// `last-good`, `version` or `hold`.
    pub option: String,
    /// In words, English and Chinese.
    pub label: String,
    /// The command that answers so; `VERSION` stands for one to be chosen.
    pub command: String,
    /// The page that answers so, when the settings name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What is worth an alert: what whoever raises one knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub event: Topic,
    /// The task.
    pub task: Option<TaskId>,
    /// One line.
    pub title: String,
    /// Why, in a sentence or two.
    pub reason: String,
    /// The version before.
    pub from: Option<Version>,
    /// The version after.
    pub to: Option<Version>,
    /// More facts: name, text.
    pub facts: Vec<(String, String)>,
    /// The operation.
    pub op: Option<OpId>,
}

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// [`ALERT_SCHEMA`].
    pub schema: String,
    /// Its id.
    pub id: AlertId,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about; on the wire these are fields of the alert.
    #[serde(flatten)]
    pub notice: Notice,
    /// The repository's name: the folder of its work tree.
    pub repository: String,
    /// The host.
    pub host: String,
    /// When.
    pub at: Timestamp,
    /// The first alert of the same story, when this is not the first.
    pub thread: Option<AlertId>,
    /// How often the same was seen since it was told last.
    pub folded: u32,
    /// What can be answered.
    pub offers: Vec<Offer>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent, at once or later.
    Pending,
    /// Sent.
    Sent,
    /// Given up: it stays until somebody sends it again.
    Dead,
}

impl DeliveryState {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }
}

/// One alert on its way through one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The channel's name.
    pub channel: String,
    /// Where it stands.
    pub standing: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was sent, or tried last.
    pub at: Option<Timestamp>,
    /// Not before then.
    pub next: Option<Timestamp>,
    /// Somebody sends it right now, until then at most.
    pub claimed: Option<Timestamp>,
    /// Why it was not sent.
    pub error: Option<String>,
}

/// What a person answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What.
    pub choice: AlertOption,
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// An alert as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAlert {
    /// The alert.
    pub alert: Alert,
    /// What makes others the same.
    pub key: String,
    /// How often the same was seen since.
    pub repeats: u32,
    /// When it was seen last.
    pub last: Timestamp,
    /// Its ways.
    pub deliveries: Vec<Delivery>,
    /// True when it was raised while no channel was known: it goes to those that are known next.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unaddressed: bool,
    /// The answers, oldest first.
    pub answers: Vec<Answered>,
}

impl StoredAlert {
    /// True while it is to be sent somewhere.
    pub fn is_pending(&self) -> bool {
        self.unaddressed
            || self
                .deliveries
                .iter()
                .any(|delivery| delivery.standing == DeliveryState::Pending)
    }
}

#[cfg(test)]
mod tests;
