//! Verdicts on versions: good, bad, held, pinned. Append-only records; the newest one counts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::base::{OpId, TaskId};

/// What was said of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Levels 1 and 2 (and 3 where a smoke command is set) passed.
    Proven,
    /// A person says it is good.
    Good,
    /// A person or the guard says it is bad: never a default target.
    Bad,
    /// It was rolled back from: automation must not bring it back.
    Held,
    /// The hold was lifted.
    Released,
    /// It must stay restorable whatever the retention rules say.
    Pinned,
    /// The pin was taken off.
    Unpinned,
    /// Its checks failed when it was released, gone to, rehearsed or looked at.
    Failed,
    /// It is not kept as it was released: bytes or manifest are gone or other ones.
    Damaged,
    /// It is kept as it was released again.
    Whole,
}

/// One record of `verdicts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// What was said.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Who said it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// The operation that said it, if any; makes the record idempotent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OpId>,
    /// One more than the highest number that its writer knew of this version: what was said in the
    /// knowledge of something else counts more, whatever the clocks say. Older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

impl VerdictRecord {
    /// True when both say the same, whatever their numbers.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { seq: None, ..self.clone() } == Self { seq: None, ..other.clone() }
    }

    /// True for what is shared with other clones: what people and rollbacks say. What checks say is
    /// not, because each clone proves for itself.
    pub fn is_shared(&self) -> bool {
        !matches!(self.verdict, Verdict::Proven | Verdict::Failed | Verdict::Damaged | Verdict::Whole)
    }
}

/// Brings the records of one version into the order in which they count, the last one most; a union
/// of records gives the same order in every clone. Records without a number come first, by their
/// times; so do those whose number nobody can have counted to, or one of them could end the count.
/// Of what was said without knowing of each other, the more careful word wins.
pub fn in_order(records: &mut [VerdictRecord]) {
    let count = records.iter().filter(|record| record.seq.is_some()).count();
    let careful = |verdict| matches!(verdict, Verdict::Held | Verdict::Bad | Verdict::Pinned);
    records.sort_by_cached_key(|record| match record.seq.filter(|seq| is_counted(*seq, count)) {
        None => (0, false, record.at, format!("{record:?}")),
        Some(seq) => (seq, careful(record.verdict), record.at, format!("{record:?}")),
    });
}

/// True for a number that one of so many writers can have come to; some records may be lost.
fn is_counted(seq: u64, count: usize) -> bool {
    /// Records that may be missing here.
    const LOST: u64 = 64;
    seq <= count as u64 + LOST
}

/// The number that the next record of a version gets.
pub fn next_seq<'a>(records: impl IntoIterator<Item = &'a VerdictRecord>) -> u64 {
    let all: Vec<u64> = records.into_iter().filter_map(|record| record.seq).collect();
    all.iter().filter(|seq| is_counted(**seq, all.len())).max().map_or(1, |most| most + 1)
}

/// What all records together say of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each with its own records")]
pub struct Standing {
    /// It passed its verification.
    pub proven: bool,
    /// A person called it good.
    pub good: bool,
    /// It was called bad.
    pub bad: bool,
    /// It was rolled back from.
    pub held: bool,
    /// It must stay.
    pub pinned: bool,
    /// Its checks failed when they ran last, it is not kept as it was released, or its tag was moved.
    pub failed: bool,
    /// Its checks failed when they ran last.
    #[serde(skip)]
    pub checks_failed: bool,
    /// It is not kept as it was released, which running its checks again does not mend.
    #[serde(skip)]
    pub damaged: bool,
    /// The hold is a person's word, not what a rollback says of the version that it leaves.
    #[serde(skip)]
    pub held_by_hand: bool,
}

impl Standing {
    /// Folds the records of one version, oldest first.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a VerdictRecord>) -> Self {
        let mut standing = Self::default();
        for record in records {
            match record.verdict {
                Verdict::Proven => (standing.proven, standing.damaged, standing.checks_failed) = (true, false, false),
                Verdict::Failed => (standing.proven, standing.checks_failed) = (false, true),
                Verdict::Damaged => standing.damaged = true,
                Verdict::Whole => standing.damaged = false,
                Verdict::Good => standing = Self { good: true, bad: false, held: false, held_by_hand: false, ..standing },
                Verdict::Bad => (standing.good, standing.bad) = (false, true),
                Verdict::Held => (standing.held, standing.held_by_hand) = (true, standing.held_by_hand || record.op.is_none()),
                Verdict::Released => (standing.held, standing.held_by_hand) = (false, false),
                Verdict::Pinned => standing.pinned = true,
                Verdict::Unpinned => standing.pinned = false,
            }
        }
        standing.failed = standing.checks_failed || standing.damaged;
        standing
    }

    /// True when a rollback may choose it by itself.
    pub fn may_be_default_target(self) -> bool {
        (self.proven || self.good) && !self.bad && !self.held && !self.failed
    }

    /// True when somebody took the release back: no rollback goes to it without being told why.
    pub fn is_taken_back(self) -> bool {
        self.bad || self.held_by_hand
    }

    /// One word for tables: bad, failed, held, good, proven or unknown.
    pub fn word(self) -> &'static str {
        match self {
            Self { bad: true, .. } => "bad",
            Self { failed: true, .. } => "failed",
            Self { held: true, .. } => "held",
            Self { good: true, .. } => "good",
            Self { proven: true, .. } => "proven",
            _ => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(verdict: Verdict, seq: Option<u64>, second: i64) -> VerdictRecord {
        VerdictRecord {
            task: "T01".parse().expect("it is an id"),
            version: "1.0.0".parse().expect("it is a version"),
            verdict,
            reason: String::new(),
            who: "A <a@b>".into(),
            at: Timestamp::from_second(second).expect("it is a time"),
            op: None,
            seq,
        }
    }

    #[test]
    fn knowledge_counts_more_than_clocks_and_care_more_than_both() {
        let is_held = |records: &[VerdictRecord]| {
            let mut records = records.to_vec();
            in_order(&mut records);
            Standing::of(&records).held
        };
        let hold = record(Verdict::Held, Some(1), 1000);
        assert!(!is_held(&[record(Verdict::Released, Some(2), 10), hold.clone()]), "lifted by somebody whose clock is slow");
        assert!(is_held(&[record(Verdict::Released, Some(1), 2000), hold.clone()]), "neither knew of the other");
        assert!(is_held(&[hold.clone(), record(Verdict::Released, None, 3000)]), "an old record comes before");
        // A number that nobody can have reached does not silence the others for ever.
        let mut records = vec![record(Verdict::Held, Some(u64::MAX), 1), record(Verdict::Good, Some(1), 2)];
        let lift = record(Verdict::Released, Some(next_seq(&records)), 3);
        records.push(lift);
        assert!(!is_held(&records));
    }

    #[test]
    fn what_failed_stays_so_until_it_is_proven_again() {
        use Verdict::{Damaged, Failed, Good, Proven, Whole};
        let of = |words: &[Verdict]| Standing::of(&words.iter().map(|word| record(*word, None, 1)).collect::<Vec<_>>());
        for words in [&[Failed][..], &[Proven, Failed], &[Failed, Good], &[Proven, Damaged], &[Failed, Whole], &[Failed, Damaged, Whole]] {
            let standing = of(words);
            assert_eq!((standing.word(), standing.may_be_default_target()), ("failed", false), "{words:?}");
        }
        for words in [&[Failed, Proven][..], &[Proven, Damaged, Whole], &[Damaged, Proven]] {
            let standing = of(words);
            assert_eq!((standing.word(), standing.may_be_default_target()), ("proven", true), "{words:?}");
        }
    }

    proptest! {
        #[test]
        fn every_clone_comes_to_the_same_order(
            all in proptest::collection::vec((0..6usize, 1..5u64, 0..3i64), 1..8),
            turn in 0..8usize,
        ) {
            let words = [Verdict::Good, Verdict::Bad, Verdict::Held, Verdict::Released, Verdict::Pinned, Verdict::Unpinned];
            let mut a: Vec<_> = all.iter().map(|(word, seq, at)| record(words[*word], Some(*seq), *at)).collect();
            let mut b = a.clone();
            b.rotate_left(turn % all.len());
            in_order(&mut a);
            in_order(&mut b);
            prop_assert_eq!(a, b);
        }
    }
}
