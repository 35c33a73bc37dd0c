//! Records the findings of checks about a version: proven, failed, damaged, whole again.
//!
//! A verdict is written only when it is news, so repeated checks write nothing. A check never fails
//! because its verdict could not be written; that is a warning. Shared verdicts count too: a proof
//! mends the failures that were known when it was made. Only an operation that succeeded publishes
//! its verdict at once; checks, and reversed operations, leave references unchanged.

use super::{Operator, action_on};
use crate::{
    base::Failure,
    catalog::{self, tasks},
    model::{
        CheckResult, OpId, Report, Status, TaskId, Verdict, VerdictRecord, Verification, Version,
        drill::WAY, operation::OpKind, report::Outcome, verdict::VersionState,
        verification::AS_RELEASED,
    },
    verdict,
    verify::Commands,
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

    /// Records an operation's finding, for a caller that holds the lock; publishes it if the
    /// operation succeeded.
    fn write_down(&self, said: &NewVerdict<'_>, report: &Report) {
        let write = if report.outcome == Outcome::Done {
            verdict::write
        } else {
            verdict::keep
        };
        let note = || write(self.site, &self.news(said, report.op.as_ref())?);
        self.warn_unwritten(said, note());
    }

    /// Records what an operation's verification found about its version.
    pub(super) fn note_operation(&self, report: &Report, commands: Commands) {
        let (Some(_), Some(verification)) = (&report.op, &report.verification) else {
            return;
        };
        let spec = self.site.settings.task(&verification.task);
        let ran = commands == Commands::Run || spec.is_some_and(|spec| spec.smoke.is_empty());
        let released = report.kind == OpKind::CreateSnapshot;
        let reason = if released {
            "verified at release".into()
        } else {
            format!("verified by the {}", report.kind.word())
        };
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
        let failure = if released {
            failure_of_release(verification)
        } else {
            own_failure(verification, false)
        };
        // Files edited meanwhile are not the released ones.
        let ran = ran && verification.meanwhile().is_empty();
        match failure {
            Some(reason) => self.write_down(&said(Verdict::Failed, reason), report),
            // Skipped checks prove nothing.
            None if verification.is_good()
                && ran
                && matches!(report.kind, OpKind::CreateSnapshot | OpKind::Rollback) =>
            {
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
            verdict::keep_meant(&self.site.git, task, version, &mut said);
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

/// Returns a verification's finding about its version.
fn said_of(verification: &Verification, verdict: Verdict, reason: String) -> NewVerdict<'_> {
    NewVerdict {
        task: &verification.task,
        version: &verification.version,
        verdict,
        reason,
    }
}

/// Returns the damage to a stored release, whoever checked. Ignores signatures and the tag's
/// current target, which [`verdict::summary`] checks every time.
fn damage(verification: &Verification) -> Option<String> {
    let is_kept = |check: &&CheckResult| {
        ["integrity.manifest", "integrity.commit", "integrity.kept"].contains(&check.id.as_str())
    };
    verification
        .checks
        .iter()
        .filter(is_kept)
        .find(|check| check.status == Status::Fail)
        .map(reason_of)
}

/// Returns why a version failed its own checks. With `any`, when nothing else can be at fault, a
/// failure in any of the first three levels counts; in a work tree only the smoke test does, and
/// only on the version's own files, not on those an undo restored that were not as released.
pub fn own_failure(verification: &Verification, any: bool) -> Option<String> {
    let failed = |level| verification.level(level) == Status::Fail;
    let is_other = verification
        .checks
        .iter()
        .any(|check| check.id == AS_RELEASED);
    if !any && (is_other || failed(1) || failed(2)) {
        return None;
    }
    // An obstacle in the work tree is no fault of the version.
    let own = |check: &&CheckResult| check.level <= 3 && check.id != WAY;
    verification
        .checks
        .iter()
        .filter(own)
        .find(|check| check.status == Status::Fail)
        .map(reason_of)
}

/// Returns why a release failed its own checks: where it is stored, or, if the work tree still
/// holds it, in any of the first three levels.
fn failure_of_release(verification: &Verification) -> Option<String> {
    let of_tree = |check: &&CheckResult| {
        ["integrity.files", "integrity.extra", "integrity.databases"].contains(&check.id.as_str())
    };
    let failed = |check: &&CheckResult| check.status == Status::Fail;
    if !verification
        .checks
        .iter()
        .any(|check| of_tree(&check) && failed(&check))
    {
        return own_failure(verification, true);
    }
    let is_kept =
        |check: &&CheckResult| check.level == 1 && !of_tree(check) && check.id != "integrity.after";
    verification
        .checks
        .iter()
        .filter(is_kept)
        .find(failed)
        .map(reason_of)
}

/// Renders a failed check in one line. Command output stays in the report, because this is shared.
fn reason_of(check: &CheckResult) -> String {
    /// Maximum length of a reason, in characters.
    const MOST: usize = 1000;
    let evidence: Vec<&str> = check
        .evidence
        .iter()
        .map(String::as_str)
        .filter(|line| !line.starts_with("| "))
        .collect();
    format!("{}: {}", check.id, evidence.join("; "))
        .chars()
        .take(MOST)
        .collect()
}
