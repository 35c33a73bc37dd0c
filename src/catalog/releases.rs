//! The releases of a task, read from its tags.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{Error, renamed, tag_meaning::meaning};
use crate::{
    base::{Failure, text},
    git::{self, BrokenRef, Repo, Tags},
    model::{GitId, Scheme, Settings, TagName, TaskId, Version, tag, version::NotAVersion},
};

/// A release: a parsed tag name, not yet peeled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The name of its tag.
    pub tag: String,
    /// The object the tag's reference points to: a tag object or a commit.
    pub tag_id: GitId,
    /// True when the tag was deleted and only its second reference is left.
    pub lost: bool,
    /// The commit of its manifest while an operation is making it: nothing names it yet.
    pub pending: Option<GitId>,
}

impl Release {
    /// Returns a release that has its tag.
    pub fn of((task, version): (&TaskId, &Version), tag: String, tag_id: GitId) -> Self {
        Self {
            task: task.clone(),
            version: version.clone(),
            tag,
            tag_id,
            lost: false,
            pending: None,
        }
    }
}

/// The prefix of releases' second references.
pub(super) const KEEP: &str = "refs/snapback/keep/";

/// The releases of all tasks that `is_task` knows, and the markers.
#[derive(Debug, Default)]
pub struct Releases {
    /// Releases by task, then by ascending version.
    pub by_task: BTreeMap<TaskId, BTreeMap<Version, Release>>,
    /// The names of rollback markers.
    pub markers: Vec<TagName>,
    /// Releases whose tag is broken; other releases are unaffected.
    pub broken: BTreeMap<(TaskId, Version), BrokenRef>,
    /// Every broken tag, of any kind.
    pub broken_tags: Vec<BrokenRef>,
    /// Tags that are named like a release but never were one and point to no commit, with the
    /// reason; in name order.
    pub misnamed: Vec<(String, git::Error)>,
    /// Two tags of one version: the task, the one that counts, and the other.
    pub doubled: Vec<(TaskId, String, String)>,
    /// Tags of tasks whose versions are not of the task's scheme, with the task and the reason.
    /// Those of the usual scheme are not among them: tags such as `v1` have been nobody's before.
    pub misfits: Vec<(String, TaskId, NotAVersion)>,
}

/// Reads all tags once. Resolves only the newest of each task, because there may be very many;
/// [`all_followed`] resolves all.
pub fn all(git: &Repo, settings: &Settings) -> Result<Releases, Failure> {
    let mut found = of_tags(git, settings, git.tags()?)?;
    renamed::add(&mut found, git, settings, None)?;
    let mut tasks: BTreeSet<TaskId> = found.by_task.keys().cloned().collect();
    while !tasks.is_empty() {
        let newest = |release: &Release| {
            tasks.contains(&release.task) && found.of(&release.task).next_back() == Some(release)
        };
        tasks = found
            .misnamed_among(git, KEEP, newest)?
            .into_iter()
            .map(|misnamed| found.pass_over(misnamed))
            .collect();
    }
    Ok(found)
}

/// Reads all tags once, and resolves each.
pub fn all_followed(git: &Repo, settings: &Settings) -> Result<Releases, Failure> {
    let mut found = of_tags(git, settings, git.tags()?)?;
    renamed::add(&mut found, git, settings, None)?;
    found.pass_over_misnamed(git, KEEP)?;
    Ok(found)
}

/// Returns the releases and markers of one task. Tags of other tasks are not read.
pub fn of_task(git: &Repo, settings: &Settings, task: &TaskId) -> Result<Releases, Failure> {
    let mut found = of_tags(git, settings, tags_of(git, settings, task)?)?;
    // An id may extend another one: `T01-v2` is a task beside `T01`.
    found.by_task.retain(|id, _| id == task);
    found.broken.retain(|(id, _), _| id == task);
    found.markers.retain(|marker| marker.task() == task);
    found.misfits.retain(|(_, id, _)| id == task);
    found.doubled.retain(|double| double.0 == *task);
    renamed::add(&mut found, git, settings, Some(task))?;
    found.pass_over_misnamed(git, &format!("{KEEP}{task}/"))?;
    Ok(found)
}

/// Returns the tags that can be of a task: those of its form, and of the default form.
fn tags_of(git: &Repo, settings: &Settings, task: &TaskId) -> Result<Tags, Failure> {
    let mut beginnings = settings.tag_beginnings(task).into_iter();
    let mut all = git.tags_beginning_with(&beginnings.next().unwrap_or_default())?;
    for beginning in beginnings {
        let more = git.tags_beginning_with(&beginning)?;
        all.whole.extend(more.whole);
        all.broken.extend(more.broken);
    }
    Ok(all)
}

/// Returns one tagged release without listing the tags. Empty when there is none.
pub fn one(
    git: &Repo,
    settings: &Settings,
    task: &TaskId,
    version: &Version,
) -> Result<Releases, Failure> {
    let mut found = Releases::default();
    for tag in settings.release_tags(task, version) {
        let tag_id = match git.find_ref(&tag::reference(&tag)) {
            Err(git::Error::BrokenRef(_)) => None,
            found => found?,
        };
        let Some(tag_id) = tag_id.filter(|id| git.has_object(id)) else {
            continue;
        };
        if meaning(git, settings, &tag)? == Some(TagName::release(task, version)) {
            let mut one = Releases::default();
            one.add(git, settings, Release::of((task, version), tag, tag_id));
            one.pass_over_misnamed(git, &format!("{KEEP}{task}/"))?;
            found.misnamed.append(&mut one.misnamed);
            let release = one.by_task.into_values().flat_map(BTreeMap::into_values);
            release.for_each(|release| found.add(git, settings, release));
        }
    }
    if found.by_task.is_empty() {
        renamed::add(&mut found, git, settings, Some(task))?;
        let all = found.by_task.remove(task).unwrap_or_default();
        let is_it = |found: &Version| found.as_str() == version.as_str();
        let one: BTreeMap<Version, Release> =
            all.into_iter().filter(|(found, _)| is_it(found)).collect();
        found
            .by_task
            .extend((!one.is_empty()).then(|| (task.clone(), one)));
    }
    if !found.by_task.is_empty() {
        return Ok(found);
    }
    // Another spelling of the version may have a tag; a semantic version has one only.
    let scheme = settings.scheme_of(task);
    if scheme.is_some_and(|own| own != Scheme::Semver) {
        let all = of_task(git, settings, task)?;
        let release = all.find(task, version).ok().cloned();
        let versions = release.map(|release| (release.version.clone(), release));
        let versions: BTreeMap<Version, Release> = versions.into_iter().collect();
        found
            .by_task
            .extend((!versions.is_empty()).then(|| (task.clone(), versions)));
    }
    Ok(found)
}

/// Returns the releases and markers among some tags.
fn of_tags(git: &Repo, settings: &Settings, tags: Tags) -> Result<Releases, Failure> {
    let mut found = Releases {
        broken_tags: tags.broken,
        ..Releases::default()
    };
    for tag in &found.broken_tags {
        let name = tag.name.trim_start_matches("refs/tags/");
        if let Some(TagName::Release { task, version }) = meaning(git, settings, name)? {
            found.broken.insert((task, version), tag.clone());
        }
    }
    let is_unusual = |scheme: Option<Scheme>| scheme.is_some_and(|own| own != Scheme::default());
    let mut schemes = settings.tasks.iter().map(|task| Some(task.scheme));
    let has_schemes = schemes.any(is_unusual);
    for tag in tags.whole {
        let Ok(name) = String::from_utf8(tag.name.into()) else {
            continue;
        };
        match meaning(git, settings, &name)? {
            Some(TagName::Release { task, version }) => {
                found.add(git, settings, Release::of((&task, &version), name, tag.id));
            }
            Some(marker @ TagName::Marker { .. }) => found.markers.push(marker),
            None if has_schemes => {
                let misfit = settings.misfit(&name);
                let misfit = misfit.filter(|(task, _)| is_unusual(settings.scheme_of(task)));
                found
                    .misfits
                    .extend(misfit.map(|(task, why)| (name, task, why)));
            }
            None => {}
        }
    }
    Ok(found)
}

impl Releases {
    /// Skips tags that do not point to commits: they may name trees and blobs, whatever they are
    /// called. A tag with a second reference (`below` is their prefix) stays: it was a release, and
    /// was moved.
    fn pass_over_misnamed(&mut self, git: &Repo, below: &str) -> Result<(), Failure> {
        self.misnamed_among(git, below, |_| true)?
            .into_iter()
            .for_each(|misnamed| drop(self.pass_over(misnamed)));
        Ok(())
    }

    /// Returns selected releases without second reference whose tag leads to no commit, with why.
    fn misnamed_among(
        &self,
        git: &Repo,
        below: &str,
        is_meant: impl Fn(&Release) -> bool,
    ) -> Result<Vec<(Release, git::Error)>, Failure> {
        let kept = git.ref_names_below(below)?;
        let made = |release: &&Release| {
            kept.contains(&TagName::keep_reference(&release.task, &release.version))
        };
        let meant = self
            .by_task
            .values()
            .flat_map(BTreeMap::values)
            .filter(|release| is_meant(release) && !made(release));
        let meant: Vec<&Release> = meant.collect();
        // A missing or damaged object was a release.
        let why = |release: &&Release| {
            git.peel_tag(&release.tag_id)
                .err()
                .filter(|error| matches!(error, git::Error::BadTag { .. }))
        };
        Ok(meant
            .into_par_iter()
            .filter_map(|release| Some((release.clone(), why(&release)?)))
            .collect())
    }

    /// Skips a tag; returns its task.
    fn pass_over(&mut self, (release, why): (Release, git::Error)) -> TaskId {
        self.by_task
            .entry(release.task.clone())
            .or_default()
            .remove(&release.version);
        self.misnamed.push((release.tag, why));
        release.task
    }

    /// Returns the releases and markers of each task by itself.
    pub fn by_each_task(&self) -> BTreeMap<TaskId, Self> {
        let mut each: BTreeMap<TaskId, Self> = BTreeMap::new();
        for (task, versions) in &self.by_task {
            let of = each.entry(task.clone()).or_default();
            of.by_task.insert(task.clone(), versions.clone());
        }
        for marker in &self.markers {
            let of = each.entry(marker.task().clone()).or_default();
            of.markers.push(marker.clone());
        }
        for (release, broken) in &self.broken {
            let of = each.entry(release.0.clone()).or_default();
            of.broken.insert(release.clone(), broken.clone());
        }
        each
    }

    /// Returns a copy, without what was passed over.
    pub fn copy(&self) -> Self {
        Self {
            by_task: self.by_task.clone(),
            markers: self.markers.clone(),
            broken: self.broken.clone(),
            ..Self::default()
        }
    }

    /// Returns the releases of one task, ascending.
    pub fn of(&self, task: &TaskId) -> impl DoubleEndedIterator<Item = &Release> {
        self.by_task
            .get(task)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// Adds a release. Of two tags of one version, the one that was released here counts, else the
    /// one in the task's own form; of two spellings of it (`1.2` and `1.2.0`), else the first.
    fn add(&mut self, git: &Repo, settings: &Settings, release: Release) {
        let versions = self.by_task.entry(release.task.clone()).or_default();
        let is_own = || settings.release_tag(&release.task, &release.version) == release.tag;
        let made = |release: &Release| {
            let kept = TagName::keep_reference(&release.task, &release.version);
            git.find_ref(&kept).ok().flatten()
        };
        let Some(other) = versions.get(&release.version) else {
            versions.insert(release.version.clone(), release);
            return;
        };
        let is_same = other.version.as_str() == release.version.as_str();
        let counts = if is_same {
            let kept = made(&release);
            let is_kept = |release: &Release| kept.as_ref() == Some(&release.tag_id);
            match (is_kept(&release), is_kept(other)) {
                (true, true) | (false, false) => is_own(),
                (is_kept, _) => is_kept,
            }
        } else {
            made(&release).is_some() && made(other).is_none()
        };
        let (mut one, mut two) = (&release.tag, &other.tag);
        if !counts {
            (one, two) = (two, one);
        }
        if is_same && release.tag_id != other.tag_id {
            self.doubled
                .push((release.task.clone(), one.clone(), two.clone()));
        }
        if counts {
            // The key is the version as this tag spells it.
            versions.remove(&release.version);
            versions.insert(release.version.clone(), release);
        }
    }

    /// Adds releases of a task whose tag was deleted: their second reference still has them.
    pub fn add_lost(
        &mut self,
        git: &Repo,
        settings: &Settings,
        task: &TaskId,
    ) -> Result<(), Failure> {
        let below = format!("refs/snapback/keep/{task}/");
        let kept = git.refs_below(&below)?;
        let gone: BTreeSet<GitId> = git
            .missing(kept.iter().map(|(_, id)| id))
            .into_iter()
            .cloned()
            .collect();
        for (name, tag_id) in kept {
            let Some(version) = name
                .strip_prefix(&below)
                .and_then(|rest| rest.parse::<Version>().ok())
            else {
                continue;
            };
            if gone.contains(&tag_id) {
                let why = git::Error::MissingObject { id: tag_id }.to_string();
                let broken = BrokenRef {
                    name,
                    file: None,
                    why,
                };
                self.broken.entry((task.clone(), version)).or_insert(broken);
                continue;
            }
            let tag = settings.release_tag(task, &version);
            let release = Release {
                lost: true,
                ..Release::of((task, &version), tag, tag_id)
            };
            self.by_task
                .entry(task.clone())
                .or_default()
                .entry(version)
                .or_insert(release);
        }
        Ok(())
    }

    /// Returns the releases whose tag and second reference differ, of one task or all.
    pub fn moved(
        &self,
        git: &Repo,
        task: Option<&TaskId>,
    ) -> Result<BTreeSet<(TaskId, Version)>, Failure> {
        let below = task.map_or_else(|| KEEP.to_string(), |task| format!("{KEEP}{task}/"));
        let mut moved = BTreeSet::new();
        for (name, kept) in git.refs_below(&below)? {
            let Some((task, version)) = name
                .strip_prefix(KEEP)
                .and_then(|rest| rest.split_once('/'))
            else {
                continue;
            };
            let (Ok(task), Ok(version)) = (task.parse::<TaskId>(), version.parse::<Version>())
            else {
                continue;
            };
            let there = self
                .by_task
                .get(&task)
                .and_then(|versions| versions.get(&version));
            if there.is_some_and(|release| !release.lost && release.tag_id != kept) {
                moved.insert((task, version));
            }
        }
        Ok(moved)
    }

    /// Returns a copy in which one release replaces another.
    pub fn with(&self, release: Release) -> Self {
        let versions = BTreeMap::from([(release.version.clone(), release.clone())]);
        Self {
            by_task: BTreeMap::from([(release.task, versions)]),
            markers: self.markers.clone(),
            ..Self::default()
        }
    }

    /// Returns the versions of a task that have a tag, even a broken one.
    pub fn tagged(&self, task: &TaskId) -> BTreeSet<Version> {
        let broken = self
            .broken
            .keys()
            .filter(|(id, _)| id == task)
            .map(|(_, version)| version);
        self.of(task)
            .map(|release| &release.version)
            .chain(broken)
            .cloned()
            .collect()
    }

    /// Finds a release; the error suggests others.
    pub fn find(&self, task: &TaskId, version: &Version) -> Result<&Release, Error> {
        let found = self
            .by_task
            .get(task)
            .and_then(|versions| versions.get(version));
        found.ok_or_else(|| match self.broken.get(&(task.clone(), version.clone())) {
            Some(broken) => Error::TagBroken {
                task: task.clone(),
                version: version.clone(),
                broken: Box::new(broken.clone()),
            },
            None => self.unknown(task, &version.to_string()),
        })
    }

    /// Builds the error for a version that does not exist.
    pub fn unknown(&self, task: &TaskId, typed: &str) -> Error {
        let names: Vec<String> = self
            .of(task)
            .rev()
            .map(|release| release.version.to_string())
            .collect();
        let mut near: Vec<String> = text::did_you_mean(typed, names.iter().map(String::as_str))
            .into_iter()
            .map(String::from)
            .collect();
        if near.is_empty() {
            near = names.into_iter().take(3).collect();
        }
        Error::UnknownVersion {
            task: task.clone(),
            version: text::escape(typed.as_bytes()),
            near,
        }
    }
}
