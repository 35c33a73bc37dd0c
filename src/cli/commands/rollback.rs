//! `rollback`: rolls a task back to a released version.
//!
//! The model for all commands: it reads the arguments and lets `change` plan, ask and execute.

use std::time::Duration;

use clap::ValueEnum;
use clap_complete::ArgValueCandidates;

use super::{Run, confirm::supervise};
use crate::{
    base::Failure,
    cli::{
        args::{NoSign, OneTask, SignatureDemand, duration, lock_version, version},
        change, complete,
        reply::Reply,
        session::Session,
    },
    git::Hooks,
    model::{
        Advice, Request,
        request::RollbackRequest,
        settings::{EnvMode, OnVerifyFail},
    },
};

/// Put a task back, exactly and verified, to a version it released
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback rollback -t T01                       to the newest one proven good\n  snapback rollback -t T01 --from 1.3.0 --to 1.2.0\n  snapback rollback -t T01 --to @2h --dry-run    what was active 2 h ago",
    after_help = "VERSION: 1.2.0  v1.2.0  T01-v1.2.0  previous  last-good  active  latest  @2h\n         @2026-08-20T15:00+08:00  a commit"
)]
pub struct Args {
    #[command(flatten)]
    task: OneTask,
    /// Only if this version is active now
    #[arg(long, value_name = "VERSION", add = ArgValueCandidates::new(complete::versions))]
    from: Option<String>,
    /// The version to go to
    #[arg(long, value_name = "VERSION", visible_alias = "target-version", add = ArgValueCandidates::new(complete::versions))]
    to: Option<String>,
    #[command(flatten)]
    how: RollbackOptions,
    /// Take it back after that unless confirmed
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "push")]
    confirm_within: Option<Duration>,
    /// Push it afterwards as `git push`, or to REMOTE
    #[arg(long, value_name = "REMOTE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    push: Option<String>,
}

/// How a rollback is done.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct RollbackOptions {
    /// Why
    #[arg(
        short,
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    message: String,
    /// Change the work tree only
    #[arg(long)]
    no_commit: bool,
    /// Restore files that other tasks use too
    #[arg(long)]
    with_shared: bool,
    /// Dependencies: plan (tell), sync (install) or off
    #[arg(long, value_enum, value_name = "MODE", hide_possible_values = true)]
    env: Option<RollbackPackages>,
    /// When smoke test or probes fail: undo, keep or ask
    #[arg(long, value_enum, value_name = "WHAT", hide_possible_values = true)]
    on_verify_fail: Option<OnFail>,
    /// What the target's signature must be: required, optional or none
    #[arg(
        long,
        value_enum,
        value_name = "DEMAND",
        default_value = "optional",
        hide_short_help = true
    )]
    signature: SignatureDemand,
    /// Go below a version that cannot be gone back from
    #[arg(long, hide_short_help = true)]
    past_floor: bool,
    /// Go to a version that is bad or held by hand; needs -m
    #[arg(long, hide_short_help = true)]
    despite_verdict: bool,
    /// Do not stop and start the task
    #[arg(long, hide_short_help = true)]
    no_restart: bool,
    #[command(flatten)]
    sign: NoSign,
}

/// What to do with dependencies.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RollbackPackages {
    Plan,
    Sync,
    Off,
}

impl RollbackOptions {
    /// Returns how to treat dependencies, if specified.
    pub fn env_mode(&self) -> Option<EnvMode> {
        self.env.map(|env| match env {
            RollbackPackages::Plan => EnvMode::Plan,
            RollbackPackages::Sync => EnvMode::Sync,
            RollbackPackages::Off => EnvMode::Off,
        })
    }

    /// Returns the reason as typed.
    pub fn reason(&self) -> &str {
        &self.message
    }
}

/// What to do when level 3 or 4 fails.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnFail {
    Undo,
    Keep,
    Ask,
}

impl RollbackOptions {
    /// Builds the request for one task; versions in any accepted spelling.
    pub fn request(
        &self,
        session: &Session,
        task: &OneTask,
        from: Option<&String>,
        to: Option<&String>,
    ) -> Result<RollbackRequest, Failure> {
        let task = task.find(session)?;
        Ok(RollbackRequest {
            from: lock_version(session, &task, from)?,
            to: version(session, &task, to)?,
            task,
            message: self.message.clone(),
            commit: !self.no_commit,
            with_shared: self.with_shared,
            env: self.env_mode(),
            on_verify_fail: self.on_verify_fail.map(|what| match what {
                OnFail::Undo => OnVerifyFail::Undo,
                OnFail::Keep => OnVerifyFail::Keep,
                OnFail::Ask => OnVerifyFail::Ask,
            }),
            restart: !self.no_restart,
            past_floor: self.past_floor,
            despite_verdict: self.despite_verdict,
            signature: self.signature.into(),
            signing: self.sign.signing(),
            confirm_within: None,
        })
    }
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let mut rollback =
            self.how
                .request(session, &self.task, self.from.as_ref(), self.to.as_ref())?;
        rollback.confirm_within = self.confirm_within;
        let task = rollback.task.clone();
        let reply = change::reply_and_push(
            session,
            &Request::Rollback(rollback),
            self.push.as_deref(),
            Hooks::Run,
        )?;
        if self.confirm_within.is_none() || !reply.changed {
            return Ok(reply);
        }
        supervise(session, &task);
        Ok(reply.with_next(vec![
            Advice::Confirm { task: task.clone() }.because("let it stay"),
        ]))
    }
}
