//! `op prune`: lets go of what old operations keep.

use std::time::Duration;

use serde_json::json;

use crate::{
    base::{Failure, text},
    cli::{args::duration, render::prune, reply::Reply, session::Session},
    model::{
        Advice,
        prune::{PruneReport, PruneRule},
    },
};

/// What stays, for the end of the help.
pub const WHAT_STAYS: &str = "\
What stays, however old: the newest operation of all; the newest of each task in each work tree
(--keep-last); a rollback that waits to be confirmed; what an operation that stays took back; what
came after an operation of the same task that stays. Releases are never pruned.

What goes: the way back of the others. `undo`, `op show`, `op kept` and `op restore` know them no
more; `op list`, `history` and `rollback --to @TIME` still do. Only `store gc` frees the disk.";

/// What goes.
#[derive(Debug, clap::Args)]
pub struct PruneArgs {
    /// Only operations older than this
    #[arg(long, value_name = "DURATION", value_parser = age, default_value = "90d")]
    older_than: Duration,
    /// Never the newest N of a task in a work tree
    #[arg(long, value_name = "N", default_value_t = 10)]
    keep_last: usize,
    /// Say of each operation why it goes or stays
    #[arg(long)]
    explain: bool,
}

/// Parses an age with its unit: a bare number could be taken for days.
fn age(text: &str) -> Result<Duration, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("say the unit, as in 90d or 12h".into());
    }
    duration(text)
}

impl PruneArgs {
    /// Shows what goes, asks, and prunes.
    pub fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        let rule = PruneRule {
            older_than: self.older_than,
            keep_last: self.keep_last,
        };
        let plan = app.plan_prune(&rule)?;
        if session.globals.dry_run {
            return Ok(self.reply(session, &plan));
        }
        if plan.pruned.is_empty() {
            // What is left of an earlier pruning is removed nevertheless.
            return Ok(self.reply(session, &app.prune(&rule, &plan)?));
        }
        session.say(&prune::page(
            session.err,
            &session.zone,
            &plan,
            self.explain,
        ));
        let count = text::count(plan.pruned.len(), "operation");
        session.confirm_many(&format!("Prune {count}?"), plan.pruned.len())?;
        session.about_to_change(&app.history_places());
        let report = app.prune(&rule, &plan)?;
        let reply = self.reply(session, &report);
        Ok(if report.pruned.is_empty() {
            reply
        } else {
            reply
                .changed()
                .with_next(vec![Advice::SeeGarbage.because("free the disk")])
        })
    }

    /// Replies with a report.
    fn reply(&self, session: &Session, report: &PruneReport) -> Reply {
        let explain = self.explain && report.dry_run;
        let page = prune::page(session.out, &session.zone, report, explain);
        Reply {
            dry_run: report.dry_run,
            ..Reply::new(page, json!({ "prune": report }))
        }
    }
}
