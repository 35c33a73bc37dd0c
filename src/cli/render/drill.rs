//! Drills as text: what was rehearsed, how long it took, and what it means for other tasks.

use std::fmt::Write;

use jiff::Timestamp;

use super::{
    Paint, TextStyle, count, duration, safe,
    table::{Cell, row, table},
    verification,
};
use crate::{
    base::text::size,
    model::{
        Status,
        drill::{DrillReport, Touched},
        overview::{DrillProof, WayBack},
    },
};

/// Renders one drill in full.
pub fn drill(style: TextStyle, report: &DrillReport) -> String {
    let from = report
        .active
        .as_ref()
        .map(|version| format!("{version} {} ", style.arrow()))
        .unwrap_or_default();
    let mut text = format!(
        "Drill  {}  {from}{}  ({})\n",
        style.paint(Paint::Strong, report.task.as_str()),
        report.version,
        safe(&report.network.how)
    );
    for phase in &report.phases {
        let _ = writeln!(
            text,
            "  {:<12} {:>9}  {}",
            phase.name,
            duration(phase.ms),
            safe(&phase.what)
        );
    }
    text.push_str(&verification::problems(style, &report.verification));
    for line in affected(&report.radius)
        .into_iter()
        .chain(report.drift.iter().map(|line| safe(line)))
    {
        let _ = writeln!(text, "  {} {line}", style.attention());
    }
    for door in &report.doors {
        let _ = writeln!(
            text,
            "  {} one-way door: {}; a rollback wants --past-floor",
            style.attention(),
            safe(door)
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "  {} {}", style.left_out(), safe(note));
    }
    text + &sentence(style, report) + "\n"
}

/// Renders the summary line.
pub fn sentence(style: TextStyle, report: &DrillReport) -> String {
    let (task, version) = (
        style.paint(Paint::Strong, report.task.as_str()),
        &report.version,
    );
    let how = if report.network.shut_off {
        ", offline"
    } else {
        ", with the network not certainly off"
    };
    match report.status() {
        Status::Pass | Status::Skipped if report.why.is_empty() => {
            let smoke = if report.verification.level(3) == Status::Pass {
                ""
            } else {
                "; no smoke test is configured"
            };
            format!(
                "{task} can go back to {version} in {}{how}{smoke}.",
                style.paint(Paint::Good, &duration(report.recovery_ms))
            )
        }
        Status::Pass | Status::Skipped => {
            let came = style.paint(
                Paint::Good,
                &format!("came back in {}", duration(report.recovery_ms)),
            );
            format!(
                "{task} {version} {came}{how}; {}",
                style.paint(Paint::Attention, &safe(&report.why))
            )
        }
        Status::Inconclusive if report.files == 0 => {
            format!(
                "{task} {} here to {version}: {}",
                style.paint(Paint::Attention, "cannot go back"),
                safe(&report.why)
            )
        }
        Status::Inconclusive => {
            format!(
                "{task} {version} came back in {}, {}: {}",
                duration(report.recovery_ms),
                style.paint(Paint::Attention, "not proved"),
                safe(&report.why)
            )
        }
        Status::Fail => format!(
            "{task} {} to {version}: {}",
            style.paint(Paint::Bad, "cannot go back"),
            safe(&report.why)
        ),
    }
}

/// Renders lines such as `lib/util.py changes, and T02, T07 use it too`.
pub fn affected(radius: &[Touched]) -> Vec<String> {
    let line = |touched: &Touched| {
        let names: Vec<&str> = touched.tasks.iter().map(|task| task.as_str()).collect();
        format!(
            "{} changes, and {} {} it too",
            touched.path,
            names.join(", "),
            if names.len() == 1 { "uses" } else { "use" }
        )
    };
    radius.iter().map(line).collect()
}

/// Renders one line per drill, and a count.
pub fn drills(style: TextStyle, reports: &[DrillReport]) -> String {
    let line = |report: &DrillReport| {
        let result = match report.status() {
            Status::Pass | Status::Skipped => Cell::painted(Paint::Good, "came back"),
            Status::Inconclusive => Cell::painted(Paint::Attention, "not proved"),
            Status::Fail => Cell::painted(Paint::Bad, "FAILED"),
        };
        row![
            Cell::painted(Paint::Strong, report.task.as_str()),
            report.version.to_string(),
            result,
            duration(report.recovery_ms),
            report.files.to_string(),
            size(report.bytes),
            Cell::painted(Paint::Attention, safe(&report.why)),
        ]
    };
    let mut text = table(
        style,
        &["TASK", "VERSION", "RESULT", "RECOVERY", "FILES", "SIZE", ""],
        reports.iter().map(line).collect(),
    );
    let good = reports.iter().filter(|report| report.passed).count();
    let slowest = reports
        .iter()
        .map(|report| report.recovery_ms)
        .max()
        .unwrap_or(0);
    let how = reports
        .first()
        .map(|report| safe(&report.network.how))
        .unwrap_or_default();
    let _ = writeln!(
        text,
        "{}: {good} came back, slowest {}, {how}",
        count(reports.len(), "drill"),
        duration(slowest)
    );
    text
}

/// Renders `can go back to 1.2.0 in 6.2 s, proved 3 h ago, offline`; `None` without a drill.
pub fn way_back(style: TextStyle, way: &WayBack, now: Timestamp) -> Option<String> {
    let (version, proof) = (way.version.as_ref()?, way.proof.as_ref()?);
    let DrillProof { recovery_ms, .. } = proof;
    let ago = age(proof.at, now);
    Some(if proof.passed {
        let offline = if proof.offline { ", offline" } else { "" };
        format!(
            "can go back to {version} in {}, proved {ago}{offline}",
            duration(*recovery_ms)
        )
    } else {
        format!(
            "{} to {version}: the drill {ago} failed: {}",
            style.paint(Paint::Bad, "cannot go back"),
            safe(&proof.why)
        )
    })
}

/// Formats an age: `just now`, `5 min ago`, `3 h ago`, `12 days ago`.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    let secs = now.as_second().saturating_sub(at.as_second());
    match secs {
        ..60 => "just now".into(),
        60..3600 => format!("{} min ago", secs / 60),
        3600..172_800 => format!("{} h ago", secs / 3600),
        _ => format!("{} days ago", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_one_sentence() {
        let at = |text: &str| -> Timestamp { text.parse().expect("it is a time") };
        let proof = DrillProof {
            at: at("2026-02-24T05:10:00Z"),
            passed: true,
            recovery_ms: 6240,
            offline: true,
            why: String::new(),
        };
        let mut way = WayBack {
            version: "1.2.0".parse().ok(),
            proof: Some(proof),
            ..WayBack::default()
        };
        let said = |way: &WayBack| {
            way_back(TextStyle::default(), way, at("2026-02-24T08:40:00Z"))
                .expect("it was rehearsed")
        };
        assert_eq!(
            said(&way),
            "can go back to 1.2.0 in 6.2 s, proved 3 h ago, offline"
        );
        let proof = way.proof.as_mut().expect("it is there");
        (proof.passed, proof.why) = (false, "smoke.1: exit 1".into());
        assert_eq!(
            said(&way),
            "cannot go back to 1.2.0: the drill 3 h ago failed: smoke.1: exit 1"
        );
        assert_eq!(
            way_back(
                TextStyle::default(),
                &WayBack::default(),
                at("2026-02-24T08:40:00Z")
            ),
            None
        );
    }

    #[test]
    fn ages() {
        let at = |secs: i64| Timestamp::from_second(secs).expect("it is a time");
        let said =
            [0, 59, 61, 7200, 90_000, 400_000].map(|secs| age(at(1_000_000), at(1_000_000 + secs)));
        assert_eq!(
            said,
            [
                "just now",
                "just now",
                "1 min ago",
                "2 h ago",
                "25 h ago",
                "4 days ago"
            ]
        );
        assert_eq!(
            age(at(1_000_000), at(999_000)),
            "just now",
            "a clock that was set back"
        );
    }
}
