//! Ctrl-C, TERM and `--timeout`, as far as they concern the command line.
//!
//! The engines stop work: between two steps they check whether they should. This module sets that
//! up, and turns a time limit into the same request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{error::Error, reply::Reply};
use crate::base::{Failure, Kind, cancel, process};

/// Turns Ctrl-C and TERM into requests that the engines honour. If that fails, a signal ends the
/// process at once, and the next run recovers from the journal.
pub fn install() {
    let _ = cancel::install();
}

/// How long a command that only reads may take to stop by itself.
const GRACE: Duration = Duration::from_millis(100);
/// How often a stop request is looked for.
const LOOK: Duration = Duration::from_millis(25);

/// A time limit for the whole command.
#[derive(Clone)]
pub struct Deadline {
    limit: Duration,
    passed: Arc<AtomicBool>,
}

impl Deadline {
    /// Starts the clock; when it runs out, this process gets a TERM, as if a person had sent it.
    pub fn start(limit: Duration) -> Self {
        let passed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&passed);
        std::thread::spawn(move || {
            std::thread::sleep(limit);
            flag.store(true, Ordering::SeqCst);
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::TERM,
            );
        });
        Self { limit, passed }
    }

    fn passed(&self) -> bool {
        self.passed.load(Ordering::SeqCst)
    }
}

/// Ends a command that only reads after `last_words`, soon after a stop request, unless it stops by
/// itself before. A child process is ended first, by whoever started it; and what has begun to
/// write, as a verification that records its verdict, ends by itself.
pub fn end_reading(limit: Option<Deadline>, last_words: impl FnOnce(&Failure) + Send + 'static) {
    std::thread::spawn(move || {
        let stopped = loop {
            match stop(limit.as_ref()) {
                Some(stopped) => break stopped,
                None => std::thread::sleep(LOOK),
            }
        };
        std::thread::sleep(GRACE);
        while process::is_any_running() {
            std::thread::sleep(LOOK);
        }
        if cancel::claim_end() {
            last_words(&stopped);
            std::process::exit(stopped.kind().exit_code());
        }
    });
}

/// Returns what stopped this process, if anything: a signal, or the clock that sent it.
fn stop(limit: Option<&Deadline>) -> Option<Failure> {
    let signal = cancel::requested()?;
    Some(match limit {
        Some(limit) if limit.passed() => Error::TimeLimit(limit.limit).into(),
        _ => cancel::Cancelled { signal }.into(),
    })
}

/// Attributes any failure after a stop request to the request, such as an interrupted read or a
/// child process that got the signal too; except failures that need a person's attention.
pub fn explain(failure: Failure, limit: Option<&Deadline>) -> Failure {
    match stop(limit) {
        Some(stopped) if !matches!(failure.kind(), Kind::Stuck | Kind::Bug) => stopped,
        _ => failure,
    }
}

/// Adjusts a reply after a stop request. If the operation was reversed because of it, the exit code
/// says so; a read-only command may have read only a part, so its reply is discarded.
///
/// # Errors
/// Fails when a read-only command was stopped.
pub fn explain_reply(
    reply: Reply,
    limit: Option<&Deadline>,
    writes: bool,
) -> Result<Reply, Failure> {
    match stop(limit) {
        None => Ok(reply),
        Some(stopped) if !writes && !reply.changed => Err(stopped),
        Some(stopped) => Ok(reply.stopped_by(stopped.kind())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::base::process::{Command, Exit};

    /// Asks this process to stop, and goes on for a while without looking whether it should.
    fn go_on_for(time: Duration) {
        install();
        end_reading(None, |stopped| println!("stopped: {stopped}"));
        let this = rustix::process::getpid();
        let asked = Instant::now();
        rustix::process::kill_process(this, rustix::process::Signal::INT).expect("it is sent");
        while asked.elapsed() < time {
            std::hint::spin_loop();
        }
        println!("not stopped");
    }

    /// Runs a test of this file in a process of its own: a stop of this one must not stop others.
    fn alone(name: &str) -> (Exit, String) {
        let this = std::env::current_exe().expect("because a test has a program");
        let name = format!("cli::signals::tests::{name}");
        #[expect(clippy::disallowed_methods, reason = "a process of the test")]
        let command = Command::new(this, std::path::Path::new("/"))
            .args(["--exact", &name, "--nocapture"])
            .env("SNAPBACK_TEST_INNER", "1");
        let ended = command.run().expect("it starts");
        let said = String::from_utf8_lossy(&ended.stdout);
        (ended.status, said.into_owned())
    }

    #[test]
    fn a_command_that_only_reads_ends_soon_whatever_it_does() {
        if std::env::var_os("SNAPBACK_TEST_INNER").is_some() {
            return go_on_for(Duration::from_mins(1));
        }
        let (status, said) = alone("a_command_that_only_reads_ends_soon_whatever_it_does");
        assert_eq!(status, Exit::Code(130), "{said}");
        assert!(said.contains("stopped: cancelled by SIGINT"), "{said}");
        assert!(!said.contains("not stopped"), "{said}");
    }

    #[test]
    fn what_has_begun_to_write_ends_by_itself() {
        if std::env::var_os("SNAPBACK_TEST_INNER").is_some() {
            cancel::end_by_itself();
            return go_on_for(Duration::from_secs(2));
        }
        let (status, said) = alone("what_has_begun_to_write_ends_by_itself");
        assert_eq!(status, Exit::Code(0), "{said}");
        assert!(said.contains("not stopped"), "{said}");
        assert!(!said.contains("stopped: "), "{said}");
    }
}
