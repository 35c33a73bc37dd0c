//! The checks of `doctor`: everything that snapback needs, with a remedy for each problem.
//!
//! Changes nothing; even the lock is only tried. A problem becomes a line, never an error.

use std::path::Path;

use crate::{
    base::{Failure, Fault, Hint, text},
    catalog::{missing_tags, releases, tasks},
    config,
    git::{Repo, child},
    journal::{self, history},
    model::{
        Advice,
        health::{HealthFinding, HealthLevel},
        overview::{DoctorLine, TaskLine},
    },
    operate::{self, operations},
    overview::status,
    rollback::explain::explain,
    setup::registry_sync,
    site::{Flaw, Options, RepoSite, Signatures},
    steps::files::{STAGE, has_leftovers},
};

/// Maximum number of tasks whose ignored files are listed.
const TASKS_NAMED: usize = 3;

/// Checks everything that snapback needs, with a remedy for each problem. A dry run does not try
/// the lock.
pub fn look_at(dir: &Path, dry_run: bool) -> Vec<DoctorLine> {
    let mut lines = vec![git_program(dir)];
    let git = match Repo::discover(dir) {
        Ok(git) => git,
        Err(error) => {
            lines.push(trouble("repository", &error));
            return lines;
        }
    };
    lines.push(fine("repository", git.work_tree().display().to_string()));
    lines.push(said(
        "state of the repository",
        git.check_ready().map(|()| "ready for changes".into()),
    ));
    lines.push(said(
        "your name in commits",
        git.identity().map(|who| who.to_string()),
    ));
    match config::open(
        dir,
        Options {
            dry_run,
            ..Options::default()
        },
    ) {
        Ok(site) => lines.extend(look(&site)),
        Err(failure) => lines.push(failed("configuration", &failure)),
    }
    lines
}

/// Checks settings, operations and registry.
fn look(site: &RepoSite) -> Vec<DoctorLine> {
    let tasks = tasks_line(site);
    let unfinished = operations_line(site);
    let foreign = site.foreign().map(|error| trouble("owner", &error));
    let reports = reports_line(site, foreign.is_some());
    let drift = registry_line(site);
    let signing = signing_line(site);
    let tags = misnamed_tags(site).unwrap_or_else(|failure| Some(failed("tags", &failure)));
    let rest: Vec<DoctorLine> = tags
        .into_iter()
        .chain(foreign)
        .chain(reports)
        .chain(signing)
        .chain(commands_line(site))
        .chain(flaw_lines(site))
        .chain(look_at_ways(site))
        .chain(look_at_tags(site))
        .chain(look_at_ignored(site))
        .collect();
    // Last, because whoever takes the lock is not stopped by a signal. Without a work tree nothing
    // is changed and nothing locked.
    let lock = (!site.git.is_bare() && !site.dry_run).then(|| match site.lock() {
        Ok(_) => fine("lock", "free".into()),
        Err(failure) => failed("lock", &explain(site, failure)),
    });
    let first = [tasks, unfinished, drift];
    first.into_iter().chain(lock).chain(rest).collect()
}

/// Checks whether there are tasks.
fn tasks_line(site: &RepoSite) -> DoctorLine {
    let count = site.settings.tasks.len();
    if count == 0 {
        bad("tasks", "none found", Advice::SetUp.because("find them"))
    } else {
        fine("tasks", text::count(count, "task"))
    }
}

/// Checks whether an operation is unfinished.
fn operations_line(site: &RepoSite) -> DoctorLine {
    match operations::unfinished(site) {
        Ok(None) => match history::all(&site.state) {
            Ok(all) => match history::cut_short(&all) {
                Some(op) => trouble("operations", &journal::Error::EndLost(op.clone())),
                None => fine("operations", none_unfinished(site)),
            },
            Err(error) => trouble("operations", &error),
        },
        Ok(Some(line)) => {
            let seen = format!("{} {} did not finish", line.kind.word(), line.id.short());
            bad(
                "operations",
                seen,
                Advice::FinishOperation.because("finish it"),
            )
        }
        Err(failure) => failed("operations", &explain(site, failure)),
    }
}

/// Returns what is to be said where no operation is unfinished.
fn none_unfinished(site: &RepoSite) -> String {
    let none = "none is unfinished";
    if site.git.is_bare() || !has_leftovers(&*site.tree).unwrap_or(false) {
        return none.into();
    }
    format!(
        "{none}; files are staged in {STAGE}: a command is running, or the next change removes them"
    )
}

/// Reports unreadable operation reports; `None` when there are none.
fn reports_line(site: &RepoSite, is_foreign: bool) -> Option<DoctorLine> {
    match operate::operations::damaged_reports(site) {
        // Their owner is reported on a separate line.
        _ if is_foreign => None,
        Ok(lines) if lines.is_empty() => None,
        Ok(lines) => {
            let how = "move each report.json below .git/snapback/ops aside; the journals beside them say what was done";
            Some(bad("reports", lines.join("; "), Hint::say(how)))
        }
        Err(failure) => Some(failed("reports", &explain(site, failure))),
    }
}

/// Checks whether the registry agrees with the configurations.
fn registry_line(site: &RepoSite) -> DoctorLine {
    match registry_sync::drift(site) {
        Ok(lines) if lines.is_empty() => fine("registry", "agrees with the configurations".into()),
        Ok(lines) => {
            let seen = format!(
                "{} at odds with the configuration",
                text::count(lines.len(), "task")
            );
            bad("registry", seen, Advice::CompareRegistry.because("see how"))
        }
        Err(failure) => failed("registry", &explain(site, failure)),
    }
}

/// Checks whether signing works; `None` when nothing is to be signed.
fn signing_line(site: &RepoSite) -> Option<DoctorLine> {
    match site.signing() {
        Signatures::None => None,
        Signatures::Made(seen) | Signatures::Asks(seen) => Some(fine("signing", seen)),
        Signatures::Unusable(failure) => {
            let fix = failure.hints().into_iter().find(|hint| hint.act.is_some());
            Some(DoctorLine {
                fix,
                ..failed("signing", &failure)
            })
        }
    }
}

/// Checks whether the configured commands may run; `None` when there are none.
fn commands_line(site: &RepoSite) -> Option<DoctorLine> {
    let commands = site.commands_of(&[]);
    let new = commands.iter().filter(|state| !state.trusted).count();
    (!commands.is_empty()).then(|| match new {
        0 => fine("commands", "trusted".into()),
        new => bad(
            "commands",
            format!("{new} not trusted"),
            Advice::AgreeToCommands.because("see them, and agree"),
        ),
    })
}

/// Checks whether the tasks' automatic rollback targets are usable, as `health` and `drill` see it.
fn look_at_ways(site: &RepoSite) -> Option<DoctorLine> {
    let health = match super::check(site, &[], false) {
        Ok(health) => health,
        Err(failure) => return Some(failed("ways back", &failure)),
    };
    let stops = |finding: &&HealthFinding| {
        finding.level != HealthLevel::Ok && ["way", "objects"].contains(&finding.check)
    };
    let said = health
        .tasks
        .iter()
        .filter_map(|task| Some((task, task.findings.iter().find(stops)?)));
    let mut said: Vec<String> = said
        .map(|(task, finding)| format!("{}: {}", task.task, finding.seen))
        .collect();
    let rehearsed = health
        .tasks
        .iter()
        .filter(|task| task.way_back.version.is_some())
        .count();
    if said.is_empty() {
        let of = |count: usize| text::count(count, "task");
        let others = health.tasks.len() - rehearsed;
        let others = if others == 0 {
            String::new()
        } else {
            format!("; {} without a proven older version", of(others))
        };
        return (rehearsed > 0).then(|| {
            fine(
                "ways back",
                format!("rehearsed and open: {}{others}", of(rehearsed)),
            )
        });
    }
    let more = said.len().saturating_sub(TASKS_NAMED);
    said.truncate(TASKS_NAMED);
    said.extend((more > 0).then(|| format!("and of {more} more tasks")));
    Some(bad(
        "ways back",
        said.join("; "),
        Advice::SeeHealth.because("see all of it"),
    ))
}

/// Reports tags that are named like a release but do not point to a commit.
fn misnamed_tags(site: &RepoSite) -> Result<Option<DoctorLine>, Failure> {
    let names: Vec<String> = releases::all_followed(&site.git, &site.settings)?
        .misnamed
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let Some(first) = names.first() else {
        return Ok(None);
    };
    let seen = format!(
        "no release, because no commit is tagged: {}",
        names.join(", ")
    );
    Ok(Some(bad(
        "tags",
        seen,
        Hint::run("take the first away", &["git", "tag", "-d", first]),
    )))
}

/// Reports ignored files that no release keeps; `None` when there are none, or when the tasks
/// cannot be read, which other lines report.
fn look_at_ignored(site: &RepoSite) -> Option<DoctorLine> {
    let lines = status::lines(site, &[]).ok()?;
    let words = |line: &TaskLine| {
        let words = line
            .left_out
            .words("is no part of its releases", "are no part of its releases")?;
        Some(format!("{}: {words}", line.task))
    };
    let mut said: Vec<String> = lines.iter().filter_map(words).collect();
    let more = said.len().saturating_sub(TASKS_NAMED);
    said.truncate(TASKS_NAMED);
    said.extend((more > 0).then(|| format!("and of {more} more tasks (snapback status -v)")));
    (!said.is_empty()).then(|| {
        fine(
            "ignored files",
            format!(
                "{} (`large_files` in snapback.yaml keeps them)",
                said.join("; ")
            ),
        )
    })
}

/// Checks tags and history.
fn look_at_tags(site: &RepoSite) -> Vec<DoctorLine> {
    let line =
        |what: &str, seen: String, argv: &[&str]| bad(what, seen, Hint::run("mend it", argv));
    let tags = match missing_tags::missing(site, None) {
        Ok(missing) => missing
            .sentence()
            .map(|seen| line("tags", seen, &["git", "fetch", "--tags"])),
        Err(failure) => Some(line(
            "tags",
            failure.to_string(),
            &["git", "fsck", "--full"],
        )),
    };
    let shallow = site.git.is_shallow().then(|| {
        let seen = "this clone is shallow: older commits are not here, and releases on them cannot be checked or counted from";
        line("history", seen.into(), &["git", "fetch", "--unshallow", "--tags"])
    });
    let broken = tasks::all_releases(site)
        .map(|releases| releases.broken_tags)
        .unwrap_or_default()
        .into_iter();
    let broken = broken.map(|tag| {
        bad(
            "tags",
            format!("{} is broken: {}", tag.name, tag.why),
            tag.hints().swap_remove(0),
        )
    });
    tags.into_iter().chain(shallow).chain(broken).collect()
}

/// Returns the lines about mistakes in the settings.
fn flaw_lines(site: &RepoSite) -> Vec<DoctorLine> {
    let line = |flaw: &Flaw| DoctorLine {
        what: "configuration".into(),
        ok: false,
        seen: flaw.sentence(),
        fix: remedy(flaw.error.hints()),
    };
    site.flaws.iter().map(line).collect()
}

/// Checks that the git program responds.
fn git_program(dir: &Path) -> DoctorLine {
    match child::command("git", dir).arg("--version").run() {
        Ok(ended) if ended.succeeded() => fine(
            "git",
            String::from_utf8_lossy(&ended.stdout).trim().to_string(),
        ),
        Ok(ended) => bad(
            "git",
            format!("git --version {}", ended.status),
            Hint::say("install git"),
        ),
        Err(error) => bad("git", error.to_string(), Hint::say("install git")),
    }
}

/// Builds a line for a passed check.
fn fine(what: &str, seen: String) -> DoctorLine {
    DoctorLine {
        what: what.into(),
        ok: true,
        seen,
        fix: None,
    }
}

/// Builds a line for a problem, with its remedy.
fn bad(what: &str, seen: impl Into<String>, fix: Hint) -> DoctorLine {
    DoctorLine {
        what: what.into(),
        ok: false,
        seen: seen.into(),
        fix: Some(fix),
    }
}

/// Builds a line for a fault, with its first hint as the remedy.
fn trouble(what: &str, fault: &dyn Fault) -> DoctorLine {
    DoctorLine {
        what: what.into(),
        ok: false,
        seen: fault.to_string(),
        fix: remedy(fault.hints()),
    }
}

/// Builds a line for a failure.
fn failed(what: &str, failure: &Failure) -> DoctorLine {
    DoctorLine {
        what: what.into(),
        ok: false,
        seen: failure.to_string(),
        fix: remedy(failure.hints()),
    }
}

/// Returns the first hint that does not lead back to `doctor`.
fn remedy(hints: Vec<Hint>) -> Option<Hint> {
    let here = Advice::CheckEverything.into();
    hints
        .into_iter()
        .find(|hint| hint.act.as_ref() != Some(&here))
}

/// Builds a line for a result.
fn said<E: Fault>(what: &str, result: Result<String, E>) -> DoctorLine {
    match result {
        Ok(seen) => fine(what, seen),
        Err(error) => trouble(what, &error),
    }
}
