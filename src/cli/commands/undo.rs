//! `undo`: the inverse of the last rollback or redo, or of a named one.

use super::Run;
use crate::{
    base::Failure,
    cli::{
        args::{NoSign, OneTask},
        change,
        reply::Reply,
        session::Session,
    },
    model::{Request, request},
};

/// Take the last rollback back
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback undo                 the last rollback\n  snapback undo 9f3c21aa        this operation, see `snapback op list`\n  snapback undo -t T01 --yes    the last one of T01, without asking"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

/// Which operation is meant.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The operation, as `op list` shows it
    #[arg(value_name = "OPERATION")]
    op: Option<String>,
    #[command(flatten)]
    task: OneTask,
    #[command(flatten)]
    sign: NoSign,
}

impl Which {
    /// The request; only a task that was named, or whose folder this is, narrows it.
    pub fn request(&self, session: &Session) -> Result<request::Undo, Failure> {
        let app = session.app()?;
        let op = self.op.as_ref().map(|text| app.operation(text).map(|(line, ..)| line.id)).transpose()?;
        let task = if op.is_some() { None } else { self.task.find_if_any(session)? };
        Ok(request::Undo { task, op, signing: self.sign.signing() })
    }
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        change::reply(session, &Request::Undo(self.which.request(session)?))
    }
}
