//! Row 16, the command line: clap, no logic. Answers go to standard output, everything else to
//! standard error.
//!
//! [`main`] parses, opens a [`session::Session`], runs one file of [`commands`] and prints the
//! returned [`reply::Reply`], as text or as the single JSON document of `--json`. Nothing here
//! decides what happens to a repository: that is [`crate::app::App`]. Read `commands/rollback.rs`
//! next; it is the model for all others.

pub mod advice;
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
pub mod watch;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::{CommandFactory, FromArgMatches};

use crate::{
    base::{Failure, Kind, cancel, text},
    model::{Answer, StateAfterFailure},
};
use args::{Cli, wants_json};
use render::TextStyle;
use reply::Reply;
use session::Session;

/// Runs the program: both `snapback` and `git-snapback`.
pub fn main() -> ExitCode {
    signals::install();
    clap_complete::CompleteEnv::with_factory(help::command).complete();
    let argv: Vec<OsString> = std::env::args_os().collect();
    let parsed = help::command()
        .try_get_matches_from(&argv)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let code = match parsed {
        Ok(cli) => execute(&cli),
        Err(refusal) => refuse(&refusal, &argv),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Runs the command and prints its answer; returns the exit code.
fn execute(cli: &Cli) -> i32 {
    advice::note_place(&cli.globals);
    let command = cli.command.name();
    let writes = cli.command.writes() && !cli.globals.dry_run;
    let session = Session::new(&cli.globals, &command, writes);
    let limit = cli.globals.timeout.map(signals::Deadline::start);
    if !writes {
        let last_words = last_words(command.clone(), cli.globals.json);
        signals::end_reading(limit.clone(), last_words);
    }
    let result = match session.refuse_inside_a_hook(cli.command.changes()) {
        Ok(()) => session
            .settle(cli.command.changes())
            .and_then(|()| cli.command.run(&session)),
        Err(failure) => Err(failure),
    };
    cancel::end_by_itself();
    match result {
        Ok(reply) => match signals::explain_reply(reply, limit.as_ref(), writes) {
            Ok(reply) => answer(&session, &command, &reply),
            Err(stopped) => fail(&session, &command, &stopped),
        },
        Err(failure) => fail(
            &session,
            &command,
            &signals::explain(session.explain(failure), limit.as_ref()),
        ),
    }
}

/// Returns the final message of a command that only reads and does not stop by itself.
fn last_words(command: String, as_json: bool) -> impl FnOnce(&Failure) + Send {
    move |failure| {
        if as_json {
            let _ = put(&json(
                &failed(&command, failure).with_left(StateAfterFailure::default(), Vec::new()),
            ));
        } else {
            let _ = write!(
                std::io::stderr(),
                "{}",
                render::error::failure(
                    TextStyle::default(),
                    failure,
                    Some(&StateAfterFailure::default())
                )
            );
        }
    }
}

/// Prints an answer. Failing to write it is an error only for a command that changed nothing.
fn answer(session: &Session, command: &str, reply: &Reply) -> i32 {
    let text = if session.globals.json {
        json(&reply.answer(command, session.warnings()))
    } else {
        text::for_terminal(&reply.page(session.out, session.globals.quiet))
    };
    match put(&text) {
        Err(error)
            if reply.exit_code == 0
                && !reply.changed
                && error.kind() != std::io::ErrorKind::BrokenPipe =>
        {
            let failure = Failure::from(error::Error::Answer(error));
            session.print_failure(&failure, None);
            failure.kind().exit_code()
        }
        _ => reply.exit_code,
    }
}

/// Prints a failure and the state after it.
fn fail(session: &Session, command: &str, failure: &Failure) -> i32 {
    let left = session.left();
    if session.globals.json {
        let next = left.hints().into_iter().map(advice::next).collect();
        let _ = put(&json(
            &Answer {
                warnings: session.warnings(),
                ..failed(command, failure)
            }
            .with_left(left, next),
        ));
    } else {
        session.print_failure(failure, Some(&left));
    }
    failure.kind().exit_code()
}

/// Prints clap's output: help and version to standard output, refusals to standard error.
fn refuse(refusal: &clap::Error, argv: &[OsString]) -> i32 {
    if !refusal.use_stderr() || !wants_json(argv) {
        return match refusal.print() {
            Err(error)
                if refusal.exit_code() == 0 && error.kind() != std::io::ErrorKind::BrokenPipe =>
            {
                Kind::Missing.exit_code()
            }
            _ => refusal.exit_code(),
        };
    }
    let known = Cli::command();
    let word = argv
        .iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .find(|word| known.find_subcommand(word).is_some());
    let failure = Failure::from(error::Error::usage(help::message(refusal)));
    let _ = put(&json(&failed(word.unwrap_or_default(), &failure)));
    Kind::Usage.exit_code()
}

/// Returns the JSON document of a failure.
fn failed(command: &str, failure: &Failure) -> Answer {
    let hints = failure.hints().into_iter().map(advice::next).collect();
    Answer::failed(command, failure, hints)
}

fn json(answer: &Answer) -> String {
    serde_json::to_string(answer).expect("because plain data always renders") + "\n"
}

/// Writes all of a text to standard output, without panicking when that is closed.
fn put(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
