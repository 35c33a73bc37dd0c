//! Plan, ask once, carry out: what all changing commands do around one [`Request`].

use std::fmt::Write;

use super::{error::Error, render, reply::Reply, session::Session};
use crate::{
    base::{Failure, Fault, Hint, secret},
    model::{Plan, Report, Request, report::Outcome},
};

/// What became of a request.
pub enum Course {
    /// It was a dry run.
    Shown(Box<Plan>),
    /// It was carried out, or there was nothing to do.
    Done(Box<Plan>, Box<Report>),
}

/// Whether there is a question between the plan and the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Once, unless `--yes` was given.
    Once,
    /// Never: the command itself is the yes.
    Never,
}

/// Shows the plan, asks, and carries it out.
pub fn carry_out(session: &Session, request: &Request, ask: Ask) -> Result<Course, Failure> {
    let app = session.app()?;
    if !session.globals.dry_run && (session.globals.yes || ask == Ask::Never) {
        return carry_out_at_once(session, request);
    }
    let mut plan = Box::new(app.plan(request)?);
    if session.globals.dry_run {
        return Ok(Course::Shown(plan));
    }
    if session.agree(&plan.commands)? {
        plan = Box::new(app.plan(request)?);
    }
    if !plan.nothing_to_do {
        session.say(&render::plan::plan(session.err, &plan, session.globals.verbose));
        app.check_commands(&plan)?;
        if ask == Ask::Once {
            session.confirm(&render::plan::question(&plan))?;
        }
    }
    let report = app.apply(request, Some(&plan))?;
    Ok(Course::Done(plan, Box::new(report)))
}

/// Nobody is asked, so the plan is made once, under the lock.
fn carry_out_at_once(session: &Session, request: &Request) -> Result<Course, Failure> {
    let mut seen = None;
    let report = session.app()?.apply_seen(request, |plan| {
        if !plan.nothing_to_do {
            session.say(&render::plan::plan(session.err, plan, session.globals.verbose));
        }
        seen = Some(Box::new(plan.clone()));
        Ok(())
    })?;
    let plan = seen.expect("because a report comes only after its plan");
    Ok(Course::Done(plan, Box::new(report)))
}

/// The same as a reply.
pub fn reply(session: &Session, request: &Request) -> Result<Reply, Failure> {
    Ok(match carry_out(session, request, Ask::Once)? {
        Course::Shown(plan) => Reply::dry_run(session.out, &plan, session.globals.verbose),
        Course::Done(plan, report) => Reply::of_report(session.out, Some(&plan), &report),
    })
}

/// The same, and pushes what was made.
pub fn reply_and_push(session: &Session, request: &Request, remote: Option<&str>) -> Result<Reply, Failure> {
    let Some(remote) = remote else { return reply(session, request) };
    let (plan, report) = match carry_out(session, request, Ask::Once)? {
        Course::Shown(plan) => return Ok(Reply::dry_run(session.out, &plan, session.globals.verbose)),
        Course::Done(plan, report) => (plan, report),
    };
    let mut reply = Reply::of_report(session.out, Some(&plan), &report);
    if report.outcome != Outcome::Done || !report.changed {
        return Ok(reply);
    }
    match session.app()?.push(&report, remote) {
        Ok(remote) => {
            reply.next.retain(|step| step.argv.first().is_none_or(|word| word != "git"));
            reply.next.retain(|step| !step.argv.iter().any(|word| word == "verdicts"));
            let _ = writeln!(reply.text, "  pushed to {}", render::safe(&secret::clean_text(&remote)));
            Ok(reply)
        }
        Err(failure) => not_pushed(session, reply, &report, (remote, &failure)),
    }
}

/// What was made stays here; why it is not at the remote, and the ways out that work.
fn not_pushed(session: &Session, mut reply: Reply, report: &Report, (remote, failure): (&str, &Failure)) -> Result<Reply, Failure> {
    session.print_failure(failure, None);
    let found = session.app()?.way_out(report, remote);
    let (kind, why) = found.as_ref().map_or((failure.kind(), failure.to_string()), |found| (found.kind(), found.to_string()));
    let back = |why: &str| report.op.iter().map(|op| Hint::run(why, &["snapback", "undo", &op.short()])).collect::<Vec<_>>();
    let words = session.app()?.share(report.tag.as_deref(), Some(remote));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let push = |why: &str| if words.is_empty() { Vec::new() } else { vec![Hint::run(why, &words)] };
    let hints = match &found {
        // The tag there is a release, so this one must have another number.
        Some(crate::app::Error::TagThere { .. }) => {
            [back("take it back, and release the next version"), found.as_ref().map(Fault::hints).unwrap_or_default()]
        }
        Some(found) => [found.hints(), [push("then push it"), back("or take it back")].concat()],
        None => [push("push it"), back("or take it back")],
    };
    reply.next.retain(|step| step.argv.first().is_none_or(|word| word != "git") && !step.argv.iter().any(|word| word == "undo"));
    Ok(reply.with_problem(kind, format!("done here, but not pushed: {why}")).with_next(hints.concat()))
}

/// A version as typed after `--version`: `1.3.0` or `v1.3.0`.
pub fn new_version(text: &str) -> Result<crate::model::Version, Failure> {
    let plain = text.strip_prefix('v').unwrap_or(text);
    plain.parse().map_err(|error: crate::model::version::NotAVersion| Error::usage(error.to_string()).into())
}
