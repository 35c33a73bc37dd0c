//! One run of the program: its folder, its messages, and whether it may ask.

use std::{
    cell::{OnceCell, RefCell},
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    advice,
    args::Globals,
    error::Error,
    render::{
        self, TextStyle, colour,
        progress::{Progress, Talk},
    },
    watch::Watch,
};
use crate::{
    app::{App, Options},
    base::{Clock, Failure, cancel, output, secret, text::for_terminal, zone},
    consent::ConsentFolder,
    model::{
        Event, Sink, StateAfterFailure,
        audit::{Actor, Via},
        hooks::DEPTH_VARIABLE,
        trust::CommandState,
    },
    site::Environment,
};

/// Most things that one yes is enough for, where they cannot be brought back.
const FEW: usize = 20;

/// One run of the program.
pub struct Session {
    /// Options of all commands.
    pub globals: Globals,
    /// The style of standard output.
    pub out: TextStyle,
    /// The style of standard error.
    pub err: TextStyle,
    /// The time zone for displayed times.
    pub zone: TimeZone,
    command: String,
    talk: Talk,
    sink: Arc<Progress>,
    app: OnceCell<App>,
    writes: bool,
    watch: RefCell<Watch>,
}

impl Session {
    /// Reads the environment and the terminals. If `writes`, failures report what was changed.
    pub fn new(globals: &Globals, command: &str, writes: bool) -> Self {
        let env = |name: &str| std::env::var_os(name).and_then(|value| value.into_string().ok());
        let on_terminal = std::io::stderr().is_terminal();
        let out = colour::decide(globals.color, std::io::stdout().is_terminal(), env);
        let err = colour::decide(globals.color, on_terminal, env);
        let talk = match () {
            () if globals.quiet || (globals.json && !on_terminal) => Talk::Quiet,
            () if on_terminal
                && !globals.no_progress
                && env("TERM").as_deref() != Some("dumb")
                && env("CI").is_none() =>
            {
                Talk::Bars
            }
            () => Talk::Lines,
        };
        Self {
            globals: globals.clone(),
            out,
            err,
            zone: zone(),
            command: command.into(),
            talk,
            sink: Arc::new(Progress::new(err, talk)),
            app: OnceCell::new(),
            writes,
            watch: RefCell::default(),
        }
    }

    /// Returns the working folder.
    pub fn dir(&self) -> PathBuf {
        self.globals
            .dir
            .clone()
            .unwrap_or_else(|| PathBuf::from("."))
    }

    /// Returns the repository, opened once. Opening it changes nothing.
    pub fn app(&self) -> Result<&App, Failure> {
        if let Some(app) = self.app.get() {
            return Ok(app);
        }
        let app = App::open(&self.dir(), self.options())?;
        let app = self.app.get_or_init(|| app);
        self.begin_watch(app);
        Ok(app)
    }

    /// Settles pending work before a changing command: overdue rollbacks must not wait forever
    /// because their supervisor was killed.
    pub fn settle(&self, changes: bool) -> Result<(), Failure> {
        if !changes || self.globals.dry_run || std::env::var_os(DEPTH_VARIABLE).is_some() {
            return Ok(());
        }
        // Some commands need no repository; the others report this themselves.
        let Ok(app) = App::open(&self.dir(), self.options()) else {
            return Ok(());
        };
        // A user who may not change the repository settles nothing.
        if app.check_owner().is_err() {
            return Ok(());
        }
        let app = if self.lead_to_hooks(&app) {
            App::open(&self.dir(), self.options())?
        } else {
            app
        };
        let app = self.app.get_or_init(|| app);
        if self.command != "confirm" {
            super::commands::settle_overdue(self, app);
        }
        self.begin_watch(app);
        Ok(())
    }

    /// Starts recording what the command itself changes.
    fn begin_watch(&self, app: &App) {
        if self.writes {
            self.watch.borrow_mut().begin(app);
        }
    }

    /// Settles pending work before the action of a git hook. As git is in the middle of something,
    /// the undo of overdue rollbacks is left to another process.
    pub fn settle_from_hook(&self) -> Result<(), Failure> {
        if !self.globals.dry_run && std::env::var_os(DEPTH_VARIABLE).is_none() {
            super::commands::supervise_all(self, self.app()?);
        }
        Ok(())
    }

    /// Adds details to a failure, such as who owns the files of a permission failure.
    pub fn explain(&self, failure: Failure) -> Failure {
        match self.app.get() {
            Some(app) => app.explain(failure),
            None => failure,
        }
    }

    /// Repairs a hook path that names the repository's old place; returns true if it did.
    fn lead_to_hooks(&self, app: &App) -> bool {
        match app.repair_hooks() {
            Ok(None) => return false,
            Ok(Some(old)) => self.warn(&format!(
                "core.hooksPath named {}, where this repository was before; it leads to its own hooks again",
                old.to_string_lossy()
            )),
            Err(failure) => {
                self.warn(&format!("core.hooksPath does not lead to the hooks of this repository: {failure}"));
                return false;
            }
        }
        true
    }

    /// Returns the options for opening a repository in this run.
    pub fn options(&self) -> Options {
        Options {
            clock: Clock::System,
            sink: self.sink.clone(),
            config: self.globals.config.clone(),
            lock_wait: self.globals.lock_wait,
            trust: ConsentFolder::of_this_process(),
            without_commands: self.globals.no_commands,
            dry_run: self.globals.dry_run,
            asks: self.can_ask(),
            actor: Actor {
                person: None,
                via: if self.command == "guard" {
                    Via::Guard
                } else {
                    via()
                },
                command: self.command.clone(),
            },
            environment: Environment::of_this_process(),
            spell: advice::argv,
            only: String::new(),
        }
    }

    /// Prints a message to standard error, unless quiet.
    pub fn say(&self, text: &str) {
        if self.talk != Talk::Quiet {
            let _ = write!(std::io::stderr(), "{}", for_terminal(text));
        }
    }

    /// Warns on standard error, or among the warnings of the JSON document.
    pub fn warn(&self, text: &str) {
        self.sink.take(Event::Warning(text.into()));
    }

    /// Asks for a yes, once. `--yes` counts as one; without a terminal the error suggests it.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.globals.yes {
            return Ok(());
        }
        if !self.can_ask() {
            return Err(Error::NeedsYes {
                argv: with_yes(
                    std::env::args_os()
                        .skip(1)
                        .map(|word| word.to_string_lossy().into_owned()),
                ),
            }
            .into());
        }
        self.sink.finish();
        let _ = write!(std::io::stderr(), "{} [y/N] ", for_terminal(question));
        let answer = read_line()?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            Ok(())
        } else {
            Err(Error::Declined.into())
        }
    }

    /// Asks about many things that cannot be undone: for a yes while they are few, for their number
    /// when they are more than a person looks through.
    pub fn confirm_many(&self, question: &str, number: usize) -> Result<(), Failure> {
        if number <= FEW || self.globals.yes || !self.can_ask() {
            return self.confirm(question);
        }
        self.sink.finish();
        let _ = write!(
            std::io::stderr(),
            "{} Type their number, {number}: ",
            for_terminal(question)
        );
        if read_line()?.trim() == number.to_string() {
            Ok(())
        } else {
            Err(Error::Declined.into())
        }
    }

    /// Shows commands that nobody agreed to yet, and asks; returns true if there are any and a
    /// person agreed to them. `--yes` answers a different question, so it agrees to nothing.
    pub fn agree(&self, commands: &[CommandState]) -> Result<bool, Failure> {
        let new: Vec<CommandState> = commands
            .iter()
            .filter(|state| !state.trusted)
            .cloned()
            .collect();
        if new.is_empty() || self.globals.yes || !self.can_ask() {
            return Ok(false);
        }
        self.confirm(&format!(
            "{}{}",
            render::commands::list(self.err, &new),
            render::commands::question(&new)
        ))?;
        self.app()?.agree(
            &new.into_iter()
                .map(|state| state.command)
                .collect::<Vec<_>>(),
        )?;
        Ok(true)
    }

    /// Returns true when a person can answer: standard input and standard error are terminals.
    pub fn can_ask(&self) -> bool {
        !self.globals.no_input && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Writes a requested file; a dry run checks whether it could be written.
    ///
    /// # Errors
    /// Fails when the place is not allowed, or writing failed.
    pub fn write_file(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
        let done = if self.globals.dry_run {
            output::check(path)
        } else {
            output::write(path, bytes, mode)
        };
        Ok(done?)
    }

    /// Records places that have no journal; call just before changing them.
    pub fn about_to_change(&self, places: &[PathBuf]) {
        self.watch.borrow_mut().add(places);
    }

    /// Like `about_to_change`, for items without a file: names in the store, shared verdicts.
    ///
    /// # Errors
    /// Fails when they cannot be read.
    pub fn about_to_change_records(&self) -> Result<(), Failure> {
        let app = self.app()?;
        self.watch.borrow_mut().add_records(app)
    }

    /// Like `about_to_change`, for something that cannot be inspected from here.
    pub fn may_change(&self, what: &str) {
        self.watch.borrow_mut().add_unseen(what);
    }

    /// Returns the state after a failure: operations by their journals, the rest by inspection.
    pub fn left(&self) -> StateAfterFailure {
        let began = self.sink.began();
        let other = if began.is_empty() || self.app.get().is_some() {
            None
        } else {
            App::open(&self.dir(), self.options()).ok()
        };
        let app = self.app.get().or(other.as_ref());
        let mut left = StateAfterFailure {
            operations: app.map(|app| app.left_of(&began)).unwrap_or_default(),
            ..StateAfterFailure::default()
        };
        if app.is_none() {
            left.unseen
                .extend(began.iter().map(|op| format!("operation {}", op.short())));
        }
        self.watch.borrow().compare(app, &mut left);
        left
    }

    /// Returns the output of a command in a preview.
    pub fn preview_output(&self) -> String {
        self.sink.preview()
    }

    /// Returns the warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        self.sink.warnings()
    }

    /// Prints a failure to standard error, and the state after it if the command changes something
    /// or was stopped.
    pub fn print_failure(&self, failure: &Failure, left: Option<&StateAfterFailure>) {
        self.sink.finish();
        let left = left.filter(|left| self.writes || left.is_change() || failure.is_stop());
        let _ = write!(
            std::io::stderr(),
            "{}",
            for_terminal(&render::error::failure(self.err, failure, left))
        );
    }

    /// Like `print_failure`, but without hints, for replies that have better ones.
    pub fn print_causes(&self, failure: &Failure) {
        self.sink.finish();
        let _ = write!(
            std::io::stderr(),
            "{}",
            for_terminal(&render::error::causes(self.err, failure))
        );
    }

    /// Refuses changes by a hook that snapback runs, because snapback itself is making changes.
    pub fn refuse_inside_a_hook(&self, changes: bool) -> Result<(), Failure> {
        if changes && std::env::var_os(DEPTH_VARIABLE).is_some() {
            Err(Error::InsideHook.into())
        } else {
            Ok(())
        }
    }
}

/// Returns the apparent origin of the command. Checks only whether variables are set, never their
/// values.
fn via() -> Via {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    match () {
        () if is_set("GIT_DIR") || is_set("GIT_INDEX_FILE") => Via::Hook,
        () if is_set("CI") => Via::Ci,
        () if std::io::stdin().is_terminal() => Via::Terminal,
        () => Via::Script,
    }
}

/// Returns the same command with `--yes`.
fn with_yes(words: impl Iterator<Item = String>) -> Vec<String> {
    ["snapback".to_string(), "--yes".to_string()]
        .into_iter()
        .chain(words.map(|word| secret::clean_text(&word)))
        .collect()
}

/// Reads a line from the terminal; a signal ends the wait.
pub fn read_line() -> Result<String, Failure> {
    let stdin = std::io::stdin();
    let tenth = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    loop {
        cancel::check()?;
        if poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&tenth))
            .is_ok_and(|ready| ready > 0)
        {
            let mut line = String::new();
            let _ = stdin.lock().read_line(&mut line);
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_where_it_always_works() {
        let words = ["rollback", "-t", "T01", "--", "x"].map(String::from);
        assert_eq!(
            with_yes(words.into_iter())[..4],
            ["snapback", "--yes", "rollback", "-t"]
        );
    }
}
