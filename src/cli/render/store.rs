//! The store's own reports as text: figures, damage, collections and repairs.

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};

use super::{
    TextStyle, count, moment, safe,
    table::{row, table},
};
use crate::{
    backup::upkeep::ObjectUsers,
    base::text::size,
    model::{
        ObjectId,
        store::{CheckReport, GcReport, Harm, RepairReport, StoreStats},
    },
};

/// Maximum number of lines shown of a list; `--verbose` or `--json` shows all.
const SHOWN: usize = 20;

/// Renders the figures.
pub fn stats(style: TextStyle, zone: &TimeZone, stats: &StoreStats) -> String {
    let mut text = String::new();
    let rows = stats.groups.iter().map(|group| {
        let missing = if group.missing == 0 {
            String::new()
        } else {
            group.missing.to_string()
        };
        row![
            safe(&group.name),
            group.objects.to_string(),
            size(group.logical),
            size(group.unique),
            size(group.stored),
            missing
        ]
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        text.push_str(&table(
            style,
            &["FOR", "OBJECTS", "LOGICAL", "UNIQUE", "STORED", "MISSING"],
            rows,
        ));
    }
    let _ = writeln!(
        text,
        "{} in {}, {}; index {} in {}; {} of garbage",
        size(stats.stored),
        count(stats.packs, "pack"),
        count(stats.chunks, "chunk"),
        size(stats.index),
        count(stats.segments, "segment"),
        size(stats.garbage)
    );
    if stats.old_objects > 0 {
        let _ = writeln!(
            text,
            "{} of the old format: `snapback store gc` moves them into packs",
            count(stats.old_objects, "object")
        );
    }
    let when = |seconds: Option<i64>| match seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
    {
        Some(at) => moment(at, zone),
        None => "never".into(),
    };
    let _ = writeln!(
        text,
        "last collection {}; all checksums checked {}, all contents {}",
        when(stats.last_gc),
        when(stats.last_fast),
        when(stats.last_deep)
    );
    text
}

/// Renders the findings of a check.
pub fn check(style: TextStyle, report: &CheckReport, names: &ObjectUsers, all: bool) -> String {
    let mut text = damage(style, &report.damage, names, all);
    text.push_str(&objects(
        &style.fail(),
        "cannot be given back",
        &report.lost,
        names,
        all,
    ));
    let seen = format!(
        "{} with {}, {}",
        count(report.packs, "pack"),
        count(report.blobs, "chunk"),
        size(report.bytes)
    );
    let verdict = if report.is_sound() {
        "is sound"
    } else {
        "is damaged"
    };
    let mark = if report.is_sound() {
        style.ok()
    } else {
        style.fail()
    };
    let _ = writeln!(
        text,
        "{mark} the store {verdict} ({} check of {seen})",
        report.level
    );
    if report.remaining > 0 {
        let _ = writeln!(
            text,
            "  {} left for the next check, which begins with them",
            count(report.remaining, "pack")
        );
    }
    text
}

/// Renders the damage, and who is affected.
fn damage(style: TextStyle, damage: &[Harm], names: &ObjectUsers, all: bool) -> String {
    let mut text = String::new();
    for harm in damage.iter().take(if all { usize::MAX } else { SHOWN }) {
        let file = if harm.file.is_empty() {
            "the store"
        } else {
            &harm.file
        };
        let blob = harm
            .blob
            .map(|blob| format!(" (chunk {blob})"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "  {} {}: {}{blob}",
            style.fail(),
            safe(file),
            safe(&harm.why)
        );
        for name in harm
            .objects
            .iter()
            .filter_map(|id| names.get(id))
            .flatten()
            .take(if all { usize::MAX } else { 5 })
        {
            let _ = writeln!(text, "      needed by {}", safe(name));
        }
    }
    left_out(&mut text, damage.len(), all);
    text
}

/// Says that a list is longer.
fn left_out(text: &mut String, len: usize, all: bool) {
    if len > SHOWN && !all {
        let _ = writeln!(text, "  and {} more", len - SHOWN);
    }
}

/// Renders a list of objects with their users.
fn objects(mark: &str, what: &str, ids: &[ObjectId], names: &ObjectUsers, all: bool) -> String {
    let mut text = String::new();
    for id in ids.iter().take(if all { usize::MAX } else { SHOWN }) {
        let who = names
            .get(id)
            .map(|names| names.join(", "))
            .filter(|names| !names.is_empty());
        let _ = writeln!(
            text,
            "  {mark} {what}: {}",
            safe(&who.unwrap_or_else(|| id.to_string()))
        );
    }
    left_out(&mut text, ids.len(), all);
    text
}

/// Renders what a collection did, or would do.
pub fn gc(style: TextStyle, report: &GcReport, names: &ObjectUsers, all: bool) -> String {
    let mut text = objects(
        &style.attention(),
        "named, but not in this store",
        &report.missing,
        names,
        all,
    );
    if all {
        text.push_str(&objects(
            &style.left_out(),
            "nothing names",
            &report.dropped,
            names,
            all,
        ));
    }
    if report.migrated > 0 {
        let _ = writeln!(
            text,
            "  {} of the old format into packs",
            count(report.migrated, "object")
        );
    }
    if report.kept_packs > 0 {
        let why = "not written again: the disk is full, or a chunk is damaged";
        let _ = writeln!(
            text,
            "  {} {} {why}",
            style.attention(),
            count(report.kept_packs, "pack")
        );
    }
    if report.sessions_at_work > 0 {
        let who = count(report.sessions_at_work, "session");
        let _ = writeln!(
            text,
            "{} what nothing needs is condemned; {who} at work: run it again",
            style.attention()
        );
        return text;
    }
    let (would, freed) = if report.dry_run {
        ("dry run: ", "would be freed")
    } else {
        ("", "freed")
    };
    let _ = writeln!(
        text,
        "{would}{} {freed}: {} that nothing names, {} removed, {} written again; {} stay",
        size(report.freed),
        count(report.dropped.len(), "object"),
        count(report.removed_packs, "pack"),
        report.rewritten_packs,
        count(report.roots, "object"),
    );
    text
}

/// Renders what a repair did.
pub fn repair(style: TextStyle, report: &RepairReport, names: &ObjectUsers, all: bool) -> String {
    let mut text = damage(style, &report.damage, &ObjectUsers::new(), all);
    text.push_str(&objects(&style.ok(), "healed", &report.healed, names, all));
    text.push_str(&objects(&style.fail(), "lost", &report.lost, names, all));
    for file in &report.quarantined {
        let _ = writeln!(text, "  kept in {}", safe(file));
    }
    let line = match (report.damage.is_empty(), report.lost.is_empty()) {
        (true, true) => format!("{} nothing is damaged", style.ok()),
        (false, true) => format!("{} everything is whole again", style.ok()),
        (_, false) => format!(
            "{} {} cannot be given back",
            style.fail(),
            count(report.lost.len(), "object")
        ),
    };
    text + &line + "\n"
}
