//! Makes the manifest of a tag that is older than snapback here, from git's data of its commit. A
//! tag that cannot be adopted gets a reason; nothing is written, and the work tree is not read.

use std::collections::HashMap;

use super::line;
use crate::{
    base::{Digest, Failure, RelPath},
    catalog::{Release, Scope, grown, manifests},
    deps::{self, facts::SourceFacts},
    model::{
        AsWritten, DependencyList, FileRecord, GitId, Manifest, TaskId, TaskSpec, Version,
        manifest::{ManifestFile, TaskVersion},
        overview::AdoptionLine,
    },
    site::RepoSite,
};

/// Cached facts about blobs: digest and size, and facts of sources.
#[derive(Default)]
struct KnownBlobs {
    blobs: HashMap<GitId, (Digest, u64)>,
    facts: SourceFacts,
}

impl KnownBlobs {
    /// Returns digest and size of a blob, reading it only once.
    fn blob(&mut self, site: &RepoSite, id: &GitId) -> Result<(Digest, u64), String> {
        if let Some(known) = self.blobs.get(id) {
            return Ok(*known);
        }
        let bytes = site.git.read_blob(id).map_err(|error| error.to_string())?;
        let read = (Digest::of(&bytes), bytes.len() as u64);
        self.blobs.insert(id.clone(), read);
        Ok(read)
    }
}

/// Adopts the releases of one task.
pub(super) fn adopt_task(
    site: &RepoSite,
    scopes: &HashMap<&TaskId, Scope>,
    group: &[&Release],
) -> Vec<(AdoptionLine, Option<Manifest>)> {
    let mut known = KnownBlobs::default();
    let mut previous: Option<Version> = None;
    let mut results = Vec::with_capacity(group.len());
    for release in group {
        let made = scopes.get(&release.task).map_or_else(
            || Err("its task is not asked for".into()),
            |scope| adopt_one(site, scope, release, previous.as_ref(), &mut known),
        );
        results.push(match made {
            Ok(manifest) => {
                previous = Some(release.version.clone());
                (line(release, manifest.files.len(), None), Some(manifest))
            }
            Err(reason) => (line(release, 0, Some(reason)), None),
        });
        site.progress(1);
    }
    results
}

/// Makes the manifest of one tag, or returns why that is impossible.
fn adopt_one(
    site: &RepoSite,
    scope: &Scope,
    release: &Release,
    previous: Option<&Version>,
    known: &mut KnownBlobs,
) -> Result<Manifest, String> {
    let tag = site
        .git
        .peel_tag(&release.tag_id)
        .map_err(|error| error.to_string())?;
    if manifests::digest_in(&tag.message).is_some() {
        return Err("it was released by snapback elsewhere: bring the branch with its manifest here (git fetch, git merge)".into());
    }
    let commit = site
        .git
        .commit(&tag.commit)
        .map_err(|error| error.to_string())?;
    let task = site
        .settings
        .task(&release.task)
        .ok_or("its task is gone")?;
    let files = files(site, (task, scope), &tag.commit, known)?;
    // Unreadable dependencies are unknown, which is no reason to leave the release out.
    let dependencies =
        dependencies(site, task, &tag.commit, &files, &mut known.facts).unwrap_or_default();
    let text = if tag.message.trim().is_empty() {
        &commit.message
    } else {
        &tag.message
    };
    Ok(Manifest {
        subject: TaskVersion {
            task: release.task.clone(),
            version: release.version.clone(),
            tag: release.tag.clone(),
            commit: AsWritten::Value(tag.commit.clone()),
            previous: previous.cloned(),
            adopted: true,
            line_ends: Vec::new(),
        },
        created_at: AsWritten::Value(tag.at.unwrap_or(commit.time)),
        message: text
            .lines()
            .next()
            .map(|line| line.trim().to_string())
            .filter(|line| !line.is_empty()),
        by_hand: false,
        files,
        dependencies,
    })
}

/// Returns the files of a task in a commit; refuses a commit without any.
fn files(
    site: &RepoSite,
    (task, scope): (&TaskSpec, &Scope),
    commit: &GitId,
    known: &mut KnownBlobs,
) -> Result<Vec<ManifestFile>, String> {
    let mut files = Vec::new();
    for (path, entry) in site
        .git
        .entries(commit, &scope.dirs())
        .map_err(|error| error.to_string())?
    {
        if !scope.owns(&path) {
            continue;
        }
        let Some(kind) = entry.mode.blob_kind() else {
            return Err(format!("{path} is a submodule"));
        };
        let read = known.blob(site, &entry.id)?;
        let role = grown::role(task, &path);
        let record = FileRecord::of_blob(path, kind, read, entry.id);
        files.push(ManifestFile::new(role, record));
    }
    if files.is_empty() {
        return Err(format!(
            "its commit has no file of the task ({})",
            task.paths.join(", ")
        ));
    }
    Ok(files)
}

/// Returns the dependencies recorded in a commit's files. Environments are never committed, so lock
/// files decide; the configured variables are today's.
fn dependencies(
    site: &RepoSite,
    task: &TaskSpec,
    commit: &GitId,
    files: &[ManifestFile],
    facts: &mut SourceFacts,
) -> Result<DependencyList, Failure> {
    let paths: Vec<RelPath> = files.iter().map(|file| file.path().clone()).collect();
    let blobs: Vec<Option<&GitId>> = files.iter().map(|file| file.blob()).collect();
    let found = deps::collect_all(&deps::CollectedTask {
        fs: &site.git.files_of(commit)?,
        dir: &task.dir,
        files: &paths,
        venv: None,
        variables: &task.environment_variables,
        known: deps::KnownSources {
            blobs: &blobs,
            id: &|bytes| Some(site.git.blob_id(bytes)),
            facts,
        },
    })?;
    if let Some(new) = found.facts.and_then(|new| new.into_facts()) {
        *facts = new;
    }
    let none_found = found.list.is_empty();
    Ok(DependencyList {
        none_found,
        ..found.list
    })
}
