//! Lists the releases of tasks as lines, for people and programs.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::{
    base::{Failure, RelPath},
    catalog::{Release, registry, releases::Releases, tasks},
    git::{self, PeeledTag},
    model::{TagName, TaskId, Version, overview::ReleaseLine},
    rollback::standing_of,
    site::RepoSite,
    verdict::{self, VerdictSummary},
};

/// Returns the releases of a task, newest version first.
pub fn of_task(site: &RepoSite, task: &TaskId) -> Result<Vec<ReleaseLine>, Failure> {
    lines(site, &[task], &tasks::tagged_releases(site, task)?)
}

/// Returns the lines of all releases of some tasks, the newest version of each first.
pub fn lines(
    site: &RepoSite,
    tasks: &[&TaskId],
    releases: &Releases,
) -> Result<Vec<ReleaseLine>, Failure> {
    let (judged, settings) = (verdict::summary(site, None)?, &site.settings);
    let registry = registry::told(site);
    let all: Vec<&Release> = tasks
        .iter()
        .flat_map(|task| releases.of(task).rev())
        .collect();
    let kept = manifests_of(site, &all)?;
    let mut active: HashMap<&TaskId, Option<Version>> = HashMap::new();
    for task in tasks {
        active.insert(
            task,
            registry::active_seen(registry.as_ref(), &*site.tree, tasks::spec(site, task)?).version,
        );
    }
    let line = |release: &&Release| {
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
    all.par_iter()
        .map(line)
        .filter_map(Result::transpose)
        .collect()
}

/// Returns the manifests of these releases that exist in the branch.
fn manifests_of(site: &RepoSite, releases: &[&Release]) -> Result<HashSet<RelPath>, Failure> {
    let Some(head) = site.git.head_commit()? else {
        return Ok(HashSet::new());
    };
    let paths: Vec<RelPath> = releases
        .iter()
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
            (
                version.clone(),
                TagName::release(task, &version).to_string(),
            )
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
