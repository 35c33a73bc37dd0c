//! `store repair`: repairs what exists in another copy.

use serde_json::json;

use crate::{
    base::{Failure, Kind},
    cli::{commands::Run, render::store, reply::Reply, session::Session},
    store::CheckDepth,
};

/// Heal what another copy exists of; damaged files are kept aside, never deleted
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback store check --deep    what is damaged\n  snapback store repair"
)]
pub struct Args {}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        if session.globals.dry_run {
            let (report, names) = app.check_store(CheckDepth::Deep, None)?;
            let sound = report.is_sound();
            let text = store::check(session.out, &report, &names, session.globals.verbose);
            let what = if sound {
                "nothing is damaged"
            } else {
                "what is damaged would be kept aside, and healed as far as another copy exists"
            };
            let reply = Reply {
                dry_run: true,
                ..Reply::new(
                    format!("{text}dry run: {what}\n"),
                    json!({ "check": report, "needed_by": names }),
                )
            };
            return Ok(reply);
        }
        session.about_to_change(&app.store_places());
        let (report, names) = app.repair_store()?;
        let text = store::repair(session.out, &report, &names, session.globals.verbose);
        let changed = !report.damage.is_empty();
        let reply = Reply {
            changed,
            ..Reply::new(text, json!({ "repair": report, "needed_by": names }))
        };
        if report.lost.is_empty() {
            return Ok(reply);
        }
        Ok(reply.with_problem(Kind::Bad, "some objects cannot be given back"))
    }
}
