//! `demo`: the whole cycle in a throw-away repository.

use std::path::PathBuf;

use super::Run;
use crate::{
    base::Failure,
    cli::{
        demo::{self, DemoFolder},
        reply::Reply,
        session::Session,
    },
};

/// Walk through release, break, rollback and undo in a throw-away repository
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback demo --auto           by itself, a few seconds, no network\n  snapback demo                  step by step\n  snapback demo --auto --keep    and leave the repository to play with"
)]
pub struct Args {
    /// Do not wait for Enter between the steps
    #[arg(long)]
    auto: bool,
    /// Use DIR, which must be empty or new; it stays
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Leave the repository behind
    #[arg(long)]
    keep: bool,
}

impl Run for Args {
    fn writes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        if session.globals.dry_run {
            let place = self
                .dir
                .as_ref()
                .map_or("a temporary folder".into(), |dir| dir.display().to_string());
            return Ok(Reply::would(
                &format!("the demo would make a repository in {place}"),
                serde_json::json!({ "dir": self.dir }),
            ));
        }
        session.about_to_change(self.dir.as_slice());
        let place = self
            .dir
            .clone()
            .map_or(DemoFolder::Temporary(self.keep), DemoFolder::Folder);
        demo::run(session, &place, self.auto)
    }
}
