//! The reports of operations: before one has ended, of one that had nothing to do, and as kept.

use std::time::Instant;

use super::{Change, Operator};
use crate::{
    base::{Failure, SyncPoint, clock::millis, fs::write_durably},
    catalog::tasks,
    draft::Draft,
    journal,
    model::{Operation, Report, operation::Step, report::Outcome},
};

impl Operator<'_> {
    /// The report of a change that found nothing to do.
    pub(super) fn nothing_done(
        &self,
        change: &dyn Change,
        draft: &Draft,
        begun: Instant,
    ) -> Result<Report, Failure> {
        let plan = &draft.plan;
        let mut report = Report {
            op: None,
            kind: plan.kind,
            task: (!plan.kind.is_of_no_task()).then(|| plan.task.clone()),
            from: plan.from.clone(),
            to: plan.to.clone(),
            outcome: Outcome::Done,
            changed: false,
            message: draft.message.clone(),
            who: String::new(),
            at: self.site.clock.now(),
            duration_ms: millis(begun.elapsed()),
            commit: None,
            tag: None,
            files_changed: 0,
            saved_bytes: 0,
            verification: None,
            exit_code: None,
            notes: plan.notes.clone(),
            timeline: Vec::new(),
            share: Vec::new(),
            kept: Vec::new(),
            of_release: false,
        };
        if change.verifies_active() {
            self.verify_active(tasks::spec(self.site, &plan.task)?, &mut report)?;
        }
        report.duration_ms = millis(begun.elapsed());
        Ok(report)
    }

    /// The report of an operation that has not ended yet.
    pub(super) fn empty_report(&self, operation: &Operation, begun: Instant) -> Report {
        Report {
            op: Some(operation.about.id.clone()),
            kind: operation.about.kind,
            task: operation.about.task.clone(),
            from: operation.about.from.clone(),
            to: operation.about.to.clone(),
            outcome: Outcome::Done,
            changed: true,
            message: operation.about.message.clone(),
            who: format!(
                "{} <{}>",
                operation.about.who.name, operation.about.who.email
            ),
            at: operation.about.at,
            duration_ms: millis(begun.elapsed()),
            commit: None,
            tag: None,
            files_changed: operation
                .path_changes()
                .filter(|change| change.changes())
                .count(),
            saved_bytes: 0,
            verification: None,
            exit_code: None,
            notes: operation.about.unsigned.iter().cloned().collect(),
            timeline: Vec::new(),
            share: Vec::new(),
            kept: Vec::new(),
            of_release: operation
                .steps
                .iter()
                .any(|step| matches!(step, Step::RemoveRefs(_))),
        }
    }

    /// Keeps the report beside the journal. It is derived, so failing to write it stops nothing.
    pub(super) fn keep_report(&self, report: &Report) {
        let Some(op) = &report.op else { return };
        let path = journal::log::folder(op).join("report.json");
        let points = (SyncPoint::PlanFile, SyncPoint::JournalDir);
        if let Err(error) = write_durably(
            &*self.site.state,
            &path,
            report.render().as_bytes(),
            0o600,
            points,
        ) {
            self.site.warn(format!(
                "the report of {} was not kept: {error}",
                op.short()
            ));
        }
    }
}
