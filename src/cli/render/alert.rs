//! Alerts as text. Titles and errors may come from anywhere, so all of it is escaped.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::{
    Paint, TextStyle, moment, safe,
    table::{Cell, row, table},
};
use crate::{
    alert::SendAttempt,
    model::alert::{DeliveryState, Severity, StoredAlert},
};

/// Renders one line per alert.
pub fn list(style: TextStyle, zone: &TimeZone, all: &[StoredAlert], more: usize) -> String {
    if all.is_empty() {
        return "nobody was called\n".into();
    }
    let line = |kept: &StoredAlert| {
        let alert = &kept.alert;
        let repeats = if kept.repeats > 0 {
            format!(" (+{})", kept.repeats)
        } else {
            String::new()
        };
        let answer = kept
            .answers
            .last()
            .map_or_else(|| "-".into(), |answered| answered.choice.to_string());
        let task = alert.notice.task.as_ref().map_or("-", |task| task.as_str());
        row![
            alert.id.to_string(),
            moment(alert.at, zone),
            severity(alert.severity),
            task,
            format!("{}{repeats}", safe(&alert.notice.title)),
            ways(kept),
            answer,
        ]
    };
    let mut text = table(
        style,
        &[
            "ALERT", "WHEN", "SEVERITY", "TASK", "WHAT", "SENT", "ANSWER",
        ],
        all.iter().map(line).collect(),
    );
    if more > 0 {
        let _ = writeln!(text, "{more} more: --limit N shows them");
    }
    text
}

/// Renders the severity.
fn severity(severity: Severity) -> Cell {
    let (paint, word) = match severity {
        Severity::Good => (Paint::Good, "good"),
        Severity::Info => (Paint::Plain, "info"),
        Severity::Warning => (Paint::Attention, "warning"),
        Severity::Critical => (Paint::Bad, "critical"),
    };
    Cell::painted(paint, word.to_string())
}

/// Describes the state of an alert's deliveries.
fn ways(kept: &StoredAlert) -> String {
    let one = |delivery: &crate::model::alert::Delivery| match (delivery.standing, &delivery.error)
    {
        (DeliveryState::Sent, _) => format!("{} sent", safe(&delivery.channel)),
        (standing, Some(why)) => format!(
            "{} {}: {}",
            safe(&delivery.channel),
            standing.word(),
            safe(why)
        ),
        (standing, None) => format!("{} {}", safe(&delivery.channel), standing.word()),
    };
    if kept.unaddressed {
        "waits until `alerts:` is mended".into()
    } else if kept.deliveries.is_empty() {
        "no channel".into()
    } else {
        kept.deliveries
            .iter()
            .map(one)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Returns true when a delivery has not arrived.
pub fn waits(kept: &StoredAlert) -> bool {
    kept.deliveries
        .iter()
        .any(|delivery| delivery.standing != DeliveryState::Sent)
}

/// Returns true when the alert needs a person's attention.
pub fn is_open(kept: &StoredAlert) -> bool {
    waits(kept) || (kept.alert.severity == Severity::Critical && kept.answers.is_empty())
}

/// Renders one line per attempt.
pub fn attempts(style: TextStyle, attempts: &[SendAttempt]) -> String {
    if attempts.is_empty() {
        return "nothing is to be sent\n".into();
    }
    attempts.iter().fold(String::new(), |text, attempt| {
        let channel = safe(&attempt.channel);
        text + &match &attempt.error {
            None => format!("{} {channel}: sent\n", style.ok()),
            Some(why) => format!("{} {channel}: {}\n", style.fail(), safe(why)),
        }
    })
}
