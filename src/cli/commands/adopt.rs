//! `adopt`: manifests for tags that are older than snapback's use.

use serde_json::json;

use super::Run;
use crate::{
    base::Failure,
    cli::{
        args::{NoSign, SomeTasks},
        render::tables,
        reply::Reply,
        session::Session,
    },
    model::{Request, report::Outcome, request::Adopt},
};

/// Write manifests for tags that exist already, so that they can be rolled back to
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback adopt --all --dry-run      list what would be, and what not and why\n  snapback adopt -t T01 --yes"
)]
pub struct Args {
    #[command(flatten)]
    tasks: SomeTasks,
    /// Every task
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    sign: NoSign,
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let tasks = self.tasks.find(session, self.all)?;
        let app = session.app()?;
        let verbose = session.globals.verbose;
        let lines = app.adoptable(&tasks)?;
        let some = lines.iter().any(|line| line.reason.is_none());
        if session.globals.dry_run || !some {
            let page = tables::adoption(session.out, &lines, true, verbose);
            return Ok(Reply {
                dry_run: session.globals.dry_run,
                ..Reply::new(page, json!({ "tags": lines }))
            });
        }
        session.say(&tables::adoption(session.err, &lines, true, verbose));
        session.confirm("Write these manifests?")?;
        let report = app.apply_seen(
            &Request::Adopt(Adopt {
                tasks,
                signing: self.sign.signing(),
            }),
            |_| Ok(()),
        )?;
        let page = tables::adoption(session.out, &lines, false, verbose);
        let mut reply = Reply::of_report(session.out, None, &report);
        if report.outcome == Outcome::Done {
            reply.text = page + &reply.text;
        }
        reply.data["tags"] = json!(lines);
        Ok(reply)
    }
}
