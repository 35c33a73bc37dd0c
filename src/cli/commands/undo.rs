//! `undo`: the inverse of the last rollback or redo, or of a named one.

use super::Run;
use crate::{
    app::App,
    base::Failure,
    cli::{
        args::{NoSign, OneTask},
        change,
        reply::Reply,
        session::Session,
    },
    model::{OpId, Request, TagName, operation::OpKind, overview::OperationLine, request},
};

/// Take the last rollback, redo or release back; a release only while no remote has it
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback undo                 the last operation\n  snapback undo 9f3c21aa        this operation, see `snapback op list`\n  snapback undo -t T01 --yes    the last one of T01, without asking\n  snapback undo T01-v1.2.0      this release, while no remote has it"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

/// Which operation is meant.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The operation, as `op list` shows it; or a release's tag
    #[arg(value_name = "OPERATION")]
    op: Option<String>,
    #[command(flatten)]
    task: OneTask,
    #[command(flatten)]
    sign: NoSign,
}

impl Which {
    /// Builds the request; only a named task, or the one of this folder, narrows it.
    pub fn request(&self, session: &Session) -> Result<request::Undo, Failure> {
        let app = session.app()?;
        let op = self.op.as_ref().map(|text| named(app, text)).transpose()?;
        let task = if op.is_some() {
            None
        } else {
            self.task.find_if_any(session)?
        };
        Ok(request::Undo {
            task,
            op,
            signing: self.sign.signing(),
        })
    }
}

/// Returns the operation with this id, or the one that created the release with this tag.
fn named(app: &App, text: &str) -> Result<OpId, Failure> {
    let mut readings = app.settings().tag_readings(text).into_iter();
    let Some(TagName::Release { task, version }) = readings.next() else {
        return app.operation(text).map(|(line, ..)| line.id);
    };
    let is_release =
        |line: &OperationLine| line.kind == OpKind::CreateSnapshot && line.undone_by.is_none();
    let made = |line: &OperationLine| {
        is_release(line) && line.task.as_ref() == Some(&task) && line.to.as_ref() == Some(&version)
    };
    match app.operations()?.into_iter().find(made) {
        Some(line) => Ok(line.id),
        None => app.operation(text).map(|(line, ..)| line.id),
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
