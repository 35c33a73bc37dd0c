//! Rollbacks that are taken back by themselves unless a person confirms them.
//!
//! The record is durable before the rollback begins. So no kill and no power cut can leave a
//! rollback that nothing takes back. An overdue rollback is taken back by an ordinary undo through
//! the journal. This is done by the supervisor that was started with the rollback, a running guard,
//! the next command that changes something, or `confirm --watch` after a restart. Read
//! [`Waiting::settle_all`] first.

use std::time::Duration;

use super::{Error, confirm::Confirmations};
use crate::{
    alert::Alerts,
    base::{Failure, Kind, clock::millis},
    journal::{
        history::{self, OpenOperation},
        status::OperationPhase,
    },
    model::{
        OpId, TaskId, Version,
        alert::{Notice, Topic},
        confirm::{AwaitingConfirmation, FailedTry, Settled},
        operation::OpKind,
        report::Outcome,
        request::Undo,
        signature::Signing,
    },
    operate::{self, Operator},
    rollback::{self, Reversal},
    site::RepoSite,
};

/// Failed attempts to take a rollback back before a person is called as well.
const ATTEMPTS: u32 = 3;

/// The rollbacks of a repository that wait to be confirmed.
pub struct Waiting<'a> {
    site: &'a RepoSite,
    records: Confirmations,
}

impl<'a> Waiting<'a> {
    /// Returns the waiting rollbacks of the repository at a site.
    pub fn new(site: &'a RepoSite) -> Self {
        Self {
            site,
            records: Confirmations::new(site.state.clone()),
        }
    }

    /// Returns the rollbacks that wait to be confirmed.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn pending(&self) -> Result<Vec<AwaitingConfirmation>, Failure> {
        let records = &self.records;
        let tasks = records
            .tasks()
            .map_err(|source| self.site.state_error(source))?;
        let mut found = Vec::new();
        for task in tasks {
            found.extend(records.load(&task)?);
        }
        Ok(found)
    }

    /// Returns the waiting rollbacks whose time is over.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn overdue(&self) -> Result<Vec<AwaitingConfirmation>, Failure> {
        let now = self.site.clock.moment();
        let is_overdue = |pending: &AwaitingConfirmation| {
            now.since(&pending.since).is_some()
                && pending.left(&now).is_zero()
                && !self.is_over(pending)
        };
        Ok(self.pending()?.into_iter().filter(is_overdue).collect())
    }

    /// Confirms a rollback, so that it stays. Returns its record.
    ///
    /// # Errors
    /// When nothing waits, or the rollback is being taken back right now.
    pub fn confirm(&self, task: &TaskId) -> Result<AwaitingConfirmation, Failure> {
        let records = &self.records;
        let nothing = || Error::NothingWaits(Some(task.clone()));
        records.load(task)?.ok_or_else(nothing)?;
        let _end = records
            .end(task)?
            .ok_or_else(|| Error::TooLate(task.clone()))?;
        // The rollback may have been taken back a moment ago.
        let pending = records.load(task)?.ok_or_else(nothing)?;
        let what = operate::action_on("confirm", task, pending.from.as_ref(), pending.to.as_ref());
        Operator::new(self.site).audited(what, "the rollback stays", || {
            Ok(records.remove(task).map(drop)?)
        })?;
        Ok(pending)
    }

    /// Locks a task's rollback for watching, until dropped; `None` when it is already watched.
    ///
    /// # Errors
    /// When the record cannot be locked.
    pub fn watch(&self, task: &TaskId) -> Result<Option<crate::base::fs::FileLock>, Failure> {
        Ok(self.records.watch(task)?)
    }

    /// Takes back every overdue rollback, and returns the outcome of each waiting one.
    ///
    /// # Errors
    /// When a record cannot be read or written.
    pub fn settle_all(&self) -> Result<Vec<(AwaitingConfirmation, Settled)>, Failure> {
        let mut all = Vec::new();
        for pending in self.pending()? {
            let settled = self.settle(&pending)?;
            all.push((pending, settled));
        }
        Ok(all)
    }

    /// Settles one waiting rollback.
    fn settle(&self, seen: &AwaitingConfirmation) -> Result<Settled, Failure> {
        let now = self.site.clock.moment();
        let waits = |left: Duration| Settled::Waits(millis(left));
        if now.since(&seen.since).is_none() {
            // The clock was set back while the machine was off: the time starts over.
            self.records.save(&AwaitingConfirmation {
                since: now,
                ..seen.clone()
            })?;
            return Ok(waits(seen.within()));
        }
        let left = seen.left(&now);
        if !left.is_zero() && !self.is_over(seen) {
            return Ok(waits(left));
        }
        let records = &self.records;
        let Some(_end) = records.end(&seen.task)? else {
            return Ok(Settled::Later("somebody is at it".into()));
        };
        let Some(pending) = records.load(&seen.task)? else {
            return Ok(Settled::Dropped("it was settled a moment ago".into()));
        };
        if pending.worktree != self.site.git.work_tree().to_string_lossy() {
            return Ok(Settled::Later(format!(
                "it was done in the work tree {}",
                pending.worktree
            )));
        }
        if let Some(failed) = pending
            .failed
            .as_ref()
            .filter(|_| pending.pauses(&now) && !self.is_over(&pending))
        {
            return Ok(Settled::Later(failed.why.clone()));
        }
        let settled = match self.take_back(&pending) {
            Ok(settled) => settled,
            // The rollback is fine; only the moment is wrong.
            Err(failure)
                if matches!(
                    failure.kind(),
                    Kind::Locked | Kind::Cancelled(_) | Kind::TimeLimit
                ) =>
            {
                return Ok(Settled::Later(failure.to_string()));
            }
            Err(failure) => return self.fail(&pending, failure.to_string()),
        };
        self.tell(&pending, &settled)?;
        Ok(settled)
    }

    /// Records that a rollback could not be taken back, and calls a person if failures continue.
    fn fail(&self, pending: &AwaitingConfirmation, why: String) -> Result<Settled, Failure> {
        let Some(mut now) = self.records.load(&pending.task)? else {
            return Ok(Settled::Later(why));
        };
        now.attempts = now.attempts.max(pending.attempts.saturating_add(1));
        let called = now.failed.as_ref().is_some_and(|failed| failed.called);
        let calls = !called && now.attempts >= ATTEMPTS;
        if calls {
            let to = Version::or_none(now.to.as_ref());
            let title = format!(
                "{} stays at {to}: the rollback was not confirmed and could not be taken back yet",
                now.task
            );
            self.call_about(
                &now,
                Topic::NotReverted,
                title,
                format!("{why}; it is tried again"),
            );
        }
        now.failed = Some(FailedTry {
            why: why.clone(),
            at: self.site.clock.moment(),
            called: called || calls,
        });
        self.records.save(&now)?;
        Ok(Settled::Later(why))
    }

    /// Returns true when the rollback was already taken back, by any process or user.
    fn is_over(&self, pending: &AwaitingConfirmation) -> bool {
        pending
            .op
            .as_ref()
            .is_some_and(|op| self.is_undone(&pending.task, op).unwrap_or(false))
    }

    /// Returns true when an operation of a task was taken back.
    fn is_undone(&self, task: &TaskId, op: &OpId) -> Result<bool, Failure> {
        let undoes = |about: &crate::model::operation::About| about.undoes.as_ref() == Some(op);
        Ok(
            history::newest(&self.site.state, task, op.counter(), |listed| {
                undoes(&listed.summary.about)
                    && listed.phase == OperationPhase::Finished { done: true }
            })?
            .is_some(),
        )
    }

    /// Takes a rollback back, whatever state it is in.
    fn take_back(&self, pending: &AwaitingConfirmation) -> Result<Settled, Failure> {
        if let Some(settled) = self.end_unfinished(pending)? {
            return Ok(settled);
        }
        let is_ours = |about: &crate::model::operation::About| {
            about.kind == OpKind::Rollback && about.to == pending.to
        };
        let done = |listed: &history::OperationState| {
            is_ours(&listed.summary.about)
                && listed.phase == OperationPhase::Finished { done: true }
        };
        let op = match &pending.op {
            Some(op) => op.clone(),
            None => match history::newest(&self.site.state, &pending.task, pending.after, done)? {
                Some(listed) => listed.summary.about.id,
                None => return Ok(Settled::Dropped("the rollback was never done".into())),
            },
        };
        if self.is_undone(&pending.task, &op)? {
            let by_us = pending.attempts > 0;
            return Ok(if by_us {
                Settled::Reverted
            } else {
                Settled::Dropped("somebody took it back already".into())
            });
        }
        self.records.save(&AwaitingConfirmation {
            op: Some(op.clone()),
            attempts: pending.attempts + 1,
            ..pending.clone()
        })?;
        let wanted = Undo {
            task: None,
            op: Some(op),
            signing: Signing::default(),
        };
        let undo = Reversal {
            wanted: &wanted,
            kind: OpKind::Undo,
        };
        match Operator::new(self.site).execute(&undo, |_| Ok(())) {
            Ok(report) if report.outcome == Outcome::Done => Ok(Settled::Reverted),
            Ok(report) => self.fail(pending, report.notes.join("; ")),
            Err(failure) if moved_on(&failure) => Ok(Settled::Dropped(failure.to_string())),
            Err(failure) => Err(failure),
        }
    }

    /// Completes an operation that is in the way: the rollback itself is put back, its undo is
    /// continued. `None` when nothing is in the way any more.
    fn end_unfinished(&self, pending: &AwaitingConfirmation) -> Result<Option<Settled>, Failure> {
        // Under the lock, so that an operation that is still running is not mistaken for one that
        // was killed.
        let lock = self.site.lock()?;
        Operator::new(self.site).sweep()?;
        let unfinished = history::unfinished(&self.site.state)?;
        drop(lock);
        let Some(OpenOperation { operation, .. }) = unfinished else {
            return Ok(None);
        };
        let about = &operation.about;
        let own = about.task.as_ref() == Some(&pending.task) && about.id.counter() > pending.after;
        if own && about.undoes.is_some() && about.undoes == pending.op {
            return match Operator::new(self.site).resume()?.outcome {
                Outcome::Done => Ok(Some(Settled::Reverted)),
                _ => Ok(None),
            };
        }
        if own && about.kind == OpKind::Rollback && about.to == pending.to {
            return match Operator::new(self.site).abort() {
                Ok(_) => Ok(Some(Settled::Reverted)),
                // Its effects were already visible: it is completed now, then taken back as usual.
                Err(failure) if failure.kind() == Kind::Conflict => Ok(None),
                Err(failure) => Err(failure),
            };
        }
        Ok(Some(Settled::Later(format!(
            "operation {} is unfinished",
            about.id.short()
        ))))
    }

    /// Reports how the waiting ended, and removes the record.
    fn tell(&self, pending: &AwaitingConfirmation, settled: &Settled) -> Result<(), Failure> {
        if matches!(settled, Settled::Waits(_) | Settled::Later(_)) {
            return Ok(());
        }
        if *settled == Settled::Reverted {
            let (from, to) = (
                Version::or_none(pending.from.as_ref()),
                Version::or_none(pending.to.as_ref()),
            );
            let title = format!(
                "{} is back at {from}: the rollback to {to} was not confirmed",
                pending.task
            );
            let reason = format!(
                "nobody confirmed the rollback to {to} within {:?}",
                pending.within()
            );
            self.call_about(pending, Topic::Reverted, title, reason);
        }
        Ok(self.records.remove(&pending.task).map(drop)?)
    }

    /// Raises an alert about a rollback that was not confirmed.
    fn call_about(
        &self,
        pending: &AwaitingConfirmation,
        event: Topic,
        title: String,
        reason: String,
    ) {
        let notice = Notice {
            event,
            task: Some(pending.task.clone()),
            title,
            reason,
            from: pending.to.clone(),
            to: pending.from.clone(),
            facts: Vec::new(),
            op: pending.op.clone(),
        };
        if let Err(failure) = Alerts::new(self.site).raise(notice) {
            self.site.warn(format!("nobody could be called: {failure}"));
        }
    }
}

/// Returns true when a rollback cannot be taken back because the task has moved on since.
fn moved_on(failure: &Failure) -> bool {
    use rollback::Error::{CannotUndo, MovedOn, NotTheLast};
    matches!(
        failure.find::<rollback::Error>(),
        Some(CannotUndo { .. } | MovedOn { .. } | NotTheLast { .. })
    )
}
