//! `store drop`: removes a name.

use serde_json::json;

use super::files;
use crate::{
    base::{Failure, text::size},
    cli::{commands::Run, render::safe, reply::Reply, session::Session},
};

/// Take a name away; what only it needs goes with the next collection
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback store drop nightly\n  snapback store drop before-restore-nightly-1 --yes"
)]
pub struct Args {
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        let saved = app.store_show(&self.name)?;
        let what = format!(
            "{} ({}, {})",
            safe(&saved.name),
            files(saved.files),
            size(saved.bytes)
        );
        if session.globals.dry_run {
            let text = format!("dry run: {what} would be dropped\n");
            return Ok(Reply {
                dry_run: true,
                ..Reply::new(text, json!({ "dropped": saved }))
            });
        }
        session.confirm(&format!("Drop {what}?"))?;
        session.about_to_change_records()?;
        let saved = app.store_drop(&self.name)?;
        let text = format!("{what} is dropped; what only it needs goes with the next collection\n");
        Ok(Reply::new(text, json!({ "dropped": saved })).changed())
    }
}
