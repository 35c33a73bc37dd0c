//! Derives an operation's status from its journal's records, as a pure function.

use std::collections::BTreeMap;

use serde_json::Value;

use super::JournalRecord;

/// What remains to be done with an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationPhase {
    /// Going forward: this many steps are done; `started` holds the before-image of the next one if
    /// it may be partly applied.
    Forward {
        /// Number of steps done.
        done: usize,
        /// The next step's before-image, if it was prepared.
        started: Option<Value>,
    },
    /// Going backward: this many steps remain to be undone, last one first.
    Backward {
        /// Number of steps to undo.
        left: usize,
        /// The reason for the reversal.
        why: String,
    },
    /// Finished.
    Finished {
        /// True when all steps are done, false when all were undone.
        done: bool,
    },
    /// The undo of the step with this number failed.
    Stuck {
        /// The step.
        step: usize,
        /// The error of its undo.
        why: String,
    },
}

impl OperationPhase {
    /// Returns true when each of so many steps is recorded as done, and the end is not recorded.
    pub fn lacks_only_its_end(&self, steps: usize) -> bool {
        matches!(self, Self::Forward { done, started: None } if *done == steps)
    }
}

/// The operation's status and the before-images of its started steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progression {
    /// The current phase.
    pub phase: OperationPhase,
    /// The before-images of the steps that were prepared, by their numbers.
    pub prepared: BTreeMap<usize, Value>,
    /// True when the commit point was passed: it can only go forward.
    pub committed: bool,
}

/// Derives the status from the records, oldest first. Fails with the first record that cannot
/// follow its predecessors.
pub fn of(records: &[JournalRecord]) -> Result<Progression, String> {
    let mut standing = Progression {
        phase: OperationPhase::Forward {
            done: 0,
            started: None,
        },
        prepared: BTreeMap::new(),
        committed: false,
    };
    for (at, record) in records.iter().enumerate() {
        match (at, record) {
            (0, JournalRecord::Begin { .. }) | (1, JournalRecord::Plan { .. }) => continue,
            (2, JournalRecord::Ready { prepared }) => {
                standing.prepared = prepared.iter().cloned().collect();
                let started = standing.prepared.get(&0).cloned();
                standing.phase = OperationPhase::Forward { done: 0, started };
                continue;
            }
            (0, _)
            | (
                _,
                JournalRecord::Begin { .. }
                | JournalRecord::Plan { .. }
                | JournalRecord::Ready { .. },
            ) => {
                return Err(format!(
                    "record {at} ({}) cannot stand there",
                    record.word()
                ));
            }
            _ => {}
        }
        standing = next(standing, record)
            .ok_or_else(|| format!("record {at} ({}) cannot stand there", record.word()))?;
    }
    Ok(standing)
}

/// Returns the number of steps up to the last one that was prepared: those that an undo visits.
pub fn steps_begun(prepared: &BTreeMap<usize, Value>) -> usize {
    prepared.last_key_value().map_or(0, |(last, _)| last + 1)
}

/// Performs one transition; `None` when the record cannot follow.
fn next(mut now: Progression, record: &JournalRecord) -> Option<Progression> {
    now.phase = match (now.phase, record) {
        // It is started again when a power cut took what was prepared.
        (OperationPhase::Forward { done, .. }, JournalRecord::Started { step, prepared })
            if *step == done =>
        {
            now.prepared.insert(*step, prepared.clone());
            OperationPhase::Forward {
                done,
                started: Some(prepared.clone()),
            }
        }
        (
            OperationPhase::Forward {
                done,
                started: Some(_),
            },
            JournalRecord::Done { step, commit_point },
        ) if *step == done => {
            now.committed |= commit_point;
            OperationPhase::Forward {
                done: done + 1,
                started: now.prepared.get(&(done + 1)).cloned(),
            }
        }
        (OperationPhase::Forward { .. }, JournalRecord::TurnedBack { why }) if !now.committed => {
            OperationPhase::Backward {
                left: steps_begun(&now.prepared),
                why: why.clone(),
            }
        }
        (OperationPhase::Backward { left, why }, JournalRecord::Undone { step })
            if left > 0 && *step == left - 1 =>
        {
            OperationPhase::Backward {
                left: left - 1,
                why,
            }
        }
        // Steps that are recorded as undone are undone again after a crash, so it may be any.
        (OperationPhase::Backward { .. }, JournalRecord::Stuck { step, why }) => {
            OperationPhase::Stuck {
                step: *step,
                why: why.clone(),
            }
        }
        // A person fixed the cause and asked for a retry.
        (OperationPhase::Stuck { step, why }, JournalRecord::TriedAgain) => {
            OperationPhase::Backward {
                left: step + 1,
                why,
            }
        }
        (OperationPhase::Backward { left: 0, why }, JournalRecord::Owed { .. }) => {
            OperationPhase::Backward { left: 0, why }
        }
        (OperationPhase::Forward { started: None, .. }, JournalRecord::Finished { done: true }) => {
            OperationPhase::Finished { done: true }
        }
        (OperationPhase::Backward { left: 0, .. }, JournalRecord::Finished { done: false }) => {
            OperationPhase::Finished { done: false }
        }
        _ => return None,
    };
    Some(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;

    fn begin() -> JournalRecord {
        JournalRecord::Begin {
            plan: Digest::of(b"plan"),
            summary: None,
            version: 1,
        }
    }

    fn started(step: usize) -> JournalRecord {
        JournalRecord::Started {
            step,
            prepared: Value::from(step),
        }
    }

    fn done(step: usize, commit_point: bool) -> JournalRecord {
        JournalRecord::Done { step, commit_point }
    }

    fn back() -> JournalRecord {
        JournalRecord::TurnedBack { why: "no".into() }
    }

    #[test]
    fn forward_to_the_end() {
        let records = [
            begin(),
            started(0),
            done(0, false),
            started(1),
            done(1, true),
            JournalRecord::Finished { done: true },
        ];
        let standing = of(&records).expect("they follow each other");
        assert_eq!(standing.phase, OperationPhase::Finished { done: true });
        assert!(standing.committed);
    }

    #[test]
    fn every_prefix_has_a_standing() {
        let records = [
            begin(),
            started(0),
            done(0, false),
            started(1),
            back(),
            JournalRecord::Undone { step: 1 },
            JournalRecord::Undone { step: 0 },
        ];
        for n in 0..=records.len() {
            assert!(of(&records[..n]).is_ok(), "{n}");
        }
        let standing = of(&records[..5]).expect("they follow each other");
        assert_eq!(
            standing.phase,
            OperationPhase::Backward {
                left: 2,
                why: "no".into()
            },
            "a started step is taken back too"
        );
    }

    /// Returns the first records of an operation whose steps of these numbers are prepared.
    fn ready(steps: &[usize]) -> Vec<JournalRecord> {
        let begin = JournalRecord::Begin {
            plan: Digest::of(b"plan"),
            summary: None,
            version: 2,
        };
        let packed = String::new();
        let prepared = steps.iter().map(|step| (*step, Value::from(*step)));
        let ready = JournalRecord::Ready {
            prepared: prepared.collect(),
        };
        vec![begin, JournalRecord::Plan { packed }, ready]
    }

    #[test]
    fn steps_that_are_prepared_from_the_beginning_need_no_record_of_their_start() {
        let with =
            |rest: &[JournalRecord]| of(&[&ready(&[1]), rest].concat()).expect("they follow");
        let forward = |done, started: Option<usize>| OperationPhase::Forward {
            done,
            started: started.map(Value::from),
        };
        assert_eq!(with(&[]).phase, forward(0, None));
        assert_eq!(with(&[started(0)]).phase, forward(0, Some(0)));
        assert_eq!(
            with(&[started(0), done(0, false)]).phase,
            forward(1, Some(1))
        );
        let back = with(&[back()]);
        assert!(
            matches!(back.phase, OperationPhase::Backward { left: 2, .. }),
            "what was prepared is taken back, too: {back:?}"
        );
        assert!(!back.prepared.contains_key(&0), "this one never began");
        let both = of(&[ready(&[1]), ready(&[])].concat());
        assert!(both.is_err(), "{both:?}");
    }

    #[test]
    fn what_cannot_be() {
        for records in [
            vec![begin(), begin()],
            vec![started(0)],
            vec![begin(), done(0, false)],
            vec![begin(), started(1)],
            vec![begin(), started(0), done(0, true), back()],
            vec![begin(), started(0), JournalRecord::Finished { done: true }],
            vec![begin(), back(), JournalRecord::Undone { step: 0 }],
            vec![begin(), JournalRecord::Finished { done: true }, started(0)],
        ] {
            assert!(of(&records).is_err(), "{records:?}");
        }
    }

    #[test]
    fn a_stuck_operation_can_be_tried_again() {
        let records = [
            begin(),
            started(0),
            back(),
            JournalRecord::Stuck {
                step: 0,
                why: "disk".into(),
            },
        ];
        assert_eq!(
            of(&records).expect("they follow").phase,
            OperationPhase::Stuck {
                step: 0,
                why: "disk".into()
            }
        );
        let again = [
            &records[..],
            &[
                JournalRecord::TriedAgain,
                JournalRecord::Undone { step: 0 },
                JournalRecord::Finished { done: false },
            ],
        ]
        .concat();
        assert_eq!(
            of(&again).expect("they follow").phase,
            OperationPhase::Finished { done: false }
        );
    }
}
