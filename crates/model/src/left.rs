//! What is so after a change that failed, said once for people and for programs.
//!
//! Nothing here is remembered: the operations come from their journals, the places from looking
//! at them again. So the sentence cannot say more than the disk does.

use serde::Serialize;

use super::operation::OpKind;
use crate::OpId;
use base::{Hint, text};

/// So many places are named; the rest is counted.
const PLACES_NAMED: usize = 5;

/// Where an operation stands, by its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// All steps are done.
    Done,
    /// Everything was put back.
    PutBack,
    /// It is begun, and no step of it.
    Open,
    /// Some of its steps are done or begun.
    Unfinished,
    /// The journal cannot be read.
    Unknown,
}

/// What is left of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOperation {
    /// The operation.
    pub op: OpId,
    /// What kind it is; `None` when its journal cannot be read.
    pub kind: Option<OpKind>,
    /// Where it stands.
    pub stand: Stand,
    /// The steps that are done and were not taken back.
    pub done: Vec<String>,
    /// The step that was begun and may be done in part.
    pub begun: Option<String>,
    /// True when it can only be finished: others may have seen it.
    pub only_forward: bool,
    /// So many files that somebody changed meanwhile were put aside or left as they are.
    pub kept: usize,
}

/// What is so after a change that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The operations that were begun, oldest first.
    pub operations: Vec<LeftOperation>,
    /// Places that no journal speaks of and that are not what they were.
    pub changed: Vec<String>,
    /// Places of which that cannot be seen from here.
    pub unseen: Vec<String>,
}

impl Left {
    /// True when something is not as it was, or when that cannot be seen.
    pub fn is_change(&self) -> bool {
        let untouched = |left: &LeftOperation| matches!(left.stand, Stand::PutBack | Stand::Open);
        !self.changed.is_empty()
            || !self.unseen.is_empty()
            || !self.operations.iter().all(untouched)
    }

    /// The operation that a person has to look at: the newest that was begun.
    pub fn op(&self) -> Option<&OpId> {
        self.operations.last().map(|left| &left.op)
    }

    /// The sentence, without a full stop.
    pub fn sentence(&self) -> String {
        let mut parts: Vec<String> = self.operations.iter().map(LeftOperation::words).collect();
        if !self.changed.is_empty() {
            parts.push(format!(
                "changed before it failed: {}",
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

    /// What can be done about it.
    pub fn hints(&self) -> Vec<Hint> {
        let open = self
            .operations
            .iter()
            .find(|left| matches!(left.stand, Stand::Open | Stand::Unfinished));
        let Some(open) = open else { return Vec::new() };
        let finish = Hint::run("finish it", &["snapback", "op", "resume"]);
        if open.only_forward {
            vec![finish]
        } else {
            vec![
                finish,
                Hint::run("go back to how it was", &["snapback", "op", "abort"]),
            ]
        }
    }
}

impl LeftOperation {
    /// What is said of it.
    fn words(&self) -> String {
        let op = self.op.short();
        let kind = self.kind.map_or("operation", OpKind::word);
        match self.stand {
            Stand::Done => {
                format!("the {kind} itself is done (operation {op}); what failed came after it")
            }
            Stand::PutBack if self.kept > 0 => {
                format!(
                    "everything was put back but {} that somebody changed meanwhile (operation {op})",
                    text::count(self.kept, "file")
                )
            }
            Stand::PutBack => "everything was put back".into(),
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

/// The first places, and how many there are more.
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

    fn of(operations: Vec<LeftOperation>) -> Left {
        Left {
            operations,
            ..Left::default()
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
            (Left::default(), false, "nothing was changed"),
            (
                of(vec![left(Stand::PutBack)]),
                false,
                "everything was put back",
            ),
            (
                of(vec![left(Stand::Open)]),
                false,
                "no file was changed yet, but operation 9f3c21aa is begun and not finished",
            ),
            (
                of(vec![left(Stand::Done)]),
                true,
                "the adopt itself is done (operation 9f3c21aa); what failed came after it",
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
                Left {
                    changed: vec!["a".into()],
                    ..Left::default()
                },
                true,
                "changed before it failed: a",
            ),
        ];
        for (left, changed, sentence) in all {
            assert_eq!((left.is_change(), &*left.sentence()), (changed, sentence));
        }
        let argv: Vec<_> = of(vec![unfinished])
            .hints()
            .into_iter()
            .map(|hint| hint.argv.join(" "))
            .collect();
        assert_eq!(
            argv,
            ["snapback op resume"],
            "others have seen it: it goes forward only"
        );
        let many = Left {
            changed: (0..7).map(|n| n.to_string()).collect(),
            ..Left::default()
        };
        assert_eq!(
            many.sentence(),
            "changed before it failed: 0, 1, 2, 3, 4 and 2 more"
        );
    }
}
