//! Row 4, the four levels of verification, one check a file.
//!
//! A check returns [`Check`]s with evidence; what could not be run is inconclusive, never a
//! pass. Nothing here repairs or decides: engines read the verdict from the
//! [`Verification`](crate::model::Verification) that they put together.

pub mod commands;
pub mod configuration;
pub mod evidence;
pub mod integrity;
mod probes;
pub mod readiness;
pub mod smoke;

use std::time::Instant;

use crate::model::{Check, Status};

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
            Self::NotTrusted => Some((Status::Inconclusive, "not run: nobody agreed to this command; see `snapback trust`")),
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
        Self { id, level, begun: Instant::now() }
    }

    /// Ends it.
    pub fn end(self, status: Status, mut evidence: Vec<String>) -> Check {
        if evidence.len() > EVIDENCE_LINES {
            let more = evidence.len() - EVIDENCE_LINES;
            evidence.truncate(EVIDENCE_LINES);
            evidence.push(format!("… and {more} more"));
        }
        let duration_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Check { id: self.id.into(), level: self.level, status, evidence, duration_ms }
    }

    /// Ends it as failed when there are problems, else as passed with one line of evidence.
    pub fn judge(self, problems: Vec<String>, proof: String) -> Check {
        if problems.is_empty() { self.end(Status::Pass, vec![proof]) } else { self.end(Status::Fail, problems) }
    }
}
