//! Row 6, the four levels of verification, one check a file; [`proof`] runs them on a version.
//!
//! A check returns [`Check`]s with evidence; what could not be run is inconclusive, never a
//! pass. Nothing here repairs or decides: engines read the verdict from the
//! [`Verification`](crate::model::Verification) that they put together.

pub mod commands;
pub mod configuration;
pub mod evidence;
pub mod integrity;
mod probes;
pub mod proof;
pub mod readiness;
pub mod smoke;

use std::time::Instant;

use crate::{
    base::{Failure, Kind},
    catalog::absent::Absent,
    git,
    model::{Check, Status},
};

/// What was seen of a thing that is not as it should be.
pub enum Trouble {
    /// It was looked at, and is wrong.
    Bad(String),
    /// It could not be looked at, so nobody knows.
    Unread(String),
}

/// True when a failure is one of an object that should be here and is not.
fn is_lost(failure: &Failure, git: &git::Repo) -> bool {
    failure
        .find::<git::Error>()
        .is_some_and(|error| Absent::of(git, true).is_lost_in_git(error))
}

/// Most lines of evidence that a check keeps.
const EVIDENCE_LINES: usize = 100;

/// Whether the commands of the settings run in a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commands {
    /// They run.
    Run,
    /// A person asked to leave them out.
    LeftOut,
    /// The repository's owner did not agree to them.
    NotTrusted,
    /// The files that they would run on are not those that are verified.
    OtherFiles,
}

impl Commands {
    /// They run unless they are left out.
    pub fn unless(left_out: bool) -> Self {
        if left_out { Self::LeftOut } else { Self::Run }
    }

    /// What is said of a check whose command does not run; `None` when it does. Never a pass.
    fn instead(self) -> Option<(Status, &'static str)> {
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

/// A check being made; times itself.
pub struct Checking {
    id: &'static str,
    level: u8,
    begun: Instant,
}

impl Checking {
    /// Begins a check. `id` is `<level word>.<what>`.
    pub fn begin(level: u8, id: &'static str) -> Self {
        Self {
            id,
            level,
            begun: Instant::now(),
        }
    }

    /// Ends it.
    pub fn end(self, status: Status, mut evidence: Vec<String>) -> Check {
        if evidence.len() > EVIDENCE_LINES {
            let more = evidence.len() - EVIDENCE_LINES;
            evidence.truncate(EVIDENCE_LINES);
            evidence.push(format!("… and {more} more"));
        }
        let duration_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Check {
            id: self.id.into(),
            level: self.level,
            status,
            evidence,
            duration_ms,
            hints: Vec::new(),
        }
    }

    /// Ends it by what kept it from being made. Only what was seen to be wrong fails it; what is
    /// not here, or may not be read, proves nothing. What stops the whole program stays a failure.
    pub fn unmade(self, failure: Failure, git: &git::Repo) -> Result<Check, Failure> {
        let status = match failure.kind() {
            Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug => return Err(failure),
            Kind::Bad => Status::Fail,
            _ if is_lost(&failure, git) => Status::Fail,
            _ => Status::Inconclusive,
        };
        Ok(Check {
            hints: failure.hints(),
            ..self.end(status, failure.chain())
        })
    }

    /// Ends it by its troubles: failed when one is bad, inconclusive when some could not be looked
    /// at.
    pub fn weigh(self, troubles: Vec<Trouble>, proof: String) -> Check {
        let (mut bad, mut unread) = (Vec::new(), Vec::new());
        for trouble in troubles {
            match trouble {
                Trouble::Bad(line) => bad.push(line),
                Trouble::Unread(line) => unread.push(line),
            }
        }
        let status = match (bad.is_empty(), unread.is_empty()) {
            (true, true) => return self.end(Status::Pass, vec![proof]),
            (true, false) => Status::Inconclusive,
            _ => Status::Fail,
        };
        bad.extend(unread);
        self.end(status, bad)
    }

    /// Ends it as failed when there are problems, else as passed with one line of evidence.
    pub fn judge(self, problems: Vec<String>, proof: String) -> Check {
        if problems.is_empty() {
            self.end(Status::Pass, vec![proof])
        } else {
            self.end(Status::Fail, problems)
        }
    }
}
