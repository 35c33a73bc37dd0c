//! The tables: tasks, releases, history, operations, adoption, drift, doctor.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::{
    Paint, TextStyle, command_line, count, moment, safe,
    table::{Cell, row, table},
};
use crate::{
    base::text::size,
    model::{
        Manifest, Version,
        answer::NextCommand,
        overview::{
            AdoptionLine, DoctorLine, DriftLine, HistoryLine, OperationLine, ReleaseDetail,
            ReleaseLine, TaskLine,
        },
        report::Outcome,
        verdict::VersionState,
    },
};

/// Renders one line per task, and a count.
pub fn tasks(style: TextStyle, lines: &[TaskLine]) -> String {
    if lines.is_empty() {
        return "no task yet\n".into();
    }
    let mut text = table(
        style,
        &[
            "TASK", "TITLE", "ACTIVE", "STATE", "DRIFT", "NEWEST", "RELEASES", "",
        ],
        lines.iter().map(task_row).collect(),
    );
    let look = lines.iter().filter(|line| needs_a_look(line)).count();
    let unread: usize = lines.iter().map(|line| line.unread).sum();
    let rest = match look {
        0 => "all as released".to_string(),
        1 => "1 needs a look".to_string(),
        _ => format!("{look} need a look"),
    };
    let by_size = match unread {
        0 => String::new(),
        _ => format!(
            " ({} by size alone; `snapback verify-rollback` reads the bytes)",
            count(unread, "large file")
        ),
    };
    let _ = writeln!(text, "{}: {rest}{by_size}", count(lines.len(), "task"));
    text
}

/// Renders the row of one task.
fn task_row(line: &TaskLine) -> Vec<Cell> {
    let drift = if line.drift == 0 {
        Cell::from("-")
    } else {
        Cell::painted(Paint::Attention, count(line.drift, "file"))
    };
    let moved = line
        .moved
        .iter()
        .map(|version| format!("the tag of {version} was moved"));
    let troubles: Vec<String> = Some(safe(&line.trouble))
        .filter(|text| !text.is_empty())
        .into_iter()
        .chain(moved)
        .collect();
    let trouble = if troubles.is_empty() {
        Cell::from("")
    } else {
        Cell::painted(Paint::Attention, troubles.join("; "))
    };
    row![
        Cell::painted(Paint::Strong, line.task.as_str()),
        safe(line.title.as_deref().unwrap_or("")),
        version(line.active.as_ref()),
        state(line.standing, line.said_by.as_deref()),
        drift,
        version(line.newest.as_ref()),
        line.releases.to_string(),
        trouble,
    ]
}

/// Returns true for a task that drifted, is bad or failed, has a problem, or has a moved tag.
pub fn needs_a_look(line: &TaskLine) -> bool {
    line.drift > 0
        || line.standing.bad
        || line.standing.failed
        || !line.trouble.is_empty()
        || !line.moved.is_empty()
}

/// Renders the unfinished operation, for the top of `status`.
pub fn unfinished(style: TextStyle, line: &OperationLine) -> String {
    format!(
        "{} an operation did not finish: {} ({})\n  finish it:  snapback op resume\n  go back:    snapback op abort\n",
        style.attention(),
        operation_words(style, line),
        safe(&line.host)
    )
}

/// Renders one line per release.
pub fn releases(style: TextStyle, zone: &TimeZone, lines: &[ReleaseLine]) -> String {
    let row = |line: &ReleaseLine| {
        let paint = if line.active {
            Paint::Strong
        } else {
            Paint::Plain
        };
        row![
            Cell::painted(
                paint,
                format!("{} {}", if line.active { "*" } else { " " }, line.version)
            ),
            moment(line.at, zone),
            state(line.standing, line.said_by.as_deref()),
            safe(&line.author),
            safe(&line.message),
        ]
    };
    table(
        style,
        &["  VERSION", "DATE", "STATE", "AUTHOR", "REASON"],
        lines.iter().map(row).collect(),
    )
}

/// Renders releases and operations, newest first.
pub fn history(style: TextStyle, zone: &TimeZone, lines: &[HistoryLine]) -> String {
    let row = |line: &HistoryLine| match line {
        HistoryLine::Release(release) => row![
            moment(release.at, zone),
            if release.standing.failed {
                Cell::painted(Paint::Bad, "release, failed")
            } else {
                Cell::from("release")
            },
            safe(&release.tag),
            safe(&release.author),
            safe(&release.message),
            release.commit.short()
        ],
        HistoryLine::Operation(operation) => operation_row(style, zone, operation),
    };
    table(
        style,
        &["DATE", "WHAT", "VERSION", "WHO", "REASON", "ID"],
        lines.iter().map(row).collect(),
    )
}

/// Renders operations, newest first.
pub fn operations(style: TextStyle, zone: &TimeZone, lines: &[OperationLine]) -> String {
    if lines.is_empty() {
        return "no operation was ever run here\n".into();
    }
    let row = |line: &OperationLine| {
        let mut row = operation_row(style, zone, line);
        row.push(ending(line));
        row
    };
    table(
        style,
        &["DATE", "WHAT", "VERSION", "WHO", "REASON", "ID", "STATE"],
        lines.iter().map(row).collect(),
    )
}

fn operation_row(style: TextStyle, zone: &TimeZone, line: &OperationLine) -> Vec<Cell> {
    let task = line
        .task
        .as_ref()
        .map(|task| format!("{task} "))
        .unwrap_or_default();
    row![
        moment(line.at, zone),
        line.kind.word(),
        format!("{task}{}", way(style, line)),
        name(&line.who),
        safe(&line.message),
        line.id.short()
    ]
}

/// Returns the name in `name <email>`.
fn name(who: &str) -> String {
    safe(who.split(" <").next().unwrap_or(who))
}

/// Renders how an operation ended.
fn ending(line: &OperationLine) -> Cell {
    match (line.outcome, &line.undone_by) {
        _ if line.pruned => Cell::painted(Paint::Faint, "pruned"),
        (Some(Outcome::Done), Some(by)) => {
            Cell::painted(Paint::Faint, format!("undone by {}", by.short()))
        }
        (Some(Outcome::Done), None) => Cell::painted(Paint::Good, "done"),
        (Some(Outcome::Undone), _) => Cell::painted(Paint::Attention, "failed, put back"),
        (Some(Outcome::Stuck), _) => Cell::painted(Paint::Bad, format!("stuck{}", at(line))),
        (None, _) => Cell::painted(Paint::Attention, format!("unfinished{}", at(line))),
    }
}

fn at(line: &OperationLine) -> String {
    line.stands_at
        .as_deref()
        .map(|step| format!(" at {}", safe(step)))
        .unwrap_or_default()
}

fn way(style: TextStyle, line: &OperationLine) -> String {
    match (&line.from, &line.to) {
        (Some(from), Some(to)) if from != to => format!("{from} {} {to}", style.arrow()),
        (_, Some(version)) | (Some(version), None) => version.to_string(),
        (None, None) => String::new(),
    }
}

/// Renders `9f3c21aa  rollback T01 1.3.0 -> 1.2.0`.
pub fn operation_words(style: TextStyle, line: &OperationLine) -> String {
    let task = line
        .task
        .as_ref()
        .map(|task| format!(" {task}"))
        .unwrap_or_default();
    format!(
        "{}  {}{task} {}",
        line.id.short(),
        line.kind.word(),
        way(style, line)
    )
}

/// Renders one operation in full.
pub fn operation(
    style: TextStyle,
    zone: &TimeZone,
    line: &OperationLine,
    steps: &[&str],
) -> String {
    let facts = [
        ("when", moment(line.at, zone)),
        (
            "who",
            format!("{} on {}", safe(&line.who), safe(&line.host)),
        ),
        ("reason", safe(&line.message)),
        ("steps", steps.join(", ")),
    ];
    let mut text = format!(
        "{}\n",
        style.paint(Paint::Strong, &operation_words(style, line))
    );
    for (what, seen) in facts.iter().filter(|(_, seen)| !seen.is_empty()) {
        let _ = writeln!(text, "  {what:<8} {seen}");
    }
    let state = ending(line);
    text + &format!(
        "  {:<8} {}\n",
        "state",
        super::table::lines(style, &[vec![state]])[0]
    )
}

/// Renders one release in full.
pub fn release(style: TextStyle, zone: &TimeZone, detail: &ReleaseDetail) -> String {
    let line = &detail.release;
    let name = style.paint(
        Paint::Strong,
        line.tag.trim_end_matches(&format!("-v{}", line.version)),
    );
    let name = format!(
        "{name} {}",
        style.paint(Paint::Strong, &line.version.to_string())
    );
    let mut text = format!("{name}{}\n", if line.active { "  (active)" } else { "" });
    let mut fact = |what: &str, seen: &str| {
        let _ = writeln!(text, "  {what:<9} {seen}");
    };
    fact("when", &moment(line.at, zone));
    fact("who", &safe(&line.author));
    fact("reason", &safe(&line.message));
    let by = line
        .said_by
        .as_deref()
        .map(|who| format!(", said by {}", safe(who)))
        .unwrap_or_default();
    fact("state", &format!("{}{by}", line.standing.word()));
    fact("tag", &safe(&line.tag));
    fact("commit", line.commit.as_str());
    let Some(manifest) = &detail.manifest else {
        match &detail.unread {
            Some(why) => fact("manifest", &format!("cannot be read: {}", safe(why))),
            None => fact("manifest", "none (`snapback adopt` writes one)"),
        }
        return text;
    };
    text + &contents(detail, manifest)
}

/// Renders a manifest's files and their dependencies.
fn contents(detail: &ReleaseDetail, manifest: &Manifest) -> String {
    let mut text = String::new();
    let mut fact = |what: &str, seen: &str| {
        let _ = writeln!(text, "  {what:<9} {seen}");
    };
    fact(
        "files",
        &format!("{}, {}", count(detail.files, "file"), size(detail.bytes)),
    );
    let packages = &manifest.dependencies;
    let number = packages.python_packages.len()
        + packages.node_packages.len()
        + packages.cargo_packages.len();
    if manifest.knows_dependencies() {
        fact("deps", &count(number, "package"));
    } else {
        fact("deps", "not known (adopted)");
    }
    for file in packages.lockfiles.iter().filter(|file| file.unread) {
        fact(
            "",
            &format!("{} is not understood; recorded by digest", file.path),
        );
    }
    if !packages.environment_variables.is_empty() {
        fact("needs", &safe(&packages.environment_variables.join(", ")));
    }
    for file in &manifest.files {
        let size = file.size().map(size).unwrap_or_default();
        let _ = writeln!(
            text,
            "    {:<12} {size:>9}  {}",
            safe(file.checksum().get(7..19).unwrap_or("")),
            file.path()
        );
    }
    text
}

/// Renders the result for each tag.
pub fn adoption(style: TextStyle, lines: &[AdoptionLine], dry_run: bool, all: bool) -> String {
    let (taken, refused): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.reason.is_none());
    let mut text = String::new();
    let shown = if all { refused.len() } else { 20 };
    for line in refused.iter().take(shown) {
        let _ = writeln!(
            text,
            "  {} {}  {}",
            style.left_out(),
            safe(&line.tag),
            safe(line.reason.as_deref().unwrap_or(""))
        );
    }
    if refused.len() > shown {
        let _ = writeln!(text, "  and {} more (-v lists all)", refused.len() - shown);
    }
    let verb = if dry_run {
        "would be adopted"
    } else {
        "adopted"
    };
    let _ = writeln!(
        text,
        "{} {verb}, {} left out.",
        count(taken.len(), "tag"),
        refused.len()
    );
    text
}

/// Renders where registry, configs and tags disagree.
pub fn drift(style: TextStyle, lines: &[DriftLine]) -> String {
    if lines.is_empty() {
        return "registry, configs and tags agree\n".into();
    }
    let row = |line: &DriftLine| {
        row![
            line.task.as_str(),
            version(line.registry.as_ref()),
            version(line.config.as_ref()),
            safe(&line.remedy)
        ]
    };
    table(
        style,
        &["TASK", "REGISTRY", "CONFIG", "REMEDY"],
        lines.iter().map(row).collect(),
    )
}

/// Renders the findings of `doctor`.
pub fn doctor(style: TextStyle, lines: &[DoctorLine<NextCommand>]) -> String {
    let mut text = String::new();
    let rows: Vec<_> = lines
        .iter()
        .map(|line| row![safe(&line.what), safe(&line.seen)])
        .collect();
    for (line, shown) in lines.iter().zip(super::table::lines(style, &rows)) {
        let sign = if line.ok { style.ok() } else { style.fail() };
        let _ = writeln!(text, "{sign} {shown}");
        if let (false, Some(fix)) = (line.ok, &line.fix) {
            // The text after "fix:" can be pasted.
            let (word, how) = if fix.argv.is_empty() {
                ("hint:", safe(&fix.why))
            } else {
                ("fix:", command_line(&fix.argv))
            };
            let _ = writeln!(text, "   {} {how}", style.paint(Paint::Attention, word));
        }
    }
    let bad = lines.iter().filter(|line| !line.ok).count();
    let _ = if bad == 0 {
        writeln!(text, "everything is in order")
    } else {
        writeln!(text, "{} to mend", count(bad, "thing"))
    };
    text
}

fn version(version: Option<&Version>) -> Cell {
    version.map_or(Cell::painted(Paint::Faint, "-"), |version| {
        version.to_string().into()
    })
}

/// Renders the state, and its author if that was another clone.
fn state(standing: VersionState, said_by: Option<&str>) -> Cell {
    let paint = match standing.word() {
        "bad" | "failed" => Paint::Bad,
        "held" => Paint::Attention,
        "good" | "proven" => Paint::Good,
        _ => Paint::Faint,
    };
    let pin = if standing.pinned { ", pinned" } else { "" };
    let by = said_by
        .map(|who| format!(" by {}", name(who)))
        .unwrap_or_default();
    Cell::painted(paint, format!("{}{by}{pin}", standing.word()))
}

#[cfg(test)]
mod tests;
