//! The guard's own rollbacks: started, reported, and completed after a kill.
//!
//! An action is saved before it is carried out.

use super::{Guard, calls::notice};
use crate::{
    base::{Failure, Kind},
    catalog::tasks,
    journal::{
        history::{self, OperationState},
        status::OperationPhase,
    },
    model::{
        OpId, Report, TaskSpec,
        alert::{Notice, Topic},
        guard::{Fired, Firing, GuardState, RuleLine, TaskWatch, Watching},
        operation::OpKind,
        report,
        request::RollbackRequest,
        settings::OnVerifyFail,
    },
    operate::{Operator, operations},
    rollback,
};

/// Most starts of a rollback that is killed each time before it begins.
const ATTEMPTS: u32 = 3;

impl Guard<'_> {
    /// Rolls the task back to its last good version.
    pub(super) fn fire(
        &self,
        spec: &TaskSpec,
        state: &mut GuardState,
        watch: &mut TaskWatch,
        line: &RuleLine,
    ) -> Result<(), Failure> {
        let Some(from) = state.version.clone() else {
            return Ok(());
        };
        let why = format!("{}: {}", line.rule, line.judgement.why);
        let to = match rollback::resolve(self.site, &spec.id, "last-good") {
            Ok(to) => to,
            Err(failure) => return self.freeze_and_call(state, &failure.to_string(), &why),
        };
        let after = history::ids(&*self.site.state)?
            .last()
            .map_or(0, OpId::counter);
        let fired = Fired {
            at: self.site.clock.moment(),
            rule: line.rule.clone(),
            from,
            to,
            why,
        };
        state.fired.push(fired.clone());
        state.firing = Some(Firing {
            fired,
            after,
            attempts: 0,
        });
        self.roll_back(state, watch)
    }

    /// Begins the rollback that was recorded.
    fn roll_back(&self, state: &mut GuardState, watch: &mut TaskWatch) -> Result<(), Failure> {
        let Some(firing) = &mut state.firing else {
            return Ok(());
        };
        firing.attempts += 1;
        let fired = firing.fired.clone();
        self.memory.save(state)?;
        let wanted = RollbackRequest::plain(
            state.task.clone(),
            fired.to.clone(),
            format!("guard {}", fired.why),
        );
        let wanted = RollbackRequest {
            from: Some(fired.from.clone()),
            on_verify_fail: Some(OnVerifyFail::Undo),
            ..wanted
        };
        match Operator::new(self.site).execute(&wanted, |_| Ok(())) {
            Ok(report) => self.rolled_back(state, watch, report),
            Err(failure)
                if matches!(
                    failure.kind(),
                    Kind::Locked | Kind::Cancelled(_) | Kind::TimeLimit
                ) =>
            {
                // Nothing was changed; the next look tries again.
                state.fired.pop();
                state.firing = None;
                watch.notes.push(format!("not now: {failure}"));
                Ok(self.memory.save(state)?)
            }
            Err(failure) => self.freeze_and_call(
                state,
                &format!("the rollback to {} failed: {failure}", fired.to),
                &fired.why,
            ),
        }
    }

    /// Reports how a rollback ended.
    fn rolled_back(
        &self,
        state: &mut GuardState,
        watch: &mut TaskWatch,
        report: Report,
    ) -> Result<(), Failure> {
        let Some(Firing { fired, .. }) = state.firing.clone() else {
            return Ok(());
        };
        let (op, done) = (report.op.clone(), report.outcome == report::Outcome::Done);
        let notes = report.notes.join("; ");
        watch.report = Some(report);
        if !done {
            return self.freeze_and_call(
                state,
                &format!("the rollback to {} was put back: {notes}", fired.to),
                &fired.why,
            );
        }
        let title = format!(
            "{} went back {} -> {}, verified",
            state.task, fired.from, fired.to
        );
        let facts = vec![(
            "held".into(),
            format!("{} is held: it does not come back by itself", fired.from),
        )];
        self.call(Notice {
            from: Some(fired.from.clone()),
            to: Some(fired.to.clone()),
            facts,
            op: op.clone(),
            ..notice(state, Topic::RolledBack, title, fired.why.clone())
        });
        // The report precedes the removal: after a kill in between it is repeated and folded.
        state.firing = None;
        state.watching = Some(Watching {
            rule: fired.rule,
            from: fired.from,
            op,
        });
        let now = self.site.clock.moment();
        self.turn_to_active(tasks::spec(self.site, &state.task)?, state, &now)?;
        Ok(self.memory.save(state)?)
    }

    /// Completes a rollback that a kill interrupted.
    pub(super) fn settle_firing(
        &self,
        state: &mut GuardState,
        watch: &mut TaskWatch,
    ) -> Result<(), Failure> {
        let Some(Firing {
            fired,
            after,
            attempts,
        }) = state.firing.clone()
        else {
            return Ok(());
        };
        let is_ours = |listed: &OperationState| {
            let about = &listed.summary.about;
            about.kind == OpKind::Rollback && about.to.as_ref() == Some(&fired.to)
        };
        let ours = history::newest(&self.site.state, &state.task, after, is_ours)?;
        let op = ours.as_ref().map(|listed| listed.summary.about.id.clone());
        let end = match self.end_interrupted(ours.as_ref()) {
            Ok(end) => end,
            Err(failure) if matches!(failure.kind(), Kind::Locked | Kind::Cancelled(_)) => {
                return Err(failure);
            }
            Err(failure) => {
                return self.freeze_and_call(
                    state,
                    &format!("the rollback to {} did not end: {failure}", fired.to),
                    &fired.why,
                );
            }
        };
        watch.notes.push(format!(
            "a rollback {} -> {} had been interrupted",
            fired.from, fired.to
        ));
        match end {
            Some((done, report)) => {
                let ended = if done {
                    report::Outcome::Done
                } else {
                    report::Outcome::Undone
                };
                let report = report.unwrap_or_else(|| interrupted(state, &fired, op, ended));
                self.rolled_back(
                    state,
                    watch,
                    Report {
                        outcome: ended,
                        ..report
                    },
                )
            }
            None if attempts < ATTEMPTS => self.roll_back(state, watch),
            None => self.freeze_and_call(
                state,
                &format!(
                    "the rollback to {} was interrupted {attempts} times before it began",
                    fired.to
                ),
                &fired.why,
            ),
        }
    }

    /// Completes an interrupted rollback. Returns whether it is done, with its report as far as
    /// that was kept. `None` when it had not begun.
    fn end_interrupted(
        &self,
        ours: Option<&OperationState>,
    ) -> Result<Option<(bool, Option<Report>)>, Failure> {
        let Some(listed) = ours else {
            return Ok(None);
        };
        if let OperationPhase::Finished { done } = listed.phase {
            let op = listed.summary.about.id.to_string();
            let report = operations::one(self.site, &op)
                .ok()
                .and_then(|operation| operation.2);
            return Ok(Some((done, report)));
        }
        let report = Operator::new(self.site).resume()?;
        Ok(Some((
            report.outcome == report::Outcome::Done,
            Some(report),
        )))
    }
}

/// Builds the report of a rollback whose report was never written.
fn interrupted(
    state: &GuardState,
    fired: &Fired,
    op: Option<OpId>,
    outcome: report::Outcome,
) -> Report {
    Report {
        op,
        task: Some(state.task.clone()),
        from: Some(fired.from.clone()),
        to: Some(fired.to.clone()),
        outcome,
        changed: outcome == report::Outcome::Done,
        message: format!("guard {}", fired.why),
        notes: vec!["it was interrupted and brought to its end".into()],
        ..Report::new(OpKind::Rollback, fired.at.wall)
    }
}
