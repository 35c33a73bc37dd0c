//! Verdicts on versions: good, bad, held, pinned. Append-only records; the newest one counts.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::{GitId, OpId, TaskId};
use base::Digest;

/// What was said of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(rename = "released")]
    HoldLifted,
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
    /// A word of a newer program: kept, passed on, and of no weight here.
    #[serde(untagged)]
    Unknown(NewWord),
}

/// A word that this program does not know, of the form that words have: `quarantined`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NewWord(String);

impl NewWord {
    /// The word.
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

/// What tells one release of a number from another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Meant {
    /// The digest of its manifest: the tag may be made anew, signed or not, and names the same
    /// release.
    Manifest(Digest),
    /// The commit of a tag that names no manifest.
    Commit(GitId),
}

impl Meant {
    /// True unless both are known and are not the same: what names no release is of whatever has
    /// the number.
    pub fn may_be(said: Option<&Self>, here: Option<&Self>) -> bool {
        said.is_none() || here.is_none() || said == here
    }
}

/// One record of `verdicts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The release that was meant: a number may be released anew. Older records have none, and mean
    /// whatever has the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Meant>,
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
    /// Of `proven`: the failures that its writer knew of, by [`VerdictRecord::mark`]; no other ones
    /// are mended by it. Older records have none, and mend what is before them in the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mends: Option<Vec<String>>,
}

impl VerdictRecord {
    /// True when both say the same, whatever their writers knew.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let said = |record: &Self| Self {
            seq: None,
            mends: None,
            ..record.clone()
        };
        said(self) == said(other)
    }

    /// True for what is shared with other clones: what people, rollbacks and checks say of a
    /// version. What the storage of one clone holds is nobody else's matter, and a word that is not
    /// known was shared by the program that knows it.
    pub fn is_shared(&self) -> bool {
        !matches!(
            self.verdict,
            Verdict::Damaged | Verdict::Whole | Verdict::Unknown(_)
        )
    }

    /// What another record names this one by: the first 128 bits of its digest, in hex.
    pub fn mark(&self) -> String {
        let json = serde_json::to_string(self).expect("because plain data always renders");
        Digest::of(json.as_bytes()).hex()[..32].to_string()
    }

    /// The record as it is written by somebody who knows these of its version.
    #[must_use]
    pub fn in_knowledge_of(&self, known: &[Self]) -> Self {
        let mut record = self.clone();
        if record.seq.is_none() {
            // What stays here is counted apart: other clones must not see numbers that nobody gave.
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

/// The failures among the records of one version, in their order, that no proof knew of.
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

/// Brings the records of one version into the order in which they count, the last one most; a union
/// of records gives the same order in every clone. Records without a number come first, by their
/// times; so do those whose number nobody can have counted to, or one of them could end the count.
/// Of what was said without knowing of each other, the more careful word wins.
pub fn in_order(records: &mut [VerdictRecord]) {
    let count = records.iter().filter(|record| record.seq.is_some()).count();
    let careful = |verdict: &Verdict| {
        matches!(
            verdict,
            Verdict::Held | Verdict::Bad | Verdict::Pinned | Verdict::Failed
        )
    };
    records.sort_by_cached_key(
        |record| match record.seq.filter(|seq| is_counted(*seq, count)) {
            None => (0, false, record.at, format!("{record:?}")),
            Some(seq) => (
                seq,
                careful(&record.verdict),
                record.at,
                format!("{record:?}"),
            ),
        },
    );
}

/// True for a number that one of so many writers can have come to; some records may be lost.
fn is_counted(seq: u64, count: usize) -> bool {
    /// Records that may be missing here.
    const LOST: u64 = 64;
    seq <= count as u64 + LOST
}

/// The number that the next record of a version gets.
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

/// What all records together say of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each with its own records"
)]
pub struct Standing {
    /// It passed its verification, here or where somebody says so, and no failure since stands
    /// against it.
    pub proven: bool,
    /// A person called it good.
    pub good: bool,
    /// It was called bad.
    pub bad: bool,
    /// It was rolled back from.
    pub held: bool,
    /// It must stay.
    pub pinned: bool,
    /// Its checks failed when they ran last, it is not kept as it was released, or its tag was
    /// moved.
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
    /// Folds the records of one version, in their order ([`in_order`]).
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
mod tests;
