//! Arguments shared by all commands, and types used by several.
//!
//! Flags of a single command are defined in its own file. Every global option has a `SNAPBACK_*`
//! equivalent and works before and after the subcommand.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, ValueEnum, builder::FalseyValueParser};
use clap_complete::ArgValueCandidates;

use super::{
    commands::Command, complete, error::Error, render::colour::ColourChoice, session::Session,
};
use crate::{
    base::{Act, Failure, Hint, secret},
    model::{
        Advice, TaskId, TaskSpec, Version,
        signature::{Demand, Signing},
    },
};

/// Maximum number of tasks named in the question for a task.
const TASKS_NAMED: usize = 10;

/// Put any task of a repository back, verified, to any version it released.
#[derive(Debug, Parser)]
#[command(name = "snapback", version, propagate_version = false)]
pub struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub globals: Globals,
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of all commands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of all commands")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Globals {
    /// Work as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true, hide_short_help = true, env = "SNAPBACK_DIR", value_hint = clap::ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Read FILE instead of snapback.yaml
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true, env = "SNAPBACK_CONFIG", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Say only the answer and what is wrong
    #[arg(short, long, global = true, hide_short_help = true, env = "SNAPBACK_QUIET", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub quiet: bool,
    /// Show every file, package and fact
    #[arg(short, long, global = true, hide_short_help = true, env = "SNAPBACK_VERBOSE", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub verbose: bool,
    /// Print one JSON document on standard output, on failure too
    #[arg(long, global = true, hide_short_help = true, env = "SNAPBACK_JSON", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub json: bool,
    /// When to use colours
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        hide_short_help = true,
        env = "SNAPBACK_COLOR",
        value_enum,
        default_value = "auto"
    )]
    pub color: ColourChoice,
    /// Never draw progress bars
    #[arg(long, global = true, hide_short_help = true, env = "SNAPBACK_NO_PROGRESS", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub no_progress: bool,
    /// Never ask, even on a terminal
    #[arg(long, global = true, hide_short_help = true, env = "SNAPBACK_NO_INPUT", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub no_input: bool,
    /// Carry the plan out without asking
    #[arg(short, long, global = true, hide_short_help = true, env = "SNAPBACK_YES", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub yes: bool,
    /// Show the plan and stop
    #[arg(short = 'n', long, global = true, hide_short_help = true, env = "SNAPBACK_DRY_RUN", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub dry_run: bool,
    /// Run none of the commands that the configuration names; what they check is not checked
    #[arg(long, global = true, hide_short_help = true, env = "SNAPBACK_NO_COMMANDS", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub no_commands: bool,
    /// Stop safely after DURATION, such as 90s or 5m
    #[arg(long, value_name = "DURATION", global = true, hide_short_help = true, env = "SNAPBACK_TIMEOUT", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Wait up to DURATION while another snapback is at work
    #[arg(long, value_name = "DURATION", global = true, hide_short_help = true, env = "SNAPBACK_LOCK_WAIT", value_parser = duration, default_value = "0s")]
    pub lock_wait: Duration,
}

/// `--task`, once.
#[derive(Debug, Args)]
pub struct OneTask {
    /// The task; may be left out in its folder
    #[arg(short, long, value_name = "TASK", env = "SNAPBACK_TASK", hide_env = true, add = ArgValueCandidates::new(complete::tasks))]
    task: Option<String>,
}

/// `--no-sign`.
#[derive(Debug, Args)]
pub struct NoSign {
    /// Sign nothing, whatever commit.gpgSign and tag.gpgSign say
    #[arg(long, hide_short_help = true)]
    no_sign: bool,
}

impl NoSign {
    /// Returns whether and how the results are signed.
    pub fn signing(&self) -> Signing {
        if self.no_sign {
            Signing::Never
        } else {
            Signing::AsConfigured
        }
    }
}

/// `--task`, several times.
#[derive(Debug, Args)]
pub struct SomeTasks {
    /// A task; repeat it for several
    #[arg(short, long = "task", value_name = "TASK", env = "SNAPBACK_TASK", hide_env = true, value_delimiter = ',', add = ArgValueCandidates::new(complete::tasks))]
    tasks: Vec<String>,
}

/// Returns the error that asks for a task and lists them. `more` is an alternative to `--task`.
fn which_task(session: &Session, more: &[&str]) -> Failure {
    let Ok(app) = session.app() else {
        return Error::usage("which task?").into();
    };
    let tasks = &app.settings().tasks;
    let name = |task: &TaskSpec| {
        task.title.as_ref().map_or_else(
            || task.id.to_string(),
            |title| format!("{} {title}", task.id),
        )
    };
    let mut names: Vec<String> = tasks.iter().take(TASKS_NAMED).map(name).collect();
    if tasks.len() > TASKS_NAMED {
        names.push(format!("{} more", tasks.len() - TASKS_NAMED));
    }
    let Some(first) = tasks.first() else {
        let hints = vec![Advice::SetUp.because("find them")];
        return Error::Usage {
            message: "no task yet".into(),
            hints,
        }
        .into();
    };
    let typed = |why: &str, words: &[&str]| {
        let all = std::env::args_os()
            .skip(1)
            .map(|word| secret::clean_text(&word.to_string_lossy()));
        let argv = std::iter::once("snapback".to_string())
            .chain(all)
            .chain(words.iter().map(ToString::to_string));
        Hint {
            why: why.into(),
            act: Some(Act::Command(argv.collect())),
        }
    };
    let mut hints = vec![typed("name one", &["--task", first.id.as_str()])];
    if !more.is_empty() {
        hints.push(typed("or all", more));
    }
    Error::Usage {
        message: format!("which task? There are {}", names.join(", ")),
        hints,
    }
    .into()
}

impl OneTask {
    /// Returns the named task, or the one of this folder, or the only one.
    pub fn find(&self, session: &Session) -> Result<TaskId, Failure> {
        self.find_if_any(session)?
            .ok_or_else(|| which_task(session, &[]))
    }

    /// Like [`Self::find`], but returns `None` when no task can be determined.
    pub fn find_if_any(&self, session: &Session) -> Result<Option<TaskId>, Failure> {
        let app = session.app()?;
        if let Some(name) = &self.task {
            return app.find_task(name).map(Some);
        }
        Ok(app
            .task_here()
            .or_else(|| app.settings().only_task().map(|only| only.id.clone())))
    }
}

impl SomeTasks {
    /// Returns the named tasks, in that order without duplicates; empty when none was named.
    pub fn named(&self, session: &Session) -> Result<Vec<TaskId>, Failure> {
        let mut tasks = Vec::new();
        for name in &self.tasks {
            let task = session.app()?.find_task(name)?;
            if !tasks.contains(&task) {
                tasks.push(task);
            }
        }
        Ok(tasks)
    }

    /// Returns the named tasks; otherwise all if `all`, or the one of this folder, or the only one.
    pub fn find(&self, session: &Session, all: bool) -> Result<Vec<TaskId>, Failure> {
        let named = self.named(session)?;
        let app = session.app()?;
        match app.task_here() {
            _ if !named.is_empty() => Ok(named),
            Some(here) if !all => Ok(vec![here]),
            None if !all && app.settings().only_task().is_none() => {
                Err(which_task(session, &["--all"]))
            }
            _ => Ok(app
                .settings()
                .tasks
                .iter()
                .map(|task| task.id.clone())
                .collect()),
        }
    }

    /// Returns the named tasks, or the one of this folder, or all.
    pub fn find_or_all(&self, session: &Session) -> Result<Vec<TaskId>, Failure> {
        let here = session.app()?.task_here().is_some();
        self.find(session, !here)
    }
}

/// Resolves a version of a task in any accepted spelling; `None` stays `None`.
pub fn version(
    session: &Session,
    task: &TaskId,
    text: Option<&String>,
) -> Result<Option<Version>, Failure> {
    text.map(|text| session.app()?.resolve_version(task, text))
        .transpose()
}

/// Resolves a version that is only compared with the active one; a number need not be a release.
pub fn lock_version(
    session: &Session,
    task: &TaskId,
    text: Option<&String>,
) -> Result<Option<Version>, Failure> {
    let plain = |text: &String| text.strip_prefix('v').unwrap_or(text).parse().ok();
    match text.and_then(plain) {
        Some(version) => Ok(Some(version)),
        None => version(session, task, text),
    }
}

/// `--signature`: what is demanded of a release's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SignatureDemand {
    /// A good one, by a key that is trusted here
    Required,
    /// A bad one fails, none is fine
    Optional,
    /// It is not looked at
    None,
}

impl From<SignatureDemand> for Demand {
    fn from(demand: SignatureDemand) -> Self {
        match demand {
            SignatureDemand::Required => Self::Required,
            SignatureDemand::Optional => Self::Optional,
            SignatureDemand::None => Self::None,
        }
    }
}

/// Parses a duration such as `90s`, `1h 30m`, `90d` (of 24 hours), or a number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(secs) = text.parse::<u32>() {
        return Ok(Duration::from_secs(secs.into()));
    }
    let parsed = text
        .parse::<jiff::Span>()
        .and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()))
        .map_err(|_| "write it like 90s, 1h 30m or 90d".to_string())?;
    Duration::try_from(parsed).map_err(|_| "it must not be negative".to_string())
}

/// Returns true when the arguments or the environment ask for JSON, in case clap cannot tell.
pub fn wants_json(argv: &[OsString]) -> bool {
    let asked = argv
        .iter()
        .skip(1)
        .take_while(|word| *word != "--")
        .any(|word| word == "--json");
    asked
        || std::env::var_os("SNAPBACK_JSON").is_some_and(|value| {
            !matches!(
                value.to_str(),
                Some("" | "0" | "n" | "no" | "f" | "false" | "off")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("2h 30m"), Ok(Duration::from_mins(150)));
        assert_eq!(duration("90d"), Ok(Duration::from_hours(90 * 24)));
        assert!(duration("-5s").is_err());
        assert!(duration("soon").is_err());
    }

    #[test]
    fn json_is_seen_before_clap() {
        let argv = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&argv(&["snapback", "--nonsense", "--json"])));
        assert!(!wants_json(&argv(&["snapback", "preview", "--", "--json"])));
    }

    #[test]
    fn global_options_work_before_and_after_the_command() {
        for line in [
            "snapback --json -y --lock-wait 5s undo",
            "snapback undo -y --json --lock-wait=5s",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).expect("it is right");
            assert!(cli.globals.json && cli.globals.yes && !cli.globals.dry_run);
            assert_eq!(cli.globals.lock_wait, Duration::from_secs(5));
        }
    }
}
