//! `hold`: keeps automation from rolling back to a version.

use super::{Run, mark::On};
use crate::{
    base::Failure,
    cli::{reply::Reply, session::Session},
    model::Verdict,
};

/// Keep a version from being chosen by itself, or lift that hold
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback hold 1.3.0 -t T01 -m \"under review\"\n  snapback hold 1.3.0 -t T01 --lift"
)]
pub struct Args {
    #[command(flatten)]
    on: On,
    /// Lift the hold
    #[arg(long)]
    lift: bool,
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let (verdict, word) = if self.lift {
            (Verdict::HoldLifted, "no longer held")
        } else {
            (Verdict::Held, "held")
        };
        self.on.record(session, verdict, word)
    }
}
