//! `store repair`: heals what another copy exists of.

use serde_json::json;

use crate::{
    base::{Failure, Kind},
    cli::{commands::Run, render::store, reply::Reply, session::Session},
};

/// Heal what another copy exists of; damaged files are kept aside, never deleted
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:\n  snapback store check --deep    what is damaged\n  snapback store repair")]
pub struct Args {}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        session.about_to_change(&app.store_places());
        let (report, names) = app.repair_store()?;
        let text = store::repair(session.out, &report, &names, session.globals.verbose);
        let changed = !report.damage.is_empty();
        let reply = Reply { changed, ..Reply::new(text, json!({ "repair": report, "needed_by": names })) };
        if report.lost.is_empty() {
            return Ok(reply);
        }
        Ok(reply.with_problem(Kind::Bad, "some objects cannot be given back"))
    }
}
