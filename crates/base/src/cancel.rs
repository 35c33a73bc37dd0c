//! Cancellation by signal: SIGINT, SIGTERM and SIGHUP only set a flag.
//!
//! No signal ends the process directly, not even a second one: the work in progress either finishes
//! or is rolled back, and then the exit code is `128 + signal`. Long loops call [`check`] where
//! stopping is safe; child processes are ended by [`super::process`].

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{Fault, Hint, Kind};

/// The signal that requested the stop; 0 if none did.
static FLAG: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// A signal requested that the process stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled by {}", name(*.signal))]
pub struct Cancelled {
    /// The signal's number.
    pub signal: i32,
}

impl Fault for Cancelled {
    fn kind(&self) -> Kind {
        Kind::Cancelled(self.signal)
    }

    fn hints(&self) -> Vec<Hint> {
        vec![Hint::own("see where things stand", "see_status")]
    }
}

/// Installs the handlers that set the flag, once per process. A signal that the parent process set
/// to "ignore" (`nohup`) stays ignored.
pub fn install() -> io::Result<()> {
    let flag = FLAG.get_or_init(Arc::default);
    let ignored = ignored_signals();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored >> (signal - 1) & 1 == 0 {
            let value = usize::try_from(signal).expect("because signal numbers are positive");
            signal_hook::flag::register_usize(signal, Arc::clone(flag), value)?;
        }
    }
    Ok(())
}

/// Who ends this process.
static END: AtomicU8 = AtomicU8::new(UNDECIDED);
/// It has changed nothing and answered nothing: whoever comes first.
const UNDECIDED: u8 = 0;
/// Itself: it is changing something, or answering.
const BY_ITSELF: u8 = 1;
/// Who claimed it, from beside.
const FROM_BESIDE: u8 = 2;

/// Called before anything is changed, and before the answer: from here on nobody may end this
/// process from beside. Does not return when somebody is about to.
pub fn end_by_itself() {
    let decided = END.compare_exchange(UNDECIDED, BY_ITSELF, Ordering::SeqCst, Ordering::SeqCst);
    while decided == Err(FROM_BESIDE) {
        std::thread::park();
    }
}

/// Claims the end of a process that has changed nothing and answered nothing; true at most once.
pub fn claim_end() -> bool {
    let decided = END.compare_exchange(UNDECIDED, FROM_BESIDE, Ordering::SeqCst, Ordering::SeqCst);
    decided.is_ok()
}

/// Returns the signal that requested a stop, if any.
pub fn requested() -> Option<i32> {
    let signal = FLAG.get()?.load(Ordering::Relaxed);
    i32::try_from(signal).ok().filter(|signal| *signal != 0)
}

/// Returns an error if a signal requested a stop.
pub fn check() -> Result<(), Cancelled> {
    requested().map_or(Ok(()), |signal| Err(Cancelled { signal }))
}

/// A reader or writer that fails once a signal requests a stop: for long work done before anything
/// is changed. Never for restoring a previous state. A [`super::Failure`] made from its error is
/// reported as the signal.
pub struct Stoppable<T>(pub T);

impl<T: io::Read> io::Read for Stoppable<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        check().map_err(io::Error::other)?;
        self.0.read(into)
    }
}

impl<T: io::Write> io::Write for Stoppable<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        check().map_err(io::Error::other)?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Returns the mask of ignored signals; 0 where the system does not report it.
fn ignored_signals() -> u64 {
    signals_of("SigIgn:").unwrap_or(0)
}

/// Returns a set of signals from a line of `/proc/self/status`, the lowest bit for signal 1; `None`
/// where there is none.
pub(super) fn signals_of(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|found| found.strip_prefix(line))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Returns the name of a signal for display.
fn name(signal: i32) -> String {
    signal_hook::low_level::signal_name(signal)
        .map_or_else(|| format!("signal {signal}"), str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_carries_the_signal() {
        let fault = Cancelled { signal: SIGTERM };
        assert_eq!(fault.kind().exit_code(), 143);
        assert_eq!(fault.to_string(), "cancelled by SIGTERM");
    }

    #[test]
    fn a_second_signal_only_sets_the_flag_again() {
        use super::super::process::Command;
        // Runs in a separate process: the flag of this one must not stop the other tests.
        if std::env::var_os("SNAPBACK_TEST_INNER").is_some() {
            install().expect("handlers can be set");
            assert_eq!(check(), Ok(()));
            for _ in 0..2 {
                signal_hook::low_level::raise(SIGTERM).expect("it can be raised");
            }
            assert_eq!(check(), Err(Cancelled { signal: SIGTERM }));
            return;
        }
        let this = std::env::current_exe().expect("because a test has a program");
        let name = "cancel::tests::a_second_signal_only_sets_the_flag_again";
        #[expect(clippy::disallowed_methods, reason = "a process of the test")]
        let command = Command::new(this, std::path::Path::new("/"))
            .args(["--exact", name])
            .env("SNAPBACK_TEST_INNER", "1");
        let ended = command.run().expect("it starts");
        assert!(
            ended.succeeded() && String::from_utf8_lossy(&ended.stdout).contains("1 passed"),
            "{:?}",
            ended.status
        );
    }
}
