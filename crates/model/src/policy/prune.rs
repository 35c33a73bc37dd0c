//! The decision which operations may be pruned.
//!
//! Of each task in each work tree only the oldest operations go, without a gap: undo and redo walk
//! through them in order, and must never offer one whose successors are forgotten.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    OpId,
    operation::About,
    prune::{KeepReason, PruneRule},
};

/// A finished operation.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// What it is.
    pub about: &'a About,
    /// True when it waits to be confirmed, or came after one of its task that does.
    pub is_awaited: bool,
}

/// Returns for each operation, given oldest first, why it stays; `None` when it may go.
pub fn reasons(all: &[Candidate<'_>], rule: &PruneRule, now: Timestamp) -> Vec<Option<KeepReason>> {
    let mut reasons = own_reasons(all, rule, now);
    loop {
        let before = reasons.iter().flatten().count();
        keep_undone(all, &mut reasons);
        keep_later(all, &mut reasons);
        if reasons.iter().flatten().count() == before {
            return reasons;
        }
    }
}

/// Returns the reasons that have nothing to do with other operations that stay.
fn own_reasons(all: &[Candidate<'_>], rule: &PruneRule, now: Timestamp) -> Vec<Option<KeepReason>> {
    let mut newer: HashMap<_, usize> = HashMap::new();
    let mut reasons: Vec<_> = all
        .iter()
        .enumerate()
        .rev()
        .map(|(at, candidate)| {
            let newer = newer.entry(group(candidate.about)).or_default();
            *newer += 1;
            let age = now.duration_since(candidate.about.at).unsigned_abs();
            let is_past = candidate.about.at <= now;
            if at + 1 == all.len() {
                Some(KeepReason::NewestOfAll)
            } else if candidate.is_awaited {
                Some(KeepReason::AwaitsConfirmation)
            } else if !is_past || age < rule.older_than {
                Some(KeepReason::Young)
            } else {
                (*newer <= rule.keep_last).then_some(KeepReason::Newest)
            }
        })
        .collect();
    reasons.reverse();
    reasons
}

/// Keeps what an operation that stays took back: without it that could not be brought again.
fn keep_undone(all: &[Candidate<'_>], reasons: &mut [Option<KeepReason>]) {
    let places: HashMap<&OpId, usize> = all
        .iter()
        .enumerate()
        .map(|(at, candidate)| (&candidate.about.id, at))
        .collect();
    for at in (0..all.len()).rev() {
        let undone = all[at].about.undoes.as_ref().and_then(|id| places.get(id));
        if let (Some(_), Some(undone)) = (&reasons[at], undone) {
            reasons[*undone].get_or_insert_with(|| KeepReason::UndoneBy(all[at].about.id.clone()));
        }
    }
}

/// Keeps what came after an operation of the same task that stays.
fn keep_later(all: &[Candidate<'_>], reasons: &mut [Option<KeepReason>]) {
    let mut oldest: HashMap<_, &OpId> = HashMap::new();
    for (candidate, reason) in all.iter().zip(reasons) {
        let id = oldest.get(&group(candidate.about));
        match (&reason, id) {
            (None, Some(id)) => *reason = Some(KeepReason::OlderStays((*id).clone())),
            (Some(_), None) => drop(oldest.insert(group(candidate.about), &candidate.about.id)),
            _ => {}
        }
    }
}

/// Returns what undo walks through in order: the operations of a task in a work tree.
fn group(about: &About) -> (Option<&str>, &str) {
    let task = about.task.as_ref().map(crate::TaskId::as_str);
    (task, &about.worktree)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Builds the operations of a task: number, age in days, the one that it undoes.
    fn operations(all: &[(u64, i64, Option<u64>)]) -> Vec<About> {
        let about = |(number, days, undoes): &(u64, i64, Option<u64>)| {
            let id = |number: u64| OpId::new(number, 7).to_string();
            let json = serde_json::json!({
                "id": id(*number), "kind": "rollback", "task": "T01", "from": null, "to": null,
                "message": "", "who": {"name": "Ada", "email": "ada@example.org"}, "host": "desk",
                "worktree": "/w", "at": Timestamp::from_second(86_400 * (1000 - days)).unwrap(),
                "undoes": undoes.map(id),
            });
            serde_json::from_value(json).expect("an operation")
        };
        all.iter().map(about).collect()
    }

    fn kept(all: &[About], awaited: &[u64], days: u64, keep_last: usize) -> Vec<u64> {
        let candidates: Vec<Candidate<'_>> = all
            .iter()
            .map(|about| Candidate {
                about,
                is_awaited: awaited.contains(&about.id.counter()),
            })
            .collect();
        let rule = PruneRule {
            older_than: Duration::from_hours(24 * days),
            keep_last,
        };
        let now = Timestamp::from_second(86_400 * 1000).unwrap();
        let reasons = reasons(&candidates, &rule, now);
        let kept = all.iter().zip(reasons).filter(|(_, why)| why.is_some());
        kept.map(|(about, _)| about.id.counter()).collect()
    }

    #[test]
    fn the_newest_the_young_and_the_awaited_stay() {
        let all = operations(&[(1, 400, None), (2, 300, None), (3, 200, None), (4, 1, None)]);
        assert_eq!(kept(&all, &[], 0, 0), [4]);
        assert_eq!(kept(&all, &[], 250, 0), [3, 4]);
        assert_eq!(kept(&all, &[], 0, 3), [2, 3, 4]);
        assert_eq!(kept(&all, &[2], 0, 0), [2, 3, 4], "undo goes in order");
        assert_eq!(kept(&all, &[], 90, 10), [1, 2, 3, 4]);
        let future = operations(&[(1, -5, None), (2, 400, None), (3, 1, None)]);
        assert_eq!(kept(&future, &[], 90, 0), [1, 2, 3]);
    }

    #[test]
    fn what_is_taken_back_stays_with_what_took_it_back() {
        let all = operations(&[
            (1, 400, None),
            (2, 300, None),
            (3, 200, None),
            (4, 1, Some(2)),
        ]);
        assert_eq!(kept(&all, &[], 0, 0), [2, 3, 4]);
        let mut others = operations(&[(1, 400, None), (2, 300, None), (3, 1, None)]);
        others[1].worktree = "/elsewhere".into();
        assert_eq!(
            kept(&others, &[], 0, 1),
            [2, 3],
            "each work tree for itself"
        );
    }
}
