//! The state after a failed change, for users and programs alike.
//!
//! Nothing here is remembered: operations come from their journals, and places are inspected again.
//! So the sentence cannot claim more than the disk shows.

use serde::Serialize;

use super::operation::OpKind;
use crate::{Advice, OpId};
use base::{Hint, text};

/// Number of places that are named; the rest is counted.
const PLACES_NAMED: usize = 5;

/// The state of an operation, according to its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// All steps are done.
    Done,
    /// Everything was rolled back.
    PutBack,
    /// It was not begun, but files that were prepared for it could not be removed.
    Prepared,
    /// It has begun, but none of its steps.
    Open,
    /// Some of its steps are done or have begun.
    Unfinished,
    /// The journal cannot be read.
    Unknown,
}

/// The remains of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOperation {
    /// The operation.
    pub op: OpId,
    /// Its kind; `None` when its journal cannot be read.
    pub kind: Option<OpKind>,
    /// Its state.
    pub stand: Stand,
    /// The steps that are done and were not rolled back.
    pub done: Vec<String>,
    /// The step that had begun and may be partly done.
    pub begun: Option<String>,
    /// True when it can only be finished, because others may have seen it.
    pub only_forward: bool,
    /// Number of files with foreign edits that were put aside or left as they are.
    pub kept: usize,
}

/// The state after a failed change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StateAfterFailure {
    /// The operations that had begun, oldest first.
    pub operations: Vec<LeftOperation>,
    /// Changed places that no journal mentions.
    pub changed: Vec<String>,
    /// Places where changes cannot be detected from here.
    pub unseen: Vec<String>,
}

impl StateAfterFailure {
    /// True when something was changed, or when that cannot be determined.
    pub fn is_change(&self) -> bool {
        let untouched = |left: &LeftOperation| matches!(left.stand, Stand::PutBack | Stand::Open);
        !self.changed.is_empty()
            || !self.unseen.is_empty()
            || !self.operations.iter().all(untouched)
    }

    /// Returns the operation that needs attention: the newest that had begun.
    pub fn op(&self) -> Option<&OpId> {
        self.operations.last().map(|left| &left.op)
    }

    /// Returns a sentence that describes it, without a full stop.
    pub fn sentence(&self) -> String {
        let mut parts: Vec<String> = self.operations.iter().map(LeftOperation::words).collect();
        if !self.changed.is_empty() {
            parts.push(format!(
                "changed while it ran, by this command or another: {}",
                named(&self.changed)
            ));
        }
        if !self.unseen.is_empty() {
            parts.push(format!(
                "whether this was changed cannot be seen from here: {}",
                named(&self.unseen)
            ));
        }
        if parts.is_empty() {
            "nothing was changed".into()
        } else {
            parts.join("; ")
        }
    }

    /// Returns suggested commands.
    pub fn hints(&self) -> Vec<Hint> {
        let open = self
            .operations
            .iter()
            .find(|left| matches!(left.stand, Stand::Open | Stand::Unfinished));
        let Some(open) = open else { return Vec::new() };
        let finish = Advice::FinishOperation.because("finish it");
        if open.only_forward {
            vec![finish]
        } else {
            vec![
                finish,
                Advice::AbortOperation.because("go back to how it was"),
            ]
        }
    }
}

impl LeftOperation {
    /// Describes the operation.
    fn words(&self) -> String {
        let op = self.op.short();
        let kind = self.kind.map_or("operation", OpKind::word);
        match self.stand {
            Stand::Done => {
                format!(
                    "the {kind} itself is done (operation {op}); this error took nothing of it back"
                )
            }
            Stand::PutBack if self.kept > 0 => {
                format!(
                    "everything was put back but {} that somebody changed meanwhile (operation {op})",
                    text::count(self.kept, "file")
                )
            }
            Stand::PutBack => "everything was put back".into(),
            Stand::Prepared => {
                "new files were prepared beside their places and could not be removed; the next \
                 change here removes them"
                    .into()
            }
            Stand::Open => {
                format!("no file was changed yet, but operation {op} is begun and not finished")
            }
            Stand::Unknown => format!("where operation {op} stands cannot be read"),
            Stand::Unfinished => {
                let list = |word: &str, steps: &[String]| {
                    if steps.is_empty() {
                        String::new()
                    } else {
                        format!("; {word}: {}", steps.join(", "))
                    }
                };
                let begun: Vec<String> = self.begun.iter().cloned().collect();
                format!(
                    "operation {op} is not finished{}{}",
                    list("done", &self.done),
                    list("begun", &begun)
                )
            }
        }
    }
}

/// Lists the first places and the number of further ones.
fn named(places: &[String]) -> String {
    let shown = places[..places.len().min(PLACES_NAMED)].join(", ");
    match places.len().saturating_sub(PLACES_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(stand: Stand) -> LeftOperation {
        let op = OpId::new(7, 0x9f3c_21aa);
        LeftOperation {
            op,
            kind: Some(OpKind::Adopt),
            stand,
            done: Vec::new(),
            begun: None,
            only_forward: false,
            kept: 0,
        }
    }

    fn of(operations: Vec<LeftOperation>) -> StateAfterFailure {
        StateAfterFailure {
            operations,
            ..StateAfterFailure::default()
        }
    }

    #[test]
    fn what_is_said_and_whether_it_is_a_change() {
        let unfinished = LeftOperation {
            done: vec!["files".into()],
            begun: Some("publish".into()),
            only_forward: true,
            ..left(Stand::Unfinished)
        };
        let all = [
            (StateAfterFailure::default(), false, "nothing was changed"),
            (
                of(vec![left(Stand::PutBack)]),
                false,
                "everything was put back",
            ),
            (
                of(vec![left(Stand::Prepared)]),
                true,
                "new files were prepared beside their places and could not be removed; the next \
                 change here removes them",
            ),
            (
                of(vec![left(Stand::Open)]),
                false,
                "no file was changed yet, but operation 9f3c21aa is begun and not finished",
            ),
            (
                of(vec![left(Stand::Done)]),
                true,
                "the adopt itself is done (operation 9f3c21aa); this error took nothing of it back",
            ),
            (
                of(vec![left(Stand::Unknown)]),
                true,
                "where operation 9f3c21aa stands cannot be read",
            ),
            (
                of(vec![unfinished.clone()]),
                true,
                "operation 9f3c21aa is not finished; done: files; begun: publish",
            ),
            (
                StateAfterFailure {
                    changed: vec!["a".into()],
                    ..StateAfterFailure::default()
                },
                true,
                "changed while it ran, by this command or another: a",
            ),
        ];
        for (left, changed, sentence) in all {
            assert_eq!((left.is_change(), &*left.sentence()), (changed, sentence));
        }
        assert_eq!(
            of(vec![unfinished]).hints(),
            [Advice::FinishOperation.because("finish it")],
            "others have seen it: it goes forward only"
        );
        let many = StateAfterFailure {
            changed: (0..7).map(|n| n.to_string()).collect(),
            ..StateAfterFailure::default()
        };
        assert_eq!(
            many.sentence(),
            "changed while it ran, by this command or another: 0, 1, 2, 3, 4 and 2 more"
        );
    }
}
