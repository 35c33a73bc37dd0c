//! `verify-rollback`: proves on four levels that a task is in the expected state.

use clap_complete::ArgValueCandidates;

use super::Run;
use crate::{
    base::{Failure, Hint, Kind},
    cli::{
        args::{OneTask, version},
        complete,
        reply::Reply,
        session::Session,
    },
    model::Advice,
};

/// Prove that a task stands at a version, in four levels
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback verify-rollback -t T01                 at the one in the registry\n  snapback verify-rollback -t T01 --expected 1.2.0"
)]
pub struct Args {
    #[command(flatten)]
    task: OneTask,
    /// The version that it must stand at
    #[arg(long, value_name = "VERSION", add = ArgValueCandidates::new(complete::versions))]
    expected: Option<String>,
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let task = self.task.find(session)?;
        let expected = version(session, &task, self.expected.as_ref())?;
        session.agree(&session.app()?.commands_of_verification(&task))?;
        let found = session.app()?.verify_rollback(&task, expected.as_ref())?;
        let reply = Reply::of_verifications(
            session.out,
            std::slice::from_ref(&found),
            session.globals.verbose,
        );
        let hints: Vec<Hint> = found
            .problems()
            .flat_map(|check| check.hints.clone())
            .collect();
        if !hints.is_empty() {
            return Ok(reply.with_next(hints));
        }
        if reply.exit_code != Kind::Bad.exit_code() {
            return Ok(reply);
        }
        let compare = Advice::CompareWith {
            task: found.task,
            version: found.version.to_string(),
        };
        Ok(reply.with_next(vec![compare.because("see what differs")]))
    }
}
