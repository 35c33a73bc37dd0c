//! `confirm`: keeps a rollback with `--confirm-within`, or watches it and undoes it in time.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::json;

use super::Run;
use crate::{
    app::App,
    base::{Failure, cancel},
    cli::{
        args::OneTask,
        render::{moment, safe},
        reply::Reply,
        session::Session,
    },
    git::child,
    guard,
    model::{
        Advice, TaskId, Version,
        confirm::{AwaitingConfirmation, Settled},
    },
};

/// Let a rollback stay that goes back by itself
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback confirm                    the one that waits\n  snapback confirm -t T01\n  snapback confirm --list             what waits, and until when\n  snapback confirm --watch            take back what nobody confirms, for systemd",
    after_help = "See `snapback rollback --confirm-within DURATION`."
)]
pub struct Args {
    #[command(flatten)]
    task: OneTask,
    /// List what waits to be confirmed
    #[arg(long, conflicts_with = "watch")]
    list: bool,
    /// Wait, and take back whatever nobody confirms in time; ends when nothing waits
    #[arg(long)]
    watch: bool,
}

/// Interval between checks for a confirmation.
const LOOK: Duration = Duration::from_secs(1);
/// Interval between checks for a signal.
const TICK: Duration = Duration::from_millis(100);

impl Run for Args {
    fn changes(&self) -> bool {
        !self.list
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        if self.list || (self.watch && session.globals.dry_run) {
            return list(session, app);
        }
        if self.watch {
            return watch(session, app);
        }
        let pending = app.pending()?;
        let task = match (self.task.find_if_any(session)?, &pending[..]) {
            (Some(task), _) => task,
            (None, [only]) => only.task.clone(),
            (None, []) => return Err(guard::Error::NothingWaits(None).into()),
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|one| one.task.as_str()).collect();
                return Err(guard::Error::SeveralWait(names.join(", ")).into());
            }
        };
        if session.globals.dry_run {
            let waits = pending.iter().any(|one| one.task == task);
            let text = if waits {
                format!("the rollback of {task} would stay.\n")
            } else {
                format!("nothing waits for {task}.\n")
            };
            return Ok(Reply {
                dry_run: true,
                ..Reply::new(text, json!({ "task": task, "waits": waits }))
            });
        }
        let pending = app.confirm(&task)?;
        let version = Version::or_none(pending.to.as_ref());
        let text = format!("{task} stays at {version}.\n");
        let next =
            vec![Advice::UndoTask { task: task.clone() }.because("take it back all the same")];
        Ok(Reply::new(text, json!({ "confirmed": pending }))
            .changed()
            .with_next(next))
    }
}

/// Lists the waiting rollbacks and their deadlines.
fn list(session: &Session, app: &App) -> Result<Reply, Failure> {
    let pending = app.pending()?;
    let mut text = String::new();
    for one in &pending {
        let until = one
            .since
            .wall
            .checked_add(one.within())
            .unwrap_or(Timestamp::MAX);
        let version = Version::or_none(one.to.as_ref());
        let until = moment(until, &session.zone);
        let _ = match &one.failed {
            None => writeln!(
                text,
                "{} {version} goes back at {until} unless it is confirmed",
                one.task
            ),
            Some(failed) => writeln!(
                text,
                "{} {version} was to go back at {until} and could not be taken back yet: {}; it is tried again unless it is confirmed",
                one.task,
                safe(&failed.why)
            ),
        };
    }
    if pending.is_empty() {
        text = "nothing waits to be confirmed\n".into();
    }
    Ok(Reply::new(text, json!({ "pending": pending })))
}

/// Watches until no rollback waits any more.
fn watch(session: &Session, app: &App) -> Result<Reply, Failure> {
    // The terminal may close and end everything in its session. `setsid` fails when started by
    // hand, where it is not needed.
    let _ = rustix::process::setsid();
    let (mut locks, mut ended) = (Vec::new(), Vec::new());
    while cancel::requested().is_none() {
        for one in app.pending()? {
            locks.extend(app.watch_confirmation(&one.task)?);
        }
        let mut pause = LOOK;
        let all = app.settle_confirmations()?;
        let mut open = 0;
        for (pending, settled) in all {
            match settled {
                Settled::Waits(left) => pause = pause.min(Duration::from_millis(left)),
                Settled::Later(_) => {}
                settled => {
                    session.say(&format!("{}\n", line(&pending, &settled)));
                    ended.push(json!({ "task": pending.task, "settled": settled }));
                    continue;
                }
            }
            open += 1;
        }
        if open == 0 {
            break;
        }
        let until = Instant::now() + pause;
        while Instant::now() < until && cancel::requested().is_none() {
            std::thread::sleep(TICK.min(until.saturating_duration_since(Instant::now())));
        }
    }
    Ok(Reply {
        changed: !ended.is_empty(),
        ..Reply::new(
            "nothing is watched any more\n".into(),
            json!({ "ended": ended }),
        )
    })
}

/// Describes the outcome of a waiting rollback in one line.
fn line(pending: &AwaitingConfirmation, settled: &Settled) -> String {
    let (task, from, to) = (
        &pending.task,
        Version::or_none(pending.from.as_ref()),
        Version::or_none(pending.to.as_ref()),
    );
    match settled {
        Settled::Waits(_) => {
            format!("{task} {to} waits to be confirmed: snapback confirm -t {task}")
        }
        Settled::Reverted => format!(
            "{task} is back at {from}: nobody confirmed {to} within {:?}",
            pending.within()
        ),
        Settled::Dropped(why) => format!("{task} {to} does not wait any more: {}", safe(why)),
        Settled::Later(why) => format!(
            "{task} {to} is not confirmed and could not be taken back yet: {}",
            safe(why)
        ),
    }
}

/// Undoes overdue rollbacks, and starts supervisors for waiting rollbacks without one. Failures
/// here are reported and do not stop the command.
pub fn settle_overdue(session: &Session, app: &App) {
    let all = match app.settle_confirmations() {
        Ok(all) => all,
        Err(failure) => return session.warn(&failure.to_string()),
    };
    for (pending, settled) in all {
        match &settled {
            Settled::Waits(_) => {
                if app
                    .watch_confirmation(&pending.task)
                    .is_ok_and(|lock| lock.is_some())
                {
                    supervise(session, &pending.task);
                }
            }
            settled => session.warn(&line(&pending, settled)),
        }
    }
}

/// Warns of overdue rollbacks; a command that only reads does not undo them.
pub fn say_overdue(session: &Session, app: &App) {
    for pending in app.overdue().unwrap_or_default() {
        let (task, to, from) = (
            &pending.task,
            Version::or_none(pending.to.as_ref()),
            Version::or_none(pending.from.as_ref()),
        );
        let next = match &pending.failed {
            None => {
                "the next command that changes something does that, or: snapback confirm --watch"
                    .into()
            }
            Some(failed) => {
                format!(
                    "it could not be taken back yet: {}; it is tried again, or stays with: snapback confirm -t {task}",
                    safe(&failed.why)
                )
            }
        };
        session.warn(&format!(
            "{task} {to} was not confirmed in time and has to go back to {from}: {next}"
        ));
    }
}

/// Starts supervisors for waiting rollbacks without one; undoes nothing here.
pub fn supervise_all(session: &Session, app: &App) {
    for pending in app.pending().unwrap_or_default() {
        if app
            .watch_confirmation(&pending.task)
            .is_ok_and(|lock| lock.is_some())
        {
            supervise(session, &pending.task);
        }
    }
}

/// Starts the process that undoes a rollback unless it is confirmed. If it cannot be started, other
/// commands do its work.
pub(super) fn supervise(session: &Session, task: &TaskId) {
    let start = || -> Result<u32, Failure> {
        let app = session.app()?;
        let program =
            std::env::current_exe().map_err(|source| crate::cli::error::Error::Write {
                path: "/proc/self/exe".into(),
                source,
            })?;
        let mut command = child::detached(program, app.work_tree()).args([
            "confirm",
            "--watch",
            "-t",
            task.as_str(),
        ]);
        if let Some(config) = &session.globals.config {
            command = command
                .arg("--config")
                .arg(config.canonicalize().unwrap_or_else(|_| config.clone()));
        }
        if session.globals.no_commands {
            command = command.arg("--no-commands");
        }
        // The time limit, folder and dry run of this call do not apply to the supervisor.
        for name in ["SNAPBACK_TIMEOUT", "SNAPBACK_DIR", "SNAPBACK_DRY_RUN"] {
            command = command.env_remove(name);
        }
        Ok(command.detach()?)
    };
    if let Err(failure) = start() {
        session.say(&format!(
            "warning: no supervisor could be started ({}); the next command that changes something, `snapback guard run` or `snapback confirm --watch` takes it back\n",
            safe(&failure.to_string())
        ));
    }
}
