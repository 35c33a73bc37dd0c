//! `store put`: stores folders.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::{files, secs, troubles};
use crate::{
    backup::PutOptions,
    base::{Failure, Hint, Kind, text::size},
    cli::{commands::Run, render::safe, reply::Reply, session::Session},
    model::{Advice, backup::PutReport},
};

/// Put folders into the store under a name
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback store put data --name nightly           what is unchanged is neither read nor stored\n  snapback store put data models --name all --rehash"
)]
pub struct Args {
    /// The folders; of several, each is listed under its last name
    #[arg(value_name = "DIR", required = true, value_hint = ValueHint::DirPath)]
    folders: Vec<PathBuf>,
    /// The name; what it stood for before is replaced
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Name what could be read though some files could not
    #[arg(long)]
    partial: bool,
    /// Read everything, even what looks unchanged
    #[arg(long)]
    rehash: bool,
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let dry_run = session.globals.dry_run;
        let folders = self
            .folders
            .iter()
            .map(|folder| session.dir().join(folder))
            .collect();
        let put = PutOptions {
            name: self.name.clone(),
            folders,
            partial: self.partial,
            rehash: self.rehash,
            dry_run,
        };
        let app = session.app()?;
        if !dry_run {
            session.about_to_change_records()?;
        }
        let report = app.store_put(&put)?;
        Ok(reply(session, &report, dry_run))
    }
}

/// Replies with the report.
fn reply(session: &Session, report: &PutReport, dry_run: bool) -> Reply {
    let verbose = session.globals.verbose;
    let mut text = troubles(session.out, "left out", &report.skipped, verbose);
    text.push_str(&troubles(session.out, "not read", &report.failed, verbose));
    text.push_str(&counts(report, dry_run));
    let reply = Reply {
        changed: report.changed,
        dry_run,
        ..Reply::new(text, json!({ "put": report }))
    };
    let reply = with_failures(reply, report, dry_run);
    if report.changed && reply.exit_code == 0 {
        let back = Advice::RestoreStored {
            name: report.name.clone(),
            into: "DIR".into(),
        };
        return reply.with_next(vec![back.because("bring it back")]);
    }
    reply
}

/// Renders the line that counts the files to be stored, or stored.
fn counts(report: &PutReport, dry_run: bool) -> String {
    let name = safe(&report.name);
    let what = format!("{}, {}", files(report.files), size(report.bytes));
    let read = format!(
        "{} read, {}",
        files(report.read_files),
        size(report.read_bytes)
    );
    match () {
        () if dry_run => format!("dry run: {what}; {}\n", read.replace(" read", " to read")),
        () if !report.named => {
            format!("{name} stands for what it did before: {what}, but not all could be read\n")
        }
        () if !report.changed => format!(
            "{name} is unchanged: {what}  ({read}, {})\n",
            secs(report.duration_ms)
        ),
        () => format!(
            "{name} is stored: {what}  ({read}, the store grew by {}, {})\n",
            size(report.grown),
            secs(report.duration_ms)
        ),
    }
}

/// Adds the exit code and message for files that are not in the store.
fn with_failures(reply: Reply, report: &PutReport, dry_run: bool) -> Reply {
    let (failed, skipped) = (report.failed.len() as u64, report.skipped.len() as u64);
    match () {
        () if failed > 0 && !report.named && !dry_run => {
            let hint = Hint::say("add --partial to name what could be read");
            reply
                .with_problem(
                    Kind::Partial,
                    format!("{} could not be read; nothing was named", files(failed)),
                )
                .with_next(vec![hint])
        }
        () if failed > 0 => reply.with_problem(
            Kind::Partial,
            format!("{} could not be read", files(failed)),
        ),
        () if skipped > 0 => {
            reply.with_problem(Kind::Partial, format!("{} left out", files(skipped)))
        }
        () => reply,
    }
}
