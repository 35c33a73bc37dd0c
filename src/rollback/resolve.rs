//! Parses the ways to name a version: `1.2.0`, `v1.2.0`, `T01-v1.2.0`, words, times and commits.

use super::{Error, default_target, then};
use crate::{
    base::{Failure, text},
    catalog::{
        self, missing_tags,
        releases::{self, Releases},
        tasks,
    },
    model::{TagName, TaskId, Version},
    site::RepoSite,
    verdict,
};

/// Resolves the text typed to a version.
pub fn resolve(site: &RepoSite, task: &TaskId, typed: &str) -> Result<Version, Failure> {
    let spec = tasks::spec(site, task)?;
    // A number is looked up directly, without listing the tags.
    if let Ok(version) = typed.strip_prefix('v').unwrap_or(typed).parse() {
        let found = releases::one(&site.git, &site.settings, task, &version)?;
        if let Some(release) = found.of(task).next() {
            return Ok(release.version.clone());
        }
    }
    let releases = tasks::releases_of(site, task)?;
    let none = |why: &str| Error::NoSuchVersion {
        task: task.clone(),
        text: text::escape(typed.as_bytes()),
        why: why.into(),
    };
    let active = || {
        let active = catalog::registry::active(site, spec);
        match (active.version, active.trouble.into_iter().next()) {
            // Words relative to the active version are meaningless then.
            (None, Some(why)) => Err(Failure::from(Error::ActiveUnknown {
                task: task.clone(),
                why,
            })),
            (version, _) => Ok(version),
        }
    };
    match typed {
        "active" => active()?.ok_or_else(|| none("the registry names no version").into()),
        "latest" => releases
            .of(task)
            .next_back()
            .map(|release| release.version.clone())
            .ok_or_else(|| none("it has no release").into()),
        "previous" => {
            let active = active()?;
            let older = releases.of(task).rev().find(|release| {
                active
                    .as_ref()
                    .is_none_or(|active| release.version < *active)
            });
            older
                .map(|release| release.version.clone())
                .ok_or_else(|| none("there is no older release").into())
        }
        "last-good" => {
            let standings = verdict::standings_of(site, task)?;
            let found = default_target(task, &releases, &standings, active()?.as_ref());
            found.map_err(|_| none("no older release is proven good").into())
        }
        _ if typed.starts_with('@') && site.settings.tag_of(task, typed).is_none() => {
            then::version_at(site, spec, &releases, &typed[1..])
        }
        _ => named_version(site, task, &releases, typed),
    }
}

/// Resolves a number, tag or commit to a version.
fn named_version(
    site: &RepoSite,
    task: &TaskId,
    releases: &Releases,
    typed: &str,
) -> Result<Version, Failure> {
    let by_tag = match site.settings.tag_of(task, typed) {
        Some(TagName::Release { version, .. }) => Some(version),
        _ => None,
    };
    let scheme = site.settings.scheme_of(task).unwrap_or_default();
    let plain = scheme.parse(typed.strip_prefix('v').unwrap_or(typed)).ok();
    if let Some(version) = by_tag.or(plain) {
        if releases.find(task, &version).is_err()
            && missing_tags::missing(site, Some(task))?.has(task, &version)
        {
            return Err(Error::TagsNotHere {
                task: task.clone(),
                versions: vec![version],
            }
            .into());
        }
        return Ok(releases
            .find(task, &version)
            .map(|release| release.version.clone())?);
    }
    if let Some(commit) = site.git.resolve_commit(typed)? {
        for release in releases.of(task).rev() {
            if site.git.peel_tag(&release.tag_id)?.commit == commit {
                return Ok(release.version.clone());
            }
        }
    }
    Err(releases.unknown(task, typed).into())
}
