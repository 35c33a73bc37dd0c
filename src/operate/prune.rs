//! Prunes old operations: they leave their line in lists, and nothing else. What they kept is then
//! needed by nothing, and a collection frees it.
//!
//! The record of the pruned ones is durable before anything is removed; so a crash leaves each
//! operation whole or pruned, and the next pruning removes what is left.

use jiff::Timestamp;

use super::{Operator, action_about, operations::line};
use crate::{
    base::{Failure, text},
    journal::{
        self,
        history::{self, OperationState},
        pruned,
        status::OperationPhase,
    },
    model::{
        GitId, OpId,
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

/// Prunes what a rule lets go.
///
/// # Errors
/// Fails when an operation is unfinished, or its records cannot be read or removed. Each operation
/// is then whole or pruned.
pub fn prune(
    site: &RepoSite,
    rule: &PruneRule,
    awaited: &[AwaitingConfirmation],
) -> Result<PruneReport, Failure> {
    let _lock = site.lock()?;
    let operator = Operator::new(site);
    operator.refuse_unfinished()?;
    finish_earlier(site)?;
    let plan = plan(site, rule, awaited)?;
    if !plan.pruned.is_empty() {
        let about = text::count(plan.pruned.len(), "operation");
        operator.audited(action_about("op prune", &about), "", || {
            let ids = plan.pruned.iter().map(|line| line.operation.id.clone());
            let ids: Vec<OpId> = ids.collect();
            pruned::add(&site.state, records_of(site, &ids)?)?;
            remove(site, &ids)
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

/// Removes what a killed pruning has already recorded as pruned.
fn finish_earlier(site: &RepoSite) -> Result<(), Failure> {
    let there = history::ids(&*site.state)?;
    let is_there = |id: &OpId| there.binary_search(id).is_ok();
    let recorded = pruned::all(&site.state)?;
    let ids = recorded.into_iter().map(|one| one.summary.about.id);
    let ids: Vec<OpId> = ids.filter(is_there).collect();
    remove(site, &ids)
}

/// Returns what is left of operations.
fn records_of(site: &RepoSite, ids: &[OpId]) -> Result<Vec<PrunedOperation>, Failure> {
    let pruned = Timestamp::from_second(site.clock.now().as_second()).unwrap_or_default();
    let mut records = Vec::new();
    for id in ids {
        let Some(OperationState { summary, phase, .. }) = history::summary(&site.state, id)? else {
            continue;
        };
        records.push(PrunedOperation {
            done: phase == OperationPhase::Finished { done: true },
            commit: commit_of(site, id)?,
            summary,
            pruned,
        });
    }
    Ok(records)
}

/// Returns the commit that an operation left on its branch.
fn commit_of(site: &RepoSite, id: &OpId) -> Result<Option<GitId>, Failure> {
    let found = history::open(&site.state, id)?;
    let branch = found
        .as_ref()
        .and_then(|found| found.operation.branch_end());
    Ok(branch.cloned())
}

/// Removes the safety references and the folders of operations. May be repeated after a crash: what
/// locks a reference then is recognised by a file in the operation's folder.
fn remove(site: &RepoSite, ids: &[OpId]) -> Result<(), Failure> {
    let mut refs = Vec::new();
    for id in ids {
        let Some(found) = history::open(&site.state, id)? else {
            continue;
        };
        let name = format!("refs/snapback/safety/{id}");
        let changes = found
            .operation
            .publication()
            .map(|made| made.refs.as_slice());
        let safety = changes
            .unwrap_or_default()
            .iter()
            .find(|change| change.name == name);
        refs.extend(safety.map(|change| {
            let value = change.after.clone();
            (
                NamedRef { name, value },
                site.operation_folder(id).join("remove"),
            )
        }));
    }
    site.git.remove_refs(&refs)?;
    Ok(pruned::remove(&*site.state, ids)?)
}
