//! `history`: releases, rollbacks, undos and redos in one table.

use serde_json::json;

use super::Run;
use crate::{
    base::Failure,
    catalog::fetch_tags,
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
        let missing = session.app()?.missing_tags(task.as_ref())?.sentence();
        let mut page = match (lines.is_empty(), &missing) {
            (false, _) => tables::history(session.out, &session.zone, &lines),
            (true, Some(_)) => String::new(),
            (true, None) => "nothing was released yet\n".into(),
        };
        page.extend(missing.iter().map(|sentence| format!("{sentence}\n")));
        Ok(Reply::new(page, json!({ "history": lines }))
            .with_next(missing.map(|_| fetch_tags()).into_iter().collect()))
    }
}
