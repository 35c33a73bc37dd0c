//! The ways to write a version: `1.2.0`, `v1.2.0`, `T01-v1.2.0`, words, times and commits.

use super::{App, Error};
use crate::{
    base::{Failure, text},
    catalog::{
        self,
        releases::{self, Releases},
        tasks,
    },
    model::{TagName, TaskId, Version},
    rollback, verdict,
};

impl App {
    /// Finds the version that was typed.
    pub fn resolve_version(&self, task: &TaskId, typed: &str) -> Result<Version, Failure> {
        let spec = tasks::spec(&self.site, task)?;
        // A number is looked up: the tags need not be listed.
        if let Ok(version) = typed.strip_prefix('v').unwrap_or(typed).parse()
            && !releases::one(&self.site.git, &self.site.settings, task, &version)?
                .by_task
                .is_empty()
        {
            return Ok(version);
        }
        let releases = tasks::releases_of(&self.site, task)?;
        let none = |why: &str| Error::NoSuchVersion {
            task: task.clone(),
            text: text::escape(typed.as_bytes()),
            why: why.into(),
        };
        let active = || {
            let active = catalog::registry::active(&*self.site.tree, &self.site.settings, spec);
            match (active.version, active.trouble.into_iter().next()) {
                // No word that counts from the active version means anything then.
                (None, Some(why)) => Err(Failure::from(rollback::Error::ActiveUnknown {
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
                let standings = verdict::standings_of(&self.site, task)?;
                let found =
                    rollback::default_target(task, &releases, &standings, active()?.as_ref());
                found.map_err(|_| none("no older release is proven good").into())
            }
            _ if typed.starts_with('@') => self.version_at(spec, &releases, &typed[1..]),
            _ => self.named_version(task, &releases, typed),
        }
    }

    /// A version by number, tag or commit.
    fn named_version(
        &self,
        task: &TaskId,
        releases: &Releases,
        typed: &str,
    ) -> Result<Version, Failure> {
        let by_tag = match TagName::parse(typed, |id| id == task) {
            Some(TagName::Release { version, .. }) => Some(version),
            _ => None,
        };
        let plain = typed.strip_prefix('v').unwrap_or(typed).parse().ok();
        if let Some(version) = by_tag.or(plain) {
            if releases.find(task, &version).is_err()
                && self.missing_tags(Some(task))?.has(task, &version)
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
        if let Some(commit) = self.site.git.resolve_commit(typed)? {
            for release in releases.of(task).rev() {
                if self.site.git.peel_tag(&release.tag_id)?.commit == commit {
                    return Ok(release.version.clone());
                }
            }
        }
        Err(releases.unknown(task, typed).into())
    }
}
