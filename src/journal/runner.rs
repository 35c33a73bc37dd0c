//! Runs the steps of an operation forward, back, and on after a crash.

use super::{
    Error, JournalStep, Log, Record,
    status::{self, Phase},
};
use crate::base::Failure;

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// All steps are done.
    Done,
    /// A step failed and everything was taken back; why.
    Undone(Failure),
    /// A step could not be taken back.
    Stuck(Error),
}

/// How an operation is about to end, for whoever witnesses it.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'f> {
    /// All steps are done.
    Done,
    /// Everything was taken back; why.
    Undone(&'f Failure),
    /// A step could not be taken back.
    Stuck,
}

/// Writes down that an operation ends; may be called again after a crash.
pub type Witness<'a> = Box<dyn FnMut(Ending<'_>) -> Result<(), Failure> + 'a>;

/// Runs one operation.
pub struct Runner<'a> {
    log: Log,
    steps: Vec<Box<dyn JournalStep + 'a>>,
    witness: Option<Witness<'a>>,
}

impl<'a> Runner<'a> {
    /// A runner for an operation whose intent is written. The steps must be those of its plan.
    pub fn new(log: Log, steps: Vec<Box<dyn JournalStep + 'a>>) -> Self {
        Self {
            log,
            steps,
            witness: None,
        }
    }

    /// The same with a witness, who is called just before the last record. Without its word an
    /// operation is not done: it stays unfinished. Going back waits for nothing: the word is owed.
    pub fn witnessed(mut self, witness: Witness<'a>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// Goes on from wherever the operation stands, forward or, when it turned back or is stuck,
    /// backward; turns back when a step fails before the commit point. After the commit point a
    /// failure is returned and the operation stays unfinished: it can be resumed.
    pub fn run(mut self) -> Result<Ended, Failure> {
        let standing = self.standing()?;
        if !matches!(standing.phase, Phase::Finished { .. }) {
            self.log.settle()?;
        }
        match standing.phase {
            Phase::Forward { done, started } => self.forward(done, started, standing.committed),
            Phase::Backward { left, why } => {
                self.backward(left, &standing.prepared, Reason(why).into())
            }
            Phase::Finished { done: true } => Ok(Ended::Done),
            Phase::Finished { done: false } => {
                Ok(Ended::Undone(Reason("it was taken back".into()).into()))
            }
            // There is one way out of it, and whoever asks for an end asks for that.
            Phase::Stuck { step, why } => {
                self.log.append(Record::TriedAgain)?;
                self.backward(step + 1, &standing.prepared, Reason(why).into())
            }
        }
    }

    /// Turns back from wherever the operation stands. Past the commit point it goes forward
    /// instead, and ends as `Done`.
    pub fn abort(mut self, why: &str) -> Result<Ended, Failure> {
        let standing = self.standing()?;
        let is_passed = self.ends_done(true)?;
        if !matches!(standing.phase, Phase::Finished { .. }) {
            self.log.settle()?;
        }
        match standing.phase {
            Phase::Forward { done, started } if is_passed => {
                self.forward(done, started, standing.committed)
            }
            Phase::Forward { .. } => {
                self.log.append(Record::TurnedBack { why: why.into() })?;
                self.backward(
                    standing.prepared.len(),
                    &standing.prepared,
                    Reason(why.into()).into(),
                )
            }
            _ => self.run(),
        }
    }

    /// Whether it would be finished, and not taken back; `aborted` when taking it back is asked
    /// for.
    pub fn ends_done(&self, aborted: bool) -> Result<bool, Failure> {
        let standing = self.standing()?;
        Ok(match standing.phase {
            Phase::Forward { done, started } => {
                !aborted || standing.committed || self.is_passed(done, started.is_some())?
            }
            Phase::Finished { done } => done,
            Phase::Backward { .. } | Phase::Stuck { .. } => false,
        })
    }

    /// True when the started step is a commit point that the world has seen.
    fn is_passed(&self, at: usize, started: bool) -> Result<bool, Failure> {
        match self.steps.get(at) {
            Some(step) if started => step.is_passed(),
            _ => Ok(false),
        }
    }

    /// Where it stands.
    fn standing(&self) -> Result<status::Standing, Error> {
        status::of(self.log.records()).map_err(|why| Error::Damaged(self.log.op().clone(), why))
    }

    /// Applies the steps that are not done.
    fn forward(
        mut self,
        done: usize,
        mut started: Option<serde_json::Value>,
        mut committed: bool,
    ) -> Result<Ended, Failure> {
        for at in done..self.steps.len() {
            match self.apply(at, started.take(), committed) {
                Ok(()) => committed |= self.steps[at].is_commit_point(),
                // Seen by the world in part: it can only be finished, by the next run.
                Err(failure) if committed || self.steps[at].is_passed()? => return Err(failure),
                Err(failure) => {
                    // A commit point that failed half-way takes its own part back in its undo.
                    let prepared = self.standing()?.prepared;
                    self.log.append(Record::TurnedBack {
                        why: failure.to_string(),
                    })?;
                    return self.backward(prepared.len(), &prepared, failure);
                }
            }
        }
        // What is finished cannot be applied again.
        self.log.write_noted()?;
        let prepared = self.standing()?.prepared;
        for (step, prepared) in self.steps.iter_mut().zip(&prepared) {
            with_reserve(&self.log, || step.finish(prepared))?;
        }
        self.say(Ending::Done)?;
        self.log.append(Record::Finished { done: true })?;
        Ok(Ended::Done)
    }

    /// Tells the witness.
    fn say(&mut self, ending: Ending<'_>) -> Result<(), Failure> {
        let Some(witness) = &mut self.witness else {
            return Ok(());
        };
        with_reserve(&self.log, || witness(ending))
    }

    /// Prepares, starts and applies one step. Past the commit point there is no way but forward,
    /// so the reserve is used.
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
            self.log.append(Record::Started {
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
        // Applying it again does no harm, and whether a commit point is passed can be seen without
        // its record: so that is as durable as the one that follows.
        self.log.note(Record::Done {
            step: at,
            commit_point: self.steps[at].is_commit_point(),
        });
        Ok(())
    }

    /// Takes back the first `left` steps, the last of them first.
    fn backward(
        mut self,
        left: usize,
        prepared: &[serde_json::Value],
        reason: Failure,
    ) -> Result<Ended, Failure> {
        for at in (0..left).rev() {
            if let Err(failure) = with_reserve(&self.log, || self.steps[at].undo(&prepared[at])) {
                let why = failure.to_string();
                self.log.append(Record::Stuck {
                    step: at,
                    why: why.clone(),
                })?;
                // It is not over: the line that matters is the one when it is.
                let _ = self.say(Ending::Stuck);
                return Ok(Ended::Stuck(self.stuck(at, why)));
            }
            self.log.append(Record::Undone { step: at })?;
        }
        if self.say(Ending::Undone(&reason)).is_err() {
            self.log.append(Record::Owed {
                error: reason.kind().word().into(),
            })?;
        }
        self.log.append(Record::Finished { done: false })?;
        Ok(Ended::Undone(reason))
    }

    /// The error for a stuck operation.
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

/// Does something that can be done again; when the disk is full, a second time with the reserve.
fn with_reserve(log: &Log, mut act: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    match act() {
        Err(failure) if failure.is_disk_full() && log.free_reserve() => act(),
        other => other,
    }
}

/// Why an operation was taken back, when it is only known as text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reason(String);

impl crate::base::Fault for Reason {
    fn kind(&self) -> crate::base::Kind {
        crate::base::Kind::Bad
    }
}
