//! What checks said of a version, written down: it is proven, it failed, it is damaged, it is whole again.
//!
//! A verdict is written only when it is news, so looking at the same thing twice writes nothing.
//! Looking never fails because it could not be written down; that is a warning.

use super::{App, audit};
use crate::{
    base::{Failure, OpId, TaskId},
    model::{
        Check, Report, Status, Verdict, VerdictRecord, Verification, Version, drill::DrillReport, operation::OpKind, verdict::Standing,
    },
    steps::verdicts,
    verify::Commands,
};

/// What a check said of a version.
struct Said<'a> {
    task: &'a TaskId,
    version: &'a Version,
    verdict: Verdict,
    reason: String,
}

impl App {
    /// Writes down what was said outside an operation; not where this user may not even read.
    fn note(&self, said: &Said<'_>) {
        if self.is_closed() {
            return;
        }
        let note = || -> Result<(), Failure> {
            if !self.is_news(said)? {
                return Ok(());
            }
            let _lock = self.lock()?;
            let kind = match said.verdict {
                Verdict::Proven => "mark proven",
                Verdict::Whole => "mark whole",
                Verdict::Damaged => "mark damaged",
                _ => "mark failed",
            };
            let what = audit::deed_on(kind, said.task, None, Some(said.version));
            let record = self.record(said, None);
            self.witnessed(what, &said.reason, || Ok(verdicts::append(&*self.ground.state, &[record], &[])?))
        };
        self.warn_unwritten(said, note());
    }

    /// Writes down what was said, in an operation or not, by who has the lock.
    fn write_down(&self, said: &Said<'_>, op: Option<&OpId>) {
        let note = || -> Result<(), Failure> {
            if !self.is_news(said)? {
                return Ok(());
            }
            Ok(verdicts::append(&*self.ground.state, &[self.record(said, op)], &[])?)
        };
        self.warn_unwritten(said, note());
    }

    /// What the verification of an operation says of the version that it was about.
    pub(super) fn note_operation(&self, report: &Report, commands: Commands) {
        let (Some(op), Some(verification)) = (&report.op, &report.verification) else { return };
        let spec = self.ground.settings.task(&verification.task);
        let ran = commands == Commands::Run || spec.is_some_and(|spec| spec.smoke.is_empty());
        let released = report.kind == OpKind::CreateSnapshot;
        let reason = if released { "verified at release".into() } else { format!("verified by the {}", report.kind.word()) };
        let said = |verdict, reason| Said { task: &verification.task, version: &verification.version, verdict, reason };
        match own_failure(verification, released) {
            Some(reason) => self.write_down(&said(Verdict::Failed, reason), Some(op)),
            // What was left out proves nothing.
            None if verification.is_good() && ran && matches!(report.kind, OpKind::CreateSnapshot | OpKind::Rollback) => {
                self.write_down(&said(Verdict::Proven, reason), Some(op));
            }
            None => {}
        }
    }

    /// What a drill says.
    pub(super) fn note_drill(&self, report: &DrillReport) {
        let said = |verdict, reason| Said { task: &report.task, version: &report.version, verdict, reason };
        if report.passed {
            self.note(&said(Verdict::Proven, format!("came back in a drill, in {} ms", report.recovery_ms)));
        } else if let Some(reason) = own_failure(&report.verification, true) {
            self.note(&said(Verdict::Failed, format!("did not come back in a drill: {reason}")));
        }
    }

    /// What a look at the kept release says: not whether somebody signed it, nor where its tag is by
    /// now, which [`super::App::standings_of`] looks at every time.
    pub(super) fn note_kept(&self, verification: &Verification) {
        let said = |verdict, reason| Said { task: &verification.task, version: &verification.version, verdict, reason };
        let of_release = |check: &&Check| check.id != "integrity.signature" && check.id != "integrity.tag";
        let failed = |check: &&Check| check.status == Status::Fail;
        match verification.checks.iter().filter(of_release).find(failed) {
            Some(check) => self.note(&said(Verdict::Damaged, reason_of(check))),
            None if verification.is_good() => self.note(&said(Verdict::Whole, "verified where it is kept".into())),
            None => {}
        }
    }

    /// What a look at the work tree says of the version that should be in it.
    pub(super) fn note_tree(&self, verification: &Verification, commands: Commands) {
        if let Some(said) = self.said_of_tree(verification, commands) {
            self.note(&said);
        }
    }

    /// The same for who has the lock.
    pub(super) fn note_tree_under_lock(&self, verification: &Verification, commands: Commands) {
        if let Some(said) = self.said_of_tree(verification, commands) {
            self.write_down(&said, None);
        }
    }

    fn said_of_tree<'a>(&self, verification: &'a Verification, commands: Commands) -> Option<Said<'a>> {
        let said = |verdict, reason| Said { task: &verification.task, version: &verification.version, verdict, reason };
        if let Some(reason) = own_failure(verification, false) {
            return Some(said(Verdict::Failed, reason));
        }
        let mends = verification.is_good() && commands == Commands::Run && self.failed(verification);
        mends.then(|| said(Verdict::Proven, "verified in the work tree".into()))
    }

    /// True when the checks of a version failed when they were last written down.
    fn failed(&self, verification: &Verification) -> bool {
        self.said_here(&verification.task, &verification.version).is_ok_and(|standing| standing.checks_failed)
    }

    /// What the log of this clone says of a version.
    fn said_here(&self, task: &TaskId, version: &Version) -> Result<Standing, Failure> {
        let mut all = verdicts::standings(&*self.ground.state)?;
        Ok(all.remove(task).and_then(|mut versions| versions.remove(version)).unwrap_or_default())
    }

    /// True when the log does not say so already.
    fn is_news(&self, said: &Said<'_>) -> Result<bool, Failure> {
        let known = self.said_here(said.task, said.version)?;
        Ok(match said.verdict {
            Verdict::Proven => !known.proven || known.failed,
            Verdict::Failed => !known.checks_failed,
            Verdict::Damaged => !known.damaged,
            Verdict::Whole => known.damaged,
            _ => true,
        })
    }

    fn record(&self, said: &Said<'_>, op: Option<&OpId>) -> VerdictRecord {
        // A machine that only looks may know no name for whoever looks.
        let who = self.ground.git.identity().map_or_else(|_| self.ground.host.clone(), |who| format!("{} <{}>", who.name, who.email));
        VerdictRecord {
            task: said.task.clone(),
            version: said.version.clone(),
            verdict: said.verdict,
            reason: said.reason.clone(),
            who,
            at: self.ground.clock.now(),
            op: op.cloned(),
            seq: None,
        }
    }

    fn warn_unwritten(&self, said: &Said<'_>, written: Result<(), Failure>) {
        if let Err(failure) = written {
            let word = match said.verdict {
                Verdict::Proven => "proven",
                Verdict::Whole => "whole again",
                _ => "failed",
            };
            self.ground.warn(format!("{} {} could not be noted as {word}: {failure}", said.task, said.version));
        }
    }
}

/// Why a version failed its own checks. Where nothing else can be at fault that is any of the first
/// three levels; in a work tree only its smoke test, on files that are the version's.
fn own_failure(verification: &Verification, any: bool) -> Option<String> {
    let failed = |level| verification.level(level) == Status::Fail;
    if !any && (failed(1) || failed(2)) {
        return None;
    }
    // What lies in the way in the work tree is no fault of the version.
    let own = |check: &&Check| check.level <= 3 && check.id != "configuration.way";
    verification.checks.iter().filter(own).find(|check| check.status == Status::Fail).map(reason_of)
}

/// A failed check in one line.
fn reason_of(check: &Check) -> String {
    format!("{}: {}", check.id, check.evidence.join("; "))
}
