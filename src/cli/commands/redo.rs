//! `redo`: the inverse of the last undo, or of a named one.

use super::{Run, undo::Which};
use crate::{
    base::Failure,
    cli::{change, reply::Reply, session::Session},
    model::Request,
};

/// Bring what was undone again
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback redo             what the last undo took back\n  snapback redo -t T01 -y   the last undo of T01, without asking"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        change::reply(session, &Request::Redo(self.which.request(session)?))
    }
}
