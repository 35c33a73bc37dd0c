//! `history`: releases, rollbacks, undos and redos in one table.

use serde_json::json;

use super::Run;
use crate::{
    base::Failure,
    cli::{args::OneTask, render::tables, reply::Reply, session::Session},
};

/// Show releases, rollbacks and undos: when, who, why
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "log",
    before_help = "Examples:\n  snapback history -t T01\n  snapback log --limit 5     the last five of all tasks"
)]
pub struct Args {
    #[command(flatten)]
    task: OneTask,
    /// At most so many lines
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let task = self.task.find_if_any(session)?;
        let mut lines = session.app()?.history(task.as_ref())?;
        lines.truncate(self.limit);
        let page = if lines.is_empty() { "nothing was released yet\n".into() } else { tables::history(session.out, &session.zone, &lines) };
        Ok(Reply::new(page, json!({ "history": lines })))
    }
}
