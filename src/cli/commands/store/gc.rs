//! `store gc`: deletes what nothing needs.

use serde_json::json;

use crate::{
    backup::upkeep::ObjectUsers,
    base::{Failure, Kind},
    cli::{commands::Run, render::store, reply::Reply, session::Session},
    model::{Advice, store::GcReport},
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
        if session.globals.dry_run {
            let (report, names) = app.collect_store(true)?;
            return Ok(reply(session, &report, &names));
        }
        if !session.globals.yes {
            let (report, names) = app.collect_store(true)?;
            session.say(&store::gc(
                session.err,
                &report,
                &names,
                session.globals.verbose,
            ));
            session.confirm("Free it?")?;
        }
        session.about_to_change(&app.store_places());
        let (report, names) = app.collect_store(false)?;
        let reply = reply(session, &report, &names);
        Ok(if report.is_change() {
            reply.changed()
        } else {
            reply
        })
    }
}

/// Replies with the report. A collection does all it can despite a missing object, but that object
/// counts as damage, as in `store check`.
fn reply(session: &Session, report: &GcReport, names: &ObjectUsers) -> Reply {
    let text = store::gc(session.out, report, names, session.globals.verbose);
    let reply = Reply {
        dry_run: report.dry_run,
        ..Reply::new(text, json!({ "gc": report, "needed_by": names }))
    };
    if report.sessions_at_work > 0 {
        return reply.with_problem(Kind::Locked, "sessions that began before are still at work");
    }
    if report.missing.is_empty() {
        return reply;
    }
    let next = vec![Advice::RepairStore.because("heal what can be healed")];
    reply
        .with_problem(
            Kind::Bad,
            "some of what must stay is not in this store, or not whole",
        )
        .with_next(next)
}
