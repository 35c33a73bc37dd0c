//! Checks that the log is intact: every line as written, none missing, added or moved; and, from
//! evidence outside the log, whether its end was cut off.
//!
//! Pure: takes the bytes of the segments, the anchors in tag messages and the operations finished
//! by their journals. Traces that a crash may leave are notes, all others are findings.

use super::{Segment, line, log::log_id};
use crate::{
    base::{Digest, text},
    model::{
        OpId,
        audit::{Anchor, AuditCheck, AuditEntry, AuditFinding},
    },
};

/// An anchor and the tag that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchored {
    /// The tag's name.
    pub tag: String,
    /// The anchor in its message.
    pub anchor: Anchor,
    /// True when the tag was created here, by an operation whose journal is here.
    pub own: bool,
}

/// A finished operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedOperation {
    /// Its id.
    pub id: OpId,
    /// True when its line is still to be written.
    pub owed: bool,
}

/// Evidence about the log that lies outside it.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// The anchors in tags.
    pub anchors: Vec<Anchored>,
    /// The finished operations.
    pub over: Vec<EndedOperation>,
    /// The names of files that were moved aside.
    pub moved_aside: Vec<String>,
}

/// Checks the log.
pub fn check(segments: &[Segment], outside: &Outside) -> AuditCheck {
    let mut found = AuditCheck {
        segments: segments.len(),
        ..AuditCheck::default()
    };
    let lines = chain(segments, &mut found);
    let digests: Vec<Digest> = lines.iter().map(|(digest, _)| *digest).collect();
    if let (Some(first), Some(last)) = (digests.first(), digests.last()) {
        found.head = Some(Anchor {
            log: log_id(first),
            seq: digests.len() as u64,
            line: *last,
        });
    }
    found.lines = digests.len() as u64;
    anchors(&digests, &outside.anchors, &mut found);
    operations(
        lines.iter().filter_map(|(_, entry)| entry.as_ref()),
        &outside.over,
        &mut found,
    );
    for name in &outside.moved_aside {
        found.notes.push(format!(
            "audit/{name} holds the end of a line that was cut short"
        ));
    }
    found
}

/// Builds a finding.
fn finding(line: Option<u64>, what: impl Into<String>) -> AuditFinding {
    AuditFinding {
        line,
        what: what.into(),
        tag: None,
    }
}

/// Walks the chain; returns the digest of every line, and its entry if it is intact.
fn chain(segments: &[Segment], found: &mut AuditCheck) -> Vec<(Digest, Option<AuditEntry>)> {
    let mut lines: Vec<(Digest, Option<AuditEntry>)> = Vec::new();
    let mut expected = 1;
    for (nth, segment) in segments.iter().enumerate() {
        let before = nth
            .checked_sub(1)
            .map_or(0, |before| segments[before].number);
        if segment.number != before + 1 {
            found.findings.push(finding(
                None,
                format!(
                    "the files {:06}.jsonl to {:06}.jsonl are missing",
                    before + 1,
                    segment.number - 1
                ),
            ));
        }
        for raw in segment.lines() {
            let number = lines.len() as u64 + 1;
            let entry = line::parse(raw);
            match &entry {
                Err(why) => found.findings.push(finding(
                    Some(number),
                    format!("line {number} is damaged: {why}"),
                )),
                Ok(entry) if entry.seq != expected => {
                    let what = format!(
                        "line {number} was number {}, and number {expected} should stand there",
                        entry.seq
                    );
                    found.findings.push(finding(Some(number), what));
                    expected = entry.seq;
                }
                Ok(entry) if entry.prev != lines.last().map(|(digest, _)| *digest) => {
                    found.findings.push(finding(
                        Some(number),
                        format!("line {number} does not follow the line before it"),
                    ));
                }
                Ok(_) => {}
            }
            expected += 1;
            lines.push((Digest::of(raw), entry.ok()));
        }
        torn(
            segment,
            nth + 1 == segments.len(),
            lines.len() as u64 + 1,
            found,
        );
    }
    lines
}

/// Checks the bytes after the last complete line of a segment.
fn torn(segment: &Segment, is_last: bool, number: u64, found: &mut AuditCheck) {
    let end = segment.torn();
    let mut values = serde_json::Deserializer::from_slice(end).into_iter::<serde_json::Value>();
    let more_than_a_line = matches!(values.next(), Some(Ok(value)) if value.is_object())
        && values.byte_offset() < end.len();
    match end {
        [] if !segment.bytes.is_empty() => {}
        [] => found.findings.push(finding(
            None,
            format!("{:06}.jsonl is empty", segment.number),
        )),
        _ if !is_last => found.findings.push(finding(
            Some(number),
            format!("the end of {:06}.jsonl is damaged", segment.number),
        )),
        _ if more_than_a_line => found.findings.push(finding(
            Some(number),
            format!("the end of line {number} is damaged"),
        )),
        _ => found.notes.push(format!(
            "line {number} was cut short, as a crash leaves it; the next operation moves it aside"
        )),
    }
}

/// Compares the log with the anchors in tags.
fn anchors(digests: &[Digest], all: &[Anchored], found: &mut AuditCheck) {
    let log = digests.first().map(log_id);
    let (ours, others): (Vec<&Anchored>, Vec<&Anchored>) = all
        .iter()
        .partition(|one| Some(&one.anchor.log) == log.as_ref());
    found.anchors = ours.len();
    let count = digests.len() as u64;
    for Anchored { tag, anchor, .. } in &ours {
        let at = anchor
            .seq
            .checked_sub(1)
            .and_then(|at| digests.get(usize::try_from(at).ok()?));
        let what = match at {
            Some(line) if *line == anchor.line => continue,
            Some(_) => format!(
                "line {} is not the one that the tag {tag} names",
                anchor.seq
            ),
            None => format!(
                "lines {} to {} are missing: the tag {tag} names the last of them",
                count + 1,
                anchor.seq
            ),
        };
        found.findings.push(AuditFinding {
            line: at.map(|_| anchor.seq),
            what,
            tag: Some(tag.clone()),
        });
    }
    for Anchored { tag, anchor, .. } in others.iter().filter(|one| one.own) {
        let what = format!(
            "the log was replaced: the tag {tag}, made here, names line {} of the log {}",
            anchor.seq, anchor.log
        );
        found.findings.push(AuditFinding {
            line: None,
            what,
            tag: Some(tag.clone()),
        });
    }
    let foreign = others.iter().filter(|one| !one.own).count();
    if foreign > 0 {
        found.notes.push(format!(
            "{} from other clones, whose logs have the lines",
            text::count(foreign, "tag")
        ));
    }
}

/// Checks that every finished operation has a line, except those before the first one with a line.
fn operations<'a>(
    entries: impl Iterator<Item = &'a AuditEntry>,
    over: &[EndedOperation],
    found: &mut AuditCheck,
) {
    let said: std::collections::BTreeSet<OpId> = entries
        .filter_map(|entry| entry.said.what.id.parse().ok())
        .collect();
    let Some(first) = said.first() else { return };
    for EndedOperation { id, owed } in over
        .iter()
        .filter(|over| over.id > *first && !said.contains(&over.id))
    {
        if *owed {
            found.notes.push(format!(
                "the line of the operation {} is still to be written; the next operation does",
                id.short()
            ));
        } else {
            found.findings.push(finding(
                None,
                format!("the line of the operation {} is missing", id.short()),
            ));
        }
    }
}
