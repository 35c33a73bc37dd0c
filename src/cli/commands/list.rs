//! `list`: the versions of a task, newest first.

use std::fmt::Write;

use serde_json::json;

use super::Run;
use crate::{
    base::Failure,
    catalog::fetch_tags,
    cli::{args::SomeTasks, render::tables, reply::Reply, session::Session},
};

/// List versions with date, state, author and reason
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "ls",
    before_help = "Examples:\n  snapback list -t T01\n  snapback ls              the versions of all tasks"
)]
pub struct Args {
    #[command(flatten)]
    tasks: SomeTasks,
    /// At most so many versions of a task
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        super::say_overdue(session, session.app()?);
        let (mut page, mut data) = (String::new(), Vec::new());
        let tasks = self.tasks.find_or_all(session)?;
        let mut next = Vec::new();
        for found in session.app()?.releases(&tasks)? {
            let (task, mut lines) = (found.task, found.lines);
            let has_none = lines.is_empty();
            lines.truncate(self.limit.unwrap_or(usize::MAX));
            if tasks.len() > 1 {
                let _ = writeln!(page, "{task}");
            }
            if has_none && found.missing.is_none() {
                let _ = writeln!(
                    page,
                    "{task} has no release; make one: snapback create-snapshot -t {task}"
                );
            } else {
                page.push_str(&tables::releases(session.out, &session.zone, &lines));
            }
            if let Some(sentence) = found.missing {
                let _ = writeln!(page, "{sentence}");
                next = vec![fetch_tags()];
            }
            data.push(json!({ "task": task, "releases": lines }));
        }
        Ok(Reply::new(page, json!({ "tasks": data })).with_next(next))
    }
}
