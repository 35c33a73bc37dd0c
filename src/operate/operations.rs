//! The recorded operations: a list, one with plan and report, and the unfinished one. Reads only;
//! an unreadable report does not hide what was done.

use std::collections::HashMap;

use super::reports::kept_report;
use crate::{
    base::Failure,
    journal::{self, history, status::OperationPhase},
    model::{
        OpId, Operation, Report, operation::Summary, overview::OperationLine, report::Outcome,
    },
    site::RepoSite,
};

/// Returns all operations, newest first, pruned ones included.
pub fn all(site: &RepoSite) -> Result<Vec<OperationLine>, Failure> {
    let mut lines: Vec<OperationLine> = Vec::new();
    let mut places: HashMap<OpId, usize> = HashMap::new();
    for found in history::all(&site.state)? {
        let about = &found.summary.about;
        let is_done = found.phase == OperationPhase::Finished { done: true };
        let undone = about.undoes.as_ref().filter(|_| is_done);
        if let Some(at) = undone.and_then(|undone| places.get(undone)) {
            lines[*at].undone_by = Some(about.id.clone());
        }
        places.insert(about.id.clone(), lines.len());
        lines.push(OperationLine {
            pruned: found.pruned,
            ..line(&found.summary, &found.phase)
        });
    }
    lines.reverse();
    Ok(lines)
}

/// Returns one operation by its id, short id or a prefix: its line, plan and report.
pub fn one(
    site: &RepoSite,
    text: &str,
) -> Result<(OperationLine, Operation, Option<Report>), Failure> {
    let id = history::find(&site.state, text)?;
    let found =
        history::open(&site.state, &id)?.ok_or_else(|| journal::Error::NotFound(text.into()))?;
    // The journal says what was done; an unreadable report does not hide that.
    let report = kept_report(site, &id).unwrap_or_else(|why| {
        site.warn(format!("the report of {} is left out: {why}", id.short()));
        None
    });
    Ok((
        line(&Summary::from(&found.operation), &found.phase),
        found.operation,
        report,
    ))
}

/// Returns what is wrong with stored reports, one line each.
///
/// # Errors
/// Fails when the operations cannot be listed.
pub fn damaged_reports(site: &RepoSite) -> Result<Vec<String>, Failure> {
    let ids = history::ids(&*site.state)?;
    Ok(ids
        .iter()
        .filter_map(|id| {
            kept_report(site, id)
                .err()
                .map(|why| format!("the report of {}: {why}", id.short()))
        })
        .collect())
}

/// Returns the unfinished operation, if there is one.
pub fn unfinished(site: &RepoSite) -> Result<Option<OperationLine>, Failure> {
    Ok(history::unfinished(&site.state)?
        .map(|found| line(&Summary::from(&found.operation), &found.phase)))
}

/// Returns the line of an operation.
pub(super) fn line(operation: &Summary, phase: &OperationPhase) -> OperationLine {
    let name = |at: usize| {
        operation
            .steps
            .get(at)
            .map_or("end", String::as_str)
            .to_string()
    };
    let (outcome, stands_at) = match phase {
        OperationPhase::Finished { done: true } => (Some(Outcome::Done), None),
        OperationPhase::Finished { done: false } => (Some(Outcome::Undone), None),
        OperationPhase::Stuck { step, .. } => (Some(Outcome::Stuck), Some(name(*step))),
        OperationPhase::Forward { done, .. } => (None, Some(name(*done))),
        OperationPhase::Backward { left, .. } => (None, Some(name(left.saturating_sub(1)))),
    };
    OperationLine {
        id: operation.about.id.clone(),
        kind: operation.about.kind,
        task: operation.about.task.clone(),
        from: operation.about.from.clone(),
        to: operation.about.to.clone(),
        at: operation.about.at,
        who: operation.about.who.to_string(),
        host: operation.about.host.clone(),
        message: operation.about.message.clone(),
        outcome,
        stands_at,
        undone_by: None,
        pruned: false,
    }
}
