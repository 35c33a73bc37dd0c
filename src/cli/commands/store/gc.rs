//! `store gc`: gives up what nothing needs.

use serde_json::json;

use crate::{
    base::{Failure, Kind},
    cli::{commands::Run, render::store, reply::Reply, session::Session},
};

/// Free what no release, operation or copy needs any more
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback store gc --dry-run    what would be freed\n  snapback store gc --yes        without a question"
)]
pub struct Args {}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        let verbose = session.globals.verbose;
        if session.globals.dry_run {
            let (report, names) = app.collect_store(true)?;
            let text = store::gc(session.out, &report, &names, verbose);
            return Ok(Reply { dry_run: true, ..Reply::new(text, json!({ "gc": report, "needed_by": names })) });
        }
        if !session.globals.yes {
            let (report, names) = app.collect_store(true)?;
            session.say(&store::gc(session.err, &report, &names, verbose));
            session.confirm("Free it?")?;
        }
        session.about_to_change();
        let (report, names) = app.collect_store(false)?;
        let reply = Reply::new(store::gc(session.out, &report, &names, verbose), json!({ "gc": report, "needed_by": names })).changed();
        if report.sessions_at_work > 0 {
            return Ok(reply.with_problem(Kind::Locked, "sessions that began before are still at work"));
        }
        Ok(reply)
    }
}
