//! `guard run`: checks continuously, until a signal asks to stop.
//!
//! The repository is opened again for each check, so changed settings apply from the next one on. A
//! failure in one check is reported and does not end the guard; the same warning is repeated after
//! an hour at the earliest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    app::{App, Options},
    base::{Failure, cancel},
    cli::{render::guard, reply::Reply, session::Session},
    guard::WatchOptions,
    model::{
        Event, Sink, TaskId,
        guard::{Decision, RuleLine},
    },
};

/// Minimum interval between repetitions of the same warning.
const AGAIN: Duration = Duration::from_hours(1);
/// Minimum and maximum interval between checks for something to do.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// Interval between checks for a signal.
const TICK: Duration = Duration::from_millis(100);

/// Reports warnings and finished steps, repeating the same line only after [`AGAIN`].
struct GuardOutput<'s> {
    session: &'s Session,
    said: Mutex<HashMap<String, Instant>>,
}

impl GuardOutput<'_> {
    /// Reports a line, unless it was reported within [`AGAIN`].
    fn say(&self, line: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, at| at.elapsed() < AGAIN);
        if said.insert(line.to_string(), Instant::now()).is_none() {
            self.session.say(&format!("{line}\n"));
        }
    }
}

/// Events of one check, reported after it: a sink must be able to outlive the check.
#[derive(Default)]
struct CollectedEvents(Mutex<Vec<String>>);

impl Sink for CollectedEvents {
    fn take(&self, event: Event) {
        let line = match event {
            Event::Warning(text) => format!("warning: {}", crate::cli::render::safe(&text)),
            Event::StepDone { step, text } => {
                format!("  {step}: {}", crate::cli::render::safe(&text))
            }
            _ => return,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }
}

/// Checks these tasks, or all with rules, until a signal asks to stop.
pub(super) fn run(session: &Session, asked: &[TaskId]) -> Result<Reply, Failure> {
    let app = session.app()?;
    let _lock = if session.globals.dry_run {
        None
    } else {
        Some(app.lock_guard()?)
    };
    let tasks = wanted(app, asked);
    if tasks.is_empty() {
        app.refuse_flaws()?;
        return Err(crate::guard::Error::NoRules.into());
    }
    let journal = GuardOutput {
        session,
        said: Mutex::default(),
    };
    let names: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
    session.say(&format!("guard: watching {}\n", names.join(", ")));
    let mut last: HashMap<(TaskId, String), String> = HashMap::new();
    let mut looks = 0_u64;
    while cancel::requested().is_none() {
        let heard = Arc::new(CollectedEvents::default());
        let options = Options {
            sink: heard.clone(),
            ..session.options()
        };
        let pause = match App::open(&session.dir(), options)
            .and_then(|app| look(session, &app, asked, &mut last))
        {
            Ok(pause) => pause,
            Err(failure) => {
                journal.say(&format!(
                    "warning: {}",
                    crate::cli::render::safe(&failure.to_string())
                ));
                PAUSES.1
            }
        };
        for line in heard
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            journal.say(&line);
        }
        looks += 1;
        let until = Instant::now() + pause;
        while Instant::now() < until && cancel::requested().is_none() {
            std::thread::sleep(TICK);
        }
    }
    Ok(Reply::new(
        "guard: stopped.\n".into(),
        json!({ "looks": looks }),
    ))
}

/// Returns the named tasks that have rules.
fn wanted(app: &App, named: &[TaskId]) -> Vec<TaskId> {
    app.guarded()
        .into_iter()
        .filter(|task| named.is_empty() || named.contains(task))
        .collect()
}

/// Checks everything once; returns the pause before the next check.
fn look(
    session: &Session,
    app: &App,
    named: &[TaskId],
    last: &mut HashMap<(TaskId, String), String>,
) -> Result<Duration, Failure> {
    let look = WatchOptions {
        only_due: true,
        dry_run: session.globals.dry_run,
    };
    if !look.dry_run {
        app.send_alerts()?;
        super::super::confirm::settle_overdue(session, app);
    }
    let mut shortest = PAUSES.1;
    // A task that became usable and then unusable again is reported again.
    last.retain(|(task, rule), _| !rule.is_empty() || app.settings().left_out.contains(task));
    for task in app
        .settings()
        .left_out
        .iter()
        .filter(|task| named.is_empty() || named.contains(task))
    {
        let key = (task.clone(), String::new());
        if last.insert(key, "left out".into()).is_none() {
            session.say(&format!(
                "guard: {task} is not watched: its settings cannot be used\n"
            ));
        }
    }
    for task in wanted(app, named) {
        if cancel::requested().is_some() {
            break;
        }
        let every = app
            .settings()
            .task(&task)
            .into_iter()
            .flat_map(|spec| &spec.guard)
            .map(|rule| rule.every)
            .min();
        shortest = shortest.min(every.unwrap_or(PAUSES.1) / 2);
        let mut watch = app.watch(&task, look)?;
        // Only news is reported; a rule that passes all day is reported once.
        watch.rules.retain(|line| {
            let key = (task.clone(), line.rule.clone());
            last.insert(key, state_of(line)).as_ref() != Some(&state_of(line))
                || line.decision == Decision::Fire
        });
        if !watch.rules.is_empty() || watch.report.is_some() || !watch.notes.is_empty() {
            session.say(&guard::watch(session.err, &watch));
        }
    }
    Ok(shortest.max(PAUSES.0))
}

/// Returns the part of a line whose change is news.
fn state_of(line: &RuleLine) -> String {
    let kind = match &line.decision {
        Decision::Nothing => "nothing",
        Decision::Wait(_) => "wait",
        Decision::Would(_) => "would",
        Decision::Fire => "fire",
        Decision::Overruled(_) => "overruled",
        Decision::Freeze(_) => "freeze",
    };
    let version = line
        .version
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    format!("{version} {} {kind}", line.judgement.outcome.word())
}
