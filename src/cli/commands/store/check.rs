//! `store check`: whether everything is present and intact.

use std::time::Duration;

use serde_json::json;

use crate::{
    base::{Failure, Kind},
    cli::{args::duration, commands::Run, render::store, reply::Reply, session::Session},
    model::Advice,
    store::CheckDepth,
};

/// Prove that the store is whole; damage is named with the releases that it hurts
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback store check                      every checksum\n  snapback store check --deep               every content as well\n  snapback store check --deep --budget 30s  some of it, the longest unchecked first"
)]
pub struct Args {
    /// Only the log, the index and the frame of every pack
    #[arg(long, conflicts_with_all = ["fast", "deep"])]
    quick: bool,
    /// The checksum of every stored byte (the default)
    #[arg(long, conflicts_with = "deep")]
    fast: bool,
    /// The digest of every chunk, and that every object is whole
    #[arg(long)]
    deep: bool,
    /// Begin no further pack after DURATION
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    budget: Option<Duration>,
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let level = match (self.quick, self.deep) {
            (true, _) => CheckDepth::Quick,
            (_, true) => CheckDepth::Deep,
            _ => CheckDepth::Fast,
        };
        let (report, names) = session.app()?.check_store(level, self.budget)?;
        let text = store::check(session.out, &report, &names, session.globals.verbose);
        let reply = Reply::new(text, json!({ "check": report, "needed_by": names }));
        if report.is_sound() {
            return Ok(reply);
        }
        let next = vec![Advice::RepairStore.because("heal what can be healed")];
        Ok(reply
            .with_problem(Kind::Bad, "the store is damaged")
            .with_next(next))
    }
}
