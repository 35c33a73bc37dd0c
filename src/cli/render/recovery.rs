//! The report of a disaster recovery: actions, proofs, durations, and how to undo it.
//!
//! One [`Recovery`] has three formats: Markdown here, the page for a browser or a printer in
//! `recovery_html.rs`, and JSON from its own fields.

use std::fmt::Write;

use jiff::{SignedDuration, tz::TimeZone};

use super::{TextStyle, command_line, duration, report, safe};
use crate::{
    base::{clock::local_exact, text::size},
    cli::advice,
    model::{
        Plan, Report, Status, Verification, Version,
        plan::Letter,
        recovery::{RECOVERY_SCHEMA, Recovery},
        report::MomentEnd,
        verification::LEVEL_WORDS,
    },
};

/// Combines plan and report.
pub fn recovery<'a>(plan: &'a Plan, done: &'a Report, host: &str) -> Recovery<'a> {
    let exit_code = report::exit_code(done);
    let took = SignedDuration::from_millis(i64::try_from(done.duration_ms).unwrap_or(i64::MAX));
    Recovery {
        schema: RECOVERY_SCHEMA,
        summary: report::last_line(TextStyle::default(), done),
        recovered: exit_code == 0,
        exit_code,
        began_at: done.at,
        ended_at: done.at.checked_add(took).unwrap_or(done.at),
        host: host.into(),
        plan,
        report: done,
        next: report::next(done).into_iter().map(advice::next).collect(),
    }
}

/// Returns the facts at the top: label, value.
pub fn facts(of: &Recovery<'_>, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let version =
        |version: &Option<Version>| version.as_ref().map_or("none".into(), ToString::to_string);
    let at = |time: jiff::Timestamp| local_exact(time, zone);
    let Recovery { report, .. } = of;
    let all = [
        (
            "Task",
            format!(
                "{}{}",
                of.plan.task,
                of.plan
                    .title
                    .as_ref()
                    .map(|title| format!(" {title}"))
                    .unwrap_or_default()
            ),
        ),
        ("From", version(&report.from)),
        ("To", version(&report.to)),
        ("Began", at(of.began_at)),
        ("Ended", at(of.ended_at)),
        ("Took", duration(report.duration_ms)),
        ("Who", report.who.clone()),
        ("Host", of.host.clone()),
        (
            "Reason",
            if report.message.is_empty() {
                "none was given".into()
            } else {
                report.message.clone()
            },
        ),
        (
            "Operation",
            report
                .op
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ),
        (
            "Commit",
            report
                .commit
                .as_ref()
                .map(|commit| commit.as_str().to_string())
                .unwrap_or_default(),
        ),
        ("Tag", report.tag.clone().unwrap_or_default()),
    ];
    all.into_iter()
        .filter(|(_, seen)| !seen.is_empty())
        .collect()
}

/// Returns the remarks that people should read first, in words.
pub fn remarks(of: &Recovery<'_>) -> Vec<String> {
    let mut all: Vec<String> = report::notes(of.report).cloned().collect();
    for check in of
        .report
        .verification
        .iter()
        .flat_map(Verification::problems)
    {
        all.insert(
            0,
            format!(
                "{} {}: {}",
                check.id,
                problem_word(check.status),
                check.evidence.join("; ")
            ),
        );
    }
    all.extend(
        of.plan
            .doors
            .iter()
            .map(|door| format!("a one-way door was passed: {door}")),
    );
    all.extend(super::drill::affected(&of.plan.radius));
    all.extend(of.plan.drift.iter().cloned());
    if !of.plan.missing_variables.is_empty() {
        all.push(format!(
            "not set in this environment: {}",
            of.plan.missing_variables.join(", ")
        ));
    }
    all
}

/// Returns `failed` or `is inconclusive`.
fn problem_word(status: Status) -> &'static str {
    if status == Status::Fail {
        "failed"
    } else {
        "is inconclusive"
    }
}

/// Says in words what happened to the previous state.
pub fn backup(of: &Recovery<'_>) -> String {
    if of.report.op.is_none() {
        return "Nothing changed, so nothing had to be saved.".into();
    }
    format!(
        "Every path that changes was saved first; {} were new in the store.",
        size(of.report.saved_bytes)
    )
}

/// Returns the word for a status.
pub fn status_word(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Skipped => "skipped",
        Status::Inconclusive => "inconclusive",
        Status::Fail => "FAIL",
    }
}

/// Says in words how a step ended.
pub fn end_word(end: MomentEnd) -> &'static str {
    match end {
        MomentEnd::Done => "done",
        MomentEnd::Failed => "FAILED",
        MomentEnd::TakenBack => "taken back",
    }
}

/// Returns the word for a level.
pub fn level_word(level: u8) -> &'static str {
    LEVEL_WORDS
        .get(usize::from(level).saturating_sub(1))
        .copied()
        .unwrap_or("other")
}

/// Says what happened to a file.
pub fn verb(letter: Letter) -> &'static str {
    match letter {
        Letter::A => "added",
        Letter::M => "changed",
        Letter::D => "removed",
    }
}

/// Formats milliseconds as seconds: `0.012 s`.
pub fn exact(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

/// Renders the report in Markdown.
pub fn markdown(of: &Recovery<'_>, zone: &TimeZone) -> String {
    let mut text = format!(
        "# Disaster recovery of {}\n\n{}\n\n",
        of.plan.task,
        line(&of.summary)
    );
    for remark in remarks(of) {
        let _ = writeln!(text, "> {}\n", line(&remark));
    }
    for (what, seen) in facts(of, zone) {
        let _ = writeln!(text, "- {what}: {}", line(&seen));
    }
    if !of.report.timeline.is_empty() {
        text.push_str("\n## Time line\n\n| after | step | took | |\n|---:|---|---:|---|\n");
        for moment in &of.report.timeline {
            let (at, took) = (exact(moment.at_ms), exact(moment.took_ms));
            let _ = writeln!(
                text,
                "| {at} | {} | {took} | {} |",
                line(&moment.what),
                end_word(moment.end)
            );
        }
    }
    let _ = write!(text, "\n## Backup\n\n{}\n\n## Files\n\n", backup(of));
    for file in &of.plan.files {
        let _ = writeln!(
            text,
            "- {} {}",
            verb(file.letter),
            line(&file.path.to_string())
        );
    }
    let _ = writeln!(text, "- {} unchanged", of.plan.unchanged);
    text.push_str("\n## Verification\n\n");
    match &of.report.verification {
        Some(checked) => checks(&mut text, checked),
        None => text.push_str("Nothing was verified.\n"),
    }
    text.push_str("\n## Next\n\n");
    for step in &of.next {
        let _ = writeln!(
            text,
            "- {}: `{}`",
            line(&step.why),
            command_line(&step.argv).replace('`', "'")
        );
    }
    text
}

fn checks(text: &mut String, checked: &Verification) {
    text.push_str("| level | check | result | seen |\n|---|---|---|---|\n");
    for check in &checked.checks {
        let seen = check
            .evidence
            .iter()
            .map(|fact| line(fact))
            .collect::<Vec<_>>()
            .join("; ");
        let level = level_word(check.level);
        let _ = writeln!(
            text,
            "| {level} | {} | {} | {seen} |",
            line(&check.id),
            status_word(check.status)
        );
    }
}

/// Escapes foreign text so that it cannot break out of its line or cell, or become HTML.
pub fn line(text: &str) -> String {
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
pub(super) mod tests {
    use super::*;
    use crate::model::{drill::Touched, report::StepTime};

    /// Returns a report with something hostile in every text.
    pub(in crate::cli::render) fn sample() -> (Plan, Report) {
        let mut plan = super::super::plan::tests::sample();
        plan.title = Some("momentum </title><script>alert(1)</script>".into());
        plan.radius = vec![Touched {
            path: crate::base::RelPath::own("lib/<b>.py"),
            tasks: vec!["T02".parse().expect("it is an id")],
        }];
        let mut done = report::tests::sample();
        done.message = "drawdown | <b>12 %</b> `x` \"quoted\" 'too' & \u{202e}more".into();
        let moment = |what: &str, at_ms, took_ms, end| StepTime {
            what: what.into(),
            at_ms,
            took_ms,
            end,
        };
        done.timeline = vec![
            moment("plan and save", 0, 812, MomentEnd::Done),
            moment("files", 812, 540, MomentEnd::Done),
            moment("verify", 1352, 480, MomentEnd::Done),
            moment("publish", 1832, 95, MomentEnd::Done),
        ];
        (plan, done)
    }

    #[test]
    fn the_report_file() {
        let (plan, done) = sample();
        insta::assert_snapshot!(markdown(&recovery(&plan, &done, "prod-1"), &TimeZone::UTC), @r#"
        # Disaster recovery of T01

        T01 is at 1.2.0, verified.  1.3.0 is held.  (1.9 s, 4 files changed, 4.0 MB saved, operation 9f3c21aa)

        > lib/&lt;b>.py changes, and T02 uses it too

        > lib/util.py differs from what 1.2.0 was released with; T02 uses it too

        > not set in this environment: TUSHARE\_TOKEN

        - Task: T01 momentum &lt;/title>&lt;script>alert(1)&lt;/script>
        - From: 1.3.0
        - To: 1.2.0
        - Began: 2026-02-24 05:10:00 +00:00
        - Ended: 2026-02-24 05:10:01 +00:00
        - Took: 1.9 s
        - Who: Li Wei &lt;li@example.com>
        - Host: prod-1
        - Reason: drawdown \| &lt;b>12 %&lt;/b> \`x\` "quoted" 'too' &amp; \\u{202e}more
        - Operation: 000007-9f3c21aa
        - Commit: 4be1c07000000000000000000000000000000000
        - Tag: T01-v1.2.0-rollback-from-v1.3.0

        ## Time line

        | after | step | took | |
        |---:|---|---:|---|
        | 0.000 s | plan and save | 0.812 s | done |
        | 0.812 s | files | 0.540 s | done |
        | 1.352 s | verify | 0.480 s | done |
        | 1.832 s | publish | 0.095 s | done |

        ## Backup

        Every path that changes was saved first; 4.0 MB were new in the store.

        ## Files

        - changed tasks/T01/signal.py
        - changed tasks/T01/config.yaml
        - removed tasks/T01/new\\u{1b}\[2Jfilter.py
        - changed tasks/T01/model.bin
        - 11 unchanged

        ## Verification

        | level | check | result | seen |
        |---|---|---|---|
        | integrity | integrity.files | pass | 15 of 15 files match; 15 hashed |
        | configuration | configuration.version | pass | config, registry and tag say 1.3.0 |

        ## Next

        - take it back: `snapback undo`
        - share it: `git push --atomic origin main T01-v1.2.0-rollback-from-v1.3.0`
        "#);
    }

    #[test]
    fn the_json_form_says_when_it_was_over() {
        let (plan, done) = sample();
        let value =
            serde_json::to_value(recovery(&plan, &done, "prod-1")).expect("plain data renders");
        assert_eq!(
            (&value["began_at"], &value["ended_at"]),
            (
                &"2026-02-24T05:10:00Z".into(),
                &"2026-02-24T05:10:01.94Z".into()
            )
        );
        assert_eq!(
            (&value["next"][0]["argv"][1], &value["recovered"]),
            (&"undo".into(), &true.into())
        );
    }
}
