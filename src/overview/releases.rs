//! Lists the releases of tasks as lines, for people and programs.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::{
    base::{Failure, RelPath, cancel},
    catalog::{
        Release,
        missing_tags::{self, MissingTags},
        registry,
        releases::Releases,
        tasks,
    },
    git::{self, PeeledTag},
    model::{TaskId, Version, overview::ReleaseLine},
    rollback::standing_of,
    site::RepoSite,
    verdict::{self, VerdictSummary},
};

/// The releases of a task.
pub struct TaskReleases {
    /// The task.
    pub task: TaskId,
    /// Its releases, newest version first.
    pub lines: Vec<ReleaseLine>,
    /// The sentence about releases whose tags are missing here.
    pub missing: Option<String>,
}

/// Returns the releases of some tasks. Tags and manifests are read once for all of them.
pub fn of_tasks(site: &RepoSite, tasks: &[TaskId]) -> Result<Vec<TaskReleases>, Failure> {
    let releases = match tasks {
        [one] => tasks::tagged_releases(site, one)?,
        _ => tasks::followed_releases(site)?,
    };
    let only = tasks.first().filter(|_| tasks.len() == 1);
    let missing = missing_tags::by_task(site, &releases, only)?;
    let wanted: Vec<&TaskId> = tasks.iter().collect();
    let lines = lines_by_task(site, &wanted, &releases)?;
    let task = |(task, lines): (&TaskId, Vec<ReleaseLine>)| TaskReleases {
        missing: missing.get(task).and_then(MissingTags::sentence),
        task: task.clone(),
        lines,
    };
    Ok(tasks.iter().zip(lines).map(task).collect())
}

/// Returns the lines of all releases of some tasks, the newest version of each first.
pub fn lines(
    site: &RepoSite,
    tasks: &[&TaskId],
    releases: &Releases,
) -> Result<Vec<ReleaseLine>, Failure> {
    let by_task = lines_by_task(site, tasks, releases)?;
    Ok(by_task.into_iter().flatten().collect())
}

/// Like [`lines`], for each task by itself.
fn lines_by_task(
    site: &RepoSite,
    tasks: &[&TaskId],
    releases: &Releases,
) -> Result<Vec<Vec<ReleaseLine>>, Failure> {
    let (judged, settings) = (verdict::summary(site, None)?, &site.settings);
    let registry = registry::told(site);
    let all = tasks.iter().flat_map(|task| releases.of(task));
    let kept = manifests_of(site, all)?;
    let mut active: HashMap<&TaskId, Option<Version>> = HashMap::new();
    for task in tasks {
        active.insert(
            task,
            registry::active_seen(registry.as_ref(), &*site.tree, tasks::spec(site, task)?).version,
        );
    }
    let line = |release: &Release| {
        cancel::check()?;
        let tag = match site.git.peel_tag(&release.tag_id) {
            // The tag was moved to something other than a commit, which `status` reports.
            Err(git::Error::BadTag { .. }) => return Ok(None),
            peeled => peeled?,
        };
        let has_manifest = kept.contains(&settings.manifest_path(&release.task, &release.version));
        let active = active.get(&release.task).and_then(Option::as_ref);
        Ok(Some(ReleaseLine {
            active: active == Some(&release.version),
            manifest: has_manifest,
            ..line(site, release, &tag, &judged)?
        }))
    };
    let of_task = |task: &&TaskId| {
        let newest_first: Vec<&Release> = releases.of(task).rev().collect();
        newest_first
            .into_par_iter()
            .map(line)
            .filter_map(Result::transpose)
            .collect()
    };
    tasks.par_iter().map(of_task).collect()
}

/// Returns the manifests of these releases that exist in the branch.
fn manifests_of<'r>(
    site: &RepoSite,
    releases: impl Iterator<Item = &'r Release>,
) -> Result<HashSet<RelPath>, Failure> {
    let Some(head) = site.git.head_commit()? else {
        return Ok(HashSet::new());
    };
    let paths: Vec<RelPath> = releases
        .map(|release| site.settings.manifest_path(&release.task, &release.version))
        .collect();
    Ok(site
        .git
        .entries(&head, &paths)?
        .into_iter()
        .map(|(path, _)| path)
        .collect())
}

/// Returns versions and tags of a task, newest first: cheap, for completion.
pub fn names(site: &RepoSite, task: &TaskId) -> Result<Vec<(Version, String)>, Failure> {
    let versions = tasks::releases_of(site, task)?
        .tagged(task)
        .into_iter()
        .rev();
    Ok(versions
        .map(|version| {
            let tag = site.settings.release_tag(task, &version);
            (version, tag)
        })
        .collect())
}

/// Returns the line of one release. The caller fills in whether it is active and has a manifest.
pub fn line(
    site: &RepoSite,
    release: &Release,
    tag: &PeeledTag,
    judged: &VerdictSummary,
) -> Result<ReleaseLine, Failure> {
    let subject = |text: &str| text.lines().next().unwrap_or_default().trim().to_string();
    let (author, at, message) = match (&tag.tagger, tag.at) {
        (Some(tagger), Some(at)) => (tagger.name.clone(), at, subject(&tag.message)),
        _ => {
            let commit = site.git.commit(&tag.commit)?;
            (
                commit.author.name.clone(),
                commit.time,
                subject(&commit.message),
            )
        }
    };
    Ok(ReleaseLine {
        version: release.version.clone(),
        tag: release.tag.clone(),
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
