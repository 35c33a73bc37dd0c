//! One run of a check: timed, and ending with a status and bounded evidence.

use std::time::Instant;

use crate::{
    base::{Failure, Kind},
    catalog::absent::Absent,
    git,
    model::{CheckResult, Status},
};

/// A problem with a checked object.
pub enum Trouble {
    /// It was inspected, and is wrong.
    Bad(String),
    /// It could not be inspected, so its state is unknown.
    Unread(String),
}

/// Returns true for a failure about an object that should be here and is not.
fn is_lost(failure: &Failure, git: &git::Repo) -> bool {
    failure
        .find::<git::Error>()
        .is_some_and(|error| Absent::of(git, true).is_lost_in_git(error))
}

/// Maximum number of evidence lines that a check keeps.
const EVIDENCE_LINES: usize = 100;

/// One timed run of a check.
pub struct CheckRun {
    id: &'static str,
    level: u8,
    begun: Instant,
}

impl CheckRun {
    /// Begins a run. `id` is `<level word>.<what>`.
    pub fn begin(level: u8, id: &'static str) -> Self {
        Self {
            id,
            level,
            begun: Instant::now(),
        }
    }

    /// Ends the run.
    pub fn end(self, status: Status, mut evidence: Vec<String>) -> CheckResult {
        if evidence.len() > EVIDENCE_LINES {
            let more = evidence.len() - EVIDENCE_LINES;
            evidence.truncate(EVIDENCE_LINES);
            evidence.push(format!("… and {more} more"));
        }
        let duration_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        CheckResult {
            id: self.id.into(),
            level: self.level,
            status,
            evidence,
            duration_ms,
            hints: Vec::new(),
        }
    }

    /// Ends the run with the failure that prevented it. Only a proven fault fails the check; absent
    /// or unreadable objects prove nothing. Failures that stop the whole program are returned.
    pub fn unmade(self, failure: Failure, git: &git::Repo) -> Result<CheckResult, Failure> {
        let status = match failure.kind() {
            Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug => return Err(failure),
            Kind::Bad => Status::Fail,
            _ if is_lost(&failure, git) => Status::Fail,
            _ => Status::Inconclusive,
        };
        Ok(CheckResult {
            hints: failure.hints(),
            ..self.end(status, failure.chain())
        })
    }

    /// Ends the run according to its troubles: failed when one is bad, inconclusive when some
    /// objects could not be inspected.
    pub fn weigh(self, troubles: Vec<Trouble>, proof: String) -> CheckResult {
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

    /// Ends the run as failed when there are problems, otherwise as passed with the proof.
    pub fn judge(self, problems: Vec<String>, proof: String) -> CheckResult {
        if problems.is_empty() {
            self.end(Status::Pass, vec![proof])
        } else {
            self.end(Status::Fail, problems)
        }
    }
}
