//! The line of releases that a branch is built on, from which the next version is derived.
//!
//! A branch from an old release counts from that release, not from the repository's newest one,
//! whose changes it lacks. A release whose tag is missing here counts by its manifest, and no
//! number ever equals or passes a release that the branch is not built on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::civil::Date;

use super::{Error, NewRelease, version};
use crate::{
    base::{Failure, Hint, zone},
    catalog::{self, Release, releases::Releases, untagged},
    model::{Advice, GitId, Scheme, TaskId, TaskSpec, Version, VersionCount, request::NextVersion},
    site::RepoSite,
    verdict::{Standings, standing_of},
};

/// The line of one task in one branch.
#[derive(Debug, Default)]
pub struct BranchReleases<'a> {
    /// The newest release of the line that has a tag here.
    pub newest: Option<&'a Release>,
    /// The newest release of the line, with a tag or not.
    released: Option<Version>,
    /// The number to increment: that release's, or the active version's if newer.
    base: Option<Version>,
    /// All versions with a tag here.
    tagged: BTreeSet<Version>,
    /// The tags of releases that can be read.
    tags: BTreeMap<Version, String>,
    /// Releases newer than the base that the branch is not built on.
    beside: BTreeSet<Version>,
    /// Releases without a tag here, each with the evidence for its release.
    untagged: BTreeMap<Version, String>,
    /// True when a remote may have the tags.
    has_remote: bool,
    /// The scheme of the task.
    scheme: Scheme,
    /// The day of the release.
    today: Date,
    /// Notes about tags that do not count.
    passed_over: Vec<String>,
}

/// Finds the line that a release continues.
pub(super) fn find<'a>(new: &NewRelease<'a>) -> Result<BranchReleases<'a>, Failure> {
    let (site, task, releases) = (new.site, new.task, new.releases);
    let active = new.active.as_ref();
    let (counted, passed_over) = counted(site, task, releases, new.standings, active);
    let manifests = untagged::everywhere(&site.git, &site.settings)?
        .remove(&task.id)
        .unwrap_or_default();
    // A tag that does not count does not count by its manifest either.
    let is_counted = |version: &&Version| {
        releases.find(&task.id, version).is_err()
            || counted.iter().any(|release| release.version == **version)
    };
    let in_head = manifests
        .iter()
        .filter(|(_, place)| *place == untagged::HEAD)
        .map(|(version, _)| version);
    let in_head: BTreeSet<&Version> = in_head.filter(is_counted).collect();
    let tip = newest(site, &counted, &in_head, active, &new.head.commit)?;
    let latest = tip
        .map(|release| &release.version)
        .into_iter()
        .chain(in_head.iter().copied())
        .max()
        .cloned();
    let base = latest
        .as_ref()
        .map(|latest| latest.max(active.unwrap_or(latest)).clone());
    let tagged = releases.tagged(&task.id);
    let untagged = untagged(&new.request.elsewhere, &manifests, &tagged);
    let is_newer = |version: &&Version| base.as_ref().is_some_and(|base| *version > base);
    let beside = counted
        .iter()
        .map(|release| &release.version)
        .chain(untagged.keys())
        .filter(is_newer)
        .cloned()
        .collect();
    let tag = |release: &Release| (release.version.clone(), release.tag.clone());
    Ok(BranchReleases {
        tags: releases.of(&task.id).map(tag).collect(),
        newest: tip,
        released: latest,
        base,
        tagged,
        beside,
        untagged,
        has_remote: !site.git.remotes().is_empty(),
        scheme: task.scheme,
        today: today(site),
        passed_over,
    })
}

/// Returns the day that it is here.
pub(super) fn today(site: &RepoSite) -> Date {
    site.clock.now().to_zoned(zone()).date()
}

/// Returns the releases without a tag here, each with the evidence for it; `elsewhere` are versions
/// that a remote has, with the place.
fn untagged(
    elsewhere: &BTreeMap<Version, String>,
    manifests: &BTreeMap<Version, String>,
    tagged: &BTreeSet<Version>,
) -> BTreeMap<Version, String> {
    let mut untagged = elsewhere.clone();
    for (version, place) in manifests {
        untagged
            .entry(version.clone())
            .or_insert_with(|| format!("its manifest is in {place}"));
    }
    untagged.retain(|version, _| !tagged.contains(version));
    untagged
}

/// Returns the newest of these releases that the branch is built on. Where this is unknown, in a
/// shallow clone or when releases lie on separate commits, returns the newest one.
fn newest<'a>(
    site: &RepoSite,
    counted: &[&'a Release],
    in_head: &BTreeSet<&Version>,
    active: Option<&Version>,
    head: &GitId,
) -> Result<Option<&'a Release>, Failure> {
    if site.git.is_shallow() {
        return Ok(counted.last().copied());
    }
    let is_own = |release: &&&Release| {
        in_head.contains(&release.version) || active == Some(&release.version)
    };
    let own = counted.iter().rev().find(is_own).copied();
    let newer: Vec<&Release> = counted
        .iter()
        .rev()
        .copied()
        .take_while(|release| own.is_none_or(|own| release.version > own.version))
        .collect();
    let commits = newer.iter().map(|release| {
        site.git
            .peel_tag(&release.tag_id)
            .ok()
            .map(|tag| tag.commit)
    });
    let found = site
        .git
        .first_ancestor(head, commits)?
        .map(|nth| newer[nth]);
    Ok(found.or(own).or_else(|| {
        if in_head.is_empty() {
            counted.last().copied()
        } else {
            None
        }
    }))
}

/// Returns the releases whose numbers count, and notes about the others.
fn counted<'a>(
    site: &RepoSite,
    task: &TaskSpec,
    releases: &'a Releases,
    standings: &Standings,
    active: Option<&Version>,
) -> (Vec<&'a Release>, Vec<String>) {
    let mut all: Vec<&Release> = releases.of(&task.id).collect();
    let step = |nth: usize| {
        let version = &all[nth].version;
        version::VersionStep {
            version,
            taken_back: standing_of(standings, &task.id, version).is_taken_back(),
        }
    };
    let has_manifest = |nth: usize| catalog::manifests::bytes(site, all[nth]).is_ok();
    let count = version::counted(all.len(), step, has_manifest, active);
    let said = |release: &Release| {
        format!(
            "{} is far ahead of all others and no release that counts: the next version is not counted on from it",
            release.tag
        )
    };
    let passed_over = all.drain(count..).map(said).collect();
    (all, passed_over)
}

impl BranchReleases<'_> {
    /// Chooses the version of the next release.
    ///
    /// # Errors
    /// Fails when it was already released and only its tag is missing, when the number cannot be
    /// derived, and when it would equal or pass a release that the branch is not built on.
    pub fn choose(
        &self,
        task: &TaskId,
        asked: Option<&NextVersion>,
        config: Option<&Version>,
    ) -> Result<Version, Error> {
        let known: Vec<&Version> = self.tagged.iter().collect();
        let count = self.count(&known);
        let line = (self.released.as_ref(), self.base.as_ref());
        let (version, is_counted) = version::choose(asked, config, line, &count)?;
        let released = if is_counted {
            self.base
                .as_ref()
                .filter(|base| self.untagged.contains_key(*base))
        } else {
            None
        };
        if let Some((released, place)) = released
            .or(Some(&version))
            .and_then(|version| self.untagged.get_key_value(version))
        {
            let (version, place, is_counted) =
                (released.clone(), place.clone(), *released != version);
            return Err(Error::Untagged(Box::new(Untagged {
                task: task.clone(),
                version,
                place,
                is_counted,
                has_remote: self.has_remote,
            })));
        }
        let other = self
            .beside
            .iter()
            .rfind(|other| **other <= version)
            .filter(|_| is_counted);
        match (other, &self.base) {
            (Some(other), Some(base)) => Err(self.beside(task, version, other, base)),
            _ => Ok(version),
        }
    }

    /// Returns how its versions are counted.
    fn count<'a>(&self, known: &'a [&'a Version]) -> VersionCount<'a> {
        VersionCount {
            scheme: self.scheme,
            today: self.today,
            known,
        }
    }

    /// Builds the error for a derived number that equals or passes a release beside the line, with
    /// the free numbers before and after that release.
    fn beside(&self, task: &TaskId, version: Version, other: &Version, base: &Version) -> Error {
        let known: Vec<&Version> = self.tagged.iter().collect();
        let next = |version: &Version| self.count(&known).next(version, None).ok();
        let free = next(base).filter(|free| self.is_free(free));
        let mut later = std::iter::successors(Some(version.clone()), next);
        let past = later.find(|past| !self.is_taken(past));
        Error::Beside(Box::new(OtherRelease {
            task: task.clone(),
            version,
            other: other.clone(),
            base: base.clone(),
            free,
            past,
            tag: self.tags.get(other).cloned(),
        }))
    }

    /// Returns true for an unreleased version below every release beside the line.
    fn is_free(&self, version: &Version) -> bool {
        !self.is_taken(version) && self.beside.first().is_none_or(|other| version < other)
    }

    /// Returns true when a version was released.
    fn is_taken(&self, version: &Version) -> bool {
        self.tagged.contains(version) || self.untagged.contains_key(version)
    }

    /// Returns the note that a first release has the version of the configuration, whatever is to
    /// be raised.
    pub fn note_of_first(&self, asked: Option<&NextVersion>, version: &Version) -> Option<String> {
        let is_raised = matches!(asked, Some(NextVersion::Bump(_)));
        (is_raised && self.base.is_none()).then(|| {
            format!("it is the first release, so nothing is raised: {version} is the version that is there")
        })
    }

    /// Returns the notes for the plan.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.passed_over.clone();
        let names = |versions: Vec<&Version>| {
            let text: Vec<String> = versions.iter().take(3).map(ToString::to_string).collect();
            format!(
                "{}{}",
                text.join(", "),
                if versions.len() > 3 { ", …" } else { "" }
            )
        };
        if let (Some(base), false) = (&self.base, self.beside.is_empty()) {
            let (other, is) = (
                names(self.beside.iter().rev().collect()),
                if self.beside.len() == 1 { "is" } else { "are" },
            );
            notes.push(format!(
                "this branch goes on from {base}: {other} {is} not part of it"
            ));
        }
        if !self.untagged.is_empty() {
            let (all, has) = (
                names(self.untagged.keys().rev().collect()),
                if self.untagged.len() == 1 {
                    "has"
                } else {
                    "have"
                },
            );
            notes.push(format!("{all} {has} no tag here: git fetch --tags"));
        }
        notes
    }
}

/// A version that was released, and only its tag is missing here.
#[derive(Debug)]
pub struct Untagged {
    task: TaskId,
    version: Version,
    /// The evidence that it was released.
    place: String,
    /// True when another version would be derived from it.
    is_counted: bool,
    has_remote: bool,
}

impl fmt::Display for Untagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            version,
            place,
            ..
        } = self;
        if self.is_counted {
            return write!(
                f,
                "the next version of {task} cannot be counted: {version} is released ({place}), and its tag is not in this clone"
            );
        }
        write!(
            f,
            "{task} {version} is released already: {place}, and its tag is not in this clone"
        )
    }
}

impl Untagged {
    /// Returns the hints.
    pub fn hints(&self) -> Vec<Hint> {
        let fetch = self
            .has_remote
            .then(|| Hint::run("bring the tags here", &["git", "fetch", "--tags"]));
        let gone = "if no clone has the tag any more, name a version that was never used: --version VERSION";
        fetch.into_iter().chain([Hint::say(gone)]).collect()
    }
}

/// A derived number that equals or passes a release that the branch is not built on.
#[derive(Debug)]
pub struct OtherRelease {
    task: TaskId,
    /// The derived number.
    version: Version,
    /// The release that the branch is not built on.
    other: Version,
    /// The number it was derived from.
    base: Version,
    /// The next free number before that release.
    free: Option<Version>,
    /// The next free number after it.
    past: Option<Version>,
    /// The tag of that release, if it is here.
    tag: Option<String>,
}

impl fmt::Display for OtherRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            version,
            other,
            base,
            ..
        } = self;
        if version == other {
            return write!(
                f,
                "{task} {other} exists already, and this branch is not built on it: it goes on from {base}"
            );
        }
        write!(
            f,
            "{task} {version} would come after {other}, which this branch is not built on: it goes on from {base}"
        )
    }
}

impl OtherRelease {
    /// Returns the hints.
    pub fn hints(&self) -> Vec<Hint> {
        let release = |why: &str, version: &Version| {
            Advice::ReleaseAs {
                task: self.task.clone(),
                version: version.to_string(),
            }
            .because(why)
        };
        let free = self
            .free
            .iter()
            .map(|free| release("take the next number that is free here", free));
        let past = self.past.iter().map(|past| {
            release(
                &format!(
                    "take a number after {0}, without what {0} brought",
                    self.other
                ),
                past,
            )
        });
        let merge = match &self.tag {
            Some(tag) => Hint::run("or merge that first", &["git", "merge", tag]),
            None => Hint::say("or merge what is missing first"),
        };
        free.chain(past).chain([merge]).collect()
    }
}
