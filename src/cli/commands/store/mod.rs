//! `store`: the store of large files and safety copies, one file a subcommand.

mod check;
mod gc;
mod repair;
mod stats;

use clap::Subcommand;

use super::Run;
use crate::{
    base::Failure,
    cli::{reply::Reply, session::Session},
};

/// Look after the store of large files: figures, checks, collection, repair
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback store stats\n  snapback store check --deep --budget 30s\n  snapback store gc --dry-run\n  snapback store repair"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Stats(stats::Args),
    Check(check::Args),
    Gc(gc::Args),
    Repair(repair::Args),
}

impl Args {
    /// The subcommand.
    fn inner(&self) -> &dyn Run {
        match &self.what {
            What::Stats(args) => args,
            What::Check(args) => args,
            What::Gc(args) => args,
            What::Repair(args) => args,
        }
    }
}

impl Run for Args {
    fn changes(&self) -> bool {
        self.inner().changes()
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        self.inner().run(session)
    }
}
