//! Derives an operation's status from its journal's records, as a pure function.

use super::JournalRecord;

/// What remains to be done with an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationPhase {
    /// Going forward: this many steps are done; `started` holds the before-image of the next one if
    /// it may be partly applied.
    Forward {
        /// Number of steps done.
        done: usize,
        /// The next step's before-image, if it was started.
        started: Option<serde_json::Value>,
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

/// The operation's status and the before-images of its started steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progression {
    /// The current phase.
    pub phase: OperationPhase,
    /// The before-images, in the order of the steps.
    pub prepared: Vec<serde_json::Value>,
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
        prepared: Vec::new(),
        committed: false,
    };
    for (at, record) in records.iter().enumerate() {
        match (at, record) {
            (0, JournalRecord::Begin { .. }) => continue,
            (0, _) | (_, JournalRecord::Begin { .. }) => {
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

/// Performs one transition; `None` when the record cannot follow.
fn next(mut now: Progression, record: &JournalRecord) -> Option<Progression> {
    now.phase = match (now.phase, record) {
        (
            OperationPhase::Forward {
                done,
                started: None,
            },
            JournalRecord::Started { step, prepared },
        ) if *step == done => {
            now.prepared.push(prepared.clone());
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
                started: None,
            }
        }
        (OperationPhase::Forward { .. }, JournalRecord::TurnedBack { why }) if !now.committed => {
            OperationPhase::Backward {
                left: now.prepared.len(),
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
        (OperationPhase::Backward { left, .. }, JournalRecord::Stuck { step, why })
            if left > 0 && *step == left - 1 =>
        {
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
    use serde_json::Value;

    use super::*;
    use crate::base::Digest;

    fn begin() -> JournalRecord {
        JournalRecord::Begin {
            plan: Digest::of(b"plan"),
            summary: None,
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
