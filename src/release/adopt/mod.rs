//! Manifests for tags that are older than snapback here.
//!
//! [`find`] examines every tag and makes the possible manifests; `draft` describes the operation
//! that writes them. No tag is ever changed; tags that cannot be adopted are listed with a reason.

mod change;
mod manifests;
mod operation;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use crate::{
    base::{Failure, RelPath, text},
    catalog::{
        Release, Scope,
        releases::{self, Releases},
    },
    model::{Manifest, Settings, TagName, TaskId, overview::AdoptionLine},
    site::RepoSite,
};
use operation::draft;

pub use change::{AdoptTags, FoundSettings};

/// The result of examining the tags.
pub struct Adoption {
    /// Every tag, adopted or with the reason why not.
    pub lines: Vec<AdoptionLine>,
    /// The manifests to write.
    pub manifests: Vec<Manifest>,
}

/// Examines every tag.
pub fn find(site: &RepoSite, wanted: &dyn Fn(&TaskId) -> bool) -> Result<Adoption, Failure> {
    let there = paths_in_head(site)?;
    let all = releases::all_followed(&site.git, &site.settings)?;
    let mut lines = foreign_tags(site, &all)?;
    let mut todo: Vec<&Release> = Vec::new();
    for release in all
        .by_task
        .values()
        .flat_map(BTreeMap::values)
        .filter(|release| wanted(&release.task))
    {
        match not_adopted(site, release, &there) {
            Some(reason) => lines.push(line(release, 0, Some(reason))),
            None => todo.push(release),
        }
    }
    lines.extend(other_tags(site, &all));
    let scopes: HashMap<&TaskId, Scope> = site
        .settings
        .tasks
        .iter()
        .filter(|task| wanted(&task.id))
        .map(|task| Ok((&task.id, Scope::new(&site.settings, task)?)))
        .collect::<Result<_, Failure>>()?;
    let total = todo.len() as u64;
    let results: Vec<(AdoptionLine, Option<Manifest>)> =
        site.work("reading tags", total, false, || {
            // Grouped by task, so that each worker hashes a file shared by many tags only once.
            let groups = group_by_task(&todo);
            groups
                .into_par_iter()
                .flat_map_iter(|group| manifests::adopt_task(site, &scopes, &group))
                .collect()
        });
    let mut manifests = Vec::new();
    for (line, manifest) in results {
        lines.push(line);
        manifests.extend(manifest);
    }
    lines.sort_by(|a, b| a.tag.cmp(&b.tag));
    Ok(Adoption { lines, manifests })
}

/// Returns HEAD's paths in the folder of manifests.
fn paths_in_head(site: &RepoSite) -> Result<BTreeSet<RelPath>, Failure> {
    let snapshots = std::slice::from_ref(&site.settings.snapshots);
    let entries = site
        .git
        .head_commit()?
        .map(|head| site.git.entries(&head, snapshots))
        .transpose()?;
    Ok(entries
        .into_iter()
        .flatten()
        .map(|(path, _)| path)
        .collect())
}

/// Returns why a release of a known task is not adopted, as far as its name tells.
fn not_adopted(site: &RepoSite, release: &Release, there: &BTreeSet<RelPath>) -> Option<String> {
    let manifest = site.settings.manifest_path(&release.task, &release.version);
    if there.contains(&manifest) {
        return Some("it has a manifest already".into());
    }
    let other = ambiguous(site, release)?;
    Some(format!(
        "it may as well be a tag of {other}: give one of the two tasks another id"
    ))
}

/// Returns tags of known tasks that are no release, with reasons: markers, broken, misnamed.
fn other_tags<'a>(
    site: &'a RepoSite,
    all: &'a Releases,
) -> impl Iterator<Item = AdoptionLine> + 'a {
    let line = |tag: String, reason: String| AdoptionLine {
        tag,
        release: None,
        files: 0,
        reason: Some(reason),
    };
    let markers = all
        .markers
        .iter()
        .map(move |marker| line(site.settings.tag(marker), "it marks a rollback".into()));
    let broken = all.broken_tags.iter().map(move |broken| {
        line(
            broken.name.trim_start_matches("refs/tags/").to_string(),
            broken.why.clone(),
        )
    });
    let misnamed = all
        .misnamed
        .iter()
        .map(move |(name, why)| line(name.clone(), why.to_string()));
    markers.chain(broken).chain(misnamed)
}

/// Returns another task that the release's tag could belong to, by its name.
fn ambiguous(site: &RepoSite, release: &Release) -> Option<TaskId> {
    let readings = site.settings.tag_readings(&release.tag);
    readings
        .into_iter()
        .map(|reading| reading.task().clone())
        .find(|task| *task != release.task)
}

/// Returns the tags that are not a release of a known task, with the reason.
fn foreign_tags(site: &RepoSite, all: &Releases) -> Result<Vec<AdoptionLine>, Failure> {
    let settings = &site.settings;
    let scheme = |id: &TaskId| settings.task(id).map(|task| task.scheme);
    let mut lines = Vec::new();
    for tag in site.git.tags()?.whole {
        let reason = match std::str::from_utf8(&tag.name) {
            Err(_) => Some("its name is not UTF-8".to_string()),
            Ok(name) => match settings.tags.readings(name, &scheme).first() {
                None => Some(why_foreign(settings, name)),
                Some(reading) => other_spelling(all, name, reading),
            },
        };
        let Some(reason) = reason else {
            continue;
        };
        lines.push(AdoptionLine {
            tag: text::escape(&tag.name),
            release: None,
            files: 0,
            reason: Some(reason),
        });
    }
    Ok(lines)
}

/// Returns why a tag is of no task.
fn why_foreign(settings: &Settings, name: &str) -> String {
    if let Some((_, why)) = settings.misfit(name) {
        return why.to_string();
    }
    match TagName::readings(name, &|_| Some(settings.scheme)).first() {
        None => match of_form(settings, name) {
            None => "no task has tags of this form".to_string(),
            Some((task, text)) => format!("{text:?} is no version that {task} can have"),
        },
        Some(parsed) => format!("there is no task {:?}", parsed.task().as_str()),
    }
}

/// Returns the task whose tags begin as a name does, and what stands there for the version.
fn of_form<'a>(settings: &'a Settings, name: &'a str) -> Option<(&'a TaskId, &'a str)> {
    settings.tasks.iter().find_map(|task| {
        let beginning = task.tag.beginning(&task.id, &task.dir);
        let text = name.strip_prefix(beginning.as_str())?;
        let is_number = text.starts_with(|c: char| c.is_ascii_digit());
        is_number.then_some((&task.id, text))
    })
}

/// Returns why a tag of a task does not count: another tag has the same version, spelled
/// differently.
fn other_spelling(all: &Releases, name: &str, reading: &TagName) -> Option<String> {
    let TagName::Release { task, version } = reading else {
        return None;
    };
    let counts = all.find(task, version).ok()?;
    let is_other = counts.tag != name && counts.version.as_str() != version.as_str();
    is_other.then(|| format!("{} is the same version", counts.tag))
}

/// Builds one line.
fn line(release: &Release, files: usize, reason: Option<String>) -> AdoptionLine {
    AdoptionLine {
        tag: release.tag.clone(),
        release: Some((release.task.clone(), release.version.clone())),
        files,
        reason,
    }
}

/// Groups the releases by task, in ascending order of versions.
fn group_by_task<'a>(releases: &[&'a Release]) -> Vec<Vec<&'a Release>> {
    let mut groups: BTreeMap<&TaskId, Vec<&Release>> = BTreeMap::new();
    for release in releases {
        groups.entry(&release.task).or_default().push(release);
    }
    groups.into_values().collect()
}
