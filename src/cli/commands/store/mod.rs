//! `store`: storing folders under names, restoring them, and maintaining the store. One file per
//! subcommand.

mod check;
mod drop;
mod gc;
mod list;
mod put;
mod repair;
mod restore;
mod stats;

use std::fmt::Write;

use clap::Subcommand;

use super::Run;
use crate::{
    base::Failure,
    cli::{
        render::{TextStyle, safe},
        reply::Reply,
        session::Session,
    },
    model::backup::PathTrouble,
};

/// Put folders into the store, restore them, and look after it
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback store put data models --name nightly\n  snapback store list\n  snapback store restore nightly --into restored\n  snapback store check --deep --budget 30s\n  snapback store gc --dry-run"
)]
pub struct Args {
    #[command(subcommand)]
    what: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    Put(put::Args),
    Restore(restore::Args),
    List(list::Args),
    Drop(drop::Args),
    Stats(stats::Args),
    Check(check::Args),
    Gc(gc::Args),
    Repair(repair::Args),
}

impl StoreCommand {
    fn args(&self) -> &dyn Run {
        match self {
            Self::Put(args) => args,
            Self::Restore(args) => args,
            Self::List(args) => args,
            Self::Drop(args) => args,
            Self::Stats(args) => args,
            Self::Check(args) => args,
            Self::Gc(args) => args,
            Self::Repair(args) => args,
        }
    }
}

impl Run for Args {
    fn changes(&self) -> bool {
        self.what.args().changes()
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        self.what.args().run(session)
    }
}

/// Maximum number of problematic paths that are shown.
const SHOWN: usize = 20;

/// Renders the paths that were left out or failed.
fn troubles(style: TextStyle, word: &str, all: &[PathTrouble], verbose: bool) -> String {
    let shown = if verbose { all.len() } else { SHOWN };
    let line = |trouble: &PathTrouble| {
        format!(
            "  {} {word} {}: {}\n",
            style.fail(),
            safe(&trouble.path.to_string()),
            safe(&trouble.why)
        )
    };
    let mut text: String = all.iter().take(shown).map(line).collect();
    if all.len() > shown {
        let _ = writeln!(
            text,
            "  and {} more; --verbose shows them all",
            all.len() - shown
        );
    }
    text
}

/// Formats a count: `1 file`, `10,000 files`.
fn files(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + if count == 1 { " file" } else { " files" }
}

/// Formats milliseconds: `0.04 s`.
fn secs(millis: u64) -> String {
    format!("{}.{:02} s", millis / 1000, millis % 1000 / 10)
}
