//! `op`: the operations that were run, and what to do with one that did not finish.

use std::fmt::Write;

use clap::Subcommand;
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Hint},
    cli::{error::Error, render::tables, reply::Reply, session::Session},
    model::operation::Step,
};

/// List and show operations; finish or take back one that was interrupted
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback op list\n  snapback op show 9f3c21aa\n  snapback op resume        finish the interrupted operation\n  snapback op abort         put everything back as it was before it"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
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
}

impl Run for Args {
    fn changes(&self) -> bool {
        matches!(self.what, What::Resume { .. } | What::Abort { .. })
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        match &self.what {
            What::List { limit } => {
                let mut lines = app.operations()?;
                lines.truncate(*limit);
                Ok(Reply::new(tables::operations(session.out, &session.zone, &lines), json!({ "operations": lines })))
            }
            What::Show { op } => show(session, op),
            What::Resume { op } => {
                check(session, op.as_ref())?;
                Ok(Reply::of_report(session.out, None, &app.resume()?))
            }
            What::Abort { op } => {
                check(session, op.as_ref())?;
                Ok(aborted(session, Reply::of_report(session.out, None, &app.abort()?)))
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
    if let Some(report) = &report {
        page.push_str(&crate::cli::render::report::report(session.out, report));
    }
    let next = match line.outcome {
        Some(_) => Vec::new(),
        None => vec![Hint::run("finish it", &["snapback", "op", "resume"]), Hint::run("go back", &["snapback", "op", "abort"])],
    };
    Ok(Reply::new(page, json!({ "line": line, "operation": operation, "report": report })).with_next(next))
}

/// An abort that put everything back has done what it was asked to.
fn aborted(session: &Session, mut reply: Reply) -> Reply {
    let undone = reply.data["report"]["outcome"] == "undone";
    if undone {
        (reply.exit_code, reply.problem) = (0, None);
        reply.changed = true;
        reply.text = format!("{} everything is as it was before the operation\n", session.out.ok());
        reply.next.clear();
    }
    reply
}

/// The unfinished operation must be the one that was named.
fn check(session: &Session, named: Option<&String>) -> Result<(), Failure> {
    let Some(text) = named else { return Ok(()) };
    let app = session.app()?;
    let (line, ..) = app.operation(text)?;
    match app.unfinished()? {
        Some(open) if open.id == line.id => Ok(()),
        _ => Err(Error::NotUnfinished(line.id.short()).into()),
    }
}
