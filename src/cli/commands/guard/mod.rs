//! `guard`: rolls a task back automatically when its metrics turn bad, and alerts people.

mod run;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Hint, Kind},
    cli::{
        args::{OneTask, SomeTasks},
        render::guard,
        reply::Reply,
        session::Session,
    },
    guard::WatchOptions,
    model::{Advice, Status, TaskId, guard::TaskWatch, report},
};

/// Put tasks back by themselves when their metrics turn bad
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback guard run --once              look once and act, for cron\n  snapback guard run --once --dry-run    only look\n  snapback guard run                     look all the time, for systemd\n  snapback guard backtest run.jsonl -t T01\n  snapback guard status\n  snapback guard thaw -t T01",
    after_help = "Rules stand under `guard:` of a task in snapback.yaml; see docs/guard.md."
)]
pub struct Args {
    #[command(subcommand)]
    what: GuardCommand,
}

#[derive(Debug, Subcommand)]
enum GuardCommand {
    /// An old spelling of `run --once`: it acts, but for --dry-run
    #[command(
        before_help = "Examples:\n  snapback guard run --once\n  snapback guard run --once -t T01 --dry-run    judge, but do nothing",
        after_help = "Exit codes: 0 all rules pass, 4 a rule fails (the task went back, or waits),\n8 a rule cannot decide, 11 another guard looks right now, 13 a task is frozen: a person is needed."
    )]
    Check {
        #[command(flatten)]
        tasks: SomeTasks,
    },
    /// Look, and go back when a rule says so; until TERM, or --once
    #[command(
        before_help = "Examples:\n  snapback guard run\n  snapback guard run --once                          for cron\n  snapback -C /srv/strategies guard run --dry-run    only say what it would do",
        after_help = "Exit codes of --once: 0 all rules pass, 4 a rule fails (the task went back, or waits),\n8 a rule cannot decide, 11 another guard looks right now, 13 a task is frozen: a person is needed."
    )]
    Run {
        #[command(flatten)]
        tasks: SomeTasks,
        /// Look once
        #[arg(long)]
        once: bool,
    },
    /// Say what the rules would have done with a log
    #[command(
        before_help = "Examples:\n  snapback guard backtest tasks/T01/run.jsonl -t T01\n  snapback guard backtest values.txt -t T01 --rule errors",
        after_help = "The log has the lines of the rule's own file, or lines `TIME VALUE`, or\n{\"at\": TIME, \"value\": NUMBER}. Nothing is run and nothing is changed."
    )]
    Backtest {
        /// The log
        #[arg(value_name = "LOG", value_hint = clap::ValueHint::FilePath)]
        log: PathBuf,
        #[command(flatten)]
        task: OneTask,
        /// This rule only
        #[arg(long, value_name = "NAME")]
        rule: Option<String>,
    },
    /// Show the rules, what they said last, and what was done
    #[command(
        before_help = "Examples:\n  snapback guard status\n  snapback guard status -t T01 --json"
    )]
    Status {
        #[command(flatten)]
        tasks: SomeTasks,
    },
    /// Keep the guard from touching a task
    #[command(
        before_help = "Examples:\n  snapback guard freeze -t T01 -m \"maintenance until noon\""
    )]
    Freeze {
        #[command(flatten)]
        task: OneTask,
        /// Why
        #[arg(
            short,
            long,
            value_name = "TEXT",
            default_value = "a person asked for it"
        )]
        message: String,
    },
    /// Let the guard touch a task again, with nothing counted against it
    #[command(before_help = "Examples:\n  snapback guard thaw -t T01 -m \"feed repaired\"")]
    Thaw {
        #[command(flatten)]
        task: OneTask,
        /// Why
        #[arg(short, long, value_name = "TEXT", default_value = "")]
        message: String,
    },
}

impl Run for Args {
    fn changes(&self) -> bool {
        matches!(
            self.what,
            GuardCommand::Check { .. }
                | GuardCommand::Run { .. }
                | GuardCommand::Freeze { .. }
                | GuardCommand::Thaw { .. }
        )
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        match &self.what {
            GuardCommand::Check { tasks } | GuardCommand::Run { tasks, once: true } => {
                check(session, tasks)
            }
            GuardCommand::Run { tasks, once: false } => run::run(session, &tasks.named(session)?),
            GuardCommand::Backtest { log, task, rule } => {
                let task = task.find(session)?;
                let found = session.app()?.backtest(&task, rule.as_deref(), log)?;
                let data: Vec<_> = found
                    .iter()
                    .map(|(rule, found)| json!({ "rule": rule, "backtest": found }))
                    .collect();
                Ok(Reply::new(
                    guard::backtests(session.out, &session.zone, &found),
                    json!({ "task": task, "rules": data }),
                ))
            }
            GuardCommand::Status { tasks } => status(session, tasks),
            GuardCommand::Freeze { task, message } => {
                freeze(session, &task.find(session)?, message)
            }
            GuardCommand::Thaw { task, message } => thaw(session, &task.find(session)?, message),
        }
    }
}

/// Returns the named tasks, or all that have rules.
fn guarded(session: &Session, tasks: &SomeTasks) -> Result<Vec<TaskId>, Failure> {
    let named = tasks.named(session)?;
    let all = session.app()?.guarded();
    if all.is_empty() {
        session.app()?.refuse_flaws()?;
    }
    match (named.is_empty(), all.is_empty()) {
        (_, true) => Err(crate::guard::Error::NoRules.into()),
        (true, false) => Ok(all),
        (false, false) => Ok(named),
    }
}

/// Checks the tasks once.
fn check(session: &Session, tasks: &SomeTasks) -> Result<Reply, Failure> {
    let app = session.app()?;
    let is_of_all = tasks.named(session)?.is_empty();
    let tasks = guarded(session, tasks)?;
    let look = WatchOptions {
        only_due: false,
        dry_run: session.globals.dry_run,
    };
    app.check_watched(&tasks)?;
    if !look.dry_run {
        app.send_alerts()?;
    }
    let mut watches = Vec::new();
    for task in &tasks {
        watches.push(app.watch(task, look)?);
    }
    let text: String = watches
        .iter()
        .map(|watch| guard::watch(session.out, watch))
        .collect();
    let changed = watches
        .iter()
        .any(|watch| watch.report.as_ref().is_some_and(|report| report.changed));
    let reply = Reply {
        dry_run: look.dry_run,
        changed,
        ..Reply::new(text, json!({ "tasks": watches }))
    };
    let reply = match worst(&watches) {
        None => reply,
        Some((kind, why)) => reply.with_problem(kind, why).with_next(next(&watches)),
    };
    Ok(if is_of_all {
        reply.without(&app.settings().left_out, "not watched")
    } else {
        reply
    })
}

/// Returns the exit code of a check, and the reason.
fn worst(watches: &[TaskWatch]) -> Option<(Kind, String)> {
    let outcome = |wanted: Status| {
        let lines = watches
            .iter()
            .flat_map(|watch| &watch.rules)
            .filter(|line| line.judgement.outcome == wanted);
        lines
            .map(|line| format!("{} {}", line.task, line.rule))
            .collect::<Vec<_>>()
    };
    let frozen: Vec<&str> = watches
        .iter()
        .filter(|watch| watch.frozen.is_some())
        .map(|watch| watch.task.as_str())
        .collect();
    let back: Vec<&str> = watches
        .iter()
        .filter(|watch| watch.report.is_some())
        .map(|watch| watch.task.as_str())
        .collect();
    let (failed, open) = (outcome(Status::Fail), outcome(Status::Inconclusive));
    if !frozen.is_empty() {
        return Some((
            Kind::Stuck,
            format!("{} frozen: a person is needed", frozen.join(", ")),
        ));
    }
    if !back.is_empty() {
        return Some((Kind::Bad, format!("{} went back", back.join(", "))));
    }
    if !failed.is_empty() {
        return Some((Kind::Bad, format!("{} fails", failed.join(", "))));
    }
    (!open.is_empty()).then(|| (Kind::Missing, format!("{} cannot decide", open.join(", "))))
}

/// Returns the possible next steps.
fn next(watches: &[TaskWatch]) -> Vec<Hint> {
    let mut hints = Vec::new();
    if let Some(watch) = watches.iter().find(|watch| watch.frozen.is_some()) {
        hints.push(Advice::ListOpenAlerts.because("see and answer the call"));
        hints.push(
            Advice::Thaw {
                task: watch.task.clone(),
            }
            .because("when it is mended"),
        );
    }
    let went_back = |watch: &&TaskWatch| {
        watch
            .report
            .as_ref()
            .is_some_and(|report| report.outcome == report::Outcome::Done)
    };
    if let Some(watch) = watches.iter().find(went_back) {
        hints.push(
            Advice::UndoTask {
                task: watch.task.clone(),
            }
            .because("take it back"),
        );
    }
    hints
}

/// Shows the known state, without reading a metric.
fn status(session: &Session, tasks: &SomeTasks) -> Result<Reply, Failure> {
    let app = session.app()?;
    let states = guarded(session, tasks)?
        .iter()
        .map(|task| app.guard_state(task))
        .collect::<Result<Vec<_>, _>>()?;
    let rules = |task: &TaskId| {
        app.settings()
            .task(task)
            .map(|spec| spec.guard.as_slice())
            .unwrap_or_default()
    };
    let text = states
        .iter()
        .map(|state| guard::state(session.out, &session.zone, state, rules(&state.task)))
        .collect::<String>();
    let brief = states.iter().map(guard::brief).collect::<Vec<_>>();
    Ok(Reply::new(text, json!({ "tasks": brief })))
}

/// Freezes a task.
fn freeze(session: &Session, task: &TaskId, why: &str) -> Result<Reply, Failure> {
    let text = format!("the guard leaves {task} alone until it is thawed.\n");
    if session.globals.dry_run {
        return Ok(Reply {
            dry_run: true,
            ..Reply::new(text, json!({ "task": task }))
        });
    }
    session.app()?.freeze(task, why)?;
    let next = vec![Advice::Thaw { task: task.clone() }.because("let it go on")];
    Ok(Reply::new(text, json!({ "task": task, "frozen": true }))
        .changed()
        .with_next(next))
}

/// Thaws a task.
fn thaw(session: &Session, task: &TaskId, why: &str) -> Result<Reply, Failure> {
    let app = session.app()?;
    let was = app.guard_state(task)?.frozen.is_some();
    let text = if was {
        format!("the guard looks after {task} again.\n")
    } else {
        format!("{task} is not frozen.\n")
    };
    if session.globals.dry_run || !was {
        return Ok(Reply {
            dry_run: session.globals.dry_run,
            ..Reply::new(text, json!({ "task": task, "frozen": was }))
        });
    }
    app.thaw(task, why)?;
    Ok(Reply::new(text, json!({ "task": task, "frozen": false })).changed())
}
