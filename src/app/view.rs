//! What there is, for people and programs: history, one release, verification.
//!
//! [`status`] has a line for each task, [`releases`] one for each release.

mod releases;
mod status;

use jiff::Timestamp;

use super::App;
use crate::{
    base::{Failure, Kind},
    catalog::{self, manifests, registry, tasks},
    model::{
        Status, TaskId, Verdict, Verification, Version,
        operation::OpKind,
        overview::{HistoryLine, ReleaseDetail, ReleaseLine},
        signature::Demand,
    },
    operate::{self, Operator},
    rollback::{self, standing_of},
    site::{self, RepoSite},
    verdict,
    verify::{Checking, proof},
};

impl App {
    /// Releases and operations, newest first; no task = all.
    pub fn history(&self, task: Option<&TaskId>) -> Result<Vec<HistoryLine>, Failure> {
        let tasks: Vec<TaskId> = match task {
            Some(task) => vec![tasks::spec(&self.site, task)?.id.clone()],
            None => self
                .site
                .settings
                .tasks
                .iter()
                .map(|task| task.id.clone())
                .collect(),
        };
        let releases = match task {
            Some(task) => tasks::tagged_releases(&self.site, task)?,
            None => tasks::all_releases(&self.site)?,
        };
        let of_tags = self.release_lines(&tasks.iter().collect::<Vec<_>>(), &releases)?;
        let mut lines: Vec<(Timestamp, HistoryLine)> = of_tags
            .into_iter()
            .map(|line| (line.at, HistoryLine::Release(line)))
            .collect();
        let ours = |op: &crate::model::overview::OperationLine| {
            op.kind != OpKind::CreateSnapshot
                && op.task.as_ref().is_none_or(|id| tasks.contains(id))
        };
        // What was done stands where another user may not read it; what was released does not.
        let done = if self.site.is_closed() {
            Vec::new()
        } else {
            self.operations()?
        };
        lines.extend(
            done.into_iter()
                .filter(ours)
                .map(|line| (line.at, HistoryLine::Operation(line))),
        );
        // Tags know whole seconds only; in the same second an operation came after the release.
        lines.sort_by_key(|(at, line)| {
            (
                std::cmp::Reverse(at.as_second()),
                matches!(line, HistoryLine::Release(_)),
            )
        });
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    /// One release in full.
    pub fn show(&self, task: &TaskId, version: &Version) -> Result<ReleaseDetail, Failure> {
        let releases = tasks::releases_of(&self.site, task)?;
        let release = releases.find(task, version)?;
        let active = registry::active_told(&self.site, tasks::spec(&self.site, task)?);
        let tag = self.site.git.peel_tag(&release.tag_id)?;
        let (manifest, unread) = match manifests::load(&self.site, release) {
            Ok(found) => (Some(found.manifest.clone()), None),
            Err(failure) if matches!(failure.find(), Some(catalog::Error::NoManifest { .. })) => {
                (None, None)
            }
            Err(failure)
                if matches!(
                    failure.kind(),
                    Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug
                ) =>
            {
                return Err(failure);
            }
            Err(failure) => (None, Some(failure.chain().join(": "))),
        };
        let line = ReleaseLine {
            active: active.as_ref() == Some(&release.version),
            manifest: manifest.is_some(),
            ..self.release_line(release, &tag, &verdict::summary(&self.site, None)?)?
        };
        let own = || {
            manifest
                .iter()
                .flat_map(|manifest| &manifest.files)
                .filter(|file| file.is_restored())
        };
        Ok(ReleaseDetail {
            release: line,
            files: own().count(),
            bytes: own().filter_map(|file| file.size).sum(),
            manifest: manifest.clone(),
            unread,
        })
    }

    /// Checks a release where it is kept. `deep` reads every byte.
    pub fn verify_snapshot(
        &self,
        task: &TaskId,
        version: &Version,
        deep: bool,
        signature: Demand,
    ) -> Result<Verification, Failure> {
        let mut found = proof::release(
            &self.site,
            tasks::spec(&self.site, task)?,
            &tasks::releases_of(&self.site, task)?,
            version,
            (deep, signature),
        )?;
        if !deep {
            let unread = vec!["whether the bytes are those that were released was not looked at: --deep reads them".into()];
            found
                .checks
                .push(Checking::begin(1, "integrity.bytes").end(Status::Skipped, unread));
        }
        Operator::new(&self.site).note_kept(&found, deep);
        Ok(found)
    }

    /// Runs the four levels on the work tree; without an expected version, the active one.
    pub fn verify_rollback(
        &self,
        task: &TaskId,
        expected: Option<&Version>,
    ) -> Result<Verification, Failure> {
        let (spec, releases) = (
            tasks::spec(&self.site, task)?,
            tasks::releases_of(&self.site, task)?,
        );
        let version = match expected {
            Some(version) => version.clone(),
            None => rollback::resolve(&self.site, task, "active")?,
        };
        let standing = standing_of(&verdict::standings_of(&self.site, task)?, task, &version);
        site::consent::require(self.site.commands_of_verification(task))?;
        let commands = crate::verify::Commands::unless(self.site.without_commands);
        let found = proof::tree(
            &self.site,
            spec,
            &releases,
            standing,
            &version,
            proof::Levels {
                deep: true,
                commands,
                ..proof::Levels::ALL
            },
        )?;
        Operator::new(&self.site).note_tree(&found, commands);
        Ok(found)
    }

    /// Says something of a version.
    pub fn mark(
        &self,
        task: &TaskId,
        version: &Version,
        verdict: Verdict,
        reason: &str,
    ) -> Result<(), Failure> {
        let _lock = self.site.lock()?;
        tasks::tagged_releases(&self.site, task)?.find(task, version)?;
        self.site.git.identity()?;
        let kind = match verdict {
            Verdict::Good => "mark good",
            Verdict::Bad => "mark bad",
            Verdict::Held => "hold",
            Verdict::Released => "end hold",
            Verdict::Pinned => "pin",
            Verdict::Unpinned => "unpin",
            _ => "mark",
        };
        let record = catalog::verdict::verdict(&self.site, (task, version), verdict, reason);
        let what = operate::deed_on(kind, task, None, Some(version));
        Operator::new(&self.site).witnessed(what, reason, || verdict::write(&self.site, &[record]))
    }
}

/// True when a version is a release here, by its tag or, where that was deleted, by its second
/// reference.
pub(super) fn is_release(site: &RepoSite, task: &TaskId, version: &Version) -> bool {
    catalog::verdict::meant(&site.git, task, version).is_some()
}
