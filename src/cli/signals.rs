//! Ctrl-C, TERM and `--timeout`, as far as the command line has to do with them.
//!
//! Work is stopped by the engines, which ask between two steps whether they should; what is
//! here installs that, and turns a time limit into the same request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{error::Error, reply::Reply};
use crate::base::{Failure, Kind, cancel};

/// Makes Ctrl-C and TERM requests that the engines honour. Where that fails, a signal ends the
/// process at once, and the journal brings the next run back on its feet.
pub fn install() {
    let _ = cancel::install();
}

/// How long a command that only reads may go on after its time limit.
const GRACE: Duration = Duration::from_secs(2);

/// A time limit for the whole command.
pub struct Deadline {
    limit: Duration,
    passed: Arc<AtomicBool>,
}

impl Deadline {
    /// Starts the clock; when it runs out, this process gets a TERM, as if a person had sent it.
    /// A command that `writes` something then comes to its own safe end; any other one is ended,
    /// after `last_words`, if it does not within two seconds.
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

/// What stopped this process, if something did: a signal, or the clock that sent it.
fn stop(limit: Option<&Deadline>) -> Option<Failure> {
    let signal = cancel::requested()?;
    Some(match limit {
        Some(limit) if limit.passed() => Error::TimeLimit(limit.limit).into(),
        _ => cancel::Cancelled { signal }.into(),
    })
}

/// After somebody asked to stop, whatever failed failed for that reason: a reading that ended
/// early, a child process that got the signal too. Not so where a person has to look.
pub fn explain(failure: Failure, limit: Option<&Deadline>) -> Failure {
    match stop(limit) {
        Some(stopped) if !matches!(failure.kind(), Kind::Stuck | Kind::Bug) => stopped,
        _ => failure,
    }
}

/// The same reply. When the operation was put back because of a signal, its exit code says so;
/// what only reads may have read a part, so its answer is none.
///
/// # Errors
/// When a command that only reads was stopped.
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
