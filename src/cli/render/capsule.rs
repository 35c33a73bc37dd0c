//! Capsules as text: contents, results of verification, and how to restore without snapback.

use std::fmt::Write;

use super::{Paint, TextStyle, command_line, count, duration, safe};
use crate::{base::text::size, model::capsule::CapsuleReport};

/// Renders a report of creating, verifying or restoring; the most important line comes last.
pub fn page(style: TextStyle, report: &CapsuleReport, verb: &str) -> String {
    let mut text = String::new();
    let mut fact = |what: &str, seen: &str| {
        let _ = writeln!(
            text,
            "  {} {seen}",
            style.paint(Paint::Faint, &format!("{what:<9}"))
        );
    };
    let links = if report.links == 0 {
        String::new()
    } else {
        format!(", of these {}", count(report.links, "link"))
    };
    let wheels = if report.wheels == 0 {
        String::new()
    } else {
        format!(", {}", count(report.wheels, "wheel"))
    };
    fact(
        "holds",
        &format!(
            "{}{links}{wheels}, {}",
            count(report.files, "file"),
            size(report.bytes)
        ),
    );
    fact(
        "release",
        &format!(
            "{} of {}, commit {}",
            safe(&report.tag),
            safe(&report.released_at.to_string()),
            report.commit.short()
        ),
    );
    fact("manifest", &report.manifest.to_string());
    for line in &report.proved {
        let _ = writeln!(text, "  {} {}", style.ok(), safe(line));
    }
    for note in &report.notes {
        let _ = writeln!(text, "  {} {}", style.attention(), safe(note));
    }
    let place = report.into.as_ref().unwrap_or(&report.capsule);
    let bytes = if report.size == 0 || report.into.is_some() {
        String::new()
    } else {
        format!("{}, ", size(report.size))
    };
    let name = format!("{} {}", report.task, report.version);
    let took = style.paint(
        Paint::Faint,
        &format!("({bytes}{})", duration(report.duration_ms)),
    );
    let _ = writeln!(
        text,
        "{} {verb} {}.  {took}",
        style.paint(Paint::Strong, &name),
        safe(place)
    );
    text
}

/// Returns the commands that restore a capsule without snapback.
pub fn without_snapback(report: &CapsuleReport) -> String {
    let folder = format!("{}-v{}", report.task, report.version);
    let name = command_line(std::slice::from_ref(&report.capsule));
    let name = if name.starts_with('-') {
        format!("./{name}")
    } else {
        name
    };
    format!(
        "  without snapback:  {} {name} | tar -xf - && sh {folder}/restore.sh DIR\n",
        report.unpack
    )
}
