//! Finds the version that was active at a time, from the commits of this branch and from operations
//! in this work tree that made no commit.

use jiff::{Span, Timestamp, Zoned};

use super::Error;
use crate::{
    base::{Failure, clock::local_exact, text, zone},
    catalog::{Release, manifests, registry as read, releases::Releases},
    journal::{
        history::{self, OperationState},
        pruned,
        status::OperationPhase,
    },
    model::{
        GitId, OpId, TaskId, TaskSpec, Version,
        operation::{OpKind, Summary},
    },
    registry::task_config,
    site::RepoSite,
};

/// Maximum size of a configuration, in bytes.
const LIMIT: u64 = 16 << 20;

/// Returns the version that was active at a time: `2h` or `3d` ago, a day, or RFC 3339.
pub(super) fn version_at(
    site: &RepoSite,
    task: &TaskSpec,
    releases: &Releases,
    when: &str,
) -> Result<Version, Failure> {
    let none = |why: String| Error::NoSuchVersion {
        task: task.id.clone(),
        text: format!("@{}", text::escape(when.as_bytes())),
        why,
    };
    let Some(then) = moment(when, &site.clock.now().to_zoned(zone())) else {
        return Err(none(
            "write @2h, @3d, @yesterday, @2026-08-20 or @2026-08-20T15:00+08:00".into(),
        )
        .into());
    };
    let (committed, done) = (
        committed_at(site, task, then)?,
        done_at(site, &task.id, then)?,
    );
    let found = match (committed, done) {
        // git stores whole seconds only: within one second the operation is more exact, unless
        // somebody committed on top of it.
        (Some(committed), Some(done))
            if done.at.as_second() >= committed.at.as_second()
                && !is_built_on(site, &committed, &done) =>
        {
            Some(Standpoint {
                commit: done.commit.or(committed.commit),
                ..done
            })
        }
        (committed, done) => committed.or(done),
    };
    let (version, commit) = found.map_or((None, None), |found| (found.version, found.commit));
    let version = version.ok_or_else(|| none("it had no version then".into()))?;
    let Ok(release) = releases.find(&task.id, &version) else {
        return Err(none(format!(
            "{version} was active then, and it is no release here"
        ))
        .into());
    };
    if let Some(why) = commit.and_then(|commit| why_not_of_today(site, release, &commit)) {
        return Err(none(format!("{version} was active then, and {why}")).into());
    }
    let at = local_exact(then, &zone());
    let is_to_come = then > site.clock.now();
    let task = &task.id;
    site.say(
        "then",
        if is_to_come {
            format!("{task} is at {version}; {at} is still to come")
        } else {
            format!("{task} was at {version} at {at}")
        },
    );
    Ok(version)
}

/// Returns why a release of today is not the one that a commit had; `None` when nothing speaks
/// against it.
fn why_not_of_today(site: &RepoSite, release: &Release, commit: &GitId) -> Option<&'static str> {
    if !site.git.has_object(commit) {
        return Some(
            "nobody can tell whether it is the release of today: git has collected the commit",
        );
    }
    manifests::has_another(site, release, commit)
        .then_some("it is no release here: another one has its number now")
}

/// Returns the branch's version at a time, and since when it had that commit.
fn committed_at(
    site: &RepoSite,
    task: &TaskSpec,
    then: Timestamp,
) -> Result<Option<Standpoint>, Failure> {
    let git = &site.git;
    let Some(head) = git.head_commit()? else {
        return Ok(None);
    };
    let Some((commit, at)) = git.first_parent_before(&head, then)? else {
        return Ok(None);
    };
    Ok(Some(Standpoint {
        at,
        version: version_in(site, task, &commit)?,
        commit: Some(commit),
        is_committed: true,
    }))
}

/// Returns true when the branch's commit builds on the operation's.
fn is_built_on(site: &RepoSite, committed: &Standpoint, done: &Standpoint) -> bool {
    let (Some(tip), Some(below), true) = (&committed.commit, &done.commit, done.is_committed)
    else {
        return false;
    };
    // A truncated history cannot tell.
    tip != below
        && site
            .git
            .first_ancestor(tip, [Some(below.clone())])
            .is_ok_and(|found| found.is_some())
}

/// Returns a task's version in a commit: the registry's, otherwise the configuration's.
fn version_in(
    site: &RepoSite,
    task: &TaskSpec,
    commit: &GitId,
) -> Result<Option<Version>, Failure> {
    let git = &site.git;
    if let Some(entry) = git.entry(commit, &site.settings.registry)?
        && let Some(version) = read::in_blob(git, &entry.id)?.version(&task.id)?
    {
        return Ok(Some(version));
    }
    let Some(path) = &task.config else {
        return Ok(None);
    };
    let Some(entry) = git.entry(commit, path)? else {
        return Ok(None);
    };
    Ok(task_config::version(
        &git.read_blob_within(&entry.id, LIMIT)?,
        path,
        &task.version_key,
    )?)
}

/// Returns the state left by the newest operation in this work tree up to that time.
fn done_at(site: &RepoSite, task: &TaskId, then: Timestamp) -> Result<Option<Standpoint>, Failure> {
    let mut found: Option<Standpoint> = None;
    for id in history::ids(&*site.state)?.into_iter().rev() {
        let summary = done_summary(history::summary(&site.state, &id)?);
        if let Some(summary) = summary.filter(|summary| is_moved_by(site, task, then, summary))
            && has_commit(&mut found, &summary)
        {
            let commit = commit_of(site, &id)?;
            return Ok(found.map(|found| Standpoint { commit, ..found }));
        }
    }
    for pruned in pruned::all(&site.state)?.into_iter().rev() {
        let commit = pruned.commit.clone();
        let summary = done_summary(Some(pruned.into()));
        if let Some(summary) = summary.filter(|summary| is_moved_by(site, task, then, summary))
            && has_commit(&mut found, &summary)
        {
            return Ok(found.map(|found| Standpoint { commit, ..found }));
        }
    }
    Ok(found)
}

/// Returns the summary of an operation that was done.
fn done_summary(listed: Option<OperationState>) -> Option<Summary> {
    let done = OperationPhase::Finished { done: true };
    listed
        .filter(|listed| listed.phase == done)
        .map(|listed| listed.summary)
}

/// Returns true for an operation in this work tree that moved the task, up to that time.
fn is_moved_by(site: &RepoSite, task: &TaskId, then: Timestamp, summary: &Summary) -> bool {
    let about = &summary.about;
    let moves = matches!(
        about.kind,
        OpKind::CreateSnapshot | OpKind::Rollback | OpKind::Undo | OpKind::Redo
    );
    let is_here = about.worktree == site.git.work_tree().to_string_lossy();
    moves && is_here && about.task.as_ref() == Some(task) && about.at <= then
}

/// Takes what an operation left, unless a newer one was found. Returns true when its commit is
/// that of the newest: one without a commit builds on that of an earlier one.
fn has_commit(found: &mut Option<Standpoint>, summary: &Summary) -> bool {
    let is_committed = summary.steps.iter().any(|step| step == "publish");
    found.get_or_insert_with(|| Standpoint {
        at: summary.about.at,
        version: summary.about.to.clone(),
        commit: None,
        is_committed,
    });
    is_committed
}

/// Returns the commit at which an operation left its branch.
fn commit_of(site: &RepoSite, id: &OpId) -> Result<Option<GitId>, Failure> {
    let found = history::open(&site.state, id)?;
    let branch = found
        .as_ref()
        .and_then(|found| found.operation.branch_end());
    Ok(branch.cloned())
}

/// The state of a task at some time.
struct Standpoint {
    /// The time it was reached.
    at: Timestamp,
    /// Its version.
    version: Option<Version>,
    /// The commit of HEAD, if known.
    commit: Option<GitId>,
    /// True when the state was reached by that commit, false when it builds on it without its own
    /// commit.
    is_committed: bool,
}

/// Parses a time: a span before now, the end of a local day, or a time with offset.
fn moment(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if let Ok(time) = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M%:z", text) {
        return time.to_timestamp().ok();
    }
    let day = if text == "yesterday" {
        now.date().yesterday().ok()
    } else {
        jiff::fmt::strtime::parse("%Y-%m-%d", text)
            .and_then(|day| day.to_date())
            .ok()
    };
    if let Some(day) = day {
        return day
            .tomorrow()
            .ok()?
            .to_zoned(now.time_zone().clone())
            .ok()?
            .timestamp()
            .checked_sub(Span::new().nanoseconds(1))
            .ok();
    }
    let span: Span = text.parse().ok()?;
    let duration = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .ok()?;
    now.timestamp().checked_sub(duration).ok()
}

#[cfg(test)]
mod tests {
    use jiff::tz::{TimeZone, offset};

    use super::*;

    #[test]
    fn moments() {
        let now: Timestamp = "2026-08-20T12:00:00Z".parse().expect("it is a time");
        let now = now.to_zoned(TimeZone::fixed(offset(8)));
        let at = |text| moment(text, &now).map(|time| time.to_string());
        assert_eq!(at("2h").as_deref(), Some("2026-08-20T10:00:00Z"));
        assert_eq!(at("3d").as_deref(), Some("2026-08-17T12:00:00Z"));
        assert_eq!(
            at("2026-08-20T15:00+08:00").as_deref(),
            Some("2026-08-20T07:00:00Z")
        );
        assert_eq!(
            at("2026-08-20T15:00:00Z").as_deref(),
            Some("2026-08-20T15:00:00Z")
        );
        assert_eq!(
            at("yesterday").as_deref(),
            Some("2026-08-19T15:59:59.999999999Z"),
            "the end of the day here"
        );
        assert_eq!(
            at("2026-08-18").as_deref(),
            Some("2026-08-18T15:59:59.999999999Z")
        );
        assert_eq!(at("soon"), None);
    }
}
