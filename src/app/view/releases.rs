//! The releases of tasks as lines, for people and programs.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::super::App;
use crate::{
    base::{Failure, RelPath},
    catalog::{Release, registry, registry as read, releases::Releases, tasks},
    git::{self, PeeledTag},
    model::{TagName, TaskId, Version, overview::ReleaseLine},
    rollback::standing_of,
    verdict::{self, VerdictSummary},
};

impl App {
    /// The releases of a task, newest version first.
    pub fn releases(&self, task: &TaskId) -> Result<Vec<ReleaseLine>, Failure> {
        self.release_lines(&[task], &tasks::tagged_releases(&self.site, task)?)
    }

    /// The lines of all releases of some tasks, the newest version of each first.
    pub(super) fn release_lines(
        &self,
        tasks: &[&TaskId],
        releases: &Releases,
    ) -> Result<Vec<ReleaseLine>, Failure> {
        let (judged, settings) = (verdict::summary(&self.site, None)?, &self.site.settings);
        let registry = registry::told(&self.site);
        let all: Vec<&Release> = tasks
            .iter()
            .flat_map(|task| releases.of(task).rev())
            .collect();
        let kept = self.manifests_of(&all)?;
        let mut active: HashMap<&TaskId, Option<Version>> = HashMap::new();
        for task in tasks {
            active.insert(
                task,
                read::active_seen(
                    registry.as_ref(),
                    &*self.site.tree,
                    tasks::spec(&self.site, task)?,
                )
                .version,
            );
        }
        let line = |release: &&Release| {
            let tag = match self.site.git.peel_tag(&release.tag_id) {
                // It was moved to something that is no commit, which `status` says.
                Err(git::Error::BadTag { .. }) => return Ok(None),
                peeled => peeled?,
            };
            let has_manifest =
                kept.contains(&settings.manifest_path(&release.task, &release.version));
            let active = active.get(&release.task).and_then(Option::as_ref);
            Ok(Some(ReleaseLine {
                active: active == Some(&release.version),
                manifest: has_manifest,
                ..self.release_line(release, &tag, &judged)?
            }))
        };
        all.par_iter()
            .map(line)
            .filter_map(Result::transpose)
            .collect()
    }

    /// The manifests of some releases that the branch has.
    fn manifests_of(&self, releases: &[&Release]) -> Result<HashSet<RelPath>, Failure> {
        let Some(head) = self.site.git.head_commit()? else {
            return Ok(HashSet::new());
        };
        let paths: Vec<RelPath> = releases
            .iter()
            .map(|release| {
                self.site
                    .settings
                    .manifest_path(&release.task, &release.version)
            })
            .collect();
        Ok(self
            .site
            .git
            .entries(&head, &paths)?
            .into_iter()
            .map(|(path, _)| path)
            .collect())
    }

    /// Versions and tags of a task, newest first: cheap, for completion.
    pub fn release_names(&self, task: &TaskId) -> Result<Vec<(Version, String)>, Failure> {
        let versions = tasks::releases_of(&self.site, task)?
            .tagged(task)
            .into_iter()
            .rev();
        Ok(versions
            .map(|version| {
                (
                    version.clone(),
                    TagName::release(task, &version).to_string(),
                )
            })
            .collect())
    }

    /// The line of one release. Whether it is active and has a manifest is for the caller to say.
    pub(super) fn release_line(
        &self,
        release: &Release,
        tag: &PeeledTag,
        judged: &VerdictSummary,
    ) -> Result<ReleaseLine, Failure> {
        let subject = |text: &str| text.lines().next().unwrap_or_default().trim().to_string();
        let (author, at, message) = match (&tag.tagger, tag.at) {
            (Some(tagger), Some(at)) => (tagger.name.clone(), at, subject(&tag.message)),
            _ => {
                let commit = self.site.git.commit(&tag.commit)?;
                (
                    commit.author.name.clone(),
                    commit.time,
                    subject(&commit.message),
                )
            }
        };
        Ok(ReleaseLine {
            version: release.version.clone(),
            tag: release.tag(),
            commit: tag.commit.clone(),
            at,
            author,
            message,
            standing: standing_of(&judged.standings, &release.task, &release.version),
            said_by: judged.by(&release.task, &release.version),
            active: false,
            manifest: false,
        })
    }
}
