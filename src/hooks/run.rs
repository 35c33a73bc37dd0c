//! What each hook does: it checks, prints a few lines, and refuses only what must never happen.
//!
//! A push that deletes or moves a release's tag is refused, because nobody who has the old one
//! would notice. Everything else is only reported, unless the hooks are strict. Nothing is written
//! but the trailer of `commit-msg`, an optional hook, and the successors of rewritten release
//! commits.

use std::{ffi::OsString, path::PathBuf};

use super::{
    Error,
    facts::{HookFacts, Moved},
    push, staged,
};
use crate::{
    base::{Failure, Hint, Kind, text},
    catalog::{
        rewritten::{self, Rewritten},
        tag_meaning,
    },
    model::{GitId, TagName, TaskId, Version, hooks::HookEvent},
    site::RepoSite,
};

/// Maximum number of lines of one kind that a hook prints.
const LINES: usize = 3;

/// A hook that git calls.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The standard input from git.
    pub input: Vec<u8>,
    /// True when warnings become refusals.
    pub strict: bool,
    /// The index that git passes to it.
    pub index: Option<OsString>,
    /// True when release tags may be deleted and moved on a remote.
    pub may_change_tags: bool,
}

/// The output of a hook.
#[derive(Debug, Default)]
pub struct HookMessages {
    /// Messages for the user, one line each.
    pub lines: Vec<String>,
    /// Warnings; a strict hook refuses because of them.
    pub warnings: Vec<String>,
    /// Refusals, strict or not, with hints.
    pub refused: Vec<(String, Vec<Hint>)>,
}

impl HookMessages {
    /// Returns the lines, or the refusal.
    fn judge(self, event: HookEvent, strict: bool) -> Result<Vec<String>, Failure> {
        let Self {
            mut lines,
            warnings,
            mut refused,
        } = self;
        if strict {
            refused.extend(warnings.into_iter().map(|warning| (warning, Vec::new())));
        } else {
            lines.extend(warnings);
        }
        if refused.is_empty() {
            return Ok(lines);
        }
        let hints = refused
            .iter()
            .flat_map(|(_, hints)| hints.clone())
            .collect();
        let why: Vec<String> = refused.into_iter().map(|(why, _)| why).collect();
        Err(Error::Refused(format!("{event} refuses: {}", why.join("; ")), hints).into())
    }
}

/// Runs a hook; returns its messages.
pub fn run(site: &RepoSite, event: HookEvent, call: &Call) -> Result<Vec<String>, Failure> {
    let facts = HookFacts::new(site);
    let said = match event {
        HookEvent::PostCommit => after_commit(&facts),
        HookEvent::PostCheckout => after_checkout(&facts, &call.args),
        HookEvent::PostMerge => after_merge(&facts),
        HookEvent::PostRewrite => after_rewrite(&facts, &call.input),
        HookEvent::PrePush => push::before_push(&facts, call),
        HookEvent::PreCommit => staged::before_commit(&facts, call.index.as_deref()),
        HookEvent::CommitMsg => staged::message(
            &facts,
            call.args.first().map(PathBuf::from).as_deref(),
            call.index.as_deref(),
        ),
    }?;
    said.judge(event, call.strict || site.settings.hooks.strict)
}

/// Returns at most [`LINES`] lines, and the number of further ones.
pub(super) fn few(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = lines.into_iter().collect();
    let more = all.len().saturating_sub(LINES);
    all.truncate(LINES);
    all.extend((more > 0).then(|| format!("and {more} more")));
    all
}

/// Reports which tasks changed since their release.
fn after_commit(facts: &HookFacts<'_>) -> Result<HookMessages, Failure> {
    let Some(head) = facts.head()? else {
        return Ok(HookMessages::default());
    };
    let parent = facts.site.git.commit(&head)?.parents.into_iter().next();
    let mut lines = Vec::new();
    for task in facts.owners(&facts.changed(parent.as_ref(), &head)?)? {
        let Some(version) = facts.version(task, &head)? else {
            continue;
        };
        let count = if facts.is_late() {
            None
        } else {
            facts.commits_since(task, &version, &head)?
        };
        lines.push(match count {
            Some(0) => continue,
            Some(1) => format!("{}: 1 commit after {version}", task.id),
            Some(count) => format!(
                "{}: {} after {version}",
                task.id,
                text::count(count, "commit")
            ),
            None => format!("{}: changed after {version}", task.id),
        });
    }
    Ok(HookMessages {
        lines: few(lines),
        ..HookMessages::default()
    })
}

/// Reports the effect of a switch to another commit: `previous new flag`.
fn after_checkout(facts: &HookFacts<'_>, args: &[OsString]) -> Result<HookMessages, Failure> {
    let [previous, new, flag, ..] = args else {
        return Ok(HookMessages::default());
    };
    let id = |text: &OsString| text.to_str().and_then(|text| text.parse::<GitId>().ok());
    let (Some(previous), Some(new)) = (id(previous), id(new)) else {
        return Ok(HookMessages::default());
    };
    if flag != "1" || previous == new {
        return Ok(HookMessages::default());
    }
    if is_zero(previous.as_str()) {
        let tasks = facts.site.settings.tasks.len();
        let line = format!(
            "{} here; `snapback status` shows which version each has",
            text::count(tasks, "task")
        );
        return Ok(HookMessages {
            lines: (tasks > 0).then_some(line).into_iter().collect(),
            ..HookMessages::default()
        });
    }
    between(facts, &previous, &new)
}

/// Reports the effect of a merge.
fn after_merge(facts: &HookFacts<'_>) -> Result<HookMessages, Failure> {
    match (facts.site.git.former_head()?, facts.head()?) {
        (Some(before), Some(after)) => between(facts, &before, &after),
        _ => Ok(HookMessages::default()),
    }
}

/// Reports the differences between two commits to the user of the work tree.
fn between(facts: &HookFacts<'_>, before: &GitId, after: &GitId) -> Result<HookMessages, Failure> {
    let mut said = HookMessages::default();
    match facts.moved(Some(before), after) {
        Ok(moved) => {
            let line = |moved: &Moved<'_>| match &moved.from {
                Some(from) => format!("{} is at {} now (it was {from})", moved.task, moved.to),
                None => format!("{} is at {} now", moved.task, moved.to),
            };
            said.lines.extend(few(moved.iter().map(line)));
            said.warnings.extend(few(moved
                .iter()
                .filter_map(|moved| held(facts, moved.task, &moved.to))));
        }
        Err(failure) if failure.kind() == Kind::Bad => {
            said.lines.push(format!(
                "{failure}; `snapback registry sync --from config` writes it anew"
            ));
        }
        Err(failure) => return Err(failure),
    }
    if !facts.is_late() {
        let changed = facts.changed(Some(before), after)?;
        let locks = facts.locks(&changed)?;
        said.lines.extend(few(locks.iter().map(|(task, path)| {
            format!("{}: {path} changed, so its packages may not fit", task.id)
        })));
    }
    // It is too late to refuse anything.
    said.lines.append(&mut said.warnings);
    Ok(said)
}

/// Returns the warning about a held or bad version.
pub(super) fn held(facts: &HookFacts<'_>, task: &TaskId, version: &Version) -> Option<String> {
    facts.warning(task, version).map(|word| {
        let typed = text::shell_word(version.as_str());
        format!("{task} {version} is {word}: `snapback show -t {task} {typed}` says more")
    })
}

/// Reports which releases are on rewritten commits, and records the successors: lines of `old new`.
fn after_rewrite(facts: &HookFacts<'_>, input: &[u8]) -> Result<HookMessages, Failure> {
    let new = rewritten::parse(&String::from_utf8_lossy(input));
    let git = &facts.site.git;
    let known = facts.rewritten();
    // Commits rewritten before may have been rewritten again.
    let mut all: Rewritten = known
        .iter()
        .map(|(old, at)| (old.clone(), new.get(at).unwrap_or(at).clone()))
        .collect();
    let mut lines = Vec::new();
    for tag in git.tags()?.whole {
        if facts.is_late() {
            break;
        }
        let name = String::from_utf8_lossy(&tag.name);
        if tag_of(facts, &name).is_none() {
            continue;
        }
        let Ok(peeled) = git.peel_tag(&tag.id) else {
            continue;
        };
        if let Some(now) = new.get(&peeled.commit) {
            all.insert(peeled.commit.clone(), now.clone());
        }
        if let Some(now) = all
            .get(&peeled.commit)
            .filter(|now| known.get(&peeled.commit) != Some(*now))
        {
            lines.push(format!(
                "{name} holds and stays on {}, which is {} in this branch now; git push --follow-tags leaves it out, git push <remote> {name} does not",
                short(&peeled.commit),
                short(now)
            ));
        }
    }
    if all != known {
        rewritten::write(&*facts.site.state, &all).map_err(|source| Error::Folder {
            name: "rewritten".into(),
            source,
        })?;
    }
    Ok(HookMessages {
        lines: few(lines),
        ..HookMessages::default()
    })
}

/// Returns the snapback tag that a name stands for.
pub(super) fn tag_of(facts: &HookFacts<'_>, name: &str) -> Option<TagName> {
    tag_meaning::meaning(&facts.site.git, &facts.site.settings, name)
        .ok()
        .flatten()
}

/// Returns the abbreviated id of a commit, for display.
fn short(id: &GitId) -> &str {
    let text = id.as_str();
    text.get(..8).unwrap_or(text)
}

/// Returns true for the all-zero id.
pub(super) fn is_zero(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|digit| digit == b'0')
}
