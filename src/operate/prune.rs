//! Prunes old operations: they leave their line in lists, and nothing else. What they kept is then
//! needed by nothing, and a collection frees it.
//!
//! The record of the pruned ones is durable before their folders are renamed, and that before
//! anything of them is removed. So a crash leaves each operation whole or pruned, and the next
//! change removes what is left.

use jiff::Timestamp;

use super::{Error, Operator, action_about, operations::line};
use crate::{
    base::{Failure, text},
    journal::{
        self,
        history::{self, OperationState},
        pruned,
        status::OperationPhase,
    },
    model::{
        GitId, OpId, Operation,
        confirm::AwaitingConfirmation,
        operation::NamedRef,
        policy::prune::{Candidate, reasons},
        prune::{PruneLine, PruneReport, PruneRule, PrunedOperation},
    },
    site::RepoSite,
};

/// Returns what a rule lets go, and why the others stay. Reads only.
///
/// # Errors
/// Fails when the operations cannot be read.
pub fn plan(
    site: &RepoSite,
    rule: &PruneRule,
    awaited: &[AwaitingConfirmation],
) -> Result<PruneReport, Failure> {
    if let Some(found) = history::unfinished(&site.state)? {
        return Err(journal::Error::Unfinished(found.operation.about.id).into());
    }
    let now = site.clock.now();
    let all = finished(site)?;
    let candidates: Vec<Candidate<'_>> =
        all.iter().map(|state| candidate(state, awaited)).collect();
    let mut report = PruneReport {
        dry_run: true,
        pruned: Vec::new(),
        kept: Vec::new(),
        bytes: 0,
    };
    for (state, keep) in all.iter().zip(reasons(&candidates, rule, now)) {
        let line = PruneLine {
            bytes: pruned::bytes(&*site.state, &state.summary.about.id)?,
            operation: line(&state.summary, &state.phase),
            keep,
        };
        if line.keep.is_some() {
            report.kept.push(line);
        } else {
            report.bytes += line.bytes;
            report.pruned.push(line);
        }
    }
    Ok(report)
}

/// Prunes what a rule lets go, if that is what was shown.
///
/// # Errors
/// Fails when something else would go than was shown, an operation is unfinished, or its records
/// cannot be read or removed. Each operation is then whole or pruned.
pub fn prune(
    site: &RepoSite,
    rule: &PruneRule,
    awaited: &[AwaitingConfirmation],
    shown: &PruneReport,
) -> Result<PruneReport, Failure> {
    let _lock = site.lock()?;
    let operator = Operator::new(site);
    operator.refuse_unfinished()?;
    finish(site)?;
    let plan = plan(site, rule, awaited)?;
    let ids = |report: &PruneReport| -> Vec<OpId> {
        let ids = report.pruned.iter().map(|line| line.operation.id.clone());
        ids.collect()
    };
    let going = ids(&plan);
    if going != ids(shown) {
        return Err(Error::PlanOutOfDate.into());
    }
    if !plan.pruned.is_empty() {
        let about = text::count(plan.pruned.len(), "operation");
        operator.audited(action_about("op prune", &about), "", || {
            pruned::add(&site.state, records_of(site, &going)?)?;
            pruned::let_go(&*site.state, &going)?;
            finish(site)
        })?;
    }
    Ok(PruneReport {
        dry_run: false,
        ..plan
    })
}

/// Returns the finished operations, oldest first.
fn finished(site: &RepoSite) -> Result<Vec<OperationState>, journal::Error> {
    let mut all = Vec::new();
    for id in history::ids(&*site.state)? {
        let found = history::summary(&site.state, &id)?;
        let is_over =
            |state: &OperationState| matches!(state.phase, OperationPhase::Finished { .. });
        all.extend(found.filter(is_over));
    }
    Ok(all)
}

/// Returns what is decided about.
fn candidate<'a>(state: &'a OperationState, awaited: &[AwaitingConfirmation]) -> Candidate<'a> {
    let about = &state.summary.about;
    let is_awaited = |pending: &AwaitingConfirmation| {
        about.task.as_ref() == Some(&pending.task) && about.id.counter() > pending.after
    };
    Candidate {
        about,
        is_awaited: awaited.iter().any(is_awaited),
    }
}

/// Returns what is left of operations.
fn records_of(site: &RepoSite, ids: &[OpId]) -> Result<Vec<PrunedOperation>, Failure> {
    let pruned = Timestamp::from_second(site.clock.now().as_second()).unwrap_or_default();
    let mut records = Vec::new();
    for id in ids {
        let Some(OperationState { summary, phase, .. }) = history::summary(&site.state, id)? else {
            continue;
        };
        let operation = history::open(&site.state, id)?.map(|found| found.operation);
        let operation = operation.as_ref();
        records.push(PrunedOperation {
            done: phase == OperationPhase::Finished { done: true },
            commit: operation.and_then(Operation::branch_end).cloned(),
            safety: operation.and_then(|operation| safety_of(operation, id)),
            summary,
            pruned,
        });
    }
    Ok(records)
}

/// Returns the name of the reference that protects what an operation overwrote in git.
fn safety_name(op: &OpId) -> String {
    format!("refs/snapback/safety/{op}")
}

/// Returns the value that an operation gave to that reference.
fn safety_of(operation: &Operation, op: &OpId) -> Option<GitId> {
    let name = safety_name(op);
    let refs = &operation.publication()?.refs;
    let change = refs.iter().find(|change| change.name == name)?;
    Some(change.after.clone())
}

/// Removes what is left of pruned operations: their safety references, then their folders. May be
/// repeated after a crash: a file in the folder tells which lock on a reference is its own. Call
/// only under the lock.
///
/// # Errors
/// Fails when something cannot be removed; the next call goes on.
pub(super) fn finish(site: &RepoSite) -> Result<(), Failure> {
    let mut left = pruned::unremoved(&*site.state)?;
    left.sort();
    if left.is_empty() {
        return Ok(());
    }
    let recorded = pruned::all(&site.state)?;
    let of = |op: &OpId| {
        let found = recorded.iter().find(|one| one.summary.about.id == *op)?;
        let (name, value) = (safety_name(op), found.safety.clone()?);
        let staged = site
            .state_path
            .join("ops")
            .join(pruned::going_name(op))
            .join("remove");
        Some((NamedRef { name, value }, staged))
    };
    let refs: Vec<_> = left.iter().filter_map(of).collect();
    site.git.remove_refs(&refs)?;
    for op in &left {
        pruned::remove(&*site.state, op)?;
    }
    Ok(())
}
