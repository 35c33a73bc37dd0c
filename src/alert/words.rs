//! The text of an alert, the same in every channel: one sentence first, then why, facts, answers.
//!
//! Any part of an alert may come from a repository, so all of it is escaped and cut here, once.

use std::fmt::Write;

use crate::{
    base::{clock::local, text::escape, zone},
    model::alert::{Alert, Severity},
};

/// Longest text of one fact, in characters.
const FACT: usize = 400;
/// Most facts of an alert.
const FACTS: usize = 12;

/// Makes a text from any source into one line.
pub(super) fn line(text: &str) -> String {
    let clean = escape(crate::base::secret::clean_text(text).as_bytes());
    let cut: String = clean.chars().take(FACT).collect();
    if cut.len() < clean.len() {
        cut + "…"
    } else {
        clean
    }
}

/// Returns the sign before a title.
fn sign(severity: Severity) -> &'static str {
    match severity {
        Severity::Good => "✓",
        Severity::Info => "·",
        Severity::Warning => "↩",
        Severity::Critical => "✗",
    }
}

/// Returns the title with its sign.
pub(super) fn title(alert: &Alert) -> String {
    format!("{} {}", sign(alert.severity), line(&alert.notice.title))
}

/// Returns names and texts: first the reason, then the facts, then the place and the ids.
pub(super) fn facts(alert: &Alert) -> Vec<(String, String)> {
    let mut all = vec![("why".to_string(), line(&alert.notice.reason))];
    all.extend(
        alert
            .notice
            .facts
            .iter()
            .take(FACTS)
            .map(|(name, text)| (line(name), line(text))),
    );
    if alert.folded > 0 {
        all.push((
            "seen again".into(),
            format!("{} times since it was told last", alert.folded),
        ));
    }
    all.extend(
        alert
            .notice
            .op
            .iter()
            .map(|op| ("operation".to_string(), op.short())),
    );
    all.push((
        "where".into(),
        format!("{} on {}", line(&alert.repository), line(&alert.host)),
    ));
    all.push((
        "alert".into(),
        format!("{}, {}", alert.id, local(alert.at, &zone())),
    ));
    all
}

/// Returns the whole alert as plain text.
pub(super) fn text(alert: &Alert) -> String {
    let mut text = format!("{}\n\n", title(alert));
    for (name, fact) in facts(alert) {
        let _ = writeln!(text, "{name}: {fact}");
    }
    if !alert.offers.is_empty() {
        text.push_str("\nWhat now? 请选择：\n");
    }
    for offer in &alert.offers {
        let _ = writeln!(
            text,
            "\n- {}\n  {}",
            line(&offer.label),
            line(&offer.command)
        );
        if let Some(link) = &offer.link {
            let _ = writeln!(text, "  {}", line(link));
        }
    }
    text
}

/// Returns the whole alert as one HTML page without pictures, readable in light and dark.
pub(super) fn html(alert: &Alert) -> String {
    let colour = match alert.severity {
        Severity::Good => "#1a7f37",
        Severity::Info => "#0969da",
        Severity::Warning => "#bc4c00",
        Severity::Critical => "#cf222e",
    };
    let mut rows = String::new();
    for (name, fact) in facts(alert) {
        let _ = write!(
            rows,
            "<tr><th style=\"text-align:left;vertical-align:top;padding:2px 12px 2px 0\">{}</th><td>{}</td></tr>",
            safe(&name),
            safe(&fact)
        );
    }
    let mut offers = String::new();
    for offer in &alert.offers {
        let label = safe(&line(&offer.label));
        let label = match &offer.link {
            Some(link) => format!("<a href=\"{}\">{label}</a>", safe(&line(link))),
            None => label,
        };
        let _ = write!(
            offers,
            "<li>{label}<br><code>{}</code></li>",
            safe(&line(&offer.command))
        );
    }
    let what_now = if offers.is_empty() {
        String::new()
    } else {
        format!("<p>What now? 请选择：</p><ul>{offers}</ul>")
    };
    format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\"></head>\
         <body style=\"font-family:sans-serif\"><h2 style=\"border-left:6px solid {colour};padding-left:10px\">{}</h2>\
         <table>{rows}</table>{what_now}</body></html>\n",
        safe(&title(alert))
    )
}

/// Escapes a text for use between tags and in quotes.
fn safe(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::alert::{ALERT_SCHEMA, AlertId, Notice, Offer, Topic};

    /// Returns an alert with texts from an untrusted source.
    pub fn sample() -> Alert {
        let offer = |option: &str, link: bool| Offer {
            option: option.into(),
            label: format!("{option} / 保持现状"),
            command: format!("snapback alert answer 0000001f {option}"),
            link: link.then(|| format!("https://ops.example.org/{option}?a=\"b\"")),
        };
        Alert {
            schema: ALERT_SCHEMA.into(),
            id: AlertId::new(0x1f),
            severity: Severity::Warning,
            notice: Notice {
                event: Topic::RolledBack,
                task: Some("T01".parse().expect("it is an id")),
                title: "T01 went back 1.3.0 -> 1.2.0\r\nBcc: everybody@example.org".into(),
                reason: "<script>alert(1)</script> <at id=all></at> https://li:s3cret@host/x"
                    .into(),
                from: Some("1.3.0".parse().expect("it is a version")),
                to: Some("1.2.0".parse().expect("it is a version")),
                facts: vec![
                    ("rule".into(), "error-rate \x1b[31m".into()),
                    ("long".into(), "错".repeat(5000)),
                ],
                op: None,
            },
            repository: "strategies".into(),
            host: "prod-1".into(),
            at: "2026-02-24T05:10:00Z".parse().expect("it is a time"),
            thread: None,
            folded: 2,
            offers: vec![
                offer("last-good", true),
                offer("version", false),
                offer("hold", true),
            ],
        }
    }

    #[test]
    fn nothing_of_a_stranger_gets_through_as_it_is() {
        let (text, html) = (text(&sample()), html(&sample()));
        for page in [&text, &html] {
            assert!(
                !page.contains("s3cret") && !page.contains('\x1b') && !page.contains('\r'),
                "{page}"
            );
            for option in ["last-good", "version", "hold"] {
                assert!(
                    page.contains(&format!("snapback alert answer 0000001f {option}")),
                    "{page}"
                );
            }
        }
        assert!(
            !html.contains("<script") && !html.contains("<at ") && !html.contains("?a=\"b"),
            "{html}"
        );
        assert_eq!(
            text.lines().next(),
            Some("↩ T01 went back 1.3.0 -> 1.2.0\\r\\nBcc: everybody@example.org")
        );
    }
}
