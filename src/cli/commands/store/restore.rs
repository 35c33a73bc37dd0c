//! `store restore`: restores from the store into a folder.

use std::{fmt::Write, path::PathBuf};

use clap::ValueHint;
use serde_json::json;

use super::{files, secs, troubles};
use crate::{
    backup::RestoreOptions,
    base::{Failure, Kind, text::size},
    cli::{commands::Run, render::safe, reply::Reply, session::Session},
    model::{Advice, backup::RestoreReport},
};

/// Restore what was put under a name into a folder
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback store restore nightly --into restored\n  snapback store restore nightly --into data --delete --dry-run",
    after_help = "What is right already is left alone. What would be overwritten is kept in the store first, under a name of its own."
)]
pub struct Args {
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
    /// The folder; it is made when it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    into: PathBuf,
    /// Remove what was not there when it was put
    #[arg(long)]
    delete: bool,
    /// Do not keep what is overwritten or removed
    #[arg(long)]
    discard: bool,
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        let into = session.dir().join(&self.into);
        let mut restore = RestoreOptions {
            name: self.name.clone(),
            into,
            delete: self.delete,
            discard: self.discard,
            dry_run: true,
        };
        if session.globals.dry_run {
            return Ok(reply(session, &app.store_restore(&restore)?, &restore));
        }
        if self.discard {
            let plan = app.store_restore(&restore)?;
            let lost = plan.differing
                + plan.beside.len() as u64
                + if self.delete { plan.extra } else { 0 };
            if lost > 0 {
                session.confirm(&format!(
                    "Overwrite or remove {} without keeping them?",
                    files(lost)
                ))?;
            }
        }
        restore.dry_run = false;
        session.about_to_change(std::slice::from_ref(&restore.into));
        let report = app.store_restore(&restore)?;
        Ok(reply(session, &report, &restore))
    }
}

/// Replies with the report.
fn reply(session: &Session, report: &RestoreReport, restore: &RestoreOptions) -> Reply {
    let mut text = troubles(
        session.out,
        "not restored",
        &report.failed,
        session.globals.verbose,
    );
    text.push_str(&counts(report, restore));
    for log in &report.beside {
        let (path, goes) = (
            safe(&log.to_text()),
            if restore.dry_run { "would go" } else { "went" },
        );
        let _ = writeln!(
            text,
            "  {path} {goes}: SQLite would read it into a database that is restored"
        );
    }
    let mut next = Vec::new();
    if let Some(kept) = &report.kept_as {
        let _ = writeln!(text, "  what was there before is kept as {}", safe(kept));
        next.push(
            Advice::RestoreStored {
                name: kept.clone(),
                into: restore.into.to_string_lossy().into_owned(),
            }
            .because("bring that back"),
        );
    }
    let changed =
        !restore.dry_run && report.missing + report.differing + report.touched + report.removed > 0;
    let reply = Reply {
        changed,
        dry_run: restore.dry_run,
        ..Reply::new(text, json!({ "restore": report }))
    }
    .with_next(next);
    with_failures(reply, report)
}

/// Renders the line that counts the files to be restored, or restored.
fn counts(report: &RestoreReport, restore: &RestoreOptions) -> String {
    let (missing, differing, touched) = (report.missing, report.differing, report.touched);
    let extra = match report.extra {
        0 => String::new(),
        n if restore.dry_run && restore.delete => format!(", {n} to be removed"),
        n if restore.delete => format!(", {n} extra"),
        n => format!(", {n} extra left alone"),
    };
    let name = safe(&report.name);
    if restore.dry_run {
        return format!(
            "dry run: {name}: {missing} missing, {differing} differing, {touched} with another mode or time, {} right{extra}\n",
            report.right
        );
    }
    // Files that could not be restored are unchanged; nothing is promised about unlisted files.
    let restored = report.total.saturating_sub(report.failed.len() as u64);
    let part = if report.failed.is_empty() {
        "is"
    } else {
        "is only in part"
    };
    format!(
        "{name} {part} in {}: {restored} of {} right; before, {missing} were missing, {differing} differed, {touched} had another mode or time{extra}  ({} written, {})\n",
        safe(&restore.into.to_string_lossy()),
        report.total,
        size(report.bytes),
        secs(report.duration_ms)
    )
}

/// Adds the exit code and message for files that were not restored.
fn with_failures(reply: Reply, report: &RestoreReport) -> Reply {
    let failed = files(report.failed.len() as u64);
    match () {
        () if report.damaged > 0 => reply.with_problem(
            Kind::Bad,
            format!(
                "{failed} not restored, {} of them damaged in the store",
                report.damaged
            ),
        ),
        () if !report.failed.is_empty() => {
            reply.with_problem(Kind::Partial, format!("{failed} not restored"))
        }
        () => reply,
    }
}
