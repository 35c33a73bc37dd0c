//! `registry sync`: makes the registry and the configs agree.

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Hint, Kind},
    cli::{args::SomeTasks, render::tables, reply::Reply, session::Session},
    model::request::SyncFrom,
};

/// Compare the registry with the configs and tags, and make them agree
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback registry sync                  show where they differ\n  snapback registry sync --from config    the configs are right"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show where registry and configs disagree; with --from, make them agree
    #[command(before_help = "Examples:\n  snapback registry sync\n  snapback registry sync -t T01 --from registry")]
    Sync {
        #[command(flatten)]
        tasks: SomeTasks,
        /// Which side is right
        #[arg(long, value_enum, value_name = "SIDE")]
        from: Option<Side>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Side {
    /// The versions in the configs
    Config,
    /// The versions in the registry
    Registry,
}

impl Run for Args {
    fn changes(&self) -> bool {
        matches!(self.what, What::Sync { from: Some(_), .. })
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let What::Sync { tasks, from } = &self.what;
        let tasks = tasks.named(session)?;
        let app = session.app()?;
        let mut lines = app.drift()?;
        lines.retain(|line| tasks.is_empty() || tasks.contains(&line.task));
        let shown = Reply::new(tables::drift(session.out, &lines), json!({ "drift": lines }));
        let from = match from {
            _ if lines.is_empty() => return Ok(shown),
            None => {
                let hint = |why: &str, side: &str| Hint::run(why, &["snapback", "registry", "sync", "--from", side]);
                let next = vec![hint("the configs are right", "config"), hint("the registry is right", "registry")];
                return Ok(shown.with_problem(Kind::Bad, "registry and configs disagree").with_next(next));
            }
            Some(_) if session.globals.dry_run => return Ok(Reply { dry_run: true, ..shown }),
            Some(Side::Config) => SyncFrom::Config,
            Some(Side::Registry) => SyncFrom::Registry,
        };
        session.say(&tables::drift(session.err, &lines));
        session.confirm(if from == SyncFrom::Config { "Change the registry?" } else { "Change the configs?" })?;
        Ok(Reply::of_report(session.out, None, &app.sync_registry(&tasks, from)?))
    }
}
