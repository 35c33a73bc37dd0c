//! Child processes: the only module that starts them.
//!
//! Every child leads its own process group, gets no input and has a time limit. Its output is kept
//! up to a cap and drained beyond it, so that neither 10 GB of output nor a grandchild that holds
//! the pipe can stall snapback. It inherits the environment, except for [`Command::env`] and
//! [`Command::env_remove`]. See `process/child.rs` for ending a group, `process/stream.rs` for
//! output and `process/offline.rs` for cutting off the network. The standard library starts the
//! processes; no crate can end a whole group.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Fault, Hint, Kind,
    cancel::{self, Cancelled},
    owner::{self, Owner},
    user,
};

mod child;
pub mod offline;
mod stream;
pub use child::is_any_running;
use child::{Child, Counted, WatchEnd};
use stream::OutputStream;

/// Detached children, kept for reaping.
static LET_GO: Mutex<Vec<std::process::Child>> = Mutex::new(Vec::new());

/// A command to run. Standard input is always empty.
#[derive(Debug, Clone)]
pub struct Command {
    argv: Vec<OsString>,
    /// Number of leading words that are not part of the command itself.
    prefix: usize,
    dir: PathBuf,
    set: Vec<(OsString, OsString)>,
    remove: Vec<OsString>,
    limit: Duration,
    grace: Duration,
    cap: usize,
    merged: bool,
    cancellable: bool,
    daemon: bool,
    owner: Option<Owner>,
}

/// The outcome of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
    /// Its time limit expired and its group was killed.
    TimedOut,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with {code}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}"),
            Self::TimedOut => f.write_str("passed its time limit"),
        }
    }
}

/// The result of a child that ended.
#[derive(Debug, Clone)]
pub struct ChildExit {
    /// The outcome.
    pub status: Exit,
    /// Its standard output, up to the cap: the first and the last half.
    pub stdout: Vec<u8>,
    /// Its standard error, likewise; empty when merged.
    pub stderr: Vec<u8>,
    /// True when output was left out.
    pub truncated: bool,
    /// The run time.
    pub duration: Duration,
}

impl ChildExit {
    /// True when the child exited with code 0.
    pub fn succeeded(&self) -> bool {
        self.status == Exit::Code(0)
    }
}

/// The reason why a command gave no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program, or the folder to run it in, is missing or cannot be executed.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program, escaped.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// The system failed while the child was running; its group was killed.
    #[error("lost sight of {program}: {source}")]
    Watch {
        /// The program, escaped.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// A signal asked snapback to stop; the child's group was ended.
    #[error("{program} was stopped")]
    Cancelled {
        /// The program, escaped.
        program: String,
        /// The signal.
        source: Cancelled,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Start { .. } | Self::Watch { .. } => Kind::Missing,
            Self::Cancelled { source, .. } => source.kind(),
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Start { program, .. } => {
                vec![Hint::say(format!("install {program}, or put it on PATH"))]
            }
            Self::Watch { .. } => Vec::new(),
            Self::Cancelled { source, .. } => source.hints(),
        }
    }
}

impl Command {
    /// Makes a command run in `dir`: one hour at most, 1 MiB kept of each output stream.
    pub fn new(program: impl AsRef<OsStr>, dir: &Path) -> Self {
        Self {
            argv: vec![program.as_ref().to_os_string()],
            prefix: 0,
            dir: dir.to_path_buf(),
            set: Vec::new(),
            remove: Vec::new(),
            limit: Duration::from_hours(1),
            grace: Duration::from_secs(2),
            cap: 1 << 20,
            merged: false,
            cancellable: true,
            daemon: false,
            owner: None,
        }
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.argv
            .extend(args.into_iter().map(|arg| arg.as_ref().to_os_string()));
        self
    }

    /// Adds one argument.
    pub fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        self.args([arg])
    }

    /// Runs the command as the owner of a location, if this process is root and another user owns
    /// it: files that it writes there then belong to that user, and it finds that user's home.
    pub fn as_owner_of(self, place: &Path) -> Self {
        let Some(owner) = owner::other_owner(place) else {
            return self;
        };
        let is_theirs =
            |home: &OsString| Owner::at(Path::new(home)).is_ok_and(|found| found.uid == owner.uid);
        let command = Self {
            owner: Some(owner),
            ..self
        };
        match user::home(owner.uid)
            .filter(|_| !std::env::var_os("HOME").as_ref().is_some_and(is_theirs))
        {
            Some(home) => command.env("HOME", home).env_remove("XDG_CONFIG_HOME"),
            None => command,
        }
    }

    /// Sets an environment variable; this overrides removal.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.set
            .push((name.as_ref().to_os_string(), value.as_ref().to_os_string()));
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.remove.push(name.as_ref().to_os_string());
        self
    }

    /// Sets the time limit.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how long the group has between TERM and KILL; 2 s by default.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets how many bytes of each output stream are kept.
    pub fn output_cap(mut self, bytes: usize) -> Self {
        self.cap = bytes;
        self
    }

    /// Sends standard error to standard output, in the order of writing.
    pub fn merged(mut self) -> Self {
        self.merged = true;
        self
    }

    /// Lets the command finish even if a signal requests a stop: for restoring a previous state.
    pub fn despite_cancel(mut self) -> Self {
        self.cancellable = false;
        self
    }

    /// Allows the command to leave processes behind, as one that starts a service does. Output goes
    /// to an unnamed file, so that they can go on writing.
    pub fn may_daemonise(mut self) -> Self {
        self.daemon = true;
        self
    }

    /// Runs the command until it ends, its time limit expires or a signal requests a stop.
    pub fn run(&self) -> Result<ChildExit, Error> {
        self.run_until(&|| {
            if self.cancellable {
                cancel::requested()
            } else {
                None
            }
        })
    }

    /// Runs the command; `cancelled` tells whether a signal requested a stop.
    fn run_until(&self, cancelled: &dyn Fn() -> Option<i32>) -> Result<ChildExit, Error> {
        let start_failed = |source| Error::Start {
            program: self.program(),
            source,
        };
        let watch_failed = |source| Error::Watch {
            program: self.program(),
            source,
        };
        // Counted first: whoever sees no child running after a signal sees none start either.
        let _counted = Counted::new();
        if let Some(signal) = cancelled() {
            return Err(Error::Cancelled {
                program: self.program(),
                source: Cancelled { signal },
            });
        }
        let begin = Instant::now();
        let (process, mut streams) = self.start().map_err(start_failed)?;
        let mut child = Child::of(process).map_err(watch_failed)?;
        let outcome = child.watch(&mut streams, begin + self.limit, cancelled);
        let end = match outcome {
            Ok(WatchEnd::Exited) if self.daemon => Ok(()),
            Ok(WatchEnd::Exited) => child.kill_rest(&mut streams),
            Ok(WatchEnd::TimedOut | WatchEnd::Cancelled(_)) => child.end(&mut streams, self.grace),
            Err(_) => child.end(&mut streams, Duration::ZERO),
        };
        end.map_err(watch_failed)?;
        let status = child.reap().map_err(watch_failed)?;
        let status = match outcome.map_err(watch_failed)? {
            WatchEnd::Exited => exit_of(status),
            WatchEnd::TimedOut => Exit::TimedOut,
            WatchEnd::Cancelled(signal) => {
                return Err(Error::Cancelled {
                    program: self.program(),
                    source: Cancelled { signal },
                });
            }
        };
        let [out, err] = streams.map(OutputStream::finish);
        let ((stdout, cut_out), (stderr, cut_err)) =
            (out.map_err(watch_failed)?, err.map_err(watch_failed)?);
        Ok(ChildExit {
            status,
            stdout,
            stderr,
            truncated: cut_out || cut_err,
            duration: begin.elapsed(),
        })
    }

    /// Starts the command detached: it has no input or output, and outlives this process. Returns
    /// its process id.
    pub fn detach(&self) -> Result<u32, Error> {
        let failed = |source| Error::Start {
            program: self.program(),
            source,
        };
        let mut command = self.prepared().map_err(failed)?;
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(failed)?;
        let id = child.id();
        let mut let_go = LET_GO.lock().unwrap_or_else(PoisonError::into_inner);
        // Children that have ended stay zombies until they are waited for.
        let_go.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let_go.push(child);
        Ok(id)
    }

    /// Starts the child in its own process group, its output connected to the streams.
    fn start(&self) -> io::Result<(std::process::Child, [OutputStream; 2])> {
        if !self.dir.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("the folder {} is missing", self.dir.display()),
            ));
        }
        let (out, out_end) = OutputStream::new(self.cap, self.daemon)?;
        let (err, err_end) = OutputStream::new(self.cap, self.daemon)?;
        let err_end = if self.merged {
            out_end.try_clone()?
        } else {
            err_end
        };
        let mut command = self.prepared()?;
        command.stdout(out_end).stderr(err_end).process_group(0);
        if let Some(owner) = self.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        Ok((command.spawn()?, [out, err]))
    }

    /// Prepares the arguments, the folder and the environment.
    fn prepared(&self) -> io::Result<std::process::Command> {
        let (program, args) = self
            .argv
            .split_first()
            .expect("because new() gives a program");
        // A path is relative to the current folder, not to the folder that the child runs in.
        let is_path = program.as_encoded_bytes().contains(&b'/');
        let program = if is_path && Path::new(program).is_relative() {
            Path::new(program).canonicalize()?.into_os_string()
        } else {
            program.clone()
        };
        #[expect(clippy::disallowed_methods, reason = "the owner of child processes")]
        let mut command = std::process::Command::new(program);
        command.args(args).current_dir(&self.dir);
        command.stdin(Stdio::null());
        for name in &self.remove {
            command.env_remove(name);
        }
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Returns the program for messages; for a shell command, the command line.
    fn program(&self) -> String {
        let shown = match &self.argv[self.prefix..] {
            [sh, c, line] if sh == "sh" && c == "-c" => line,
            argv => &argv[0],
        };
        super::text::escape(shown.as_encoded_bytes())
    }
}

/// Converts the exit status.
fn exit_of(status: ExitStatus) -> Exit {
    status
        .code()
        .map_or_else(|| Exit::Signal(status.signal().unwrap_or(0)), Exit::Code)
}

#[cfg(test)]
mod tests;
