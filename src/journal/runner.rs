//! Runs the steps of an operation forward, backward, and onward after a crash.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    Error, JournalRecord, JournalStep, Log, history,
    status::{self, OperationPhase},
};
use crate::{
    base::{Due, Failure, Fs},
    model::Operation,
};

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

/// Records the end of an operation, durably after the barrier; may be called again after a crash.
pub type Recorder<'a> = Box<dyn FnMut(Ending<'_>, &Due) -> Result<(), Failure> + 'a>;

/// Runs one operation.
pub struct Runner<'a> {
    log: Log,
    steps: Vec<Box<dyn JournalStep + 'a>>,
    witness: Option<Recorder<'a>>,
    due: Due,
    /// True when this process began it, so that nobody can have stopped half-way.
    is_new: bool,
}

impl<'a> Runner<'a> {
    /// Begins an operation: prepares the steps that can be prepared, writes the intent, and makes
    /// both durable by one barrier. The steps must be the operation's.
    ///
    /// # Errors
    /// Fails when a step cannot be prepared or something cannot be written; then nothing is begun,
    /// and what was prepared is removed.
    pub fn begin(
        state: &Arc<dyn Fs>,
        operation: &Operation,
        mut steps: Vec<Box<dyn JournalStep + 'a>>,
    ) -> Result<Self, Failure> {
        let due = Due::default();
        let begun = prepare_early(&mut steps, &due)
            .and_then(|prepared| {
                Ok(
                    history::take_along_end_before(state, &operation.about.id, &due)
                        .map(|()| prepared)?,
                )
            })
            .and_then(|prepared| Ok(Log::begin(state.clone(), operation, prepared, &due)?))
            .and_then(|log| due.pass().map(|()| log));
        match begun {
            Ok(log) => Ok(Self {
                due,
                is_new: true,
                ..Self::new(log, steps)
            }),
            Err(failure) => {
                due.forget();
                for step in &mut steps {
                    step.abandon();
                }
                history::forget(&**state, &operation.about.id);
                Err(failure)
            }
        }
    }

    /// Returns a runner for an operation that was begun by another process. The steps must be its
    /// plan's.
    pub fn new(log: Log, steps: Vec<Box<dyn JournalStep + 'a>>) -> Self {
        Self {
            log,
            steps,
            witness: None,
            due: Due::default(),
            is_new: false,
        }
    }

    /// Adds a recorder, called just before the last barrier. If it fails, an operation that is done
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
        self.settle(&standing)?;
        match standing.phase {
            OperationPhase::Forward { done, .. } => self.forward(done, standing),
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
        self.settle(&standing)?;
        match standing.phase {
            OperationPhase::Forward { done, .. } if is_passed => self.forward(done, standing),
            OperationPhase::Forward { .. } => self.turn_back(&standing, Reason(why.into()).into()),
            _ => self.run(),
        }
    }

    /// Returns whether a run would end with all steps done; with `aborted`, whether an abort would.
    pub fn ends_done(&self, aborted: bool) -> Result<bool, Failure> {
        let standing = self.standing()?;
        Ok(match standing.phase {
            OperationPhase::Forward { .. } => {
                !aborted || standing.committed || self.is_passed(&standing)?
            }
            OperationPhase::Finished { done } => done,
            OperationPhase::Backward { .. } | OperationPhase::Stuck { .. } => false,
        })
    }

    /// Returns true when the commit point was started, and its effect, or that of a step after it,
    /// is visible.
    fn is_passed(&self, standing: &status::Progression) -> Result<bool, Failure> {
        let Some(at) = self.commit_point() else {
            return Ok(false);
        };
        if !standing.prepared.contains_key(&at) {
            return Ok(false);
        }
        for step in &self.steps[at..] {
            if step.is_passed()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the number of the step that is the commit point.
    fn commit_point(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.is_commit_point())
    }

    /// Returns the current status.
    fn standing(&self) -> Result<status::Progression, Error> {
        status::of(self.log.records()).map_err(|why| Error::Damaged(self.log.op().clone(), why))
    }

    /// Makes durable what was read of an operation that is not over, and the end of the one before
    /// it, which a power cut may have taken while this one began.
    fn settle(&mut self, standing: &status::Progression) -> Result<(), Failure> {
        if !matches!(standing.phase, OperationPhase::Finished { .. }) {
            self.log.settle()?;
            if !self.is_new {
                history::mend_end_before(self.log.files(), self.log.op())?;
            }
        }
        Ok(())
    }

    /// Applies the remaining steps; `done` of them are recorded as done.
    fn forward(mut self, done: usize, standing: status::Progression) -> Result<RunEnd, Failure> {
        let is_past = !self.is_new && (standing.committed || self.is_passed(&standing)?);
        let begin = if self.is_new {
            done
        } else {
            self.first_to_repeat(is_past)
        };
        let mut committed = standing.committed || is_past;
        let mut prepared = standing.prepared;
        for at in begin..self.steps.len() {
            match self.apply(at, at >= done, &mut prepared, committed) {
                Ok(()) => committed |= self.steps[at].is_commit_point(),
                // Partly visible already: it can only be finished, by the next run.
                Err(failure) if committed || self.steps[at].is_passed()? => return Err(failure),
                // A commit point that failed half-way undoes its own part in its undo.
                Err(failure) => {
                    let standing = self.standing()?;
                    return self.turn_back(&standing, failure);
                }
            }
        }
        if !committed {
            // Before anything is dropped that only an undo needs, as a commit point sees to it.
            self.pass()?;
        }
        for (at, step) in self.steps.iter_mut().enumerate() {
            let prepared = prepared.get(&at).unwrap_or(&Value::Null);
            with_reserve(&self.log, || step.finish(prepared, &self.due))?;
        }
        self.say(Ending::Done)?;
        self.log.write_noted(&self.due)?;
        self.pass()?;
        let end = JournalRecord::Finished { done: true };
        if committed {
            // Everything is on the disk, and it can only go forward: nobody waits for this record.
            self.log.append_unsynced(end)?;
        } else {
            self.log.append(end)?;
        }
        Ok(RunEnd::Done)
    }

    /// Returns the first step that another process may have applied without its effects having
    /// reached the disk, whatever the records say, which may have got there before them. Once the
    /// commit point shows, everything before it has.
    fn first_to_repeat(&self, is_past: bool) -> usize {
        self.commit_point().filter(|_| is_past).unwrap_or(0)
    }

    /// Passes a barrier.
    fn pass(&mut self) -> Result<(), Failure> {
        // After a failed sync nobody knows what of the journal's end is on the disk.
        self.due.pass().inspect_err(|_| self.log.distrust())
    }

    /// Calls the recorder.
    fn say(&mut self, ending: Ending<'_>) -> Result<(), Failure> {
        let Some(witness) = &mut self.witness else {
            return Ok(());
        };
        with_reserve(&self.log, || witness(ending, &self.due))
    }

    /// Prepares, starts and applies one step; `is_open` unless it is recorded as done. Past the
    /// commit point the only way is forward, so the reserve is used.
    fn apply(
        &mut self,
        at: usize,
        is_open: bool,
        prepared: &mut BTreeMap<usize, Value>,
        committed: bool,
    ) -> Result<(), Failure> {
        let step = &mut self.steps[at];
        let is_prepared = match prepared.get(&at) {
            Some(value) => committed || step.is_still_prepared(value)?,
            None => false,
        };
        let needs_barrier = step.is_commit_point() || !is_prepared && step.is_undone_by_record();
        if !is_prepared {
            let value = step.prepare(&self.due)?;
            prepared.insert(at, value.clone());
            self.log.note(JournalRecord::Started {
                step: at,
                prepared: value,
            });
        }
        if needs_barrier {
            // Whatever was applied before it, too: the record says that it is done.
            self.log.write_noted(&self.due)?;
            self.pass()?;
        }
        let (step, value) = (&mut self.steps[at], &prepared[&at]);
        if committed {
            with_reserve(&self.log, || step.apply(value, &self.due))?;
        } else {
            step.apply(value, &self.due)?;
        }
        // Applying it again is harmless, and a passed commit point is detected without its record,
        // so this record needs to be only as durable as the next one.
        if is_open {
            self.log.note(JournalRecord::Done {
                step: at,
                commit_point: self.steps[at].is_commit_point(),
            });
        }
        Ok(())
    }

    /// Reverses an operation that goes forward.
    fn turn_back(
        mut self,
        standing: &status::Progression,
        reason: Failure,
    ) -> Result<RunEnd, Failure> {
        self.log.note(JournalRecord::TurnedBack {
            why: reason.to_string(),
        });
        let left = status::steps_begun(&standing.prepared);
        self.backward(left, &standing.prepared, reason)
    }

    /// Undoes the steps, last one first; all but the first `left` are recorded as undone, which may
    /// have reached the disk before their effects. Steps that were never prepared did nothing.
    fn backward(
        mut self,
        left: usize,
        prepared: &BTreeMap<usize, Value>,
        reason: Failure,
    ) -> Result<RunEnd, Failure> {
        for at in (0..status::steps_begun(prepared)).rev() {
            let undone = prepared.get(&at).map_or(Ok(()), |value| {
                with_reserve(&self.log, || self.steps[at].undo(value, &self.due))
            });
            if let Err(failure) = undone {
                let why = failure.to_string();
                self.log.append(JournalRecord::Stuck {
                    step: at,
                    why: why.clone(),
                })?;
                // Not finished yet: the line that matters is written at the end.
                let _ = self.say(Ending::Stuck);
                let _ = self.pass();
                return Ok(RunEnd::Stuck(self.stuck(at, why)));
            }
            if at < left {
                self.log.note(JournalRecord::Undone { step: at });
            }
        }
        // Whatever is said of it afterwards holds: it cannot go forward again.
        self.log.write_noted(&self.due)?;
        self.pass()?;
        let said = self.say(Ending::Undone(&reason)).and_then(|()| self.pass());
        if said.is_err() {
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

/// Refuses an operation of another process whose commit point shows and was never started by its
/// records: neither the way forward nor the way back is known any more.
///
/// # Errors
/// Such an operation is an error, and so is a commit point that cannot be looked at.
pub fn refuse_cut_short(log: &Log, steps: &[Box<dyn JournalStep + '_>]) -> Result<(), Failure> {
    let damaged = |why| Error::Damaged(log.op().clone(), why);
    let standing = status::of(log.records()).map_err(damaged)?;
    let is_forward = matches!(standing.phase, OperationPhase::Forward { .. });
    let point = steps.iter().position(|step| step.is_commit_point());
    match point.filter(|at| is_forward && !standing.prepared.contains_key(at)) {
        Some(at) if steps[at].shows_unstarted()? => Err(Error::CutShort(log.op().clone()).into()),
        _ => Ok(()),
    }
}

/// Stages what steps need, and prepares those that can be prepared before the operation is written.
/// Returns their before-images, by number.
fn prepare_early(
    steps: &mut [Box<dyn JournalStep + '_>],
    due: &Due,
) -> Result<BTreeMap<usize, Value>, Failure> {
    let mut prepared = BTreeMap::new();
    for (at, step) in steps.iter_mut().enumerate() {
        step.stage(due)?;
        if step.is_prepared_early() {
            prepared.insert(at, step.prepare(due)?);
        }
    }
    Ok(prepared)
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
