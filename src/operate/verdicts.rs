//! Records the findings of checks about a version: proven, failed, damaged, whole again.
//!
//! A verdict is written only when it is news, so repeated checks write nothing. A check never fails
//! because its verdict could not be written; that is a warning. Shared verdicts count too: a proof
//! mends the failures that were known when it was made. Only an operation that succeeded publishes
//! its verdict at once; checks, and reversed operations, leave references unchanged.

use super::{Operator, action_on};
use crate::{
    base::{Due, Failure},
    catalog::{self, tasks},
    model::{
        CheckResult, OpId, Operation, Report, TaskId, Verdict, VerdictRecord, Verification,
        Version,
        operation::{OpKind, Step},
        report::Outcome,
        verdict::VersionState,
    },
    verdict,
    verify::{
        Commands,
        findings::{damage, failure_of_release, is_proof, own_failure, runs_all},
    },
};

/// A finding about a version.
pub struct NewVerdict<'a> {
    /// The task.
    pub task: &'a TaskId,
    /// Its version.
    pub version: &'a Version,
    /// The verdict.
    pub verdict: Verdict,
    /// The reason.
    pub reason: String,
}

impl Operator<'_> {
    /// Gives a verdict on a version.
    ///
    /// # Errors
    /// Fails when there is no such release, or the verdict cannot be written.
    pub fn mark(
        &self,
        task: &TaskId,
        version: &Version,
        verdict: Verdict,
        reason: &str,
    ) -> Result<(), Failure> {
        let _lock = self.site.lock()?;
        tasks::tagged_releases(self.site, task)?.find(task, version)?;
        self.site.git.identity()?;
        let kind = match verdict {
            Verdict::Good => "mark good",
            Verdict::Bad => "mark bad",
            Verdict::Held => "hold",
            Verdict::HoldLifted => "end hold",
            Verdict::Pinned => "pin",
            Verdict::Unpinned => "unpin",
            _ => "mark",
        };
        let record = catalog::verdict::verdict(self.site, (task, version), verdict, reason);
        let what = action_on(kind, task, None, Some(version));
        self.audited(what, reason, || verdict::write(self.site, &[record]))
    }

    /// Records a finding made outside an operation; does nothing where this user may not even read.
    pub fn note(&self, said: &NewVerdict<'_>) {
        if self.site.is_closed() {
            return;
        }
        let note = || -> Result<(), Failure> {
            let records = self.news(said, None)?;
            if records.is_empty() {
                return Ok(());
            }
            let _lock = self.site.lock()?;
            let kind = match said.verdict {
                Verdict::Proven => "mark proven",
                Verdict::Whole => "mark whole",
                Verdict::Damaged => "mark damaged",
                _ => "mark failed",
            };
            let what = action_on(kind, said.task, None, Some(said.version));
            self.audited(what, &said.reason, || verdict::keep(self.site, &records))
        };
        self.warn_unwritten(said, note());
    }

    /// Records an operation's finding, for a caller that holds the lock; publishes it, or the
    /// failure that was written down already, if the operation succeeded.
    fn write_down(&self, said: &NewVerdict<'_>, report: &Report) {
        let note = || {
            let records = self.news(said, report.op.as_ref())?;
            let is_new = !records.is_empty() || said.verdict == Verdict::Failed;
            verdict::keep(self.site, &records)?;
            if is_new && report.outcome == Outcome::Done {
                verdict::share(self.site, said.task);
            }
            Ok(())
        };
        self.warn_unwritten(said, note());
    }

    /// Writes down, durably with the operation's end, that its verification failed: nobody looks
    /// again if the process is killed behind that end.
    pub(super) fn note_failure(
        &self,
        operation: &Operation,
        verification: Option<&Verification>,
        due: &Due,
    ) {
        let Some(verification) = verification else {
            return;
        };
        let Some(reason) = failure_of(operation.about.kind, verification) else {
            return;
        };
        let said = said_of(verification, Verdict::Failed, reason);
        let note = || -> Result<(), Failure> {
            let records = self.news(&said, Some(&operation.about.id))?;
            if records.is_empty() {
                return Ok(());
            }
            let known = verdict::said_elsewhere(self.site, said.task)?;
            Ok(verdict::append(
                &*self.site.state,
                &records,
                &known,
                Some(due),
            )?)
        };
        self.warn_unwritten(&said, note());
    }

    /// Adds to an operation the verdict that its verification may give, so that its reference can
    /// move with the operation's own.
    pub(super) fn add_proof(&self, operation: &mut Operation) -> Result<(), Failure> {
        let is_verified = |step: &Step| {
            matches!(
                step,
                Step::Verify {
                    version: Some(_),
                    ..
                }
            )
        };
        let about = &operation.about;
        let (Some(task), Some(version)) = (&about.task, &about.to) else {
            return Ok(());
        };
        if operation.publication().is_none()
            || !operation.steps.iter().any(is_verified)
            || !runs_all(self.site, operation, task)
        {
            return Ok(());
        }
        let said = NewVerdict {
            task,
            version,
            verdict: Verdict::Proven,
            reason: reason_to_believe(about.kind),
        };
        let records = self.news(&said, Some(&about.id))?;
        // With another verdict beside it, both wait for the end.
        if let Ok([mut record]) = <[VerdictRecord; 1]>::try_from(records) {
            if about.kind == OpKind::CreateSnapshot {
                record.release = catalog::verdict::made_by(&self.site.git, operation);
            }
            operation.steps.push(Step::Proven(record));
        }
        Ok(())
    }

    /// Records what an operation's verification found about its version.
    pub(super) fn note_operation(&self, operation: &Operation, report: &Report) {
        let (Some(_), Some(verification)) = (&report.op, &report.verification) else {
            return;
        };
        let released = report.kind == OpKind::CreateSnapshot;
        if released && report.outcome != Outcome::Done {
            // There is no such version.
            return;
        }
        let said = |verdict, reason| said_of(verification, verdict, reason);
        if let Some(reason) = damage(verification).filter(|_| !released) {
            let kept = || {
                verdict::keep(
                    self.site,
                    &self.news(&said(Verdict::Damaged, reason), report.op.as_ref())?,
                )
            };
            self.warn_unwritten(&said(Verdict::Damaged, String::new()), kept());
        }
        let failure = failure_of(report.kind, verification);
        let proves = matches!(report.kind, OpKind::CreateSnapshot | OpKind::Rollback);
        match failure {
            Some(reason) => self.write_down(&said(Verdict::Failed, reason), report),
            None if proves && is_proof(self.site, operation, verification) => {
                let reason = reason_to_believe(report.kind);
                self.write_down(&said(Verdict::Proven, reason), report);
            }
            None => {}
        }
    }

    /// Records a check of the stored release; it counts as whole only if every byte was read.
    pub fn note_kept(&self, verification: &Verification, deep: bool) {
        match damage(verification) {
            Some(reason) => self.note(&said_of(verification, Verdict::Damaged, reason)),
            None if deep && verification.problems().all(CheckResult::is_of_copy) => {
                self.note(&said_of(
                    verification,
                    Verdict::Whole,
                    "verified where it is kept".into(),
                ));
            }
            None => {}
        }
    }

    /// Records a check of the work tree's version.
    pub fn note_tree(&self, verification: &Verification, commands: Commands) {
        if let Some(said) = self.said_of_tree(verification, commands) {
            self.note(&said);
        }
    }

    /// Like [`Self::note_tree`], for a caller that holds the lock.
    pub(super) fn note_tree_under_lock(&self, verification: &Verification, commands: Commands) {
        if let Some(said) = self.said_of_tree(verification, commands) {
            let kept = || verdict::keep(self.site, &self.news(&said, None)?);
            self.warn_unwritten(&said, kept());
        }
    }

    fn said_of_tree<'a>(
        &self,
        verification: &'a Verification,
        commands: Commands,
    ) -> Option<NewVerdict<'a>> {
        if let Some(reason) = damage(verification) {
            return Some(said_of(verification, Verdict::Damaged, reason));
        }
        if let Some(reason) = own_failure(verification, false) {
            return Some(said_of(verification, Verdict::Failed, reason));
        }
        let mends =
            verification.is_good() && commands == Commands::Run && self.failed(verification);
        mends.then(|| {
            said_of(
                verification,
                Verdict::Proven,
                "verified in the work tree".into(),
            )
        })
    }

    /// Returns true when the checks of a version had failed at the last record.
    fn failed(&self, verification: &Verification) -> bool {
        self.standing_here(&verification.task, &verification.version)
            .is_ok_and(|(_, all)| all.checks_failed)
    }

    /// Returns a version's standing by this clone's log, and by everything known here.
    fn standing_here(
        &self,
        task: &TaskId,
        version: &Version,
    ) -> Result<(VersionState, VersionState), Failure> {
        let own = verdict::own(&*self.site.state)?;
        let shared = verdict::said_elsewhere(self.site, task)?;
        let standing = |own, shared| {
            let mut said =
                verdict::of_version(&verdict::union(own, shared), task, version).to_vec();
            verdict::keep_meant(self.site, task, version, &mut said);
            VersionState::of(&said)
        };
        Ok((standing(own.clone(), Vec::new()), standing(own, shared)))
    }

    /// Returns the records that are news.
    fn news(
        &self,
        said: &NewVerdict<'_>,
        op: Option<&OpId>,
    ) -> Result<Vec<VerdictRecord>, Failure> {
        let (own, all) = self.standing_here(said.task, said.version)?;
        let is_news = match said.verdict {
            Verdict::Proven => !own.proven || all.failed,
            Verdict::Failed => !own.checks_failed || !all.checks_failed,
            Verdict::Damaged => !own.damaged,
            Verdict::Whole => own.damaged,
            _ => true,
        };
        let mut records = if is_news {
            vec![self.record(said, said.verdict.clone(), op)]
        } else {
            Vec::new()
        };
        // A version proven here came out of this clone's storage.
        if said.verdict == Verdict::Proven && own.damaged {
            records.push(self.record(said, Verdict::Whole, op));
        }
        Ok(records)
    }

    fn record(&self, said: &NewVerdict<'_>, verdict: Verdict, op: Option<&OpId>) -> VerdictRecord {
        let record =
            catalog::verdict::verdict(self.site, (said.task, said.version), verdict, &said.reason);
        VerdictRecord {
            op: op.cloned(),
            ..record
        }
    }

    fn warn_unwritten(&self, said: &NewVerdict<'_>, written: Result<(), Failure>) {
        if let Err(failure) = written {
            let word = match said.verdict {
                Verdict::Proven => "proven",
                Verdict::Whole => "whole again",
                Verdict::Damaged => "damaged",
                _ => "failed",
            };
            self.site.warn(format!(
                "{} {} could not be noted as {word}: {failure}",
                said.task, said.version
            ));
        }
    }
}

/// Returns why the version of an operation failed its own checks.
fn failure_of(kind: OpKind, verification: &Verification) -> Option<String> {
    if kind == OpKind::CreateSnapshot {
        failure_of_release(verification)
    } else {
        own_failure(verification, false)
    }
}

/// Returns a verification's finding about its version.
fn said_of(verification: &Verification, verdict: Verdict, reason: String) -> NewVerdict<'_> {
    NewVerdict {
        task: &verification.task,
        version: &verification.version,
        verdict,
        reason,
    }
}

/// Returns the reason of the verdict of an operation whose verification proved its version.
fn reason_to_believe(kind: OpKind) -> String {
    match kind {
        OpKind::CreateSnapshot => "verified at release".into(),
        kind => format!("verified by the {}", kind.word()),
    }
}
