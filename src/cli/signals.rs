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
use crate::base::{Failure, Kind, cancel};

/// Turns Ctrl-C and TERM into requests that the engines honour. If that fails, a signal ends the
/// process at once, and the next run recovers from the journal.
pub fn install() {
    let _ = cancel::install();
}

/// Grace period of a read-only command after its time limit.
const GRACE: Duration = Duration::from_secs(2);

/// A time limit for the whole command.
pub struct Deadline {
    limit: Duration,
    passed: Arc<AtomicBool>,
}

impl Deadline {
    /// Starts the clock; when it runs out, this process gets a TERM, as if a person had sent it. A
    /// command that `writes` then stops safely by itself; any other one is ended after `last_words`
    /// unless it stops within two seconds.
    pub fn start(
        limit: Duration,
        writes: bool,
        last_words: impl FnOnce(&Failure) + Send + 'static,
    ) -> Self {
        let passed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&passed);
        std::thread::spawn(move || {
            std::thread::sleep(limit);
            flag.store(true, Ordering::SeqCst);
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::TERM,
            );
            if !writes {
                std::thread::sleep(GRACE);
                last_words(&Error::TimeLimit(limit).into());
                std::process::exit(Kind::TimeLimit.exit_code());
            }
        });
        Self { limit, passed }
    }

    fn passed(&self) -> bool {
        self.passed.load(Ordering::SeqCst)
    }
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
