//! `pin`: keeps a version restorable regardless of the retention rules.

use super::{Run, mark::On};
use crate::{
    base::Failure,
    cli::{reply::Reply, session::Session},
    model::Verdict,
};

/// Keep a version restorable for ever, or take that pin off
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback pin 1.2.0 -t T01 -m \"audited\"\n  snapback pin 1.2.0 -t T01 --remove"
)]
pub struct Args {
    #[command(flatten)]
    on: On,
    /// Take the pin off
    #[arg(long)]
    remove: bool,
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let (verdict, word) = if self.remove {
            (Verdict::Unpinned, "no longer pinned")
        } else {
            (Verdict::Pinned, "pinned")
        };
        self.on.record(session, verdict, word)
    }
}
