//! `mark`: a person's verdict on a version.

use clap::ValueEnum;
use clap_complete::ArgValueCandidates;
use serde_json::json;

use super::Run;
use crate::{
    base::Failure,
    cli::{args::OneTask, complete, reply::Reply, session::Session},
    model::Verdict,
};

/// Call a version good or bad; a bad one is never a default target
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback mark bad 1.3.0 -t T01 -m \"drawdown 12 %\"\n  snapback mark good 1.2.0 -t T01"
)]
pub struct Args {
    /// The verdict
    #[arg(value_enum)]
    verdict: Word,
    #[command(flatten)]
    on: On,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Word {
    Good,
    Bad,
}

/// The version that is spoken of, and why.
#[derive(Debug, clap::Args)]
pub struct On {
    /// The version
    #[arg(value_name = "VERSION", add = ArgValueCandidates::new(complete::versions))]
    version: String,
    #[command(flatten)]
    task: OneTask,
    /// Why
    #[arg(
        short,
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    message: String,
}

impl On {
    /// Records the verdict; `word` ends the sentence "T01 1.3.0 is …".
    pub fn record(
        &self,
        session: &Session,
        verdict: Verdict,
        word: &str,
    ) -> Result<Reply, Failure> {
        let task = self.task.find(session)?;
        let app = session.app()?;
        let version = app.resolve_version(&task, &self.version)?;
        let data =
            json!({ "task": task, "version": version, "verdict": verdict, "reason": self.message });
        if session.globals.dry_run {
            return Ok(Reply {
                dry_run: true,
                ..Reply::new(format!("dry run: {task} {version} would be {word}\n"), data)
            });
        }
        app.mark(&task, &version, verdict, &self.message)?;
        Ok(Reply::new(format!("{task} {version} is {word}.\n"), data).changed())
    }
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        match self.verdict {
            Word::Good => self.on.record(session, Verdict::Good, "good"),
            Word::Bad => self.on.record(session, Verdict::Bad, "bad"),
        }
    }
}
