//! One line per task: the active version, and problems with it. Reads only.

use rayon::prelude::*;

use super::{
    drift::{Drift, WatchedTask},
    is_release,
};
use crate::{
    base::{Failure, RelPath},
    catalog::{self, MissingTags, missing_tags, registry, releases::Releases, tasks},
    drill::way_back,
    model::{
        IgnoredFiles, TaskId, TaskSpec, Version,
        overview::{ReleasePlace, TaskLine, UNRELEASED, WayBack},
    },
    registry::Registry,
    rollback::standing_of,
    site::{Flaw, RepoSite},
    verdict::{self, Standings, VerdictSummary},
};

/// The version of a task, and problems with it.
struct ActiveVersion {
    version: Option<Version>,
    config: Option<Version>,
    trouble: Vec<String>,
}

/// The common inputs for the lines of all tasks.
struct LineSources<'a> {
    site: &'a RepoSite,
    releases: &'a Releases,
    judged: &'a VerdictSummary,
    drift: &'a Drift<'a>,
    missing: &'a MissingTags,
}

/// Returns one line per task, worst first; no task = all.
pub fn lines(site: &RepoSite, tasks: &[TaskId]) -> Result<Vec<TaskLine>, Failure> {
    let chosen: Vec<&TaskSpec> = match tasks {
        [] => site.settings.tasks.iter().collect(),
        some => some
            .iter()
            .map(|id| tasks::spec(site, id))
            .collect::<Result<_, _>>()?,
    };
    let (releases, judged) = match tasks {
        [only] => (
            tasks::tagged_releases(site, only)?,
            verdict::summary(site, Some(only))?,
        ),
        _ => (
            tasks::followed_releases(site)?,
            verdict::summary(site, None)?,
        ),
    };
    let registry = registry::told(site);
    let named: Vec<ActiveVersion> = chosen
        .par_iter()
        .map(|task| active_of(site, task, registry.as_ref()))
        .collect();
    let watched = chosen.par_iter().zip(&named).map(|(task, named)| {
        let release = named
            .version
            .as_ref()
            .and_then(|version| releases.find(&task.id, version).ok());
        WatchedTask::new(site, task, release)
    });
    let watched: Vec<WatchedTask<'_>> = watched.collect();
    let drift = Drift::new(site, &watched)?;
    let missing = missing_of(site, &named, &watched, &releases, tasks)?;
    let sources = LineSources {
        site,
        releases: &releases,
        judged: &judged,
        drift: &drift,
        missing: &missing,
    };
    let mut lines: Vec<TaskLine> = named
        .into_par_iter()
        .zip(&watched)
        .map(|(named, watched)| sources.line(watched, named))
        .collect();
    let moved = releases.moved(&site.git, None)?;
    for line in &mut lines {
        let own = moved.iter().filter(|(task, _)| *task == line.task);
        line.moved = own.map(|(_, version)| version.clone()).collect();
    }
    if tasks.is_empty() {
        lines.extend(flawed_lines(
            site,
            &releases,
            &judged.standings,
            registry.as_ref(),
        ));
    }
    lines.sort_by(|a, b| (badness(b), &a.task).cmp(&(badness(a), &b.task)));
    Ok(lines)
}

/// Finds the releases whose tags are missing here, if an active version may be one of them.
fn missing_of(
    site: &RepoSite,
    named: &[ActiveVersion],
    watched: &[WatchedTask<'_>],
    releases: &Releases,
    tasks: &[TaskId],
) -> Result<MissingTags, Failure> {
    let in_doubt = |(named, watched): (&ActiveVersion, &WatchedTask<'_>)| {
        named.version.is_some()
            && (watched.release.is_none() || releases.of(&watched.task.id).nth(1).is_none())
    };
    let unreleased = named.iter().zip(watched).any(in_doubt);
    let missing = if unreleased {
        missing_tags::beside(site, releases, tasks.first().filter(|_| tasks.len() == 1))?
    } else {
        MissingTags::default()
    };
    if let Some(sentence) = missing
        .sentence()
        .filter(|_| missing.releases.len() == missing.manifests)
    {
        site.warn(format!("{sentence}: git fetch --tags"));
    }
    Ok(missing)
}

/// Returns the lines of tasks whose settings are unusable.
fn flawed_lines(
    site: &RepoSite,
    releases: &Releases,
    standings: &Standings,
    registry: Option<&Registry>,
) -> Vec<TaskLine> {
    let line = |task: &TaskId| {
        let active = registry.and_then(|registry| registry.version(task).ok().flatten());
        let standing = active
            .as_ref()
            .filter(|version| is_release(site, task, version))
            .map(|version| standing_of(standings, task, version));
        let trouble = site.flaw_of(task).map(Flaw::mistake).unwrap_or_default();
        TaskLine {
            task: task.clone(),
            title: None,
            active,
            config: None,
            newest: releases
                .of(task)
                .next_back()
                .map(|release| release.version.clone()),
            releases: releases.of(task).count(),
            standing: standing.unwrap_or_default(),
            said_by: None,
            drift: 0,
            unread: 0,
            released: ReleasePlace::default(),
            way_back: WayBack {
                why: Some("its settings cannot be used".into()),
                ..WayBack::default()
            },
            trouble,
            untagged: Vec::new(),
            moved: Vec::new(),
            left_out: IgnoredFiles::default(),
        }
    };
    site.settings.left_out.iter().map(line).collect()
}

/// Returns a task's version by the registry and by its configuration.
fn active_of(site: &RepoSite, task: &TaskSpec, registry: Option<&Registry>) -> ActiveVersion {
    let mut trouble = Vec::new();
    let active = registry
        .map(|registry| registry.version(&task.id))
        .transpose();
    let active = active
        .map_err(|error| trouble.push(error.to_string()))
        .ok()
        .flatten()
        .flatten();
    let config = registry::config_version(&*site.tree, task)
        .map_err(|failure| trouble.push(failure.to_string()))
        .ok()
        .flatten();
    if let (Some(registry), Some(config)) = (&active, &config)
        && !registry.agrees_with_config(config)
    {
        trouble.push(format!("the config says {config}, the registry {registry}"));
    }
    ActiveVersion {
        version: active.or_else(|| config.clone()),
        config,
        trouble,
    }
}

impl LineSources<'_> {
    /// Returns the line of one task. Unreadable data becomes its trouble.
    fn line(&self, watched: &WatchedTask<'_>, named: ActiveVersion) -> TaskLine {
        let ActiveVersion {
            version: active,
            config,
            mut trouble,
        } = named;
        let (task, releases, judged) = (watched.task, self.releases, self.judged);
        let place = self.place_of(watched, active.as_ref(), &mut trouble);
        let left_out = self.drift.left_out(watched);
        let small = self
            .drift
            .of(watched)
            .map_err(|failure| trouble.push(failure.to_string()))
            .unwrap_or_default();
        let (large, unread) = self
            .drift
            .large(watched)
            .map_err(|failure| trouble.push(failure.to_string()))
            .unwrap_or_default();
        let way_back = way_back::of(
            self.site,
            task,
            active.as_ref(),
            releases,
            &judged.standings,
        );
        let way_back =
            way_back::for_want_of_tags(way_back, self.missing, &task.id, active.as_ref());
        // Verdicts on a number whose release was taken back no longer apply.
        let judged_as = active.as_ref().filter(|version| {
            place != ReleasePlace::Never || is_release(self.site, &task.id, version)
        });
        TaskLine {
            task: task.id.clone(),
            title: task.title.clone(),
            newest: releases
                .of(&task.id)
                .next_back()
                .map(|release| release.version.clone()),
            releases: releases.of(&task.id).count(),
            standing: judged_as
                .map(|version| standing_of(&judged.standings, &task.id, version))
                .unwrap_or_default(),
            said_by: judged_as.and_then(|version| judged.by(&task.id, version)),
            active,
            config,
            drift: small + large,
            unread,
            released: place,
            trouble: trouble.join("; "),
            moved: Vec::new(),
            untagged: self.missing.of(&task.id).cloned().collect(),
            way_back,
            left_out,
        }
    }

    /// Returns the problem of a task without any version: its configuration has none, or it was
    /// never released.
    fn never_released(&self, task: &TaskSpec) -> String {
        let is_there = |path: &&RelPath| matches!(self.site.tree.stat(path), Ok(Some(_)));
        match task.config.as_ref().filter(is_there) {
            Some(path) => format!(
                "{path} has no `{}`, which a release needs",
                task.version_key
            ),
            None => UNRELEASED.to_string(),
        }
    }

    /// Returns where the active version's release is; adds problems to `trouble`.
    fn place_of(
        &self,
        watched: &WatchedTask<'_>,
        active: Option<&Version>,
        trouble: &mut Vec<String>,
    ) -> ReleasePlace {
        let task = watched.task;
        let found = active.map(|version| self.releases.find(&task.id, version));
        let place = match active {
            _ if watched.release.is_some() => ReleasePlace::Here,
            None if self.releases.of(&task.id).next().is_none() => ReleasePlace::Never,
            None => ReleasePlace::Here,
            Some(_) if matches!(found, Some(Err(catalog::Error::TagBroken { .. }))) => {
                ReleasePlace::Here
            }
            Some(version) if self.missing.has(&task.id, version) => ReleasePlace::Elsewhere,
            Some(_) => ReleasePlace::Never,
        };
        match found {
            Some(Err(broken @ catalog::Error::TagBroken { .. })) if watched.release.is_none() => {
                trouble.push(broken.to_string());
            }
            _ => trouble.extend(active.and_then(|version| place.trouble(version))),
        }
        if active.is_none() && place == ReleasePlace::Never && trouble.is_empty() {
            trouble.push(self.never_released(task));
        }
        if active.is_none() && self.releases.of(&task.id).next().is_some() {
            trouble.push(
                "neither the registry nor its configuration says which of its releases it has"
                    .into(),
            );
        }
        place
    }
}

/// Ranks lines, worst first: trouble, bad or failed, held, drift, unknown, fine.
fn badness(line: &TaskLine) -> u8 {
    match line {
        _ if !line.trouble.is_empty() || !line.moved.is_empty() => 5,
        _ if line.standing.bad || line.standing.failed => 4,
        _ if line.standing.held => 3,
        _ if line.drift > 0 => 2,
        _ if line.active.is_none() => 1,
        _ => 0,
    }
}
