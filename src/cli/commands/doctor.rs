//! `doctor`: checks everything that snapback needs.

use serde_json::json;

use super::Run;
use crate::{
    app::App,
    base::{Failure, Kind},
    cli::{advice, render::tables, reply::Reply, session::Session},
};

/// Check what snapback needs; each fault comes with its fix
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:\n  snapback doctor\n  snapback -C ~/strategies doctor --json")]
pub struct Args {}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        // Opening it settles overdue rollbacks; if it cannot be opened, one of the lines says why.
        let _ = session.app();
        let lines: Vec<_> = App::doctor(&session.dir(), session.globals.dry_run)
            .into_iter()
            .map(|line| line.said(advice::next))
            .collect();
        let reply = Reply::new(
            tables::doctor(session.out, &lines),
            json!({ "checks": lines }),
        );
        let well = lines.iter().all(|line| line.ok);
        Ok(if well {
            reply
        } else {
            reply.with_problem(Kind::Missing, "something needs mending")
        })
    }
}
