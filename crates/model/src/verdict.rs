//! Verdicts on versions, such as good, bad, held, pinned. Append-only records; the newest counts.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::{GitId, OpId, TaskId};
use base::Digest;

/// A verdict on a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Levels 1 and 2 (and 3 where a smoke command is set) passed.
    Proven,
    /// A person marked it good.
    Good,
    /// A person or the guard marked it bad: never a default target.
    Bad,
    /// Held, by a rollback that left it or by hand: automation must not restore it.
    Held,
    /// The hold was lifted.
    #[serde(rename = "released")]
    HoldLifted,
    /// It must stay restorable regardless of the retention rules.
    Pinned,
    /// The pin was removed.
    Unpinned,
    /// Its checks failed on release, rollback, rehearsal or inspection.
    Failed,
    /// It is not stored as released: bytes or manifest are missing or different.
    Damaged,
    /// It is stored as released again.
    Whole,
    /// A word of a newer program: preserved, passed on, and without effect here.
    #[serde(untagged)]
    Unknown(NewWord),
}

/// An unknown but well-formed verdict word, such as `quarantined`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NewWord(String);

impl NewWord {
    /// Returns the word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<NewWord> for String {
    fn from(word: NewWord) -> Self {
        word.0
    }
}

impl TryFrom<String> for NewWord {
    type Error = &'static str;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        let fits = (1..=40).contains(&word.len())
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if fits {
            Ok(Self(word))
        } else {
            Err("no verdict is written so")
        }
    }
}

/// Distinguishes releases that have the same version number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Meant {
    /// The digest of its manifest. The tag may be recreated, signed or not, and still names the
    /// same release.
    Manifest(Digest),
    /// The commit of a tag without a manifest.
    Commit(GitId),
}

impl Meant {
    /// True unless both are known and differ: a record without a release applies to any release
    /// with the number.
    pub fn may_be(said: Option<&Self>, here: Option<&Self>) -> bool {
        said.is_none() || here.is_none() || said == here
    }
}

/// One record of `verdicts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The release that was meant, because a number may be released again. Older records have none,
    /// and apply to any release with the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Meant>,
    /// The verdict.
    pub verdict: Verdict,
    /// The reason.
    pub reason: String,
    /// The author of the verdict.
    pub who: String,
    /// Time of the verdict.
    pub at: Timestamp,
    /// The operation that recorded it, if any; makes the record idempotent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OpId>,
    /// One more than the highest number that its writer knew of this version: a verdict given with
    /// knowledge of another one outweighs it, whatever the clocks say. Older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// For `proven`: the failures that its writer knew of, by [`VerdictRecord::mark`]; it resolves
    /// only these. Older records have none, and resolve all failures before them in the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mends: Option<Vec<String>>,
}

impl VerdictRecord {
    /// True when both have the same content, regardless of what their writers knew.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let said = |record: &Self| Self {
            seq: None,
            mends: None,
            ..record.clone()
        };
        said(self) == said(other)
    }

    /// True for records that are shared with other clones: those by people, rollbacks and checks.
    /// The storage of one clone does not concern others, and an unknown word was already shared by
    /// the program that knows it.
    pub fn is_shared(&self) -> bool {
        !matches!(
            self.verdict,
            Verdict::Damaged | Verdict::Whole | Verdict::Unknown(_)
        )
    }

    /// Returns the mark that other records use for this one: the first 128 bits of its digest, in
    /// hex.
    pub fn mark(&self) -> String {
        let json = serde_json::to_string(self).expect("because plain data always renders");
        Digest::of(json.as_bytes()).hex()[..32].to_string()
    }

    /// Returns the record as written with knowledge of these records of its version.
    #[must_use]
    pub fn in_knowledge_of(&self, known: &[Self]) -> Self {
        let mut record = self.clone();
        if record.seq.is_none() {
            // Local records are counted separately: other clones must not see gaps in the numbers.
            let is_local =
                |record: &Self| matches!(record.verdict, Verdict::Damaged | Verdict::Whole);
            record.seq = Some(next_seq(
                known
                    .iter()
                    .filter(|other| is_local(other) == is_local(&record)),
            ));
        }
        if record.verdict == Verdict::Proven && record.mends.is_none() {
            record.mends = Some(
                unmended(known)
                    .iter()
                    .map(|failure| failure.mark())
                    .collect(),
            );
        }
        record
    }
}

/// Returns the failures among the ordered records of one version that no proof knew of.
pub fn unmended(records: &[VerdictRecord]) -> Vec<&VerdictRecord> {
    let is_proof = |record: &&VerdictRecord| record.verdict == Verdict::Proven;
    let mended: HashSet<&String> = records
        .iter()
        .filter(is_proof)
        .filter_map(|proof| proof.mends.as_ref())
        .flatten()
        .collect();
    let old = records
        .iter()
        .rposition(|record| record.verdict == Verdict::Proven && record.mends.is_none());
    let later = &records[old.map_or(0, |old| old + 1)..];
    later
        .iter()
        .filter(|record| record.verdict == Verdict::Failed && !mended.contains(&record.mark()))
        .collect()
}

/// Sorts the records of one version by increasing weight; the same set of records gets the same
/// order in every clone. Records without a number come first, by time; so do those with an
/// impossibly high number, which could otherwise end the count. Of verdicts given without knowledge
/// of each other, the more careful one wins.
pub fn in_order(records: &mut [VerdictRecord]) {
    let count = records.iter().filter(|record| record.seq.is_some()).count();
    let careful = |verdict: &Verdict| {
        matches!(
            verdict,
            Verdict::Held | Verdict::Bad | Verdict::Pinned | Verdict::Failed
        )
    };
    let key = |record: &VerdictRecord| match record.seq.filter(|seq| is_counted(*seq, count)) {
        None => (0, false, record.at),
        Some(seq) => (seq, careful(&record.verdict), record.at),
    };
    // Whatever else is in them decides only between records that are alike in all of this.
    let rest = |record: &VerdictRecord| format!("{record:?}");
    records.sort_by(|a, b| {
        let order = key(a).cmp(&key(b));
        order.then_with(|| rest(a).cmp(&rest(b)))
    });
}

/// True for a number that is plausible for this many records; some records may be lost.
fn is_counted(seq: u64, count: usize) -> bool {
    /// Number of records that may be missing here.
    const LOST: u64 = 64;
    seq <= count as u64 + LOST
}

/// Returns the number for the next record of a version.
pub fn next_seq<'a>(records: impl IntoIterator<Item = &'a VerdictRecord>) -> u64 {
    let all: Vec<u64> = records
        .into_iter()
        .filter_map(|record| record.seq)
        .collect();
    all.iter()
        .filter(|seq| is_counted(**seq, all.len()))
        .max()
        .map_or(1, |most| most + 1)
}

/// The combined verdict of all records on one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each with its own records"
)]
pub struct VersionState {
    /// It passed its verification, here or in another clone, and no later failure is unresolved.
    pub proven: bool,
    /// A person marked it good.
    pub good: bool,
    /// It was marked bad.
    pub bad: bool,
    /// It is held, by a rollback that left it or by a person.
    pub held: bool,
    /// It must stay restorable.
    pub pinned: bool,
    /// Its last checks failed, it is not stored as released, or its tag was moved.
    pub failed: bool,
    /// Its last checks failed.
    #[serde(skip)]
    pub checks_failed: bool,
    /// It is not stored as released, which rerunning its checks does not fix.
    #[serde(skip)]
    pub damaged: bool,
    /// The hold was set by a person, not by a rollback that left the version.
    #[serde(skip)]
    pub held_by_hand: bool,
}

impl VersionState {
    /// Combines the records of one version, in their order ([`in_order`]).
    pub fn of(records: &[VerdictRecord]) -> Self {
        let mut standing = Self::default();
        for record in records {
            match record.verdict {
                Verdict::Proven => standing.proven = true,
                Verdict::Damaged => standing.damaged = true,
                Verdict::Whole => standing.damaged = false,
                Verdict::Good => {
                    standing = Self {
                        good: true,
                        bad: false,
                        held: false,
                        held_by_hand: false,
                        ..standing
                    }
                }
                Verdict::Bad => (standing.good, standing.bad) = (false, true),
                Verdict::Held => {
                    (standing.held, standing.held_by_hand) =
                        (true, standing.held_by_hand || record.op.is_none());
                }
                Verdict::HoldLifted => (standing.held, standing.held_by_hand) = (false, false),
                Verdict::Pinned => standing.pinned = true,
                Verdict::Unpinned => standing.pinned = false,
                Verdict::Failed | Verdict::Unknown(_) => {}
            }
        }
        standing.checks_failed = !unmended(records).is_empty();
        standing.proven &= !standing.checks_failed;
        standing.failed = standing.checks_failed || standing.damaged;
        standing
    }

    /// True when a rollback may choose it by default.
    pub fn may_be_default_target(self) -> bool {
        (self.proven || self.good) && !self.bad && !self.held && !self.failed
    }

    /// True when the release was withdrawn: rolling back to it needs an explicit override.
    pub fn is_taken_back(self) -> bool {
        self.bad || self.held_by_hand
    }

    /// Returns one word for tables: bad, failed, held, good, proven or unknown.
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
mod tests;
