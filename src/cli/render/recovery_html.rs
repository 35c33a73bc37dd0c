//! The report of a disaster recovery as one page: no scripts, no external resources, a light and a
//! dark theme by the reader's preference, and printable. Every foreign text goes through `text`.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::{command_line, recovery as words, safe};
use crate::model::{
    Status, Verification,
    answer::NextCommand,
    capsule::CapsuleReport,
    plan::{FileLine, Letter},
    recovery::Recovery,
    report::{MomentEnd, Outcome, StepTime},
};

/// The stylesheet of the page.
const STYLE: &str = include_str!("recovery.css");
/// Maximum number of files listed.
const FILES_SHOWN: usize = 500;

/// Renders the page.
pub fn html(of: &Recovery<'_>, zone: &TimeZone) -> String {
    let mut page = head(
        &format!("Disaster recovery of {}", of.plan.task),
        mood(of),
        &way(of),
        &of.summary,
    );
    let back = of.report.outcome == Outcome::Done && of.report.changed;
    section(
        &mut page,
        if back {
            "How to take it back"
        } else {
            "What to do next"
        },
        &next(&of.next),
    );
    let remarks = words::remarks(of);
    section_of_remarks(&mut page, &remarks);
    section(
        &mut page,
        "What, who, why, how long",
        &facts(&words::facts(of, zone)),
    );
    if !of.report.timeline.is_empty() {
        section(
            &mut page,
            "Time line",
            &timeline(&of.report.timeline, of.report.duration_ms),
        );
    }
    let checks = of
        .report
        .verification
        .as_ref()
        .map_or("<p>Nothing was verified.</p>\n".into(), checks);
    section(&mut page, "What was verified", &checks);
    let files = files(&of.plan.files, of.plan.unchanged);
    section(
        &mut page,
        "Backup and files",
        &format!("<p>{}</p>\n{files}", text(&words::backup(of))),
    );
    let operation = of
        .report
        .op
        .as_ref()
        .map_or("none".into(), ToString::to_string);
    foot(page, &format!("{} · operation {operation}", of.host))
}

/// Renders the same page for a version restored from a capsule.
pub fn capsule(
    report: &CapsuleReport,
    (mood, word): (&str, &str),
    steps: &[NextCommand],
    about: &[(&'static str, String)],
) -> String {
    let title = format!("{} out of an escape capsule", report.task);
    let summary = format!(
        "{} {} is in {}",
        report.task,
        report.version,
        report.into.as_deref().unwrap_or("nowhere")
    );
    let mut page = head(
        &title,
        (mood, word),
        &text(&report.version.to_string()),
        &summary,
    );
    if !steps.is_empty() {
        section(&mut page, "What to do next", &next(steps));
    }
    section_of_remarks(&mut page, &report.notes);
    section(&mut page, "What, who, how long", &facts(about));
    section(
        &mut page,
        "Time line",
        &timeline(&report.timeline, report.duration_ms),
    );
    let proved = each(
        report
            .proved
            .iter()
            .map(|fact| format!("<li>{}</li>\n", text(fact))),
    );
    section(
        &mut page,
        "What was proved",
        &format!("<ul class=\"remarks proved\">\n{proved}</ul>\n"),
    );
    foot(page, &format!("manifest {}", report.manifest))
}

/// Renders the top of a page; `way` is already markup.
fn head(title: &str, (mood, word): (&str, &str), way: &str, summary: &str) -> String {
    let title = text(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header class=\"{mood}\">\n<p class=\"kicker\">{title}</p>\n<h1><span class=\"badge {mood}\">{word}</span> {}</h1>\n<p class=\"summary\">{}</p>\n</header>\n",
        way,
        text(summary),
    )
}

/// Appends the end of a page.
fn foot(mut page: String, about: &str) -> String {
    let _ = write!(
        page,
        "<footer>snapback {} · {}</footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        text(about)
    );
    page
}

/// Appends the remarks for people, if there are any.
fn section_of_remarks(page: &mut String, remarks: &[String]) {
    let remarks = each(
        remarks
            .iter()
            .map(|remark| format!("<li>{}</li>\n", text(remark))),
    );
    if !remarks.is_empty() {
        section(
            page,
            "What to know",
            &format!("<ul class=\"remarks\">\n{remarks}</ul>\n"),
        );
    }
}

/// Renders facts side by side.
fn facts(all: &[(&'static str, String)]) -> String {
    let lines = each(
        all.iter()
            .map(|(what, seen)| format!("<div><dt>{what}</dt><dd>{}</dd></div>\n", text(seen))),
    );
    format!("<dl class=\"facts\">\n{lines}</dl>\n")
}

/// Escapes foreign text so that it cannot become markup.
fn text(foreign: &str) -> String {
    let mut out = String::new();
    for c in safe(foreign).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// Concatenates all parts.
fn each(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().concat()
}

fn section(page: &mut String, title: &str, body: &str) {
    let _ = write!(page, "<section>\n<h2>{title}</h2>\n{body}</section>\n");
}

/// Returns the colour of the overall result, and its word.
fn mood(of: &Recovery<'_>) -> (&'static str, &'static str) {
    match of.report.outcome {
        Outcome::Stuck => ("bad", "stuck"),
        Outcome::Undone => ("bad", "put back"),
        Outcome::Done if of.recovered && !of.report.changed => ("good", "nothing to do"),
        Outcome::Done if of.recovered => ("good", "recovered"),
        Outcome::Done => ("attention", "not all verified"),
    }
}

/// Renders `1.3.0 → 1.2.0`.
fn way(of: &Recovery<'_>) -> String {
    let version = |version: &Option<crate::model::Version>| {
        version
            .as_ref()
            .map_or("none".into(), |version| text(&version.to_string()))
    };
    format!(
        "{} <span class=\"arrow\">→</span> {}",
        version(&of.report.from),
        version(&of.report.to)
    )
}

/// Renders the commands, with the undo first.
fn next(steps: &[NextCommand]) -> String {
    let line = |step: &NextCommand| {
        format!(
            "<div><span>{}</span><code>{}</code></div>\n",
            text(&step.why),
            text(&command_line(&step.argv))
        )
    };
    let lines = each(steps.iter().map(line));
    if lines.is_empty() {
        "<p>Nothing was changed.</p>\n".into()
    } else {
        format!("<div class=\"next\">\n{lines}</div>\n")
    }
}

/// Renders bars on one scale, with the same figures as a table.
fn timeline(moments: &[StepTime], total_ms: u64) -> String {
    let end = moments
        .iter()
        .map(|moment| moment.at_ms + moment.took_ms)
        .max()
        .unwrap_or(0)
        .max(total_ms)
        .max(1);
    let percent = |ms: u64| format!("{}.{:02}", ms * 100 / end, ms * 10_000 / end % 100);
    let mut body = String::from(
        "<table class=\"timeline\">\n<thead><tr><th>Step</th><th class=\"number\">After</th><th class=\"number\">Took</th><th>Result</th><th class=\"bars\"></th></tr></thead>\n<tbody>\n",
    );
    for moment in moments {
        let class = match moment.end {
            MomentEnd::Done => "good",
            MomentEnd::Failed => "bad",
            MomentEnd::TakenBack => "attention",
        };
        let (at, took) = (words::exact(moment.at_ms), words::exact(moment.took_ms));
        let _ = writeln!(
            body,
            "<tr><td>{}</td><td class=\"number\">{at}</td><td class=\"number\">{took}</td><td><span class=\"badge {class}\">{}</span></td>\
             <td class=\"bars\"><div class=\"bar {class}\" style=\"margin-left:{}%;width:{}%\"></div></td></tr>",
            text(&moment.what),
            words::end_word(moment.end),
            percent(moment.at_ms),
            percent(moment.took_ms),
        );
    }
    body + "</tbody>\n</table>\n"
}

/// Renders the checks by level.
fn checks(checked: &Verification) -> String {
    let mut body = String::from(
        "<table class=\"checks\">\n<thead><tr><th>Level</th><th>Check</th><th>Result</th><th>Seen</th></tr></thead>\n<tbody>\n",
    );
    for check in &checked.checks {
        let class = match check.status {
            Status::Pass => "good",
            Status::Skipped => "faint",
            Status::Inconclusive => "attention",
            Status::Fail => "bad",
        };
        let seen = each(
            check
                .evidence
                .iter()
                .map(|fact| format!("<div>{}</div>", text(fact))),
        );
        let _ = writeln!(
            body,
            "<tr><td>{}&nbsp;{}</td><td><code>{}</code></td><td><span class=\"badge {class}\">{}</span></td><td class=\"seen\">{seen}</td></tr>",
            check.level,
            words::level_word(check.level),
            text(&check.id),
            words::status_word(check.status),
        );
    }
    body + "</tbody>\n</table>\n"
}

/// Renders the files that changed.
fn files(files: &[FileLine], unchanged: usize) -> String {
    let mut body = String::new();
    if !files.is_empty() {
        body.push_str("<table class=\"files\">\n<thead><tr><th>File</th><th></th><th class=\"number\">Lines</th><th>Remarks</th></tr></thead>\n<tbody>\n");
        for file in files.iter().take(FILES_SHOWN) {
            let class = match file.letter {
                Letter::A => "good",
                Letter::M => "attention",
                Letter::D => "bad",
            };
            let lines = |sign: &str, number: Option<u32>| {
                number
                    .filter(|number| *number > 0)
                    .map(|number| format!("{sign}{number} "))
                    .unwrap_or_default()
            };
            let _ = writeln!(
                body,
                "<tr><td><code>{}</code></td><td><span class=\"badge {class}\">{}</span></td><td class=\"number\">{}{}</td><td>{}</td></tr>",
                text(&file.path.to_string()),
                words::verb(file.letter),
                lines("+", file.added),
                lines("−", file.removed),
                text(&file.note.replace("->", "→")),
            );
        }
        body.push_str("</tbody>\n</table>\n");
    }
    let more = files.len().saturating_sub(FILES_SHOWN);
    let more = if more == 0 {
        String::new()
    } else {
        format!("and {more} more; ")
    };
    body + &format!("<p class=\"faint\">{more}{unchanged} unchanged</p>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let (plan, done) = words::tests::sample();
        html(&words::recovery(&plan, &done, "prod-1"), &TimeZone::UTC)
    }

    #[test]
    fn nothing_foreign_becomes_markup_and_nothing_comes_from_elsewhere() {
        let page = page();
        for foreign in [
            "<script",
            "<b>",
            "</title><",
            "\u{202e}",
            "\u{1b}",
            "http://",
            "https://",
            "url(",
            "@import",
        ] {
            assert!(!page.contains(foreign), "{foreign:?}");
        }
        assert!(page.contains(
            "&lt;b&gt;12 %&lt;/b&gt; `x` &quot;quoted&quot; &#39;too&#39; &amp; \\u{202e}more"
        ));
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
    }

    #[test]
    fn every_tag_is_closed_in_order() {
        let page = page();
        let body = page.split_once("</style>").expect("it has a style").1;
        let mut open: Vec<&str> = Vec::new();
        for tag in body
            .split('<')
            .skip(1)
            .map(|rest| rest.split(['>', ' ']).next().unwrap_or_default())
        {
            match tag.strip_prefix('/') {
                Some("head" | "html") => {}
                Some(end) => assert_eq!(open.pop(), Some(end), "in {body}"),
                None => open.push(tag),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn bars_stay_on_their_scale() {
        let (_, done) = words::tests::sample();
        let body = timeline(&done.timeline, done.duration_ms);
        assert!(
            body.contains("margin-left:0.00%;width:41.85%")
                && body.contains("margin-left:94.43%;width:4.89%"),
            "{body}"
        );
        assert!(!timeline(&[], 0).contains("NaN"));
    }
}
