//! The reports of operations: of a running one, of one with nothing to do, and as stored.

use std::time::Instant;

use super::{Change, Operator};
use crate::{
    base::{Failure, clock::millis},
    catalog::tasks,
    draft::Draft,
    journal,
    model::{OpId, Operation, Report, operation::Step},
    records::{self, JsonRecord, RecordFiles, Records},
    site::RepoSite,
};

/// The key of the report in the folder of its operation.
const REPORT: &str = "report";

impl JsonRecord for Report {
    const LIMIT: u64 = 64 << 20;

    /// Adds a checksum, which JSON alone lacks.
    fn encode(&self) -> Vec<u8> {
        self.render().into_bytes()
    }

    fn decode(text: &[u8]) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
}

impl Operator<'_> {
    /// Builds the report of a change with nothing to do.
    pub(super) fn nothing_done(
        &self,
        change: &dyn Change,
        draft: &Draft,
        begun: Instant,
    ) -> Result<Report, Failure> {
        let plan = &draft.plan;
        let mut report = Report {
            task: (!plan.kind.is_of_no_task()).then(|| plan.task.clone()),
            from: plan.from.clone(),
            to: plan.to.clone(),
            message: draft.message.clone(),
            notes: plan.notes.clone(),
            ..Report::new(plan.kind, self.site.clock.now())
        };
        if change.verifies_active() {
            self.verify_active(tasks::spec(self.site, &plan.task)?, &mut report)?;
        }
        report.duration_ms = millis(begun.elapsed());
        Ok(report)
    }

    /// Builds the report of an operation that has not ended yet.
    pub(super) fn empty_report(&self, operation: &Operation, begun: Instant) -> Report {
        let about = &operation.about;
        Report {
            op: Some(about.id.clone()),
            task: about.task.clone(),
            from: about.from.clone(),
            to: about.to.clone(),
            changed: true,
            message: about.message.clone(),
            who: about.who.to_string(),
            duration_ms: millis(begun.elapsed()),
            files_changed: operation
                .path_changes()
                .filter(|change| change.changes())
                .count(),
            notes: about.unsigned.iter().cloned().collect(),
            of_release: operation
                .steps
                .iter()
                .any(|step| matches!(step, Step::RemoveRefs(_))),
            ..Report::new(about.kind, about.at)
        }
    }

    /// Saves the report beside the journal. It is derived data, so failing to write it is harmless.
    pub(super) fn keep_report(&self, report: &Report) {
        let Some(op) = &report.op else { return };
        if let Err(error) = records_of(self.site, op).save(REPORT, report) {
            self.site.warn(format!(
                "the report of {} was not kept: {error}",
                op.short()
            ));
        }
    }
}

/// Returns the record of an operation's report, beside its journal.
fn records_of<'a>(site: &'a RepoSite, op: &OpId) -> Records<'a, Report> {
    let folder = journal::log::folder(op).to_text();
    Records::new(RecordFiles::within(&*site.state).derived(), folder)
}

/// Returns the report of an operation; `None` when none was saved.
pub(super) fn kept_report(site: &RepoSite, op: &OpId) -> Result<Option<Report>, records::Error> {
    records_of(site, op).load(REPORT)
}
