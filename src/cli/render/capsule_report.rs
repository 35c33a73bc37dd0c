//! The report of a version restored from a capsule: Markdown, and the facts of the HTML page.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::{
    command_line, duration,
    recovery::{end_word, exact, line},
};
use crate::{
    base::{clock::local_exact, text::size},
    model::{answer::NextCommand, capsule::CapsuleReport},
};

/// Returns the facts at the top: label, value.
pub fn facts(report: &CapsuleReport, reason: &str, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let at = |time: jiff::Timestamp| local_exact(time, zone);
    let all = [
        ("Task", report.task.to_string()),
        ("Version", report.version.to_string()),
        ("Capsule", report.capsule.clone()),
        ("Into", report.into.clone().unwrap_or_default()),
        ("Began", report.began_at.map(at).unwrap_or_default()),
        ("Took", duration(report.duration_ms)),
        ("Reason", reason.to_string()),
        (
            "Files",
            format!(
                "{}, {} of them links, {}",
                report.files,
                report.links,
                size(report.bytes)
            ),
        ),
        ("Wheels", report.wheels.to_string()),
        ("Without a wheel", report.missing.join(", ")),
        (
            "Released",
            report
                .released_at
                .value()
                .map_or_else(|| report.released_at.to_string(), at),
        ),
        ("Tag", report.tag.clone()),
        ("Commit", report.commit.to_string()),
        ("Manifest", report.manifest.to_string()),
    ];
    all.into_iter()
        .filter(|(_, seen)| !seen.is_empty())
        .collect()
}

/// Renders the report in Markdown.
pub fn markdown(
    report: &CapsuleReport,
    reason: &str,
    next: &[NextCommand],
    zone: &TimeZone,
) -> String {
    let mut text = format!(
        "# {} {} out of an escape capsule\n\n",
        report.task,
        line(&report.version.to_string())
    );
    for note in &report.notes {
        let _ = writeln!(text, "> {}\n", line(note));
    }
    for (what, seen) in facts(report, reason, zone) {
        let _ = writeln!(text, "- {what}: {}", line(&seen));
    }
    text.push_str("\n## Time line\n\n| after | step | took | |\n|---:|---|---:|---|\n");
    for moment in &report.timeline {
        let (at, took) = (exact(moment.at_ms), exact(moment.took_ms));
        let _ = writeln!(
            text,
            "| {at} | {} | {took} | {} |",
            line(&moment.what),
            end_word(moment.end)
        );
    }
    text.push_str("\n## Proved\n\n");
    for fact in &report.proved {
        let _ = writeln!(text, "- {}", line(fact));
    }
    if !next.is_empty() {
        text.push_str("\n## Next\n\n");
    }
    for step in next {
        let _ = writeln!(
            text,
            "- {}: `{}`",
            line(&step.why),
            command_line(&step.argv).replace('`', "'")
        );
    }
    text
}
