//! `store stats`: how much is stored, and for which tasks.

use serde_json::json;

use crate::{
    base::Failure,
    cli::{commands::Run, render::store, reply::Reply, session::Session},
};

/// Show how much is stored, by task, and how much of it nothing needs
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:\n  snapback store stats\n  snapback store stats --json")]
pub struct Args {}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let stats = session.app()?.store_stats()?;
        Ok(Reply::new(
            store::stats(session.out, &session.zone, &stats),
            json!({ "stats": stats }),
        ))
    }
}
