//! The audit log as text. Its content was typed by people, so all of it is escaped.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::{
    Paint, TextStyle, count, moment, safe,
    table::{Cell, row, table},
};
use crate::model::audit::{AuditCheck, AuditEnd, AuditEntry, Via};

/// Renders one line per entry.
pub fn entries(style: TextStyle, zone: &TimeZone, entries: &[AuditEntry], more: usize) -> String {
    if entries.is_empty() {
        return "the audit log has no such line\n".into();
    }
    let row = |entry: &AuditEntry| {
        let said = &entry.said;
        let who = said
            .who
            .name
            .as_ref()
            .or(said.who.user.as_ref())
            .map_or_else(|| said.who.uid.to_string(), |name| safe(name));
        row![
            entry.seq.to_string(),
            moment(said.at, zone),
            result(entry),
            what(entry),
            format!("{who}@{}", safe(&said.who.host)),
            place(entry),
            safe(&said.why),
        ]
    };
    let mut text = table(
        style,
        &["LINE", "WHEN", "RESULT", "WHAT", "WHO", "FROM", "WHY"],
        entries.iter().map(row).collect(),
    );
    if more > 0 {
        let _ = writeln!(text, "{more} more: --limit N shows them");
    }
    text
}

/// Renders the result of an entry.
fn result(entry: &AuditEntry) -> Cell {
    let ended = &entry.said.result;
    let paint = match ended.end {
        AuditEnd::Done => Paint::Good,
        AuditEnd::PutBack | AuditEnd::Failed | AuditEnd::Interrupted => Paint::Attention,
        AuditEnd::Stuck => Paint::Bad,
    };
    let error = ended
        .error
        .as_ref()
        .map(|kind| format!(" ({})", safe(kind)))
        .unwrap_or_default();
    Cell::painted(paint, format!("{}{error}", ended.end.word()))
}

/// Describes the action of an entry.
fn what(entry: &AuditEntry) -> String {
    let deed = &entry.said.what;
    let mut words = vec![safe(&deed.kind)];
    words.extend(deed.task.iter().map(ToString::to_string));
    match (&deed.from, &deed.to) {
        (Some(from), Some(to)) if from != to => words.push(format!("{from} -> {to}")),
        (_, Some(version)) | (Some(version), None) => words.push(version.to_string()),
        (None, None) => {}
    }
    words.extend(deed.about.iter().map(|about| safe(about)));
    words.extend(deed.by.iter().map(|by| format!("({})", safe(by))));
    words.join(" ")
}

/// Describes the origin of an entry.
fn place(entry: &AuditEntry) -> String {
    let from = &entry.said.from;
    let via = match from.via {
        Via::Terminal => "terminal",
        Via::Ci => "CI",
        Via::Hook => "hook",
        Via::Script => "script",
        Via::Guard => "guard",
        Via::Library => "library",
    };
    let tree = from
        .tree
        .as_ref()
        .map(|tree| format!(" {}:", safe(tree)))
        .unwrap_or_default();
    let dir = if from.dir.is_empty() {
        String::new()
    } else {
        format!(" {}", safe(&from.dir))
    };
    format!("{via}{tree}{dir}")
}

/// Renders the findings of a check.
pub fn check(style: TextStyle, check: &AuditCheck) -> String {
    let mut text = String::new();
    for finding in &check.findings {
        let _ = writeln!(text, "{} {}", style.fail(), safe(&finding.what));
    }
    for note in &check.notes {
        let _ = writeln!(text, "{} {}", style.attention(), safe(note));
    }
    let lines = count(usize::try_from(check.lines).unwrap_or(usize::MAX), "line");
    let proof = match check.anchors {
        0 => "no tag names one of them yet, so a missing end would not show".to_string(),
        1 => "1 tag names one of them".to_string(),
        n => format!("{n} tags name some of them"),
    };
    let _ = match (check.findings.len(), check.lines) {
        (0, 0) => writeln!(text, "the audit log is empty"),
        (0, _) => writeln!(
            text,
            "{} the audit log is whole: {lines} in {}; {proof}",
            style.ok(),
            count(check.segments, "file")
        ),
        (n, _) => writeln!(
            text,
            "{} the audit log is not as it was written: {} in {lines}",
            style.fail(),
            count(n, "finding")
        ),
    };
    text
}
