//! `store list`: the stored folders, by name.

use serde_json::json;

use crate::{
    base::{Failure, Kind, text::size},
    cli::{
        commands::Run,
        render::{
            moment, safe,
            table::{Cell, row, table},
        },
        reply::Reply,
        session::Session,
    },
};

/// List what was put into the store, by name
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:\n  snapback store list\n  snapback store list --json")]
pub struct Args {}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let all = session.app()?.store_list()?;
        let rows: Vec<Vec<Cell>> = all
            .iter()
            .map(|saved| {
                let folders = match &saved.trouble {
                    None => saved
                        .folders
                        .iter()
                        .map(|folder| safe(folder))
                        .collect::<Vec<_>>()
                        .join(" "),
                    Some(trouble) => safe(trouble),
                };
                row![
                    safe(&saved.name),
                    moment(saved.at, &session.zone),
                    saved.files.to_string(),
                    size(saved.bytes),
                    folders
                ]
            })
            .collect();
        let text = if all.is_empty() {
            "nothing was put into the store\n".into()
        } else {
            table(session.out, &["NAME", "PUT", "FILES", "SIZE", "FROM"], rows)
        };
        let bad = all.iter().filter(|saved| saved.trouble.is_some()).count();
        let reply = Reply::new(text, json!({ "names": all }));
        Ok(if bad == 0 {
            reply
        } else {
            reply.with_problem(
                Kind::Bad,
                format!("{bad} of {} names cannot be read", all.len()),
            )
        })
    }
}
