//! `op`: the operations that were run, and how to end an unfinished one.

mod kept;
mod prune;

use std::fmt::Write;

use clap::Subcommand;
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Kind},
    cli::{
        error::Error,
        render::{count, tables},
        reply::Reply,
        session::Session,
    },
    model::{Advice, Report, operation::Step, report::Outcome},
};

/// List and show operations; finish or take back one that was interrupted
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback op list\n  snapback op show 9f3c21aa\n  snapback op resume        finish the interrupted operation\n  snapback op abort         put everything back as it was before it"
)]
pub struct Args {
    #[command(subcommand)]
    what: OpCommand,
}

#[derive(Debug, Subcommand)]
enum OpCommand {
    /// List the operations, newest first
    #[command(before_help = "Examples:\n  snapback op list --limit 5")]
    List {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Show one operation
    #[command(before_help = "Examples:\n  snapback op show 9f3c21aa")]
    Show {
        /// Its id, or the beginning of it
        #[arg(value_name = "OPERATION")]
        op: String,
    },
    /// Finish the interrupted operation
    #[command(before_help = "Examples:\n  snapback op resume")]
    Resume {
        /// Only if it is this one
        #[arg(value_name = "OPERATION")]
        op: Option<String>,
    },
    /// Put everything back as it was before the interrupted operation
    #[command(before_help = "Examples:\n  snapback op abort")]
    Abort {
        /// Only if it is this one
        #[arg(value_name = "OPERATION")]
        op: Option<String>,
    },
    /// List files that an operation put aside
    #[command(
        before_help = "Examples:\n  snapback op kept              of the newest operations\n  snapback op kept 9f3c21aa"
    )]
    Kept(kept::KeptArgs),
    /// Write files that an operation put aside into a folder, or where they were
    #[command(
        before_help = "Examples:\n  snapback op restore 9f3c21aa --into rescued\n  snapback op restore 9f3c21aa tasks/T01/signal.py --in-place"
    )]
    Restore(kept::RestoreArgs),
    /// Let go of what old operations keep; undo of these ends
    #[command(
        before_help = "Examples:\n  snapback op prune --dry-run             what would go\n  snapback op prune --older-than 30d      not only after 90 days\n  snapback op prune --explain --dry-run   why each of them goes or stays",
        after_long_help = prune::WHAT_STAYS
    )]
    Prune(prune::PruneArgs),
}

impl Run for Args {
    fn changes(&self) -> bool {
        match &self.what {
            OpCommand::Resume { .. }
            | OpCommand::Abort { .. }
            | OpCommand::Restore(_)
            | OpCommand::Prune(_) => true,
            OpCommand::Kept(listed) => listed.changes(),
            OpCommand::List { .. } | OpCommand::Show { .. } => false,
        }
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        match &self.what {
            OpCommand::List { limit } => {
                let mut lines = app.operations()?;
                lines.truncate(*limit);
                Ok(Reply::new(
                    tables::operations(session.out, &session.zone, &lines),
                    json!({ "operations": lines }),
                ))
            }
            OpCommand::Show { op } => show(session, op),
            OpCommand::Kept(listed) => listed.run(session),
            OpCommand::Restore(restore) => restore.run(session),
            OpCommand::Prune(prune) => prune.run(session),
            OpCommand::Resume { op } => {
                check(session, op.as_ref())?;
                if session.globals.dry_run {
                    return would_end(session, true);
                }
                Ok(Reply::of_report(session.out, None, &app.resume()?))
            }
            OpCommand::Abort { op } => {
                check(session, op.as_ref())?;
                if session.globals.dry_run {
                    return would_end(session, false);
                }
                Ok(aborted(session, &app.abort()?))
            }
        }
    }
}

fn show(session: &Session, text: &str) -> Result<Reply, Failure> {
    let (line, operation, report) = session.app()?.operation(text)?;
    let steps: Vec<_> = operation.steps.iter().map(Step::name).collect();
    let mut page = tables::operation(session.out, &session.zone, &line, &steps);
    for change in operation.path_changes() {
        let letter = match (&change.before, &change.after) {
            (None, _) => "A",
            (_, None) => "D",
            _ => "M",
        };
        let _ = writeln!(page, "  {letter} {}", change.path);
    }
    let notes = session.app()?.kept_notes(&line.id);
    for note in &notes {
        let _ = writeln!(
            page,
            "  {} {}",
            session.out.attention(),
            crate::cli::render::safe(&note.words())
        );
    }
    if let Some(report) = &report {
        let report = &crate::model::Report {
            kept: Vec::new(),
            ..report.clone()
        };
        page.push_str(&crate::cli::render::report::report(session.out, report));
    }
    let next = match line.outcome {
        Some(_) if !notes.is_empty() => vec![
            Advice::SeeKept {
                op: line.id.short(),
            }
            .because("see what was kept"),
        ],
        Some(_) => Vec::new(),
        None => vec![
            Advice::FinishOperation.because("finish it"),
            Advice::AbortOperation.because("go back"),
        ],
    };
    Ok(Reply::new(
        page,
        json!({ "line": line, "operation": operation, "report": report, "kept": notes }),
    )
    .with_next(next))
}

/// Shows what completing or reversing the unfinished operation would do.
fn would_end(session: &Session, forward: bool) -> Result<Reply, Failure> {
    let (line, done) = session.app()?.end_of_unfinished(forward)?;
    let page = tables::operation(session.out, &session.zone, &line, &[]);
    let what = match (forward, done) {
        (true, true) => "it would be finished",
        (false, true) => "it cannot be taken back any more: it would be finished",
        (true, false) => "it was on its way back: everything would be as it was before it",
        (false, false) => "everything would be as it was before it",
    };
    Ok(Reply {
        dry_run: true,
        ..Reply::new(
            format!("{page}dry run: {what}\n"),
            json!({ "operation": line, "done": done }),
        )
    })
}

/// Replies to an abort; one that put everything back is a success.
fn aborted(session: &Session, report: &Report) -> Reply {
    let mut reply = Reply::of_report(session.out, None, report);
    if report.outcome != Outcome::Undone {
        return reply;
    }
    // The abort was requested, so a signal received meanwhile has nothing left to stop.
    (reply.exit_code, reply.problem, reply.changed, reply.undone) = (0, None, true, false);
    if report.kept.is_empty() {
        reply.text = format!(
            "{} everything is as it was before the operation\n",
            session.out.ok()
        );
        reply.next.clear();
        return reply;
    }
    let lines = report.kept.iter().fold(String::new(), |lines, kept| {
        lines + "  " + &crate::cli::render::safe(&kept.words()) + "\n"
    });
    let said = format!(
        "everything but {} is as it was before the operation",
        count(report.kept.len(), "file")
    );
    reply.text = format!("{lines}{} {said}\n", session.out.attention());
    reply.with_problem(Kind::Conflict, said)
}

/// Checks that the unfinished operation is the named one.
fn check(session: &Session, named: Option<&String>) -> Result<(), Failure> {
    let Some(text) = named else { return Ok(()) };
    let app = session.app()?;
    let (line, ..) = app.operation(text)?;
    match app.unfinished()? {
        Some(open) if open.id == line.id => Ok(()),
        _ => Err(Error::NotUnfinished(line.id.short()).into()),
    }
}
