//! The report of a disaster recovery as Markdown: what was done, proved and how to take it back.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::{Style, command_line, duration, moment, report, safe};
use crate::{
    base::text::size,
    model::{Plan, Report, Status, Verification, plan::Letter},
};

/// The report file.
pub fn markdown(plan: &Plan, done: &Report, zone: &TimeZone) -> String {
    let version = |version: &Option<crate::model::Version>| version.as_ref().map_or("none".into(), ToString::to_string);
    let mut text = format!("# Disaster recovery of {}\n\n", plan.task);
    let _ = writeln!(text, "{}\n", report::last_line(Style::default(), done));
    for note in report::notes(done) {
        let _ = writeln!(text, "> {}\n", line(note));
    }
    let mut fact = |what: &str, seen: &str| {
        if !seen.is_empty() {
            let _ = writeln!(text, "- {what}: {}", line(seen));
        }
    };
    fact("From", &version(&done.from));
    fact("To", &version(&done.to));
    fact("When", &moment(done.at, zone));
    fact("Who", &done.who);
    fact("Reason", &done.message);
    fact("Took", &duration(done.duration_ms));
    if let Some(op) = &done.op {
        fact("Operation", &op.to_string());
    }
    if let Some(commit) = &done.commit {
        fact("Commit", commit.as_str());
    }
    if let Some(tag) = &done.tag {
        fact("Tag", tag);
    }
    let _ = write!(text, "\n## Backup\n\nEvery path that changes was saved first; {} were new in the store.\n", size(done.saved_bytes));
    text.push_str("\n## Files\n\n");
    for file in &plan.files {
        let verb = match file.letter {
            Letter::A => "added",
            Letter::M => "changed",
            Letter::D => "removed",
        };
        let _ = writeln!(text, "- {verb} {}", line(&file.path.to_string()));
    }
    let _ = writeln!(text, "- {} unchanged", plan.unchanged);
    text.push_str("\n## Verification\n\n");
    match &done.verification {
        Some(checked) => checks(&mut text, checked),
        None => text.push_str("Nothing was verified.\n"),
    }
    text.push_str("\n## Next\n\n");
    for step in report::next(done) {
        let _ = writeln!(text, "- {}: `{}`", line(&step.why), command_line(&step.argv));
    }
    text
}

fn checks(text: &mut String, checked: &Verification) {
    text.push_str("| check | result | seen |\n|---|---|---|\n");
    for check in &checked.checks {
        let word = match check.status {
            Status::Pass => "pass",
            Status::Skipped => "skipped",
            Status::Inconclusive => "inconclusive",
            Status::Fail => "FAIL",
        };
        let seen = check.evidence.iter().map(|fact| line(fact)).collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "| {} | {word} | {seen} |", line(&check.id));
    }
}

/// Foreign text that cannot break out of its line, its cell or into HTML.
fn line(text: &str) -> String {
    let mut out = String::new();
    for c in safe(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_file() {
        let mut done = report::tests::sample();
        done.message = "drawdown | <b>12 %</b>".into();
        insta::assert_snapshot!(markdown(&super::super::plan::tests::sample(), &done, &TimeZone::UTC), @r"
        # Disaster recovery of T01

        T01 is at 1.2.0, verified.  1.3.0 is held.  (1.9 s, 4 files changed, 4.0 MB saved, operation 9f3c21aa)

        - From: 1.3.0
        - To: 1.2.0
        - When: 2026-02-24 05:10
        - Who: Li Wei &lt;li@example.com>
        - Reason: drawdown \| &lt;b>12 %&lt;/b>
        - Took: 1.9 s
        - Operation: 000007-9f3c21aa
        - Commit: 4be1c07000000000000000000000000000000000
        - Tag: T01-v1.2.0-rollback-from-v1.3.0

        ## Backup

        Every path that changes was saved first; 4.0 MB were new in the store.

        ## Files

        - changed tasks/T01/signal.py
        - changed tasks/T01/config.yaml
        - removed tasks/T01/new\\u{1b}\[2Jfilter.py
        - changed tasks/T01/model.bin
        - 11 unchanged

        ## Verification

        | check | result | seen |
        |---|---|---|
        | integrity.files | pass | 15 of 15 files match; 15 hashed |
        | configuration.version | pass | config, registry and tag say 1.3.0 |

        ## Next

        - take it back: `snapback undo`
        - share it: `git push --follow-tags`
        ");
    }
}
