//! `status`: one line per task, worst first.

use std::fmt::Write;

use serde_json::json;

use super::Run;
use crate::{
    app::App,
    base::{Clock, Failure, Hint, Kind},
    catalog::fetch_tags,
    cli::{
        args::SomeTasks,
        render::{count, drill, safe, tables},
        reply::Reply,
        session::Session,
    },
    model::{
        Advice, Version,
        overview::{ReleasePlace, TaskLine},
    },
};

/// Maximum number of lines about the listed tasks without `-v`.
const LINES_SHOWN: usize = 10;

/// Show where the tasks stand, worst first
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback status\n  snapback status -t T01 --exit-code    4 when something needs a look"
)]
pub struct Args {
    #[command(flatten)]
    tasks: SomeTasks,
    /// Exit with 4 when a task needs a look
    #[arg(long)]
    exit_code: bool,
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        super::say_overdue(session, app);
        let lines = app.status(&self.tasks.named(session)?)?;
        // For a state that this user may not read, a warning was already given.
        let open = if app.closed_state().is_some() {
            None
        } else {
            app.unfinished()?
        };
        let mut page = open
            .as_ref()
            .map(|line| tables::unfinished(session.out, line))
            .unwrap_or_default();
        page.push_str(&tables::tasks(session.out, &lines));
        let kept = app.kept_open()?;
        for (op, notes) in &kept {
            let files = count(notes.len(), "file");
            let _ = writeln!(
                page,
                "operation {} has {files} that somebody changed meanwhile:  snapback op kept {}",
                op.short(),
                op.short()
            );
        }
        page.push_str(&ways_back(session, &lines));
        page.push_str(&left_out(session, &lines));
        let overdue = app.overdue().unwrap_or_default();
        let data =
            json!({ "tasks": lines, "unfinished": open, "kept": kept, "not_confirmed": overdue });
        let reply = Reply::new(page, data).with_next(next(app, &lines));
        let look = open.is_some()
            || !kept.is_empty()
            || !overdue.is_empty()
            || lines.iter().any(tables::needs_a_look);
        Ok(if self.exit_code && look {
            reply.with_problem(Kind::Bad, "a task needs a look")
        } else {
            reply
        })
    }
}

/// Describes what drills proved about rollbacks, one line per task.
fn ways_back(session: &Session, lines: &[TaskLine]) -> String {
    let now = Clock::System.now();
    let said = lines
        .iter()
        .filter_map(|line| Some((line, drill::way_back(session.out, &line.way_back, now)?)));
    first(
        session,
        said.map(|(line, text)| format!("{} {text}\n", line.task))
            .collect(),
    )
}

/// Describes the files that are in no release, one line per task.
fn left_out(session: &Session, lines: &[TaskLine]) -> String {
    let words = |line: &TaskLine| {
        line.left_out
            .words("is no part of its releases", "are no part of its releases")
    };
    let said = lines
        .iter()
        .filter_map(|line| Some(format!("{}: {}\n", line.task, safe(&words(line)?))));
    first(session, said.collect())
}

/// Returns the first lines, and the number of further ones.
fn first(session: &Session, said: Vec<String>) -> String {
    let more = said.len().saturating_sub(LINES_SHOWN);
    let rest = if more == 0 || session.globals.verbose {
        String::new()
    } else {
        format!("and {more} more (-v lists all)\n")
    };
    let shown = if session.globals.verbose {
        said.len()
    } else {
        LINES_SHOWN
    };
    said.into_iter().take(shown).collect::<String>() + &rest
}

/// Returns hints on the worst task.
fn next(app: &App, lines: &[TaskLine]) -> Vec<Hint> {
    if lines.is_empty() {
        return vec![Advice::SetUp.because("find them")];
    }
    let Some(worst) = lines.first().filter(|line| tables::needs_a_look(line)) else {
        return Vec::new();
    };
    if app.flaw_of(&worst.task).is_some() {
        return app.flaw_hints(&worst.task);
    }
    let task = &worst.task;
    if worst.drift > 0 && worst.active.is_some() {
        return vec![
            Advice::Compare { task: task.clone() }
                .in_short()
                .because("see what differs"),
        ];
    }
    let back = match worst.way_back.candidate() {
        Some(_) => Advice::RollBack { task: task.clone() }
            .in_short()
            .because("go back to a good version"),
        None => Advice::Release { task: task.clone() }
            .in_short()
            .because("mend it and release it; no version to go back to is known here"),
    };
    if worst.standing.bad {
        return vec![back];
    }
    let registry = app.registry_hints();
    if !registry.is_empty() {
        return registry;
    }
    match worst.released {
        ReleasePlace::Elsewhere => return vec![fetch_tags()],
        ReleasePlace::Never if worst.lacks_only_its_release() => {
            return vec![
                Advice::Release { task: task.clone() }
                    .in_short()
                    .because("release it"),
            ];
        }
        _ => {}
    }
    let disagrees = Advice::CompareRegistry.because("see what disagrees");
    let verify = |version: &Version| {
        Advice::VerifyVersion {
            task: task.clone(),
            version: version.to_string(),
        }
        .because("see what is wrong with it")
    };
    match (worst.moved.first(), &worst.active) {
        (Some(moved), _) => vec![verify(moved)],
        (None, Some(active)) if worst.standing.failed => {
            vec![
                Advice::Rehearse {
                    task: task.clone(),
                    to: active.to_string(),
                }
                .in_short()
                .because("see whether it still fails"),
                back,
            ]
        }
        _ => vec![disagrees],
    }
}
