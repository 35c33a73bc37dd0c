//! `verify-snapshot`: proves that releases are intact.

use std::fmt::Write;

use clap_complete::ArgValueCandidates;

use super::Run;
use crate::{
    base::{Failure, Hint, Kind},
    catalog::fetch_tags,
    cli::{
        args::{SignatureDemand, SomeTasks},
        complete,
        error::Error,
        reply::Reply,
        session::Session,
    },
    model::{Advice, Status, TaskId, Verification, Version},
};

/// Maximum number of next steps that are shown.
const MOST_HINTS: usize = 5;

/// Prove that releases are intact: tag, commit, manifest and every file's digest
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "verify",
    before_help = "Examples:\n  snapback verify-snapshot -t T01                the active version\n  snapback verify-snapshot -t T01 --version 1.2.0\n  snapback verify --all --deep                   every release there is"
)]
pub struct Args {
    #[command(flatten)]
    tasks: SomeTasks,
    /// A version; repeat it for several
    #[arg(long = "version", value_name = "VERSION", add = ArgValueCandidates::new(complete::versions))]
    versions: Vec<String>,
    /// Every release of the tasks named, or of all tasks
    #[arg(long, conflicts_with = "versions")]
    all: bool,
    /// What signatures must be: required, optional (a bad one fails, none is fine) or none
    #[arg(
        long,
        value_enum,
        value_name = "DEMAND",
        default_value = "optional",
        hide_default_value = true,
        hide_possible_values = true
    )]
    signature: SignatureDemand,
    /// Read every byte again, large files in the store too
    #[arg(long)]
    deep: bool,
}

impl Args {
    /// Returns the versions of one task to be verified.
    fn versions(&self, session: &Session, task: &TaskId) -> Result<Vec<Version>, Failure> {
        let app = session.app()?;
        if self.all {
            return Ok(app
                .release_names(task)?
                .into_iter()
                .map(|(version, _)| version)
                .collect());
        }
        let active = ["active".to_string()];
        let wanted = if self.versions.is_empty() {
            active.as_slice()
        } else {
            &self.versions
        };
        wanted
            .iter()
            .map(|text| app.resolve_version(task, text))
            .collect()
    }
}

/// Reports what `--all` could not verify: a check that checked nothing is not a success.
fn without_tags(
    session: &Session,
    tasks: &[TaskId],
    mut reply: Reply,
    is_empty: bool,
) -> Result<Reply, Failure> {
    let app = session.app()?;
    let only = tasks.first().filter(|_| tasks.len() == 1);
    let mut missing = app.missing_tags(only)?.releases;
    missing.retain(|(task, _)| tasks.contains(task));
    let fetch = || vec![fetch_tags()];
    if is_empty && missing.is_empty() {
        let release = Advice::ReleaseFirst {
            message: "first release".into(),
        }
        .because("release a task");
        let text = "nothing was verified: no task has a release";
        let _ = writeln!(reply.text, "{text}");
        return Ok(reply
            .with_problem(Kind::Missing, text)
            .with_next(vec![release]));
    }
    if is_empty {
        let text = "nothing was verified: this clone has no release tags";
        let _ = writeln!(reply.text, "{text}");
        return Ok(reply.with_problem(Kind::Missing, text).with_next(fetch()));
    }
    if missing.is_empty() {
        return Ok(reply);
    }
    let names: Vec<String> = missing
        .iter()
        .map(|(task, version)| format!("{task} {version}"))
        .collect();
    let text = format!(
        "not verified, because their tags are not in this clone: {}",
        names.join(", ")
    );
    let _ = writeln!(reply.text, "{text}");
    Ok(if reply.exit_code == 0 {
        reply.with_problem(Kind::Missing, text)
    } else {
        reply
    }
    .with_next(fetch()))
}

/// Returns hints on checks with problems: each check's own, without duplicates. If a failed check
/// has none, the repository itself may be damaged.
fn next(found: &[Verification]) -> Vec<Hint> {
    let mut hints: Vec<Hint> = Vec::new();
    for check in found.iter().flat_map(Verification::problems) {
        let own = if check.hints.is_empty() && check.status == Status::Fail {
            damaged()
        } else {
            check.hints.clone()
        };
        for hint in own {
            if hints.len() < MOST_HINTS && !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    hints
}

/// Returns hints on inspecting and repairing a damaged repository.
fn damaged() -> Vec<Hint> {
    vec![
        Hint::run(
            "see what git says of the repository",
            &["git", "fsck", "--full"],
        ),
        Hint::run(
            "fetch missing objects again, where a remote has them",
            &["git", "fetch", "--refetch", "--tags"],
        ),
    ]
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let tasks = self.tasks.find(session, self.all)?;
        if tasks.len() > 1 && !self.versions.is_empty() {
            return Err(Error::usage("--version goes with one task").into());
        }
        let mut found = Vec::new();
        for task in &tasks {
            for version in self.versions(session, task)? {
                found.push(session.app()?.verify_snapshot(
                    task,
                    &version,
                    self.deep,
                    self.signature.into(),
                )?);
            }
        }
        let mut reply = Reply::of_verifications(session.out, &found, session.globals.verbose);
        if self.all {
            reply = without_tags(session, &tasks, reply, found.is_empty())?;
            if self.tasks.named(session)?.is_empty() {
                reply = reply.without(&session.app()?.settings().left_out, "not verified");
            }
        }
        let hints = next(&found);
        Ok(reply.with_next(hints))
    }
}
