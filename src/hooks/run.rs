//! What each hook does: it looks, says a few lines, and refuses only what must never happen.
//!
//! A release's tag that is deleted or moved by a push is refused, because nobody who has the old
//! one is told. All else is said and let pass, unless the hooks are strict. Nothing is written
//! but the trailer of `commit-msg`, which is installed by choice, and what commits of releases
//! became when git rewrote them.

use std::{ffi::OsString, path::PathBuf};

use super::{
    Error,
    facts::{Facts, Moved},
    staged,
};
use crate::{
    base::{Failure, GitId, Hint, Kind, TaskId, text},
    catalog::{
        self, Release, manifests, releases,
        rewritten::{self, Rewritten},
    },
    ground::Ground,
    model::{TagName, Version, hooks::HookEvent},
};

/// No hook says more lines than this of one kind.
const LINES: usize = 3;

/// A hook that git calls.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What git hands to its standard input.
    pub input: Vec<u8>,
    /// True when what it warns of is refused.
    pub strict: bool,
    /// The index that git names to it.
    pub index: Option<OsString>,
    /// True when tags of releases may be deleted and moved on a remote.
    pub may_change_tags: bool,
}

/// What a hook has to say.
#[derive(Debug, Default)]
pub struct Said {
    /// For people, a line each.
    pub lines: Vec<String>,
    /// What it warns of; a strict hook refuses it.
    pub warnings: Vec<String>,
    /// What it refuses, strict or not, and what helps.
    pub refused: Vec<(String, Vec<Hint>)>,
}

impl Said {
    /// The lines, or the refusal.
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

/// Runs a hook; returns what it says.
pub fn run(ground: &Ground, event: HookEvent, call: &Call) -> Result<Vec<String>, Failure> {
    let facts = Facts::new(ground);
    let said = match event {
        HookEvent::PostCommit => after_commit(&facts),
        HookEvent::PostCheckout => after_checkout(&facts, &call.args),
        HookEvent::PostMerge => after_merge(&facts),
        HookEvent::PostRewrite => after_rewrite(&facts, &call.input),
        HookEvent::PrePush => before_push(&facts, call),
        HookEvent::PreCommit => staged::before_commit(&facts, call.index.as_deref()),
        HookEvent::CommitMsg => staged::message(
            &facts,
            call.args.first().map(PathBuf::from).as_deref(),
            call.index.as_deref(),
        ),
    }?;
    said.judge(event, call.strict || ground.settings.strict_hooks)
}

/// At most [`LINES`] lines, and how many more there are.
fn few(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = lines.into_iter().collect();
    let more = all.len().saturating_sub(LINES);
    all.truncate(LINES);
    all.extend((more > 0).then(|| format!("and {more} more")));
    all
}

/// Says which tasks changed since their release.
fn after_commit(facts: &Facts<'_>) -> Result<Said, Failure> {
    let Some(head) = facts.head()? else {
        return Ok(Said::default());
    };
    let parent = facts.ground.git.commit(&head)?.parents.into_iter().next();
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
    Ok(Said {
        lines: few(lines),
        ..Said::default()
    })
}

/// Says what a switch to another commit means: `previous new flag`.
fn after_checkout(facts: &Facts<'_>, args: &[OsString]) -> Result<Said, Failure> {
    let [previous, new, flag, ..] = args else {
        return Ok(Said::default());
    };
    let id = |text: &OsString| text.to_str().and_then(|text| text.parse::<GitId>().ok());
    let (Some(previous), Some(new)) = (id(previous), id(new)) else {
        return Ok(Said::default());
    };
    if flag != "1" || previous == new {
        return Ok(Said::default());
    }
    if is_zero(previous.as_str()) {
        let tasks = facts.ground.settings.tasks.len();
        let line = format!(
            "{} here; `snapback status` shows which version each has",
            text::count(tasks, "task")
        );
        return Ok(Said {
            lines: (tasks > 0).then_some(line).into_iter().collect(),
            ..Said::default()
        });
    }
    between(facts, &previous, &new)
}

/// Says what a merge means.
fn after_merge(facts: &Facts<'_>) -> Result<Said, Failure> {
    match (facts.ground.git.former_head()?, facts.head()?) {
        (Some(before), Some(after)) => between(facts, &before, &after),
        _ => Ok(Said::default()),
    }
}

/// What differs between two commits, for whoever works in the tree.
fn between(facts: &Facts<'_>, before: &GitId, after: &GitId) -> Result<Said, Failure> {
    let mut said = Said::default();
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
    // Nothing can be refused any more: what is done is done.
    said.lines.append(&mut said.warnings);
    Ok(said)
}

/// The warning of a version that was held or called bad.
fn held(facts: &Facts<'_>, task: &TaskId, version: &Version) -> Option<String> {
    facts.warning(task, version).map(|word| {
        format!("{task} {version} is {word}: `snapback show -t {task} {version}` says more")
    })
}

/// Says which releases lie on commits that were rewritten, and notes what these became: lines of
/// `old new`.
fn after_rewrite(facts: &Facts<'_>, input: &[u8]) -> Result<Said, Failure> {
    let new = rewritten::parse(&String::from_utf8_lossy(input));
    let git = &facts.ground.git;
    let known = facts.rewritten();
    // What was rewritten before may have been rewritten once more.
    let mut all: Rewritten = known
        .iter()
        .map(|(old, at)| (old.clone(), new.get(at).unwrap_or(at).clone()))
        .collect();
    let mut lines = Vec::new();
    for tag in git.tags()?.whole {
        if facts.is_late() {
            break;
        }
        let Some(name) = tag_of(facts, &String::from_utf8_lossy(&tag.name)) else {
            continue;
        };
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
        rewritten::write(&*facts.ground.state, &all).map_err(|source| Error::Folder {
            name: "rewritten".into(),
            source,
        })?;
    }
    Ok(Said {
        lines: few(lines),
        ..Said::default()
    })
}

/// The tag of ours that a name is.
fn tag_of(facts: &Facts<'_>, name: &str) -> Option<TagName> {
    releases::meaning(&facts.ground.git, &facts.ground.settings, name)
        .ok()
        .flatten()
}

/// The beginning of a commit's id, for people.
fn short(id: &GitId) -> &str {
    let text = id.as_str();
    text.get(..8).unwrap_or(text)
}

/// True for the id that stands for nothing.
fn is_zero(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|digit| digit == b'0')
}

/// One reference of a push.
struct Pushed<'a> {
    local: &'a str,
    id: &'a str,
    remote: &'a str,
    there: &'a str,
}

/// Looks at what is about to be pushed: lines of `local id remote id`.
fn before_push(facts: &Facts<'_>, call: &Call) -> Result<Said, Failure> {
    let text = String::from_utf8_lossy(&call.input);
    let parse = |line| {
        let parts: Vec<&str> = str::split(line, ' ').collect();
        if let [local, id, remote, there] = parts[..] {
            Some(Pushed {
                local,
                id,
                remote,
                there,
            })
        } else {
            None
        }
    };
    let pushed: Vec<Pushed<'_>> = text.lines().filter_map(parse).collect();
    let mut said = Said::default();
    if pushed.is_empty() {
        return Ok(said);
    }
    let (mut unseen, mut behind) = (0, Vec::new());
    for one in &pushed {
        if let Some(name) = one
            .remote
            .strip_prefix("refs/tags/")
            .and_then(|name| tag_of(facts, name))
        {
            if !push_tag(facts, &name, one, call.may_change_tags, &mut said) {
                unseen += 1;
            }
        } else if one.remote.starts_with("refs/heads/") && !is_zero(one.id) {
            behind.extend(push_branch(facts, one, &pushed, &mut said)?);
        }
    }
    if unseen > 0 {
        said.lines.push(format!(
            "{} not looked at, for it would take too long; `snapback verify-snapshot` does",
            text::count(unseen, "tag")
        ));
    }
    let remote = call.args.first().map_or_else(
        || "<remote>".into(),
        |name| text::escape(name.as_encoded_bytes()),
    );
    said.lines.extend(left_behind(behind, &remote));
    Ok(said)
}

/// What is said of tags that should go with a push and do not; each with whether its commit was
/// rewritten.
fn left_behind(tags: Vec<(String, bool)>, remote: &str) -> Vec<String> {
    let (rewritten, followed): (Vec<_>, Vec<_>) =
        tags.into_iter().partition(|(_, rewritten)| *rewritten);
    let names = |tags: Vec<(String, bool)>| few(tags.into_iter().map(|(name, _)| name));
    let mut lines = Vec::new();
    if !followed.is_empty() {
        lines.push(format!(
            "{} not pushed: git push --follow-tags takes tags along",
            names(followed).join(", ")
        ));
    }
    if !rewritten.is_empty() {
        let tags = names(rewritten);
        let why = "on commits that were rewritten, so only their names take them along";
        lines.push(format!(
            "{} not pushed, {why}: git push {remote} {}",
            tags.join(", "),
            tags.join(" ")
        ));
    }
    lines
}

/// Looks at one tag of a push; false when there was no time for it.
fn push_tag(
    facts: &Facts<'_>,
    name: &TagName,
    one: &Pushed<'_>,
    may_change: bool,
    said: &mut Said,
) -> bool {
    let allow = || {
        vec![Hint::say(
            "if everybody knows: SNAPBACK_ALLOW_TAG_DELETE=1 git push …",
        )]
    };
    if is_zero(one.id) {
        if !may_change {
            said.refused.push((
                format!("{name} is a release, and would be deleted on the remote"),
                allow(),
            ));
        }
        return true;
    }
    if !is_zero(one.there) && one.there != one.id && !may_change {
        said.refused.push((
            format!("{name} is a release that the remote has with another content"),
            allow(),
        ));
        return true;
    }
    let TagName::Release { task, version } = name else {
        return true;
    };
    said.warnings.extend(held(facts, task, version));
    if facts.is_late() {
        return false;
    }
    if let Ok(tag_id) = one.id.parse::<GitId>() {
        let release = Release {
            task: task.clone(),
            version: version.clone(),
            tag_id,
            lost: false,
        };
        said.refused
            .extend(broken(facts, name, &release, may_change));
    }
    true
}

/// Why a release that is pushed does not hold, with what helps.
fn broken(
    facts: &Facts<'_>,
    name: &TagName,
    release: &Release,
    may_change: bool,
) -> Option<(String, Vec<Hint>)> {
    match manifests::load(facts.ground, release) {
        // Whoever says that a tag may change has moved it.
        Err(failure)
            if may_change && matches!(failure.find(), Some(catalog::Error::TagReplaced { .. })) =>
        {
            None
        }
        Err(failure) if failure.kind() == Kind::Bad => {
            let hint = Hint::run(
                "see what is wrong",
                &[
                    "snapback",
                    "verify-snapshot",
                    "-t",
                    release.task.as_str(),
                    "--version",
                    &release.version.to_string(),
                ],
            );
            Some((format!("{name} does not hold: {failure}"), vec![hint]))
        }
        // A tag that is older than snapback has no manifest, and what is elsewhere cannot be looked
        // at.
        _ => None,
    }
}

/// Looks at one branch of a push; returns the tags of releases that should go with it and do not,
/// each with whether its commit was rewritten.
fn push_branch(
    facts: &Facts<'_>,
    one: &Pushed<'_>,
    pushed: &[Pushed<'_>],
    said: &mut Said,
) -> Result<Vec<(String, bool)>, Failure> {
    let git = &facts.ground.git;
    let Ok(new) = one.id.parse::<GitId>() else {
        return Ok(Vec::new());
    };
    let old = one
        .there
        .parse::<GitId>()
        .ok()
        .filter(|id| !is_zero(id.as_str()) && git.has_object(id));
    // A registry that cannot be read is no reason to keep a push.
    let moved = facts.moved(old.as_ref(), &new).unwrap_or_default();
    let mut behind = Vec::new();
    for moved in &moved {
        said.warnings.extend(
            held(facts, moved.task, &moved.to)
                .map(|line| format!("{line} (active in {})", text::escape(one.local.as_bytes()))),
        );
        let tag = TagName::release(moved.task, &moved.to);
        let goes = pushed.iter().any(|other| other.remote == tag.reference());
        // Without the old commit nobody knows which tags the remote has.
        if old.is_some()
            && !goes
            && let Some(id) = git.find_ref(&tag.reference())?
        {
            let rewritten = git
                .peel_tag(&id)
                .is_ok_and(|peeled| facts.rewritten().contains_key(&peeled.commit));
            behind.push((tag.to_string(), rewritten));
        }
    }
    Ok(behind)
}
