//! Errors for people and for programs: a kind, which determines the exit code, and hints.
//!
//! Each room has one `thiserror` enum that implements [`Fault`]; engines and `App` return
//! [`Failure`], a boxed fault, so `?` works across rooms without wrapper variants.

use std::fmt;

use serde_json::Value;

use super::cancel::Cancelled;

/// The family of a failure; determines the process exit code and, later, the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bug in snapback itself.
    Bug,
    /// The command line or a configuration file is wrong.
    Usage,
    /// Some of several items failed; the others succeeded.
    Partial,
    /// A check found a problem.
    Bad,
    /// The named item does not exist.
    NotFound,
    /// Refused for safety; nothing was changed.
    Refused,
    /// A concurrent change: stale `--from`, tag elsewhere, plan out of date.
    Conflict,
    /// A required resource is missing or failed (program, disk space, service).
    Missing,
    /// A remote or the network failed.
    Network,
    /// There is no repository here.
    NoRepository,
    /// Another process holds the lock.
    Locked,
    /// Not permitted: owner, key or role.
    Denied,
    /// An undo failed; manual intervention is needed.
    Stuck,
    /// A time limit passed; the state is safe.
    TimeLimit,
    /// Cancelled by this signal; the state is safe.
    Cancelled(i32),
}

impl Kind {
    /// Returns the process exit code; docs/command-line.md and every man page have the table.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Bad => 4,
            Self::NotFound => 5,
            Self::Refused => 6,
            Self::Conflict => 7,
            Self::Missing => 8,
            Self::Network => 9,
            Self::NoRepository => 10,
            Self::Locked => 11,
            Self::Denied => 12,
            Self::Stuck => 13,
            Self::TimeLimit => 124,
            Self::Cancelled(signal) => 128 + signal,
        }
    }

    /// Returns the stable snake-case word for this kind in `--json` output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bug => "bug",
            Self::Usage => "usage",
            Self::Partial => "partial",
            Self::Bad => "bad",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Missing => "missing",
            Self::Network => "network",
            Self::NoRepository => "no_repository",
            Self::Locked => "locked",
            Self::Denied => "denied",
            Self::Stuck => "stuck",
            Self::TimeLimit => "time_limit",
            Self::Cancelled(_) => "cancelled",
        }
    }
}

/// Something that can be done next. It is data: whoever talks to people knows how it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Something that this program can do, by its name and values; the room that knows the words of
    /// the domain makes and reads it.
    Own(Value),
    /// A command line as it stands, one element an argument: of another program, or one that was
    /// typed.
    Command(Vec<String>),
}

/// A next step: why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What it is for, in a few words.
    pub why: String,
    /// What to do; none when the words say it.
    pub act: Option<Act>,
}

impl Hint {
    /// Makes a hint from a reason and the command of another program, written as separate words.
    pub fn run(why: impl Into<String>, argv: &[&str]) -> Self {
        Self {
            why: why.into(),
            act: Some(Act::Command(argv.iter().map(ToString::to_string).collect())),
        }
    }

    /// Makes a hint that contains advice only.
    pub fn say(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            act: None,
        }
    }

    /// Makes a hint from a reason and the name of something that this program can do.
    pub(crate) fn own(why: &str, name: &str) -> Self {
        Self {
            why: why.into(),
            act: Some(Act::Own(name.into())),
        }
    }

    /// Its command line as it stands; none of what this program can do.
    pub fn command(&self) -> &[String] {
        match &self.act {
            Some(Act::Command(argv)) => argv,
            _ => &[],
        }
    }
}

/// An error with a kind and hints; implemented by each room's error enum.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// Returns the family, which determines the exit code.
    fn kind(&self) -> Kind;
    /// Returns the next steps, most useful first.
    fn hints(&self) -> Vec<Hint> {
        Vec::new()
    }
}

/// A boxed fault from any room; returned by engines and `App`.
pub struct Failure(Box<dyn Fault>);

impl Failure {
    /// Returns the family of the fault.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// True when a signal or a time limit stopped the operation.
    pub fn is_stop(&self) -> bool {
        matches!(self.kind(), Kind::Cancelled(_) | Kind::TimeLimit)
    }

    /// Returns the hints of the fault; never empty, because the user needs a next step.
    pub fn hints(&self) -> Vec<Hint> {
        if self.is_disk_full() {
            return vec![Hint::run(
                "see which disk is full, and make room",
                &["df", "-h"],
            )];
        }
        let hints = self.0.hints();
        match self.kind() {
            _ if !hints.is_empty() => hints,
            Kind::Cancelled(_) => vec![Hint::say("run it again when you are ready")],
            _ => vec![Hint::own(
                "check everything that is needed here",
                "check_everything",
            )],
        }
    }

    /// Returns the fault if it has type `E`.
    pub fn find<E: Fault>(&self) -> Option<&E> {
        let inside: &(dyn std::error::Error + 'static) = &*self.0;
        inside.downcast_ref()
    }

    /// Returns the first error of type `E` in the chain of sources.
    pub fn find_cause<E: std::error::Error + 'static>(&self) -> Option<&E> {
        errors_in(&*self.0).find_map(|error| error.downcast_ref())
    }

    /// True when the disk is full or the user's quota is used up.
    pub fn is_disk_full(&self) -> bool {
        errors_in(&*self.0).any(|error| error.downcast_ref().is_some_and(is_disk_full))
    }

    /// True when the system denied this user permission.
    pub fn is_permission_denied(&self) -> bool {
        let is_denied =
            |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
        errors_in(&*self.0).any(|error| error.downcast_ref().is_some_and(is_denied))
    }

    /// Returns the messages of the error and its sources, outermost first.
    pub fn chain(&self) -> Vec<String> {
        let mut lines: Vec<String> = errors_in(&*self.0).map(ToString::to_string).collect();
        lines.dedup();
        lines
    }
}

/// True when the disk is full or the user's quota is used up.
pub fn is_disk_full(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    )
}

impl<E: Fault> From<E> for Failure {
    /// A fault that was caused by a signal becomes that signal, however many rooms wrapped it.
    fn from(fault: E) -> Self {
        match cancelled_in(&fault) {
            Some(cancelled) if fault.kind() != Kind::Stuck => Self(Box::new(cancelled)),
            _ => Self(Box::new(fault)),
        }
    }
}

/// Iterates over an error and its sources, outermost first.
pub fn errors_in<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Returns the signal that interrupted a read, a write or a wait, if any.
fn cancelled_in(fault: &(dyn std::error::Error + 'static)) -> Option<Cancelled> {
    errors_in(fault).find_map(|error| {
        let inside = error
            .downcast_ref::<std::io::Error>()
            .and_then(|error| error.get_ref()?.downcast_ref());
        inside.or_else(|| error.downcast_ref()).copied()
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain().join(": "))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind(), self.chain().join(": "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read it")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open it")]
    struct Inner(#[source] std::io::Error);

    impl Fault for Outer {
        fn kind(&self) -> Kind {
            Kind::Missing
        }
    }

    #[test]
    fn a_signal_stays_a_signal_whatever_is_put_around_it() {
        let wrapped = |error| Failure::from(Outer(Inner(error)));
        let stopped = wrapped(std::io::Error::other(Cancelled { signal: 2 }));
        assert_eq!(
            (stopped.kind(), stopped.chain()),
            (Kind::Cancelled(2), vec!["cancelled by SIGINT".to_string()])
        );
        assert!(stopped.is_stop());
        let broken = wrapped(std::io::ErrorKind::NotFound.into());
        assert_eq!((broken.kind(), broken.chain().len()), (Kind::Missing, 3));
    }
}
