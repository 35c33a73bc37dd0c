//! Runs the steps of an operation forward, backward, and onward after a crash.

use super::{
    Error, JournalRecord, JournalStep, Log,
    status::{self, OperationPhase},
};
use crate::base::Failure;

/// The outcome of a run.
#[derive(Debug)]
pub enum RunEnd {
    /// All steps are done.
    Done,
    /// A step failed and everything was undone; the reason.
    Undone(Failure),
    /// A step could not be undone.
    Stuck(Error),
}

/// How an operation is about to end, for its recorder.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'f> {
    /// All steps are done.
    Done,
    /// Everything was undone; the reason.
    Undone(&'f Failure),
    /// A step could not be undone.
    Stuck,
}

/// Records the end of an operation; may be called again after a crash.
pub type Recorder<'a> = Box<dyn FnMut(Ending<'_>) -> Result<(), Failure> + 'a>;

/// Runs one operation.
pub struct Runner<'a> {
    log: Log,
    steps: Vec<Box<dyn JournalStep + 'a>>,
    witness: Option<Recorder<'a>>,
}

impl<'a> Runner<'a> {
    /// Returns a runner for an operation with a written intent. The steps must be its plan's.
    pub fn new(log: Log, steps: Vec<Box<dyn JournalStep + 'a>>) -> Self {
        Self {
            log,
            steps,
            witness: None,
        }
    }

    /// Adds a recorder, called just before the last record. If it fails, an operation that is done
    /// stays unfinished; a reversed one finishes anyway, and the line is owed.
    pub fn recorded_by(mut self, witness: Recorder<'a>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// Continues from the operation's current status: forward, or backward if it was reversed or is
    /// stuck. Reverses when a step fails before the commit point. After the commit point a failure
    /// is returned and the operation stays unfinished: it can be resumed.
    pub fn run(mut self) -> Result<RunEnd, Failure> {
        let standing = self.standing()?;
        if !matches!(standing.phase, OperationPhase::Finished { .. }) {
            self.log.settle()?;
        }
        match standing.phase {
            OperationPhase::Forward { done, started } => {
                self.forward(done, started, standing.committed)
            }
            OperationPhase::Backward { left, why } => {
                self.backward(left, &standing.prepared, Reason(why).into())
            }
            OperationPhase::Finished { done: true } => Ok(RunEnd::Done),
            OperationPhase::Finished { done: false } => {
                Ok(RunEnd::Undone(Reason("it was taken back".into()).into()))
            }
            // A stuck operation has one way out, and the caller asks for it.
            OperationPhase::Stuck { step, why } => {
                self.log.append(JournalRecord::TriedAgain)?;
                self.backward(step + 1, &standing.prepared, Reason(why).into())
            }
        }
    }

    /// Reverses from the operation's current status. Past the commit point it goes forward instead,
    /// and ends as `Done`.
    pub fn abort(mut self, why: &str) -> Result<RunEnd, Failure> {
        let standing = self.standing()?;
        let is_passed = self.ends_done(true)?;
        if !matches!(standing.phase, OperationPhase::Finished { .. }) {
            self.log.settle()?;
        }
        match standing.phase {
            OperationPhase::Forward { done, started } if is_passed => {
                self.forward(done, started, standing.committed)
            }
            OperationPhase::Forward { .. } => {
                self.log
                    .append(JournalRecord::TurnedBack { why: why.into() })?;
                self.backward(
                    standing.prepared.len(),
                    &standing.prepared,
                    Reason(why.into()).into(),
                )
            }
            _ => self.run(),
        }
    }

    /// Returns whether a run would end with all steps done; with `aborted`, whether an abort would.
    pub fn ends_done(&self, aborted: bool) -> Result<bool, Failure> {
        let standing = self.standing()?;
        Ok(match standing.phase {
            OperationPhase::Forward { done, started } => {
                !aborted || standing.committed || self.is_passed(done, started.is_some())?
            }
            OperationPhase::Finished { done } => done,
            OperationPhase::Backward { .. } | OperationPhase::Stuck { .. } => false,
        })
    }

    /// Returns true when the started step is a commit point whose effect is visible.
    fn is_passed(&self, at: usize, started: bool) -> Result<bool, Failure> {
        match self.steps.get(at) {
            Some(step) if started => step.is_passed(),
            _ => Ok(false),
        }
    }

    /// Returns the current status.
    fn standing(&self) -> Result<status::Progression, Error> {
        status::of(self.log.records()).map_err(|why| Error::Damaged(self.log.op().clone(), why))
    }

    /// Applies the remaining steps.
    fn forward(
        mut self,
        done: usize,
        mut started: Option<serde_json::Value>,
        mut committed: bool,
    ) -> Result<RunEnd, Failure> {
        for at in done..self.steps.len() {
            match self.apply(at, started.take(), committed) {
                Ok(()) => committed |= self.steps[at].is_commit_point(),
                // Partly visible already: it can only be finished, by the next run.
                Err(failure) if committed || self.steps[at].is_passed()? => return Err(failure),
                Err(failure) => {
                    // A commit point that failed half-way undoes its own part in its undo.
                    let prepared = self.standing()?.prepared;
                    self.log.append(JournalRecord::TurnedBack {
                        why: failure.to_string(),
                    })?;
                    return self.backward(prepared.len(), &prepared, failure);
                }
            }
        }
        // A step that was finished cannot be applied again.
        self.log.write_noted()?;
        let prepared = self.standing()?.prepared;
        for (step, prepared) in self.steps.iter_mut().zip(&prepared) {
            with_reserve(&self.log, || step.finish(prepared))?;
        }
        self.say(Ending::Done)?;
        self.log.append(JournalRecord::Finished { done: true })?;
        Ok(RunEnd::Done)
    }

    /// Calls the recorder.
    fn say(&mut self, ending: Ending<'_>) -> Result<(), Failure> {
        let Some(witness) = &mut self.witness else {
            return Ok(());
        };
        with_reserve(&self.log, || witness(ending))
    }

    /// Prepares, starts and applies one step. Past the commit point the only way is forward, so the
    /// reserve is used.
    fn apply(
        &mut self,
        at: usize,
        started: Option<serde_json::Value>,
        committed: bool,
    ) -> Result<(), Failure> {
        let step = &mut self.steps[at];
        let prepared = if let Some(prepared) = started {
            prepared
        } else {
            let prepared = step.prepare()?;
            self.log.append(JournalRecord::Started {
                step: at,
                prepared: prepared.clone(),
            })?;
            prepared
        };
        if committed {
            with_reserve(&self.log, || step.apply(&prepared))?;
        } else {
            step.apply(&prepared)?;
        }
        // Applying it again is harmless, and a passed commit point is detected without its record,
        // so this record needs to be only as durable as the next one.
        self.log.note(JournalRecord::Done {
            step: at,
            commit_point: self.steps[at].is_commit_point(),
        });
        Ok(())
    }

    /// Undoes the first `left` steps, last one first.
    fn backward(
        mut self,
        left: usize,
        prepared: &[serde_json::Value],
        reason: Failure,
    ) -> Result<RunEnd, Failure> {
        for at in (0..left).rev() {
            if let Err(failure) = with_reserve(&self.log, || self.steps[at].undo(&prepared[at])) {
                let why = failure.to_string();
                self.log.append(JournalRecord::Stuck {
                    step: at,
                    why: why.clone(),
                })?;
                // Not finished yet: the line that matters is written at the end.
                let _ = self.say(Ending::Stuck);
                return Ok(RunEnd::Stuck(self.stuck(at, why)));
            }
            self.log.append(JournalRecord::Undone { step: at })?;
        }
        if self.say(Ending::Undone(&reason)).is_err() {
            self.log.append(JournalRecord::Owed {
                error: reason.kind().word().into(),
            })?;
        }
        self.log.append(JournalRecord::Finished { done: false })?;
        Ok(RunEnd::Undone(reason))
    }

    /// Builds the error for a stuck operation.
    fn stuck(&self, step: usize, why: String) -> Error {
        let step = self
            .steps
            .get(step)
            .map_or_else(|| format!("{step}"), |step| step.name().to_string());
        Error::Stuck {
            op: self.log.op().short(),
            step,
            why,
        }
    }
}

/// Runs a repeatable action; if the disk is full, runs it again after releasing the reserve.
fn with_reserve(log: &Log, mut act: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    match act() {
        Err(failure) if failure.is_disk_full() && log.free_reserve() => act(),
        other => other,
    }
}

/// The reason for a reversal, when known only as text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reason(String);

impl crate::base::Fault for Reason {
    fn kind(&self) -> crate::base::Kind {
        crate::base::Kind::Bad
    }
}
