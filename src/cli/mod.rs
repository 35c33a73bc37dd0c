//! Row 10, the command line: clap, no logic. Standard output is the answer, standard error the talk.
//!
//! [`main`] parses, opens a [`session::Session`], runs one file of [`commands`] and prints the
//! [`reply::Reply`] it returns, as text or as the one JSON document of `--json`. Nothing here
//! decides what happens to a repository: that is [`crate::app::App`]. Read `commands/rollback.rs`
//! next; it is the model for all others.

pub mod args;
pub mod change;
pub mod commands;
pub mod complete;
pub mod demo;
pub mod error;
pub mod help;
pub mod render;
pub mod reply;
pub mod session;
pub mod signals;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::{CommandFactory, FromArgMatches};

use crate::{
    base::{Failure, Kind, text},
    model::Answer,
};
use args::{Cli, wants_json};
use reply::Reply;
use session::Session;

/// The program: both `snapback` and `git-snapback`.
pub fn main() -> ExitCode {
    signals::install();
    clap_complete::CompleteEnv::with_factory(help::command).complete();
    let argv: Vec<OsString> = std::env::args_os().collect();
    let parsed = help::command().try_get_matches_from(&argv).and_then(|matches| Cli::from_arg_matches(&matches));
    let code = match parsed {
        Ok(cli) => execute(&cli),
        Err(refusal) => refuse(&refusal, &argv),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Runs the command and prints its answer; returns the exit code.
fn execute(cli: &Cli) -> i32 {
    let command = cli.command.name();
    let session = Session::new(&cli.globals, &command);
    let limit = cli.globals.timeout.map(|limit| signals::Deadline::start(limit, cli.command.changes()));
    let result = match session.refuse_inside_a_hook(cli.command.changes()) {
        Ok(()) => cli.command.run(&session),
        Err(failure) => Err(failure),
    };
    match result {
        Ok(reply) => answer(&session, &command, &signals::explain_reply(reply, limit.as_ref())),
        Err(failure) => {
            let failure = match &limit {
                Some(limit) => limit.explain(failure),
                None => failure,
            };
            fail(&session, &command, &failure, cli.command.changes())
        }
    }
}

/// Prints an answer. One that cannot be written fails only a command that changed nothing.
fn answer(session: &Session, command: &str, reply: &Reply) -> i32 {
    let text = if session.globals.json {
        json(&reply.answer(command, session.warnings()))
    } else {
        text::for_terminal(&reply.page(session.out, session.globals.quiet))
    };
    match put(&text) {
        Err(error) if reply.exit_code == 0 && !reply.changed && error.kind() != std::io::ErrorKind::BrokenPipe => {
            let failure = Failure::from(error::Error::Answer(error));
            session.print_failure(&failure, false);
            failure.kind().exit_code()
        }
        _ => reply.exit_code,
    }
}

/// Prints a failure.
fn fail(session: &Session, command: &str, failure: &Failure, changes: bool) -> i32 {
    if session.globals.json {
        let answer = Answer { changed: session.may_have_changed(), warnings: session.warnings(), ..Answer::failed(command, failure) };
        let _ = put(&json(&answer));
    } else {
        session.print_failure(failure, changes && !session.may_have_changed());
    }
    failure.kind().exit_code()
}

/// Prints what clap has to say: help and version on standard output, refusals on standard error.
fn refuse(refusal: &clap::Error, argv: &[OsString]) -> i32 {
    if !refusal.use_stderr() || !wants_json(argv) {
        let _ = refusal.print();
        return refusal.exit_code();
    }
    let known = Cli::command();
    let word = argv.iter().skip(1).filter_map(|word| word.to_str()).find(|word| known.find_subcommand(word).is_some());
    let failure = Failure::from(error::Error::usage(help::message(refusal)));
    let _ = put(&json(&Answer::failed(word.unwrap_or_default(), &failure)));
    Kind::Usage.exit_code()
}

fn json(answer: &Answer) -> String {
    serde_json::to_string(answer).expect("because plain data always renders") + "\n"
}

/// Writes to standard output, whole, without panicking when it is closed.
fn put(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
