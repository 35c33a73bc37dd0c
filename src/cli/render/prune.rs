//! The page of `op prune`.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::{
    TextStyle, count, moment,
    table::{row, table},
};
use crate::{
    base::text::size,
    model::prune::{KeepReason, PruneLine, PruneReport},
};

/// Renders what goes or has gone; with `explain`, every operation and the reason.
pub fn page(style: TextStyle, zone: &TimeZone, report: &PruneReport, explain: bool) -> String {
    let mut page = String::new();
    if explain {
        let mut all: Vec<&PruneLine> = report.pruned.iter().chain(&report.kept).collect();
        all.sort_by(|a, b| a.operation.id.cmp(&b.operation.id));
        let rows = all.into_iter().map(|line| explained(zone, line)).collect();
        page += &table(style, &["DATE", "WHAT", "TASK", "SIZE", "ID", "WHY"], rows);
    }
    let (Some(first), Some(last)) = (report.pruned.first(), report.pruned.last()) else {
        let _ = writeln!(
            page,
            "nothing to prune: {} on record, all of them stay",
            count(report.kept.len(), "operation")
        );
        return page;
    };
    let pruned = count(report.pruned.len(), "operation");
    let what = if report.dry_run {
        format!("{pruned} would be pruned")
    } else {
        format!("{} {pruned} pruned", style.ok())
    };
    let _ = writeln!(
        page,
        "{what}, of {} to {}: {} of records, and what only they kept",
        moment(first.operation.at, zone),
        moment(last.operation.at, zone),
        size(report.bytes)
    );
    let verb = if report.kept.len() == 1 {
        "stays"
    } else {
        "stay"
    };
    let _ = writeln!(page, "  {} {verb}", count(report.kept.len(), "operation"));
    if report.dry_run {
        page += "  this cannot be undone, and only `snapback store gc` frees the disk\n";
    }
    page
}

/// Renders one operation and the reason.
fn explained(zone: &TimeZone, line: &PruneLine) -> Vec<super::table::Cell> {
    let operation = &line.operation;
    let task = operation.task.as_ref();
    row![
        moment(operation.at, zone),
        operation.kind.word(),
        task.map(ToString::to_string).unwrap_or_default(),
        size(line.bytes),
        operation.id.short(),
        why(line.keep.as_ref())
    ]
}

/// Says why an operation goes or stays.
fn why(keep: Option<&KeepReason>) -> String {
    match keep {
        None => "goes: old enough".into(),
        Some(KeepReason::NewestOfAll) => "stays: the newest of all".into(),
        Some(KeepReason::Young) => "stays: not old enough".into(),
        Some(KeepReason::Newest) => "stays: among the newest of its task".into(),
        Some(KeepReason::AwaitsConfirmation) => "stays: waits to be confirmed".into(),
        Some(KeepReason::UndoneBy(op)) => format!("stays: {} took it back", op.short()),
        Some(KeepReason::OlderStays(op)) => format!("stays: the older {} stays", op.short()),
    }
}
