//! A plan as text: what would change, what stays, what runs, and how to undo it.

use std::fmt::Write;

use super::{
    Paint, TextStyle, count, safe,
    table::{Cell, lines},
};
use crate::{
    base::{RelPath, text::size},
    model::{
        Plan, Version,
        dependencies::PackageChange,
        operation::OpKind,
        plan::{FileLine, Letter, Space},
    },
};

/// Maximum number of files listed one by one without `-v`.
const FILES_SHOWN: usize = 30;
/// Maximum number of other entries listed one by one without `-v`.
const ENTRIES_SHOWN: usize = 8;

/// Size in bytes from which the required space is shown.
const SPACE_SAID: u64 = 1_000_000;

/// Renders the whole plan; with `all`, no list is shortened.
pub fn plan(style: TextStyle, plan: &Plan, all: bool) -> String {
    let mut page = Page {
        style,
        text: head(style, plan) + "\n",
    };
    page.section("files", &file_lines(style, plan, all));
    page.section("ignored", left_out_line(plan).as_slice());
    page.section("deps", &package_lines(style, &plan.packages, all));
    page.section(
        "affects",
        &cut(super::drill::affected(&plan.radius), ENTRIES_SHOWN, all),
    );
    for door in &plan.doors {
        let passed = style.paint(Paint::Attention, "a one-way door is passed");
        page.section("one-way", &[format!("{passed}: {}", safe(door))]);
    }
    let drift = plan.drift.iter().map(|line| safe(line)).collect();
    page.section("shared", &cut(drift, ENTRIES_SHOWN, all));
    page.section("needs", variables_line(style, plan).as_slice());
    for state in &plan.commands {
        let mark = if state.trusted {
            String::new()
        } else {
            format!("  {}", style.paint(Paint::Attention, "(not trusted)"))
        };
        page.section(
            state.command.role.word(),
            &[safe(&state.command.run) + &mark],
        );
    }
    if let Some(space) = plan
        .space
        .filter(|space| all || space.at_most >= SPACE_SAID || space.at_most > space.free / 2)
    {
        page.section("space", &[space_line(space)]);
    }
    for note in &plan.notes {
        page.section("note", &[safe(note)]);
    }
    page.section("safety", safety_line(plan).as_slice());
    page.text
}

/// Describes the ignored files that are in no release, if there are any.
fn left_out_line(plan: &Plan) -> Option<String> {
    let is_release = plan.kind == OpKind::CreateSnapshot;
    let (one, many) = if is_release {
        ("is not part of it", "are not part of it")
    } else {
        (
            "is in no release and stays as it is",
            "are in no release and stay as they are",
        )
    };
    let keeps = if is_release {
        " (`large_files` keeps them)"
    } else {
        ""
    };
    let words = plan.left_out.words(one, many)?;
    Some(safe(&words) + keeps)
}

/// Lists the required environment variables that are not set, if there are any.
fn variables_line(style: TextStyle, plan: &Plan) -> Option<String> {
    if plan.missing_variables.is_empty() {
        return None;
    }
    let names = safe(&plan.missing_variables.join(", "));
    let variables = style.paint(Paint::Attention, "environment variables");
    Some(format!("{variables} not set: {names}"))
}

/// Says how to restore what a plan replaces; `None` for plans that replace nothing.
fn safety_line(plan: &Plan) -> Option<String> {
    let replaces = matches!(
        plan.kind,
        OpKind::Rollback | OpKind::Undo | OpKind::Redo | OpKind::Restore
    );
    if !replaces || plan.nothing_to_do {
        return None;
    }
    if plan.of_release {
        let kept = "everything is saved first; its commits stay below refs/snapback/safety";
        return Some(kept.into());
    }
    let back = if plan.kind == OpKind::Undo {
        "snapback redo"
    } else {
        "snapback undo"
    };
    Some(format!(
        "everything is saved first; `{back}` brings it back"
    ))
}

/// Renders `2.6 MB are written, up to 5.2 MB with what is saved; 120.3 GB are free`.
fn space_line(
    Space {
        needed,
        at_most,
        free,
    }: Space,
) -> String {
    let written = match (needed, at_most) {
        (needed, most) if needed == most => format!("{} are written", size(needed)),
        (0, most) => format!("up to {} are written", size(most)),
        (needed, most) => format!(
            "{} are written, up to {} with what is saved",
            size(needed),
            size(most)
        ),
    };
    let but = if at_most > free {
        "; if the disk gets full, it ends and nothing is changed"
    } else {
        ""
    };
    format!("{written}; {} are free{but}", size(free))
}

/// A page with a label in the left margin of each section.
struct Page {
    style: TextStyle,
    text: String,
}

impl Page {
    fn section(&mut self, label: &str, lines: &[String]) {
        for (at, line) in lines.iter().enumerate() {
            let label = if at == 0 {
                format!("{label:<8}")
            } else {
                " ".repeat(8)
            };
            let _ = writeln!(
                self.text,
                "  {} {line}",
                self.style.paint(Paint::Faint, &label)
            );
        }
    }
}

/// Renders `Plan  T01 momentum  1.3.0 -> 1.2.0  (about)`.
fn head(style: TextStyle, plan: &Plan) -> String {
    let verb = match plan.kind {
        OpKind::Rollback => String::new(),
        kind => format!("{}  ", kind.word()),
    };
    let title = plan
        .title
        .as_deref()
        .map(|title| format!(" {}", safe(title)))
        .unwrap_or_default();
    let version = |version: &Option<crate::model::Version>| {
        version
            .as_ref()
            .map_or("nothing".to_string(), ToString::to_string)
    };
    let way = if plan.from == plan.to {
        version(&plan.to)
    } else {
        format!(
            "{} {} {}",
            version(&plan.from),
            style.arrow(),
            version(&plan.to)
        )
    };
    let about = if plan.about.is_empty() {
        String::new()
    } else {
        style.paint(Paint::Faint, &format!("  ({})", safe(&plan.about)))
    };
    format!(
        "Plan  {verb}{}{title}  {}{about}",
        style.paint(Paint::Strong, plan.task.as_str()),
        style.paint(Paint::Strong, &way)
    )
}

fn file_lines(style: TextStyle, plan: &Plan, all: bool) -> Vec<String> {
    let shown = if all { plan.files.len() } else { FILES_SHOWN };
    let mut out = file_rows(style, &plan.files[..shown.min(plan.files.len())], plan.kind);
    if plan.files.len() > shown {
        out.push(
            format!("… and {} more (-v lists all)", plan.files.len() - shown)
                .replace('…', if style.unicode { "…" } else { "..." }),
        );
    }
    let mut rest = vec![format!("{} unchanged", plan.unchanged)];
    if !plan.untracked.is_empty() {
        rest.push(format!("{} untracked stay", plan.untracked.len()));
    }
    if !plan.protected.is_empty() {
        rest.push(format!(
            "{} protected ({})",
            plan.protected.len(),
            names(&plan.protected)
        ));
    }
    out.push(rest.join(", "));
    out
}

/// Renders lines such as `M tasks/T01/signal.py  +4  -31  note`.
pub fn file_rows(style: TextStyle, files: &[FileLine], kind: OpKind) -> Vec<String> {
    let row = |file: &FileLine| -> Vec<Cell> {
        let (letter, paint) = match file.letter {
            Letter::A => ("A", Paint::Good),
            Letter::M => ("M", Paint::Attention),
            Letter::D => ("D", Paint::Bad),
        };
        let mut remarks = Vec::new();
        if file.large {
            let place = if kind == OpKind::CreateSnapshot {
                "into the store"
            } else {
                "from the store"
            };
            remarks.push(if file.letter == Letter::D {
                size(file.size)
            } else {
                format!("{} {place}", size(file.size))
            });
        } else if file.added.is_none() && file.removed.is_none() {
            remarks.push(size(file.size));
        }
        if !file.note.is_empty() {
            remarks.push(safe(&file.note));
        }
        let number = |sign: char, lines: Option<u32>| {
            lines
                .filter(|n| *n > 0)
                .map(|n| format!("{sign}{n}"))
                .unwrap_or_default()
        };
        vec![
            Cell::painted(paint, format!("{letter} {}", file.path)),
            number('+', file.added).into(),
            number('-', file.removed).into(),
            remarks.join(", ").into(),
        ]
    };
    lines(style, &files.iter().map(row).collect::<Vec<_>>())
}

/// Renders lines such as `pandas 2.2.1 -> 2.1.4`.
pub fn package_lines(style: TextStyle, packages: &[PackageChange], all: bool) -> Vec<String> {
    let line = |change: &PackageChange| {
        let name = safe(&change.name);
        match (
            change.before.as_deref().map(safe),
            change.after.as_deref().map(safe),
        ) {
            (Some(before), Some(after)) => format!("{name} {before} {} {after}", style.arrow()),
            (None, Some(after)) => format!("{name} {after} is added"),
            (Some(before), None) => format!("{name} {before} goes"),
            (None, None) => name,
        }
    };
    cut(packages.iter().map(line).collect(), ENTRIES_SHOWN, all)
}

/// Returns the first lines, and the number of further ones.
fn cut(mut lines: Vec<String>, most: usize, all: bool) -> Vec<String> {
    if !all && lines.len() > most + 1 {
        let more = lines.len() - most;
        lines.truncate(most);
        lines.push(format!("and {more} more (-v lists all)"));
    }
    lines
}

/// Returns the file names of the first paths.
fn names(paths: &[RelPath]) -> String {
    let name = |path: &RelPath| crate::base::text::escape(path.name());
    let mut shown: Vec<_> = paths.iter().take(3).map(name).collect();
    if paths.len() > 3 {
        shown.push(format!("{} more", paths.len() - 3));
    }
    shown.join(", ")
}

/// Returns the question before the plan is executed.
pub fn question(plan: &Plan) -> String {
    let task = &plan.task;
    let (from, to) = (
        Version::or_none(plan.from.as_ref()),
        Version::or_none(plan.to.as_ref()),
    );
    let way = if plan.from == plan.to {
        format!("to {to}")
    } else {
        format!("from {from} to {to}")
    };
    let amount = amount(plan);
    match plan.kind {
        OpKind::CreateSnapshot => format!("Release {task} {to}: {amount}?"),
        OpKind::Rollback => format!("Roll {task} back {way}: {amount}?"),
        OpKind::Undo => format!("Take {task} back {way}: {amount}?"),
        OpKind::Redo => format!("Bring {task} forward {way} again: {amount}?"),
        OpKind::Adopt => "Write these manifests?".into(),
        OpKind::RegistrySync => format!("Make registry and config of {task} say {to}?"),
        OpKind::Init => "Write these files?".into(),
        OpKind::Restore => {
            format!(
                "Write {} back to where {} was?",
                count(plan.files.len(), "file"),
                if plan.files.len() == 1 { "it" } else { "each" }
            )
        }
    }
}

/// Formats an amount: `5 files, 2.6 MB`.
fn amount(plan: &Plan) -> String {
    format!(
        "{}, {}",
        count(plan.files.len(), "file"),
        size(plan.files.iter().map(|file| file.size).sum())
    )
}

/// Returns one line about the size of a plan's changes.
pub fn size_of_change(plan: &Plan) -> String {
    format!("{} would change", count(plan.files.len(), "file"))
}

#[cfg(test)]
pub(crate) mod tests;
