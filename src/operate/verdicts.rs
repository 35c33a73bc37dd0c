//! What checks said of a version, written down: it is proven, it failed, it is damaged, it is whole
//! again.
//!
//! A verdict is written only when it is news, so looking at the same thing twice writes nothing.
//! Looking never fails because it could not be written down; that is a warning. What others know is
//! taken into account: a proof mends the failures of which it is said in the knowledge. Only an
//! operation that went through gives its word a reference at once; looking, and what was put back,
//! leave them as they are.

use super::{Operator, deed_on};
use crate::{
    base::Failure,
    catalog::{self, tasks},
    model::{
        CheckResult, OpId, Report, Status, TaskId, Verdict, VerdictRecord, Verification, Version,
        drill::WAY, operation::OpKind, report::Outcome, verdict::Standing,
        verification::AS_RELEASED,
    },
    verdict,
    verify::Commands,
};

/// What a check said of a version.
pub struct NewVerdict<'a> {
    /// The task.
    pub task: &'a TaskId,
    /// Its version.
    pub version: &'a Version,
    /// What is said of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

impl Operator<'_> {
    /// Says something of a version.
    ///
    /// # Errors
    /// When there is no such release, or it cannot be written down.
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
        let what = deed_on(kind, task, None, Some(version));
        self.witnessed(what, reason, || verdict::write(self.site, &[record]))
    }

    /// Writes down what was said outside an operation; not where this user may not even read.
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
            let what = deed_on(kind, said.task, None, Some(said.version));
            self.witnessed(what, &said.reason, || verdict::keep(self.site, &records))
        };
        self.warn_unwritten(said, note());
    }

    /// Writes down what an operation said, by who has the lock; with a reference when it went
    /// through.
    fn write_down(&self, said: &NewVerdict<'_>, report: &Report) {
        let write = if report.outcome == Outcome::Done {
            verdict::write
        } else {
            verdict::keep
        };
        let note = || write(self.site, &self.news(said, report.op.as_ref())?);
        self.warn_unwritten(said, note());
    }

    /// What the verification of an operation says of the version that it was about.
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
        // What was changed meanwhile is not what was released.
        let ran = ran && verification.meanwhile().is_empty();
        match failure {
            Some(reason) => self.write_down(&said(Verdict::Failed, reason), report),
            // What was left out proves nothing.
            None if verification.is_good()
                && ran
                && matches!(report.kind, OpKind::CreateSnapshot | OpKind::Rollback) =>
            {
                self.write_down(&said(Verdict::Proven, reason), report);
            }
            None => {}
        }
    }

    /// What a look at the kept release says; whole is only that of which every byte was read.
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

    /// What a look at the work tree says of the version that should be in it.
    pub fn note_tree(&self, verification: &Verification, commands: Commands) {
        if let Some(said) = self.said_of_tree(verification, commands) {
            self.note(&said);
        }
    }

    /// The same for who has the lock.
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

    /// True when the checks of a version failed when they were last written down.
    fn failed(&self, verification: &Verification) -> bool {
        self.standing_here(&verification.task, &verification.version)
            .is_ok_and(|(_, all)| all.checks_failed)
    }

    /// What the log of this clone says of a version, and what all that is known here says.
    fn standing_here(
        &self,
        task: &TaskId,
        version: &Version,
    ) -> Result<(Standing, Standing), Failure> {
        let own = verdict::own(&*self.site.state)?;
        let shared = verdict::said_elsewhere(self.site, task)?;
        let standing = |own, shared| {
            let mut said =
                verdict::of_version(&verdict::union(own, shared), task, version).to_vec();
            verdict::keep_meant(&self.site.git, task, version, &mut said);
            Standing::of(&said)
        };
        Ok((standing(own.clone(), Vec::new()), standing(own, shared)))
    }

    /// The records of what was said that are news.
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
        // What was proven here came out of the storage of this clone.
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

/// What a verification says of its version.
fn said_of(verification: &Verification, verdict: Verdict, reason: String) -> NewVerdict<'_> {
    NewVerdict {
        task: &verification.task,
        version: &verification.version,
        verdict,
        reason,
    }
}

/// What is wrong with a release where it is kept, whoever looked: not whether somebody signed it,
/// nor where its tag is by now, which [`verdict::summary`] looks at every time.
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

/// Why a version failed its own checks. Where nothing else can be at fault that is any of the first
/// three levels; in a work tree only its smoke test, on files that are the version's: not on those
/// that an undo brought back as they were, which was not as released.
pub fn own_failure(verification: &Verification, any: bool) -> Option<String> {
    let failed = |level| verification.level(level) == Status::Fail;
    let is_other = verification
        .checks
        .iter()
        .any(|check| check.id == AS_RELEASED);
    if !any && (is_other || failed(1) || failed(2)) {
        return None;
    }
    // What lies in the way in the work tree is no fault of the version.
    let own = |check: &&CheckResult| check.level <= 3 && check.id != WAY;
    verification
        .checks
        .iter()
        .filter(own)
        .find(|check| check.status == Status::Fail)
        .map(reason_of)
}

/// Why a release failed its own checks: where it is kept, or, when the work tree still holds it, in
/// any of the first three levels.
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

/// A failed check in one line. What a command printed stays in the report: this travels.
fn reason_of(check: &CheckResult) -> String {
    /// Characters of a reason.
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
