//! `diff`: the differences between two versions, or between a version and the work tree.

use clap_complete::ArgValueCandidates;
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Kind},
    cli::{
        args::OneTask,
        complete,
        error::Error,
        render::diff::{difference, is_empty},
        reply::Reply,
        session::Session,
    },
    model::{TaskId, Version},
};

/// Show what differs in code, configuration and dependencies
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback diff -t T01                          the active version against the work tree\n  snapback diff -t T01 1.2.0..1.3.0 --stat\n  snapback diff -t T01 --v1 1.2.0 --v2 1.3.0 --exit-code"
)]
pub struct Args {
    #[command(flatten)]
    task: OneTask,
    /// A..B, or one version to compare with the work tree
    #[arg(value_name = "A..B", conflicts_with_all = ["v1", "v2"], add = ArgValueCandidates::new(complete::versions))]
    range: Option<String>,
    /// The first version
    #[arg(long, value_name = "VERSION", add = ArgValueCandidates::new(complete::versions))]
    v1: Option<String>,
    /// The second version; without it, the work tree
    #[arg(long, value_name = "VERSION", add = ArgValueCandidates::new(complete::versions))]
    v2: Option<String>,
    /// Leave the patch out
    #[arg(long)]
    stat: bool,
    /// Exit with 4 when there is a difference
    #[arg(long)]
    exit_code: bool,
}

impl Args {
    /// Returns the two sides as typed; an empty side of `A..B` is the active version or the work
    /// tree.
    fn sides(&self) -> Result<(String, Option<String>), Failure> {
        let active = || "active".to_string();
        let Some(range) = &self.range else {
            return Ok((self.v1.clone().unwrap_or_else(active), self.v2.clone()));
        };
        if range.contains("...") {
            return Err(Error::usage("write two dots: A..B").into());
        }
        let given = |text: &str| (!text.is_empty()).then(|| text.to_string());
        Ok(match range.split_once("..") {
            Some((before, after)) => (given(before).unwrap_or_else(active), given(after)),
            None => (range.clone(), None),
        })
    }

    fn resolve(
        session: &Session,
        task: &TaskId,
        text: Option<String>,
    ) -> Result<Option<Version>, Failure> {
        text.map(|text| session.app()?.resolve_version(task, &text))
            .transpose()
    }
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let (before, after) = self.sides()?;
        let task = self.task.find(session)?;
        let before = Self::resolve(session, &task, Some(before))?;
        let after = Self::resolve(session, &task, after)?;
        let diff = session
            .app()?
            .diff(&task, before.as_ref(), after.as_ref())?;
        let reply = Reply::new(
            difference(session.out, &diff, self.stat),
            json!({ "difference": diff }),
        );
        let differs = self.exit_code && !is_empty(&diff);
        Ok(if differs {
            reply.with_problem(Kind::Bad, "there is a difference")
        } else {
            reply
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn sides(words: &[&str]) -> (String, Option<String>) {
        Line::parse_from([&["diff"], words].concat())
            .args
            .sides()
            .expect("it is right")
    }

    #[test]
    fn all_spellings_of_two_sides() {
        let both = ("1.2.0".to_string(), Some("1.3.0".to_string()));
        assert_eq!(sides(&["1.2.0..1.3.0"]), both);
        assert_eq!(sides(&["--v1", "1.2.0", "--v2", "1.3.0"]), both);
        assert_eq!(sides(&[]), ("active".into(), None));
        assert_eq!(sides(&["1.2.0"]), ("1.2.0".into(), None));
        assert_eq!(sides(&["..1.3.0"]), ("active".into(), both.1));
    }
}
