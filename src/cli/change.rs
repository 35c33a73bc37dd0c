//! Plan, ask once, execute: the common course of all changing commands around one [`Request`].

use std::fmt::Write;

use super::{error::Error, render, reply::Reply, session::Session};
use crate::{
    app::App,
    base::{Failure, Fault, Hint},
    git::Hooks,
    model::{Advice, Plan, Report, Request, report::Outcome},
    push::{self, PushResult},
};

/// The outcome of a request.
pub enum RequestEnd {
    /// A dry run.
    Shown(Box<Plan>),
    /// Executed, or nothing to do.
    Done(Box<Plan>, Box<Report>),
}

/// Whether to ask between the plan and the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Once, unless `--yes` was given.
    Once,
    /// Never: the command itself is the confirmation.
    Never,
}

/// Shows the plan, asks, and executes it.
pub fn carry_out(session: &Session, request: &Request, ask: Ask) -> Result<RequestEnd, Failure> {
    let app = session.app()?;
    if !session.globals.dry_run && (session.globals.yes || ask == Ask::Never) {
        return carry_out_at_once(session, request);
    }
    if session.globals.dry_run {
        return Ok(RequestEnd::Shown(Box::new(app.plan(request)?)));
    }
    let mut plan = Box::new(app.plan_to_apply(request)?);
    if session.agree(&plan.commands)? {
        plan = Box::new(app.plan_to_apply(request)?);
    }
    if !plan.nothing_to_do {
        session.say(&render::plan::plan(
            session.err,
            &plan,
            session.globals.verbose,
        ));
        app.check_commands(&plan)?;
        if ask == Ask::Once {
            session.confirm(&render::plan::question(&plan))?;
        }
    }
    let report = app.apply(request, Some(&plan))?;
    Ok(RequestEnd::Done(plan, Box::new(report)))
}

/// Executes without asking, so the plan is made only once, under the lock.
fn carry_out_at_once(session: &Session, request: &Request) -> Result<RequestEnd, Failure> {
    let mut seen = None;
    let report = session.app()?.apply_seen(request, |plan| {
        if !plan.nothing_to_do {
            session.say(&render::plan::plan(
                session.err,
                plan,
                session.globals.verbose,
            ));
        }
        seen = Some(Box::new(plan.clone()));
        Ok(())
    })?;
    let plan = seen.expect("because a report comes only after its plan");
    Ok(RequestEnd::Done(plan, Box::new(report)))
}

/// Like [`carry_out`], as a reply.
pub fn reply(session: &Session, request: &Request) -> Result<Reply, Failure> {
    Ok(match carry_out(session, request, Ask::Once)? {
        RequestEnd::Shown(plan) => Reply::dry_run(session.out, &plan, session.globals.verbose),
        RequestEnd::Done(plan, report) => Reply::of_report(session.out, Some(&plan), &report),
    })
}

/// Like [`reply`], and pushes the result, or an earlier result if there was nothing left to do.
pub fn reply_and_push(
    session: &Session,
    request: &Request,
    remote: Option<&str>,
    hooks: Hooks,
) -> Result<Reply, Failure> {
    let Some(remote) = remote else {
        return reply(session, request);
    };
    let (plan, report) = match carry_out(session, request, Ask::Once)? {
        RequestEnd::Shown(plan) => {
            return Ok(Reply::dry_run(session.out, &plan, session.globals.verbose));
        }
        RequestEnd::Done(plan, report) => (plan, report),
    };
    let mut reply = Reply::of_report(session.out, Some(&plan), &report);
    if report.outcome != Outcome::Done || (!report.changed && reply.exit_code != 0) {
        return Ok(reply);
    }
    match session.app()?.push(&report, remote, hooks) {
        Ok(PushResult { remote, is_new }) => {
            reply
                .next
                .retain(|step| step.argv.first().is_none_or(|word| word != "git"));
            reply
                .next
                .retain(|step| !step.argv.iter().any(|word| word == "verdicts"));
            let remote = render::safe(&remote);
            let _ = if is_new {
                writeln!(reply.text, "  pushed to {remote}")
            } else {
                writeln!(reply.text, "  {remote} has it already")
            };
            reply.changed |= is_new;
            Ok(reply)
        }
        Err(failure) if failure.is_stop() => {
            push_stopped(session, reply, &report, (remote, &failure))
        }
        Err(failure) => not_pushed(session, reply, &report, (remote, &failure)),
    }
}

/// Replies to a push that was stopped while the remote worked: only the remote knows its outcome.
fn push_stopped(
    session: &Session,
    mut reply: Reply,
    report: &Report,
    (remote, failure): (&str, &Failure),
) -> Result<Reply, Failure> {
    let app = session.app()?;
    let target = app.push_place(remote);
    session.may_change(&format!("what {target} has"));
    let left = session.left();
    session.print_failure(failure, Some(&left));
    let tag = app.tag_of(report)?.map(|tag| format!("refs/tags/{tag}"));
    let look = ["git", "ls-remote", &target]
        .into_iter()
        .chain(tag.as_deref())
        .collect::<Vec<_>>();
    let mut hints = vec![Hint::run("see what it has", &look)];
    hints.extend(push_again(
        app,
        report,
        remote,
        "push it again, which changes nothing that is there",
    )?);
    reply
        .next
        .retain(|step| step.argv.first().is_none_or(|word| word != "git"));
    reply.left = Some(left);
    let text = format!(
        "{}; the push was stopped, and whether {target} has it is not known",
        here(report)
    );
    Ok(reply.with_problem(failure.kind(), text).with_next(hints))
}

/// Replies that the result stays here, why it was not pushed, and with the remedies that work.
fn not_pushed(
    session: &Session,
    mut reply: Reply,
    report: &Report,
    (remote, failure): (&str, &Failure),
) -> Result<Reply, Failure> {
    let app = session.app()?;
    let found = app.way_out(report, remote);
    match &found {
        Some(_) => session.print_causes(failure),
        None => session.print_failure(failure, None),
    }
    let (kind, why) = found
        .as_ref()
        .map_or((failure.kind(), failure.to_string()), |found| {
            (found.kind(), found.to_string())
        });
    let back = |why: &str| {
        report
            .op
            .iter()
            .map(|op| Advice::UndoThis { what: op.short() }.because(why))
            .collect::<Vec<_>>()
    };
    let push = |why: &str| push_again(app, report, remote, why);
    let hints = match &found {
        // The tag there is a release, so this one needs another number.
        Some(push::Error::TagThere { .. }) => [
            back("take it back, and release the next version"),
            found.as_ref().map(Fault::hints).unwrap_or_default(),
        ],
        Some(found) => [
            found.hints(),
            [push("then push it")?, back("or take it back")].concat(),
        ],
        None => [push("push it")?, back("or take it back")],
    };
    reply.next.retain(|step| {
        step.argv.first().is_none_or(|word| word != "git")
            && !step.argv.iter().any(|word| word == "undo")
    });
    reply.left = Some(session.left());
    Ok(reply
        .with_problem(kind, format!("{}, but not pushed: {why}", here(report)))
        .with_next(hints.concat()))
}

/// Says that the result is here in any case.
fn here(report: &Report) -> &'static str {
    if report.changed {
        "done here"
    } else {
        "it is here already"
    }
}

/// Returns the command that pushes by hand; empty when the destination is unclear.
fn push_again(app: &App, report: &Report, remote: &str, why: &str) -> Result<Vec<Hint>, Failure> {
    let words = app.share(app.tag_of(report)?.as_deref(), Some(remote));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(if words.is_empty() {
        Vec::new()
    } else {
        vec![Hint::run(why, &words)]
    })
}

/// Parses a version as typed after `--version`: `1.3.0` or `v1.3.0`.
pub fn new_version(text: &str) -> Result<crate::model::Version, Failure> {
    let plain = text.strip_prefix('v').unwrap_or(text);
    plain
        .parse()
        .map_err(|error: crate::model::version::NotAVersion| Error::usage(error.to_string()).into())
}
