//! The commands in a configuration, as data: users agree to them one by one.
//!
//! A command's digest covers everything that decides what would run: its task, its role, its text,
//! its folder, its time limit and the file that defines it. A change of one byte makes another
//! command, which needs consent again. Nothing here runs or stores anything.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    TaskSpec,
    alert::{AlertSettings, ChannelSpec},
    settings::{CommandSpec, Probe},
};
use crate::TaskId;
use base::{Digest, Hasher, RelPath};

/// The purpose of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandUse {
    /// Stops the task before a change.
    Stop,
    /// Starts the task afterwards.
    Start,
    /// Runs a check of level 3.
    Smoke,
    /// Runs a check of level 4: a command, or a connection to a port or a URL.
    Probe,
    /// Rebuilds the Python environment, using its own Python.
    Environment,
    /// Delivers alerts.
    Alert,
    /// Reads a metric of the guard.
    Metric,
}

impl CommandUse {
    /// Returns the word in plans and lists, at most eight characters.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Smoke => "check",
            Self::Probe => "probe",
            Self::Environment => "env",
            Self::Alert => "alert",
            Self::Metric => "metric",
        }
    }
}

/// A command in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredCommand {
    /// The task; `None` for commands of the whole repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Its purpose.
    pub role: CommandUse,
    /// The command line, run by `sh -c`; for other probes and environments, a description.
    pub run: String,
    /// The folder it runs in, below the work tree; empty for its top.
    #[serde(deserialize_with = "top_or_below")]
    pub dir: RelPath,
    /// Its time limit in milliseconds.
    pub timeout_ms: u64,
    /// The file that defines it: below the work tree, or absolute with `--config`.
    pub config: String,
}

/// Deserialises a folder, which unlike other paths may be the top itself.
fn top_or_below<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<RelPath, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        Ok(RelPath::root())
    } else {
        RelPath::from_text(&text).map_err(serde::de::Error::custom)
    }
}

impl ConfiguredCommand {
    /// Returns the digest of all fields, each preceded by its length, so that no two are alike.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        let role = serde_json::to_string(&self.role).expect("because plain data always renders");
        let limit = self.timeout_ms.to_string();
        let fields: [&[u8]; 7] = [
            b"snapback.command/1",
            self.task.as_ref().map_or("", TaskId::as_str).as_bytes(),
            role.as_bytes(),
            self.run.as_bytes(),
            self.dir.as_bytes(),
            limit.as_bytes(),
            self.config.as_bytes(),
        ];
        for field in fields {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        hasher.finish()
    }
}

/// Environment variable that pins sets of commands, by their digests.
pub const PINS_VARIABLE: &str = "SNAPBACK_TRUST";

/// Returns the digest of a set of commands in any order, as pinned by [`PINS_VARIABLE`].
pub fn digest_of_all(commands: &[ConfiguredCommand]) -> Digest {
    let mut digests: Vec<Digest> = commands.iter().map(ConfiguredCommand::digest).collect();
    digests.sort_unstable();
    digests.dedup();
    let mut hasher = Hasher::default();
    hasher.update(b"snapback.commands/1");
    for digest in &digests {
        hasher.update(digest.bytes());
    }
    hasher.finish()
}

/// Returns everything that a task's settings would run or connect to, in the order of the settings.
pub fn commands_of(task: &TaskSpec, config: &str) -> Vec<ConfiguredCommand> {
    let make = |role: CommandUse, run: String, timeout: Duration| ConfiguredCommand {
        task: Some(task.id.clone()),
        role,
        run,
        dir: task.dir.clone(),
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        config: config.to_string(),
    };
    let of = |role: CommandUse, spec: &CommandSpec| make(role, spec.run.clone(), spec.timeout);
    let mut all: Vec<ConfiguredCommand> = task
        .stop
        .iter()
        .map(|spec| of(CommandUse::Stop, spec))
        .collect();
    all.extend(task.start.iter().map(|spec| of(CommandUse::Start, spec)));
    all.extend(task.smoke.iter().map(|spec| of(CommandUse::Smoke, spec)));
    all.extend(task.probes.iter().filter_map(|probe| match probe {
        Probe::Command(spec) => Some(of(CommandUse::Probe, spec)),
        Probe::Port(host, port, limit) => Some(make(
            CommandUse::Probe,
            format!("connect to {host}:{port}"),
            *limit,
        )),
        Probe::Http(url, limit) => Some(make(CommandUse::Probe, format!("GET {url}"), *limit)),
        Probe::DiskFree(_) => None,
    }));
    all.extend(task.guard.iter().map(|rule| {
        make(
            CommandUse::Metric,
            rule.metric.describes.clone(),
            rule.metric.timeout,
        )
    }));
    all.extend(task.venv.iter().map(|venv| {
        let run = format!("build {venv} anew, with the Python that is in it and pip or uv");
        make(CommandUse::Environment, run, Duration::ZERO)
    }));
    all
}

/// Returns the channels through which alerts are sent.
pub fn channels_of(alerts: &AlertSettings, config: &str) -> Vec<ConfiguredCommand> {
    let limit = u64::try_from(alerts.limit.as_millis()).unwrap_or(u64::MAX);
    let trusting = alerts
        .ca_file
        .as_ref()
        .map(|file| format!(", trusting {file}"))
        .unwrap_or_default();
    let channel = |spec: &ChannelSpec| ConfiguredCommand {
        task: None,
        role: CommandUse::Alert,
        run: format!("{}{trusting}", spec.describe()),
        dir: RelPath::root(),
        timeout_ms: limit,
        config: config.to_string(),
    };
    alerts.channels.iter().map(channel).collect()
}

/// A command, and whether it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandState {
    /// The command.
    #[serde(flatten)]
    pub command: ConfiguredCommand,
    /// True when it may run.
    pub trusted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> ConfiguredCommand {
        ConfiguredCommand {
            task: Some("T01".parse().expect("it is an id")),
            role: CommandUse::Smoke,
            run: "python smoke.py".into(),
            dir: RelPath::own("tasks/T01"),
            timeout_ms: 1000,
            config: "snapback.yaml".into(),
        }
    }

    #[test]
    fn another_byte_anywhere_is_another_command() {
        let one = command();
        let others = [
            ConfiguredCommand {
                task: Some("T02".parse().expect("it is an id")),
                ..command()
            },
            ConfiguredCommand {
                task: None,
                ..command()
            },
            ConfiguredCommand {
                role: CommandUse::Probe,
                ..command()
            },
            ConfiguredCommand {
                run: "python smoke.py ".into(),
                ..command()
            },
            ConfiguredCommand {
                dir: RelPath::own("tasks/T0"),
                ..command()
            },
            ConfiguredCommand {
                timeout_ms: 1001,
                ..command()
            },
            ConfiguredCommand {
                config: "snapback.yml".into(),
                ..command()
            },
        ];
        assert_eq!(one.digest(), command().digest());
        for other in &others {
            assert_ne!(one.digest(), other.digest(), "{other:?}");
        }
        // A byte that moves from one field to the next is detected, too.
        let moved = ConfiguredCommand {
            run: "python smoke.pyt".into(),
            dir: RelPath::own("asks/T01"),
            ..command()
        };
        assert_ne!(one.digest(), moved.digest());
    }

    #[test]
    fn what_is_written_is_read_the_top_and_the_whole_repository_too() {
        for command in [
            command(),
            ConfiguredCommand {
                task: None,
                dir: RelPath::root(),
                ..command()
            },
        ] {
            let text = serde_json::to_string(&command).expect("it renders");
            assert_eq!(
                serde_json::from_str::<ConfiguredCommand>(&text).expect("it reads"),
                command
            );
        }
    }

    #[test]
    fn the_digest_of_a_set_knows_no_order_and_misses_nothing() {
        let (one, two) = (
            command(),
            ConfiguredCommand {
                run: "true".into(),
                ..command()
            },
        );
        assert_eq!(
            digest_of_all(&[one.clone(), two.clone()]),
            digest_of_all(&[two.clone(), one.clone()])
        );
        assert_ne!(
            digest_of_all(std::slice::from_ref(&one)),
            digest_of_all(&[one, two])
        );
    }
}
