//! The status of operations begun by a command, according to their journals. Messages after a
//! failure are made from this alone, so they cannot claim more than is on disk.

use crate::{
    journal::{self, history, status::OperationPhase},
    model::{
        OpId,
        left::{LeftOperation, Stand},
    },
    site::RepoSite,
    steps::files::{is_staged, notes},
};

/// Returns the status of operations that were begun. One without a journal did nothing and is left
/// out.
pub fn left_of(site: &RepoSite, began: &[OpId]) -> Vec<LeftOperation> {
    began
        .iter()
        .filter_map(|op| left_of_one(site, op))
        .collect()
}

/// Returns the status of one operation.
fn left_of_one(site: &RepoSite, op: &OpId) -> Option<LeftOperation> {
    let unknown = LeftOperation {
        op: op.clone(),
        kind: None,
        stand: Stand::Unknown,
        done: Vec::new(),
        begun: None,
        only_forward: false,
        kept: 0,
    };
    let found = match history::open(&site.state, op) {
        Ok(Some(found)) => found,
        Ok(None) => {
            let prepared = LeftOperation {
                stand: Stand::Prepared,
                ..unknown
            };
            // Where that cannot be seen, nobody knows either.
            return is_staged(&*site.tree, op)
                .unwrap_or(true)
                .then_some(prepared);
        }
        Err(_) => return Some(unknown),
    };
    let Ok(standing) = journal::status_of(found.log.records()) else {
        return Some(unknown);
    };
    let name = |at: usize| {
        found
            .operation
            .steps
            .get(at)
            .map_or("end", crate::model::operation::Step::name)
            .to_string()
    };
    let names = |upto: usize| (0..upto).map(name).collect::<Vec<_>>();
    let (stand, done, begun) = match standing.phase {
        OperationPhase::Finished { done: true } => (Stand::Done, Vec::new(), None),
        OperationPhase::Finished { done: false } => (Stand::PutBack, Vec::new(), None),
        OperationPhase::Forward {
            done: 0,
            started: None,
        } => (Stand::Open, Vec::new(), None),
        OperationPhase::Forward { done, started } => {
            (Stand::Unfinished, names(done), started.map(|_| name(done)))
        }
        // Whether its last step was undone was not recorded.
        OperationPhase::Backward { left, .. } => (
            Stand::Unfinished,
            names(left.saturating_sub(1)),
            left.checked_sub(1).map(name),
        ),
        OperationPhase::Stuck { step, .. } => (Stand::Unfinished, names(step), Some(name(step))),
    };
    let kind = Some(found.operation.about.kind);
    Some(LeftOperation {
        op: op.clone(),
        kind,
        stand,
        done,
        begun,
        only_forward: standing.committed,
        kept: notes(&*site.state, op).unwrap_or_default().len(),
    })
}
