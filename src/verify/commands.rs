//! The commands of a task: its checks, and the commands that stop and start it.
//!
//! They come from the trusted configuration in force, never from a release, and run in the task's
//! folder without standard input, each with its time limit. A command that could not be run is
//! inconclusive; an expired time limit is a failure, because the check did run.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    base::{
        Fault, Hint, Kind,
        cancel::Cancelled,
        process::{self, ChildExit, Command, Exit, offline::Offline},
    },
    git::child,
    model::{CheckResult, Operation, Status, TaskSpec, settings::CommandSpec, trust::CommandUse},
    site::RepoSite,
};

use super::evidence::TaskVariables;

/// Number of output lines kept as evidence.
const OUTPUT_LINES: usize = 20;

/// Whether configured commands run in a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commands {
    /// They run.
    Run,
    /// The user asked to skip them.
    LeftOut,
    /// The repository's owner did not agree to them.
    NotTrusted,
    /// The files they would run on are not the verified ones.
    OtherFiles,
}

impl Commands {
    /// Returns `Run`, or `LeftOut` when `left_out` is true.
    pub fn unless(left_out: bool) -> Self {
        if left_out { Self::LeftOut } else { Self::Run }
    }

    /// Returns the value for an operation, which may have been started without commands.
    pub fn of(site: &RepoSite, operation: &Operation) -> Self {
        Self::unless(site.leaves_commands_out(operation))
    }

    /// Checks consent for one role of a task's commands. Normally consent is refused earlier,
    /// before any change; this is the last line of defence.
    pub(super) fn agreed(self, site: &RepoSite, task: &TaskSpec, role: CommandUse) -> Self {
        match self {
            Self::Run if site.require_trust(&task.id, &[role]).is_err() => Self::NotTrusted,
            other => other,
        }
    }

    /// Returns the result of a check whose command does not run, never a pass; `None` when it runs.
    pub(super) fn instead(self) -> Option<(Status, &'static str)> {
        match self {
            Self::Run => None,
            Self::LeftOut => Some((Status::Skipped, "not run: --no-commands")),
            Self::NotTrusted => Some((
                Status::Inconclusive,
                "not run: nobody agreed to this command; see `snapback trust`",
            )),
            Self::OtherFiles => Some((
                Status::Skipped,
                "not run: files of the work tree were changed meanwhile",
            )),
        }
    }
}

/// Returns the working folder of a task's commands: its own, or the top if that does not exist.
pub fn folder(top: &Path, task: &TaskSpec) -> PathBuf {
    let dir = top.join(task.dir.as_os());
    if dir.is_dir() { dir } else { top.to_path_buf() }
}

/// The result of a successful stop or start command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The observations, one fact per line.
    pub evidence: Vec<String>,
    /// Its duration in milliseconds.
    pub duration_ms: u64,
}

/// The failure of a stop or start command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It failed or could not be started.
    #[error("the {what} command failed: {}", .evidence.join("; "))]
    Failed {
        /// `stop` or `start`.
        what: &'static str,
        /// The observations, one fact per line.
        evidence: Vec<String>,
    },
    /// Its time limit expired.
    #[error("the {what} command did not end in time: {}", .evidence.join("; "))]
    TimeLimit {
        /// `stop` or `start`.
        what: &'static str,
        /// The observations, one fact per line.
        evidence: Vec<String>,
    },
    /// A signal arrived while it ran.
    #[error("the {what} command was stopped")]
    Cancelled {
        /// `stop` or `start`.
        what: &'static str,
        /// The signal.
        source: Cancelled,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Failed { .. } => Kind::Missing,
            Self::TimeLimit { .. } => Kind::TimeLimit,
            Self::Cancelled { source, .. } => source.kind(),
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Failed { what, .. } | Self::TimeLimit { what, .. } => {
                vec![Hint::say(format!(
                    "run it by hand in the task's folder, then correct `{what}` in snapback.yaml"
                ))]
            }
            Self::Cancelled { source, .. } => source.hints(),
        }
    }
}

/// Stops the running task. With `despite_cancel`, signals do not interrupt it.
pub fn stop(
    spec: &CommandSpec,
    dir: &Path,
    variables: &TaskVariables,
    despite_cancel: bool,
) -> Result<Ran, Error> {
    run("stop", spec, shell(spec, dir), variables, despite_cancel)
}

/// Starts the task; processes it leaves running survive. With `despite_cancel`, signals do not
/// interrupt it, which restoring needs.
pub fn start(
    spec: &CommandSpec,
    dir: &Path,
    variables: &TaskVariables,
    despite_cancel: bool,
) -> Result<Ran, Error> {
    run(
        "start",
        spec,
        shell(spec, dir).may_daemonise(),
        variables,
        despite_cancel,
    )
}

/// Runs a stop or start command.
fn run(
    what: &'static str,
    spec: &CommandSpec,
    command: Command,
    variables: &TaskVariables,
    despite_cancel: bool,
) -> Result<Ran, Error> {
    let command = if despite_cancel {
        command.despite_cancel()
    } else {
        command
    };
    let ended = match command.run() {
        Ok(ended) => ended,
        Err(process::Error::Cancelled { source, .. }) => {
            return Err(Error::Cancelled { what, source });
        }
        Err(error) => {
            return Err(Error::Failed {
                what,
                evidence: vec![variables.line(&error.to_string())],
            });
        }
    };
    let evidence = evidence(spec, &ended, variables);
    match ended.status {
        Exit::Code(0) => Ok(Ran {
            evidence,
            duration_ms: millis(ended.duration),
        }),
        Exit::TimedOut => Err(Error::TimeLimit { what, evidence }),
        Exit::Code(_) | Exit::Signal(_) => Err(Error::Failed { what, evidence }),
    }
}

/// The surroundings of a command in a drill.
#[derive(Debug, Default)]
pub struct Rehearsal<'a> {
    /// Keeps it off the network.
    pub offline: Option<&'a Offline>,
    /// Additional environment variables: names and values.
    pub set: Vec<(&'static str, OsString)>,
}

impl Rehearsal<'_> {
    /// Runs a check that passes when the command exits 0, in these surroundings.
    pub(super) fn check(
        &self,
        id: String,
        level: u8,
        spec: &CommandSpec,
        dir: &Path,
        variables: &TaskVariables,
    ) -> Result<CheckResult, Cancelled> {
        match self.put(shell(spec, dir)).run() {
            Ok(ended) => {
                let status = match ended.status {
                    Exit::Code(0) => Status::Pass,
                    // The shell's exit codes for a command that is missing or not executable.
                    Exit::Code(126 | 127) => Status::Inconclusive,
                    Exit::Code(_) | Exit::Signal(_) | Exit::TimedOut => Status::Fail,
                };
                Ok(CheckResult {
                    id,
                    level,
                    status,
                    evidence: evidence(spec, &ended, variables),
                    duration_ms: millis(ended.duration),
                    hints: Vec::new(),
                })
            }
            Err(process::Error::Cancelled { source, .. }) => Err(source),
            Err(error) => {
                let evidence = vec![
                    format!("command: {}", variables.line(&spec.run)),
                    variables.line(&error.to_string()),
                ];
                Ok(CheckResult {
                    id,
                    level,
                    status: Status::Inconclusive,
                    evidence,
                    duration_ms: 0,
                    hints: Vec::new(),
                })
            }
        }
    }

    fn put(&self, command: Command) -> Command {
        let command = self
            .set
            .iter()
            .fold(command, |command, (name, value)| command.env(name, value));
        self.offline.map_or_else(
            || command.clone(),
            |offline| offline.around(command.clone()),
        )
    }
}

/// Builds the command of a spec; error output is merged into the output in order.
fn shell(spec: &CommandSpec, dir: &Path) -> Command {
    child::shell(&spec.run, dir).limit(spec.timeout).merged()
}

/// Returns the command, its exit status, and its last lines of output.
fn evidence(spec: &CommandSpec, ended: &ChildExit, variables: &TaskVariables) -> Vec<String> {
    let how = match ended.status {
        Exit::Code(126) => "exit 126: the command cannot be executed".into(),
        Exit::Code(127) => "exit 127: the command was not found".into(),
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(signal) => format!("killed by signal {signal}"),
        Exit::TimedOut => format!("killed: its time limit of {:?} passed", spec.timeout),
    };
    let mut lines = vec![format!("command: {}", variables.line(&spec.run)), how];
    lines.extend(
        variables
            .last_lines(whole_lines(ended), OUTPUT_LINES)
            .into_iter()
            .map(|line| format!("| {line}")),
    );
    lines
}

/// Returns the output without truncated parts: a secret cut in half would not be recognised.
fn whole_lines(ended: &ChildExit) -> &[u8] {
    use bstr::ByteSlice;
    if !ended.truncated {
        return &ended.stdout;
    }
    let after_mark = ended.stdout.rfind(b" bytes left out]\n").unwrap_or(0);
    // Skip the mark's own line, and the line that was cut.
    ended.stdout[after_mark..]
        .splitn(3, |byte| *byte == b'\n')
        .nth(2)
        .unwrap_or_default()
}

/// Returns whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn spec(run: &str) -> CommandSpec {
        CommandSpec {
            run: run.into(),
            timeout: Duration::from_secs(20),
        }
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("because tests can make folders")
    }

    #[test]
    fn start_leaves_a_service_running_and_stop_ends_it() {
        let (dir, none) = (folder(), TaskVariables::default());
        let ran = start(
            &spec("(while :; do sleep 0.05; done) & echo $! > pid; echo started"),
            dir.path(),
            &none,
            false,
        );
        assert_eq!(
            ran.expect("it starts").evidence[1..],
            ["exit 0", "| started"]
        );
        stop(&spec("kill $(cat pid)"), dir.path(), &none, true)
            .expect("the service was still there");
        let begin = Instant::now();
        let stat = || {
            let pid = std::fs::read_to_string(dir.path().join("pid")).expect("it is written");
            std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
                .unwrap_or_else(|_| ") Z".into())
        };
        while !stat().contains(") Z") {
            assert!(
                begin.elapsed() < Duration::from_secs(5),
                "it is still running"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn failures_say_what_was_seen_without_secrets() {
        let variables = TaskVariables::of([("TOKEN".to_string(), OsString::from("s3cret"))]);
        let error = stop(
            &spec("echo token s3cret >&2; exit 3"),
            folder().path(),
            &variables,
            false,
        )
        .expect_err("it fails");
        assert_eq!(error.kind(), Kind::Missing);
        assert_eq!(
            error.to_string(),
            "the stop command failed: command: echo token *** >&2; exit 3; exit 3; | token ***"
        );
        let slow = CommandSpec {
            run: "sleep 300".into(),
            timeout: Duration::from_millis(100),
        };
        let error =
            start(&slow, folder().path(), &variables, false).expect_err("it takes too long");
        assert_eq!(error.kind(), Kind::TimeLimit);
        let error = start(
            &spec("true"),
            Path::new("/no/such/folder"),
            &variables,
            false,
        )
        .expect_err("there is no folder");
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }

    #[test]
    fn a_value_that_the_cap_cut_in_half_is_left_out() {
        let ended = ChildExit {
            status: Exit::Code(0),
            stdout: b"head\n[9 bytes left out]\ncret\nlast\nend".to_vec(),
            stderr: Vec::new(),
            truncated: true,
            duration: Duration::ZERO,
        };
        assert_eq!(whole_lines(&ended), b"last\nend");
    }
}
