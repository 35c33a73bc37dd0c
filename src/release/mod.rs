//! Row 11, create-snapshot and adopt: how releases are made.
//!
//! [`draft`] reads the task's files, chooses the version and describes the release; `draft::write`
//! makes its objects. The operation then changes configuration, registry and manifest in the work
//! tree and publishes branch, tag and index in one step. [`adopt`] makes manifests for tags that
//! are older than snapback.

pub mod adopt;
mod change;
pub mod commits;
mod databases;
pub mod dependencies;
pub mod edits;
mod error;
pub mod files;
pub mod held;
pub mod line;
pub mod shared;
pub mod version;

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    base::{Failure, Kind},
    catalog::{
        self, Release, Scope, capture, demands, manifests::Found, releases::Releases, version_place,
    },
    draft::{CommitDraft, Draft, steps},
    git::Head,
    model::{
        AsWritten, DependencyList, Manifest, Plan, TagName, TaskId, TaskSpec, Version,
        VersionCount,
        manifest::{ManifestFile, TaskVersion},
        operation::{OpKind, RegistryChange, Step},
        plan::FileLine,
        request::CreateSnapshot,
    },
    policy::portable,
    registry::task_config,
    site::RepoSite,
    verdict::Standings,
};
use files::ReleaseFiles;

pub use error::Error;

/// Describes the requested release, without changing anything.
pub fn draft(
    site: &RepoSite,
    task: &TaskSpec,
    releases: &Releases,
    standings: &Standings,
    request: &CreateSnapshot,
) -> Result<Draft, Failure> {
    site.git.check_ready()?;
    let since = site.clock.now();
    let head = site.git.head()?;
    let scope = Scope::new(&site.settings, task)?;
    let config = configured_version(site, task, releases)?;
    let active = catalog::registry::active_version(&*site.tree, &site.settings, task)?;
    let new = NewRelease {
        site,
        task,
        releases,
        standings,
        request,
        scope,
        head,
        active,
        since,
    };
    new.draft(config.as_ref())
}

/// A requested release, with its context.
struct NewRelease<'a> {
    site: &'a RepoSite,
    task: &'a TaskSpec,
    releases: &'a Releases,
    standings: &'a Standings,
    request: &'a CreateSnapshot,
    scope: Scope,
    /// The parent commit.
    head: Head,
    /// The active version of the task.
    active: Option<Version>,
    /// When its files began to be taken in.
    since: Timestamp,
}

impl NewRelease<'_> {
    /// Describes the release; `config` is the version in the configuration.
    fn draft(&self, config: Option<&Version>) -> Result<Draft, Failure> {
        let (site, task) = (self.site, self.task);
        let line = line::find(self)?;
        let (previous, mut found) = self.read_files()?;
        found.notes.extend(line.notes());
        let remarks = version_place::remarks(&*site.tree, task);
        found.notes.extend(remarks);
        check_names(site, &mut found)?;
        let commits = commits::since(site, &self.scope, line.newest, &self.head.commit)?;
        let asked = commits::resolve(self, line.newest, &commits, &found);
        let version = line.choose(&task.id, asked.as_ref(), config)?;
        found
            .notes
            .extend(line.note_of_first(asked.as_ref(), &version));
        let unfit = demands::unfit(&*site.tree, task, &version);
        found.notes.extend(unfit);
        let tag = TagName::release(&task.id, &version);
        check_length(&site.settings.tag(&tag), &task.id, &version)?;
        let name = check_tag(site, &tag)?;
        edits::set_versions(site, task, &version, &self.head.commit, &mut found)?;
        match self.releases.find(&task.id, &version) {
            Ok(release) => return self.existing(release, &found),
            Err(broken @ catalog::Error::TagBroken { .. }) => return Err(broken.into()),
            Err(_) => {}
        }
        held::refuse(self, &version, &found)?;
        check_manifest_place(site, task, &version)?;
        let is_signed = is_signed(site, self.request)?;
        let previous = previous.as_deref().map(|found| &found.manifest);
        let dependencies = dependencies::collect(
            site,
            task,
            &self.scope,
            (&self.head.commit, previous),
            &mut found,
        )?;
        let plan = self.plan(&version, &found);
        let mut draft = Draft::new(plan, &self.request.message);
        let manifest = self.manifest((&version, name), previous, &mut found, dependencies);
        catalog::manifests::check_size(&manifest, Some(&self.head.commit))?;
        draft.commit = Some(CommitDraft {
            tree: std::mem::take(&mut found.tree)
                .into_iter()
                .filter(|change| change.before != change.after)
                .collect(),
            is_signed,
            manifest: Some(manifest),
            ..self.commit(&version, tag, &commits)
        });
        self.add_files(version, found, &mut draft);
        Ok(draft)
    }

    /// Reads the previous release and the files of this one; refuses a release without files.
    fn read_files(&self) -> Result<(Option<Arc<Found>>, ReleaseFiles), Failure> {
        let (site, task, scope) = (self.site, self.task, &self.scope);
        let (previous, scan) = rayon::join(
            || previous(site, self.releases, task, self.active.as_ref()),
            || site.git.scan(&scope.dirs()),
        );
        let scan = scan?;
        let mut found = files::find(site, task, scope, &scan, previous.as_deref())?;
        databases::check(site, scope, &scan, &mut found)?;
        if found.entries.is_empty() {
            return Err(Error::NoFiles(task.id.clone()).into());
        }
        Ok((previous, found))
    }

    /// Drafts the commit and its tag, still without tree and manifest.
    fn commit(&self, version: &Version, tag: TagName, commits: &[String]) -> CommitDraft {
        let (task, message) = (&self.task.id, &self.request.message);
        let (reason, text) = if message.is_empty() {
            (String::new(), format!("{task} {version}"))
        } else {
            (format!(" {message}"), message.clone())
        };
        CommitDraft {
            head: self.head.clone(),
            tree: Vec::new(),
            message: format!("release({task}): v{version}{reason}"),
            tag: Some((tag, commits::with_section(text, commits))),
            signing: self.request.signing.clone(),
            is_signed: false,
            manifest: None,
        }
    }

    /// Adds the remaining changes and the steps.
    fn add_files(&self, version: Version, found: ReleaseFiles, draft: &mut Draft) {
        draft.registry = Some(RegistryChange {
            path: self.site.settings.registry.clone(),
            before: self.active.clone(),
            after: Some(version.clone()),
        });
        draft.index = found.index;
        draft.files = found.edits;
        draft.large = found.large;
        draft.blobs = found.blobs;
        draft.unsynced = found.unsynced;
        draft.facts = found.facts;
        draft.steps = vec![
            steps::FILES,
            Step::Verify {
                version: Some(version),
                since: Some(self.since),
            },
            steps::PUBLISH,
        ];
    }

    /// Handles an existing release: success if it is identical, otherwise a conflict.
    fn existing(&self, release: &Release, found: &ReleaseFiles) -> Result<Draft, Failure> {
        let (site, request) = (self.site, self.request);
        if let Some(place) = request.elsewhere.get(&release.version) {
            return Err(Error::Twice {
                tag: release.tag.clone(),
                place: place.clone(),
            }
            .into());
        }
        let tag = site.git.peel_tag(&release.tag_id)?;
        let same = catalog::manifests::load(site, release)
            .is_ok_and(|there| found.restores_like(&there.manifest, &ManifestFile::is_same));
        if !same || self.active.as_ref() != Some(&release.version) {
            return Err(Error::TagExists {
                tag: release.tag.clone(),
                at: tag.commit.short().into(),
                task: self.task.id.clone(),
            }
            .into());
        }
        let mut plan = self.plan(&release.version, found);
        plan.nothing_to_do = true;
        plan.files.clear();
        plan.notes.push(format!(
            "{} is released already, with these very files",
            release.tag
        ));
        Ok(Draft::new(plan, &request.message))
    }

    /// Builds the plan.
    fn plan(&self, version: &Version, found: &ReleaseFiles) -> Plan {
        let (task, active) = (self.task, self.active.clone());
        let mut files: Vec<FileLine> = found.lines.clone();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut notes = found.notes.clone();
        if active.as_ref().is_some_and(|active| version < active) {
            notes.push(format!("{version} is older than the active version"));
        }
        Plan {
            title: task.title.clone(),
            from: active,
            to: Some(version.clone()),
            about: self.request.message.clone(),
            unchanged: found
                .entries
                .iter()
                .filter(|file| file.is_restored())
                .count()
                .saturating_sub(files.len()),
            files,
            left_out: found.left_out.clone(),
            notes,
            contents: Some(found.contents()),
            ..Plan::new(OpKind::CreateSnapshot, &task.id)
        }
    }

    /// Builds the manifest; commit and object ids are filled in later.
    fn manifest(
        &self,
        (version, tag): (&Version, String),
        previous: Option<&Manifest>,
        found: &mut ReleaseFiles,
        dependencies: DependencyList,
    ) -> Manifest {
        let (site, task, message) = (self.site, self.task, &self.request.message);
        let mut files: Vec<ManifestFile> = std::mem::take(&mut found.entries);
        files.sort_by(|a, b| a.path().cmp(b.path()));
        Manifest {
            subject: TaskVersion {
                task: task.id.clone(),
                version: version.clone(),
                tag,
                commit: AsWritten::default(),
                previous: previous.map(|before| before.subject.version.clone()),
                adopted: false,
                line_ends: std::mem::take(&mut found.line_ends),
            },
            created_at: AsWritten::Value(site.clock.now()),
            message: (!message.is_empty()).then(|| message.clone()),
            by_hand: false,
            files,
            dependencies,
        }
    }
}

/// Returns the active release's manifest, which saves hashing unchanged files.
fn previous(
    site: &RepoSite,
    releases: &Releases,
    task: &TaskSpec,
    active: Option<&Version>,
) -> Option<Arc<Found>> {
    let release = active
        .and_then(|version| releases.find(&task.id, version).ok())
        .or_else(|| releases.of(&task.id).next_back())?;
    match catalog::manifests::load(site, release) {
        Ok(found) => Some(found),
        Err(failure) if failure.kind() == Kind::Refused => None,
        Err(failure) => {
            site.warn(format!(
                "the manifest of {} is not used: {failure}",
                release.tag
            ));
            None
        }
    }
}

/// Returns the version in the task's configuration; an existing configuration must have one.
fn configured_version(
    site: &RepoSite,
    task: &TaskSpec,
    releases: &Releases,
) -> Result<Option<Version>, Failure> {
    let version = catalog::registry::config_version(&*site.tree, task)?;
    let (Some(path), None) = (&task.config, &version) else {
        return Ok(version);
    };
    let Some(bytes) = catalog::registry::read_small(&*site.tree, path)? else {
        return Ok(None);
    };
    let active = catalog::registry::active_version(&*site.tree, &site.settings, task)
        .ok()
        .flatten();
    let newest = || {
        releases
            .of(&task.id)
            .next_back()
            .map(|release| release.version.clone())
    };
    let first = VersionCount {
        scheme: task.scheme,
        today: line::today(site),
        known: &[],
    };
    let fitting = active.or_else(newest).unwrap_or_else(|| first.first());
    let (add, dynamic) = task_config::how_to_add(&bytes, path, &task.version_key, &fitting)?;
    Err(Error::ConfigWithoutVersion {
        task: task.id.clone(),
        path: path.to_string(),
        key: task.version_key.clone(),
        add,
        dynamic,
    }
    .into())
}

/// Returns whether the manifest is signed. An unusable key is detected before anything is written.
fn is_signed(site: &RepoSite, request: &CreateSnapshot) -> Result<bool, Failure> {
    let is_wanted = request.signing.of_manifest(site.settings.releases.sign);
    if is_wanted {
        site.keys().check()?;
    }
    Ok(is_wanted)
}

/// Refuses names that some system cannot write if so configured, otherwise adds a remark.
fn check_names(site: &RepoSite, found: &mut ReleaseFiles) -> Result<(), Error> {
    let mut paths: Vec<_> = found.entries.iter().map(|file| file.path()).collect();
    paths.sort();
    let troubles = portable::troubles(paths);
    if troubles.is_empty() {
        return Ok(());
    }
    if site.settings.releases.portable {
        return Err(Error::NotPortable(troubles));
    }
    found.notes.push(error::not_portable(&troubles));
    Ok(())
}

/// Refuses to write the manifest over content that only the work tree has.
fn check_manifest_place(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
) -> Result<(), Failure> {
    let path = site.settings.manifest_path(&task.id, version);
    let Some(now) = capture::read(&*site.tree, &path)? else {
        return Ok(());
    };
    let committed = site.git.entry(&site.git.head()?.commit, &path)?;
    let same = committed.is_some_and(|entry| {
        now.bytes
            .is_some_and(|bytes| site.git.blob_id(&bytes) == entry.id)
    });
    if same {
        Ok(())
    } else {
        Err(Error::ManifestInTheWay(path).into())
    }
}

/// Refuses a version whose manifest, tag or marker could have no file: no name is longer than 255
/// bytes, and git writes a reference beside itself, with `.lock` at its end.
fn check_length(tag: &str, task: &TaskId, version: &Version) -> Result<(), Error> {
    const LONGEST: usize = 255;
    let manifest = "snapshot--v.yaml".len() + task.as_str().len() + version.as_str().len();
    let own = tag.rsplit('/').next().unwrap_or(tag);
    let marker = own.len() + version.as_str().len() + "-rollback-from-v+999.lock".len();
    if manifest.max(marker) > LONGEST {
        return Err(Error::TooLong(task.clone(), version.clone()));
    }
    Ok(())
}

/// Refuses a tag name that could also belong to another task, because its owner would be ambiguous,
/// and one that a branch has. Returns the name.
fn check_tag(site: &RepoSite, tag: &TagName) -> Result<String, Failure> {
    let name = site.settings.tag(tag);
    let readings = site.settings.tag_readings(&name).into_iter();
    let other = readings.into_iter().find(|reading| reading != tag);
    if let Some(other) = other {
        return Err(Error::Ambiguous {
            tag: name,
            task: tag.task().clone(),
            other: other.task().clone(),
        }
        .into());
    }
    if site.git.find_ref(&format!("refs/heads/{name}"))?.is_some() {
        return Err(Error::BranchHasItsName(name).into());
    }
    Ok(name)
}
