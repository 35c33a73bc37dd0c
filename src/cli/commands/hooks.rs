//! `hooks`: installs and removes git hooks, and is the program that they run.

use std::{
    ffi::OsString,
    fmt::Write,
    io::{IsTerminal, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Kind},
    cli::{error::Error, render, reply::Reply, session::Session},
    hooks::{self, run::Call},
    model::{
        Advice,
        hooks::{DEPTH_VARIABLE, HookEvent, HookMethod, HooksPlan, HooksWanted},
    },
};

/// Time limit of a hook.
const LIMIT: Duration = Duration::from_secs(5);

/// Install hooks of git beside those that are there, or take them away
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "hook",
    before_help = "Examples:\n  snapback hooks install              post-commit, -checkout, -merge, -rewrite and pre-push\n  snapback hooks install --also commit-msg\n  snapback hooks status\n  snapback hooks uninstall            everything as it was, byte for byte",
    after_help = "No hook of anybody else is changed: each runs first, once, with its arguments and input.\nFor once without: SNAPBACK_HOOKS=0 git …"
)]
pub struct Args {
    #[command(subcommand)]
    what: HooksCommand,
}

#[derive(Debug, Subcommand)]
enum HooksCommand {
    /// Install them, or renew what is installed
    #[command(
        before_help = "Examples:\n  snapback hooks install -y\n  snapback hooks install --also pre-commit,commit-msg --strict\n  snapback hooks install --only pre-push --dry-run"
    )]
    Install {
        /// These besides the usual ones
        #[arg(long, value_name = "HOOK", value_delimiter = ',', value_parser = event, conflicts_with = "only")]
        also: Vec<HookEvent>,
        /// These only
        #[arg(long, value_name = "HOOK", value_delimiter = ',', value_parser = event)]
        only: Vec<HookEvent>,
        /// How they come to run
        #[arg(long, value_enum, default_value = "auto")]
        method: Method,
        /// Refuse where they would only warn, and when snapback is gone
        #[arg(long)]
        strict: bool,
        /// The snapback that they start, instead of this one
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        program: Option<PathBuf>,
    },
    /// Take them away and bring back what was there
    #[command(
        before_help = "Examples:\n  snapback hooks uninstall -y\n  snapback hooks uninstall --dry-run"
    )]
    Uninstall,
    /// Show which are installed, how, and beside what
    #[command(before_help = "Examples:\n  snapback hooks status\n  snapback hooks status --json")]
    Status,
    /// What an installed hook runs; not for people
    #[command(
        before_help = "Examples:\n  snapback hook run post-commit\n  snapback hook run pre-push -- origin URL"
    )]
    Run {
        /// The hook
        #[arg(value_name = "HOOK")]
        hook: String,
        /// Refuse where it would only warn
        #[arg(long)]
        strict: bool,
        /// What git hands to it
        #[arg(last = true, value_name = "ARGUMENT")]
        args: Vec<OsString>,
    },
}

/// How hooks come to run.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    /// What fits here
    Auto,
    /// By git's configuration (git 2.54)
    Config,
    /// By a script that runs the hook from before first
    Shim,
    /// By a folder of snapback that core.hooksPath names
    Redirect,
}

/// Parses the name of a hook.
fn event(text: &str) -> Result<HookEvent, String> {
    text.parse().map_err(|_| {
        format!(
            "it is none of {}",
            HookEvent::ALL.map(HookEvent::name).join(", ")
        )
    })
}

impl Run for Args {
    fn changes(&self) -> bool {
        matches!(
            self.what,
            HooksCommand::Install { .. } | HooksCommand::Uninstall
        )
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        match &self.what {
            HooksCommand::Install {
                also,
                only,
                method,
                strict,
                program,
            } => install(
                session,
                &wanted(also, only, *method, *strict, program.as_deref())?,
            ),
            HooksCommand::Uninstall => uninstall(session),
            HooksCommand::Status => status(session),
            HooksCommand::Run { hook, strict, args } => run(session, hook, *strict, args),
        }
    }
}

/// Returns the requested installation.
fn wanted(
    also: &[HookEvent],
    only: &[HookEvent],
    method: Method,
    strict: bool,
    program: Option<&Path>,
) -> Result<HooksWanted, Failure> {
    let mut events: Vec<HookEvent> = if only.is_empty() {
        HookEvent::DEFAULT.iter().chain(also).copied().collect()
    } else {
        only.to_vec()
    };
    events.sort();
    events.dedup();
    let method = match method {
        Method::Auto => None,
        Method::Config => Some(HookMethod::Config),
        Method::Shim => Some(HookMethod::Shim),
        Method::Redirect => Some(HookMethod::Redirect),
    };
    let found = program.map_or_else(std::env::current_exe, Path::canonicalize);
    let program = found.map_err(|error| {
        Error::usage(format!(
            "the program that the hooks start cannot be found: {error}"
        ))
    })?;
    Ok(HooksWanted {
        events,
        method,
        strict,
        program,
    })
}

/// Shows the plan, asks, and installs the hooks.
fn install(session: &Session, wanted: &HooksWanted) -> Result<Reply, Failure> {
    let plan = session.app()?.plan_hooks(wanted)?;
    let data = json!({ "plan": plan, "hooks": wanted.events });
    if plan.lines.is_empty() {
        // Leftovers of a killed run are cleared nevertheless.
        if !session.globals.dry_run {
            session.app()?.install_hooks(wanted)?;
        }
        return Ok(Reply {
            dry_run: session.globals.dry_run,
            ..Reply::new("the hooks are installed, nothing to do.\n".into(), data)
        });
    }
    if session.globals.dry_run {
        return Ok(Reply {
            dry_run: true,
            ..Reply::new(
                format!("{}dry run: nothing was changed\n", shown(&plan)),
                data,
            )
        });
    }
    if session.globals.yes {
        session.say(&shown(&plan));
    }
    session.confirm(&format!("{}Install these hooks?", shown(&plan)))?;
    session.about_to_change(&session.app()?.hook_places());
    let done = session.app()?.install_hooks(wanted)?;
    let method = done.method.map_or("", HookMethod::word);
    let text = format!(
        "{} installed (method {method}).\n",
        render::count(wanted.events.len(), "hook")
    );
    Ok(Reply::new(text, data)
        .changed()
        .with_next(vec![Advice::SeeHooks.because("see them")]))
}

/// Shows the plan, asks, and removes the hooks.
fn uninstall(session: &Session) -> Result<Reply, Failure> {
    let plan = session.app()?.plan_hooks_removal()?;
    let data = json!({ "plan": plan });
    if plan.lines.is_empty() {
        return Ok(Reply {
            dry_run: session.globals.dry_run,
            ..Reply::new("no hooks of snapback are installed.\n".into(), data)
        });
    }
    if session.globals.dry_run {
        return Ok(Reply {
            dry_run: true,
            ..Reply::new(
                format!("{}dry run: nothing was changed\n", shown(&plan)),
                data,
            )
        });
    }
    session.confirm(&format!("{}Take the hooks away?", shown(&plan)))?;
    session.about_to_change(&session.app()?.hook_places());
    session.app()?.remove_hooks()?;
    Ok(Reply::new(
        "the hooks are gone, and what was there before is back.\n".into(),
        data,
    )
    .changed())
}

/// Renders a plan as text.
fn shown(plan: &HooksPlan) -> String {
    let lines = plan
        .lines
        .iter()
        .map(|line| format!("  {}\n", render::safe(line)));
    let notes = plan
        .notes
        .iter()
        .map(|note| format!("  note: {}\n", render::safe(note)));
    lines.chain(notes).collect()
}

/// Shows the installed hooks.
fn status(session: &Session) -> Result<Reply, Failure> {
    let status = session.app()?.hooks()?;
    let mut text = format!("git looks for hooks in {}\n", render::safe(&status.folder));
    for hook in &status.hooks {
        let sign = match (&hook.method, &hook.trouble) {
            (_, Some(_)) => session.out.attention(),
            (Some(_), None) => session.out.ok(),
            (None, None) => session.out.left_out(),
        };
        let how = hook.method.map_or("not installed", HookMethod::word);
        let beside = hook
            .beside
            .as_ref()
            .map(|path| format!("  after {}", render::safe(path)))
            .unwrap_or_default();
        let trouble = hook
            .trouble
            .as_ref()
            .map(|why| format!("  {}", render::safe(why)))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "  {sign} {:<14} {how}{beside}{trouble}",
            hook.event.name()
        );
    }
    for note in &status.notes {
        let _ = writeln!(text, "  note: {}", render::safe(note));
    }
    let wrong = status
        .hooks
        .iter()
        .filter(|hook| hook.trouble.is_some())
        .count()
        + status.notes.len();
    let none = status.hooks.iter().all(|hook| hook.method.is_none());
    let reply = Reply::new(text, json!({ "hooks": status }));
    let install = vec![Advice::InstallHooks.because("install them")];
    Ok(match wrong {
        0 if none => reply.with_next(install),
        0 => reply,
        _ => reply
            .with_problem(Kind::Bad, "the hooks are not as they were installed")
            .with_next(install),
    })
}

/// Runs a hook. Only a refusal is an error; any other failure is reported in one line, unless the
/// hook is strict.
fn run(session: &Session, hook: &str, strict: bool, args: &[OsString]) -> Result<Reply, Failure> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_off = std::env::var_os("SNAPBACK_HOOKS").is_some_and(|value| value == "0");
    let nothing = || Reply::new(String::new(), json!({ "hook": hook }));
    if is_set(DEPTH_VARIABLE) || is_off {
        return Ok(nothing());
    }
    limit(hook, strict);
    let said = catch_unwind(AssertUnwindSafe(|| -> Result<Vec<String>, Failure> {
        let event: HookEvent = hook
            .parse()
            .map_err(|error: crate::model::hooks::NoSuchHook| Error::usage(error.to_string()))?;
        let call = Call {
            args: args.to_vec(),
            input: if event.reads_input() {
                input()
            } else {
                Vec::new()
            },
            strict,
            index: std::env::var_os("GIT_INDEX_FILE"),
            may_change_tags: std::env::var_os("SNAPBACK_ALLOW_TAG_DELETE")
                .is_some_and(|value| value == "1"),
        };
        session.settle_from_hook()?;
        session.app()?.run_hook_of_git(event, &call)
    }));
    let failure = match said {
        Ok(Ok(lines)) => {
            for line in &lines {
                session.say(&format!("snapback: {}\n", render::safe(line)));
            }
            return Ok(Reply::new(
                String::new(),
                json!({ "hook": hook, "said": lines }),
            ));
        }
        Ok(Err(failure)) => failure,
        Err(_) => hooks::Error::Refused(
            format!("the hook {hook} failed; please report it"),
            Vec::new(),
        )
        .into(),
    };
    let refuses = failure.kind() == Kind::Refused && failure.to_string().contains(" refuses: ");
    if refuses {
        return Err(failure);
    }
    if strict {
        return Err(hooks::Error::Refused(
            format!("{hook} refuses, for it is strict and failed: {failure}"),
            failure.hints(),
        )
        .into());
    }
    session.say(&format!(
        "snapback: the hook {hook} did nothing: {}\n",
        render::safe(&failure.to_string())
    ));
    Ok(nothing())
}

/// Returns git's standard input, or what pre-commit passes in variables instead.
fn input() -> Vec<u8> {
    let text = |name: &str| {
        std::env::var_os(name)
            .map(|value| value.to_string_lossy().into_owned())
            .filter(|value| !value.is_empty())
    };
    if let (Some(from), Some(to)) = (text("PRE_COMMIT_FROM_REF"), text("PRE_COMMIT_TO_REF")) {
        let (local, remote) = (
            text("PRE_COMMIT_LOCAL_BRANCH"),
            text("PRE_COMMIT_REMOTE_BRANCH"),
        );
        return format!(
            "{} {to} {} {from}\n",
            local.unwrap_or_default(),
            remote.unwrap_or_default()
        )
        .into_bytes();
    }
    let mut bytes = Vec::new();
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let _ = stdin.lock().take(64 << 20).read_to_end(&mut bytes);
    }
    bytes
}

/// Ends the hook when it takes too long, because git waits for it.
fn limit(hook: &str, strict: bool) {
    let hook = hook.to_string();
    std::thread::spawn(move || {
        std::thread::sleep(LIMIT);
        eprintln!("snapback: {}", hooks::Error::TooLong(hook));
        // A hook only reads, so it may end anywhere; the scripts treat exit code 6 as a refusal.
        std::process::exit(if strict { Kind::Refused.exit_code() } else { 0 });
    });
}
