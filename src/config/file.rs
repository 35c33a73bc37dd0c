//! The shape of `snapback.yaml`, as it is written: every key optional, unknown keys refused.
//!
//! Only shapes here; `resolve` gives them a meaning, `schema` says the same to editors.

use std::fmt;

use serde::{
    Deserialize,
    de::{self, Deserializer, SeqAccess, Visitor},
};

use super::{
    calls::AlertsBlock,
    guard_rules::RuleBlock,
    units::{Size, Timeout},
};

/// The whole file; `parts` reads it.
#[derive(Debug, Default)]
pub(super) struct ConfigFile {
    pub version: Option<u32>,
    pub registry: Option<String>,
    pub snapshots: Option<String>,
    pub tasks: Option<Tasks>,
    pub defaults: Option<TaskBlock>,
    pub releases: Option<ReleasesBlock>,
    pub rollback: Option<RollbackBlock>,
    pub hooks: Option<HooksBlock>,
    pub alerts: Option<AlertsBlock>,
}

/// `tasks:`; every key but `discover` is the id of a task.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// `None` when it is left out; an empty list switches discovery off.
    pub discover: Option<Vec<Discover>>,
    pub named: Vec<(String, TaskBlock)>,
}

/// A rule that finds tasks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Discover {
    pub glob: String,
    pub id: Option<String>,
}

/// What can be said about a task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskBlock {
    pub path: Option<OneOrMany>,
    pub title: Option<String>,
    pub exclude: Option<OneOrMany>,
    pub shared: Option<OneOrMany>,
    pub protect: Option<OneOrMany>,
    pub large_files: Option<LargeFiles>,
    pub config: Option<String>,
    pub version_key: Option<String>,
    pub env: Option<Env>,
    pub verify: Option<Vec<Command>>,
    pub ready: Option<Vec<Ready>>,
    pub stop: Option<Command>,
    pub start: Option<Command>,
    pub restart: Option<Command>,
    pub one_way: Option<Vec<OneWay>>,
    pub migrations: Option<OneOrMany>,
    pub guard: Option<Vec<RuleBlock>>,
}

/// A version that cannot be gone back from.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum OneWay {
    Version(String),
    Because(DoorBlock),
}

/// The same with a reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DoorBlock {
    pub version: String,
    pub why: Option<String>,
}

/// Which files are kept in the store.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LargeFiles {
    pub patterns: Option<OneOrMany>,
    pub over: Option<Size>,
}

/// What a task needs around it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Env {
    pub venv: Option<String>,
    pub variables: Option<Vec<String>>,
}

/// A command line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    pub run: String,
    pub timeout: Option<Timeout>,
}

/// A probe; exactly one of the four besides `timeout`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ready {
    pub run: Option<String>,
    pub port: Option<Port>,
    pub http: Option<String>,
    pub disk_free: Option<Size>,
    pub timeout: Option<Timeout>,
}

/// How hooks of git behave.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HooksBlock {
    pub strict: Option<bool>,
}

/// How releases are made.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleasesBlock {
    pub sign: Option<bool>,
    pub portable: Option<bool>,
}

/// How rollbacks behave.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackBlock {
    pub on_verify_fail: Option<OnFail>,
    pub env: Option<EnvWord>,
    pub require_reason: Option<bool>,
}

/// The words of `on_verify_fail`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnFail {
    Undo,
    Keep,
    Ask,
}

/// The words of `rollback.env`; a bare `off` is a text here, not a boolean.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EnvWord {
    Plan,
    Sync,
    Off,
}

/// One text or a list of texts.
#[derive(Debug, Clone, Default)]
pub(super) struct OneOrMany(pub Vec<String>);

/// `host:port`, or a port of this machine.
#[derive(Debug, Clone)]
pub(super) struct Port(pub String, pub u16);

impl TaskBlock {
    /// This block, with what it leaves out taken from `defaults`.
    pub fn or(mut self, defaults: &Self) -> Self {
        let both =
            |own: Option<OneOrMany>, other: &Option<OneOrMany>| own.or_else(|| other.clone());
        if self.start.is_none() && self.restart.is_none() {
            self.start.clone_from(&defaults.start);
            self.restart.clone_from(&defaults.restart);
        }
        let large = self.large_files.unwrap_or_default();
        let other = defaults.large_files.clone().unwrap_or_default();
        self.large_files = Some(LargeFiles {
            patterns: both(large.patterns, &other.patterns),
            over: large.over.or(other.over),
        });
        let env = self.env.unwrap_or_default();
        let other = defaults.env.clone().unwrap_or_default();
        self.env = Some(Env {
            venv: env.venv.or(other.venv),
            variables: env.variables.or(other.variables),
        });
        self.exclude = both(self.exclude, &defaults.exclude);
        self.shared = both(self.shared, &defaults.shared);
        self.protect = both(self.protect, &defaults.protect);
        self.config = self.config.or_else(|| defaults.config.clone());
        self.version_key = self.version_key.or_else(|| defaults.version_key.clone());
        self.verify = self.verify.or_else(|| defaults.verify.clone());
        self.ready = self.ready.or_else(|| defaults.ready.clone());
        self.stop = self.stop.or_else(|| defaults.stop.clone());
        self.one_way = self.one_way.or_else(|| defaults.one_way.clone());
        self.migrations = both(self.migrations, &defaults.migrations);
        self.guard = self.guard.or_else(|| defaults.guard.clone());
        self
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

/// Reads [`OneOrMany`].
struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany(vec![text.to_string()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMany(texts))
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", &text));
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        match port.parse() {
            Ok(port) if port > 0 && !host.is_empty() => Ok(Self(host.to_string(), port)),
            _ => Err(de::Error::custom(format!(
                "{text:?} is not a port; write \"host:8080\""
            ))),
        }
    }
}
