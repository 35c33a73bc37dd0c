//! One run of a check: it is timed, and ends with a status and bounded evidence.

use std::time::Instant;

use crate::{
    base::{Failure, Kind},
    catalog::absent::Absent,
    git,
    model::{CheckResult, Status},
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

/// One run of a check; times itself.
pub struct CheckRun {
    id: &'static str,
    level: u8,
    begun: Instant,
}

impl CheckRun {
    /// Begins one. `id` is `<level word>.<what>`.
    pub fn begin(level: u8, id: &'static str) -> Self {
        Self {
            id,
            level,
            begun: Instant::now(),
        }
    }

    /// Ends it.
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

    /// Ends it by what kept it from being made. Only what was seen to be wrong fails it; what is
    /// not here, or may not be read, proves nothing. What stops the whole program stays a failure.
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

    /// Ends it by its troubles: failed when one is bad, inconclusive when some could not be looked
    /// at.
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

    /// Ends it as failed when there are problems, else as passed with one line of evidence.
    pub fn judge(self, problems: Vec<String>, proof: String) -> CheckResult {
        if problems.is_empty() {
            self.end(Status::Pass, vec![proof])
        } else {
            self.end(Status::Fail, problems)
        }
    }
}
