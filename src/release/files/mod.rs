//! The files of a release: tracked and new files go into the commit, large files into the store.
//! Bytes whose blob is listed in the previous manifest, authenticated by its tag, are not hashed
//! again.

mod reader;

use std::collections::{HashMap, HashSet};

use crate::{
    base::{Digest, Failure, RelPath, digest::Hasher},
    catalog::{
        Error, Scope, capture, grown, left_out,
        manifests::{self, Found},
    },
    deps::facts::NewFacts,
    draft::{
        NewBlob,
        lines::{self, LineSide},
    },
    git::{self, Attributes, Converter, Scan, Tracked, WorkState},
    model::{
        FileRecord, GitId, IgnoredFiles, Location, Manifest, PathChange, TaskSpec,
        manifest::{FileRole, ManifestFile},
        operation::{TreeChange, TreeEntry},
        plan::FileLine,
    },
    policy::litter,
    site::RepoSite,
    source::{PathStat, TaskFiles, task::NewFiles},
};
use reader::{FileInGit, ReleaseFileState, ReleaseReader};

/// The contents of a release.
#[derive(Default)]
pub struct ReleaseFiles {
    /// The manifest's files.
    pub entries: Vec<ManifestFile>,
    /// The changes of the commit's tree from HEAD; may include unchanged entries.
    pub tree: Vec<TreeChange>,
    /// The changes of the index; an unchanged entry only gets new stat data.
    pub index: Vec<TreeChange>,
    /// Changes of the work tree: versions in configuration and registry.
    pub edits: Vec<PathChange>,
    /// Large files and their digests.
    pub large: Vec<(RelPath, Digest)>,
    /// Blobs to write.
    pub blobs: Vec<NewBlob>,
    /// Blobs that git has but may not have synced.
    pub unsynced: Vec<GitId>,
    /// The lines for the plan.
    pub lines: Vec<FileLine>,
    /// Ignored files that are not part of it.
    pub left_out: IgnoredFiles,
    /// The remarks for the plan.
    pub notes: Vec<String>,
    /// Files that were read because the index does not vouch for them.
    pub read: HashSet<RelPath>,
    /// Facts from the sources, for the next release.
    pub facts: Option<NewFacts>,
    /// Files whose line ends git does not restore exactly.
    pub line_ends: Vec<RelPath>,
}

impl ReleaseFiles {
    /// Returns a digest of all that is released: paths, kinds and bytes.
    pub fn contents(&self) -> Digest {
        let mut files: Vec<&ManifestFile> = self.entries.iter().collect();
        files.sort_by(|a, b| a.path().cmp(b.path()));
        let mut all = Hasher::default();
        for file in files {
            all.update(file.path().as_bytes());
            all.update(&[0]);
            all.update(&[file.kind().map_or(0, |kind| kind as u8)]);
            all.update(file.checksum().as_bytes());
        }
        all.finish()
    }

    /// Returns true when a release restores exactly these files, compared by `same`, and no others.
    pub fn restores_like(
        &self,
        released: &Manifest,
        same: &dyn Fn(&ManifestFile, &ManifestFile) -> bool,
    ) -> bool {
        let [then, now] = [&released.files, &self.entries].map(|files| {
            let mut own: Vec<_> = files.iter().filter(|file| file.is_restored()).collect();
            own.sort_by(|a, b| a.path().cmp(b.path()));
            own
        });
        let is_same = |(then, now): (&&ManifestFile, &&ManifestFile)| {
            then.path() == now.path() && same(then, now)
        };
        then.len() == now.len() && then.iter().zip(&now).all(is_same)
    }
}

/// Finds the files, given a scan of the task's folders.
pub fn find(
    site: &RepoSite,
    task: &TaskSpec,
    scope: &Scope,
    scan: &Scan,
    previous: Option<&Found>,
) -> Result<ReleaseFiles, Failure> {
    warn_of_names(site, scope, scan);
    refuse_repositories(scope, scan)?;
    let known = known_blobs(previous);
    let converter = converter(site, scope, scan)?;
    let reader = ReleaseReader {
        site,
        converter: &converter,
        known: &known,
    };
    let NewFiles { small, large } = TaskFiles::new(site, scope, scan).untracked()?;
    let small: Vec<RelPath> = small.into_iter().map(|file| file.path).collect();
    let secrets = small.iter().find(|path| litter::holds_secrets(path));
    if let Some(path) = secrets {
        return Err(super::Error::Secrets(path.clone()).into());
    }
    let looked = reader.read_all(scope, scan, &small);
    let mut found = ReleaseFiles {
        entries: Vec::with_capacity(looked.len()),
        ..ReleaseFiles::default()
    };
    let nested = scan.nested.iter().filter(|path| scope.owns(path));
    found.notes.extend(nested.map(|path| {
        format!(
            "{path} is a git repository of its own: it is not released, and no rollback touches it"
        )
    }));
    for file in looked {
        add(site, task, file?, &mut found);
    }
    // A release writes the version into its file, whether git ignores it or not.
    let is_config = |path: &&RelPath| task.config.as_ref() == Some(*path);
    let ignored = scan.ignored.iter().filter(|path| !is_config(path));
    found.left_out = left_out::of(&*site.tree, task, scope, ignored);
    found.line_ends.sort();
    found.notes.extend(lines::other_line_ends(
        &found.line_ends,
        "it has now",
        "they have now",
    ));
    let bytes = large.iter().map(|file| file.stat.size).sum();
    let manifest = previous.map(|found| &found.manifest);
    site.work("hashing", bytes, true, || {
        add_large(site, large, manifest, &mut found)
    })?;
    if let Some(previous) = manifest {
        note_gone_large(site, scope, previous, &mut found)?;
    }
    Ok(found)
}

/// Warns of files whose names cannot be stored in a release.
fn warn_of_names(site: &RepoSite, scope: &Scope, scan: &Scan) {
    for path in scan.refused.iter().filter(|path| scope.owns(path)) {
        let why = RelPath::parse(path.as_bytes())
            .map_or_else(|refusal| refusal.why, |_| "its name is reserved");
        site.warn(format!(
            "{path} is not released ({why}): rename it, or name it in the task's `exclude`"
        ));
    }
}

/// Refuses a submodule among the task's files, and a task inside a nested repository.
fn refuse_repositories(scope: &Scope, scan: &Scan) -> Result<(), Error> {
    let dirs = scope.dirs();
    let holds_all = |nested: &&RelPath| dirs.iter().any(|dir| dir.is_in(nested));
    let submodule = scan
        .submodules
        .iter()
        .find(|path| scope.owns(path))
        .or_else(|| scan.nested.iter().find(holds_all));
    submodule.map_or(Ok(()), |path| {
        Err(Error::NotAFile {
            path: path.clone(),
            what: "a nested repository or submodule",
        })
    })
}

/// Returns digest and size of the blobs in the previous release. A manifest that no tag vouches for
/// may have been edited, so nothing is taken from it.
fn known_blobs(previous: Option<&Found>) -> HashMap<&GitId, (Digest, u64)> {
    let vouched = previous.filter(|found| manifests::digest_in(&found.tag.message).is_some());
    let mut known = HashMap::with_capacity(vouched.map_or(0, |found| found.manifest.files.len()));
    let files = vouched.into_iter().flat_map(|found| &found.manifest.files);
    known.extend(files.filter_map(|file| Some((file.blob()?, (file.digest()?, file.size()?)))));
    known
}

/// Returns the converter to git's form, by the rules that still exist.
fn converter(site: &RepoSite, scope: &Scope, scan: &Scan) -> Result<Converter, Failure> {
    let lost = |tracked: &&Tracked| {
        scope.owns(&tracked.path)
            && matches!(tracked.state, WorkState::Missing | WorkState::TypeChanged)
    };
    let gone = git::rules_gone(
        scan.tracked
            .iter()
            .filter(lost)
            .map(|tracked| (&tracked.path, None)),
    );
    Ok(site.git.converter(Attributes::After(&gone))?)
}

/// Lists vanished large files of the previous release as deleted; fails when the store lacks their
/// bytes too, as in another clone, because they may never have been here.
fn note_gone_large(
    site: &RepoSite,
    scope: &Scope,
    previous: &Manifest,
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    let now: HashSet<&RelPath> = found.entries.iter().map(|entry| entry.path()).collect();
    let is_gone = |file: &&ManifestFile| {
        file.role == FileRole::Large && scope.owns(file.path()) && !now.contains(file.path())
    };
    let (mut not_here, mut lines) = (Vec::new(), Vec::new());
    for file in previous.files.iter().filter(is_gone) {
        match file
            .object()
            .as_ref()
            .map(|object| site.store.size(object))
            .transpose()?
            .flatten()
        {
            Some(length) => lines.extend(lines::line(
                file.path(),
                Some(LineSide {
                    size: length,
                    bytes: None,
                }),
                None,
                true,
                String::new(),
            )),
            None => not_here.push(file.path().clone()),
        }
    }
    if !not_here.is_empty() {
        return Err(super::Error::NotHere {
            task: previous.subject.task.clone(),
            version: previous.subject.version.clone(),
            paths: not_here,
        }
        .into());
    }
    found.lines.extend(lines);
    Ok(())
}

/// Adds an examined file to the release.
fn add(site: &RepoSite, task: &TaskSpec, file: ReleaseFileState, found: &mut ReleaseFiles) {
    let ReleaseFileState {
        path,
        head,
        index,
        now,
        stale,
        read,
    } = file;
    if read {
        found.read.insert(path.clone());
    }
    let after = now.as_ref().and_then(|now| now.record.entry());
    if head != after {
        found
            .lines
            .extend(plan_line(site, &path, head.as_ref(), now.as_ref()));
        found.tree.push(TreeChange {
            path: path.clone(),
            before: head,
            after: after.clone(),
        });
    }
    if index != after || (stale && after.is_some()) {
        found.index.push(TreeChange {
            path: path.clone(),
            before: index,
            after,
        });
    }
    let Some(now) = now else { return };
    if now.sync {
        found.unsynced.extend(now.record.location.blob().cloned());
    }
    found.blobs.extend(now.blob);
    if !now.exact {
        found.line_ends.push(path.clone());
    }
    found
        .entries
        .push(ManifestFile::new(grown::role(task, &path), now.record));
}

/// Returns the plan's line for a file that differs from HEAD.
fn plan_line(
    site: &RepoSite,
    path: &RelPath,
    head: Option<&TreeEntry>,
    now: Option<&FileInGit>,
) -> Option<FileLine> {
    let before = head.and_then(|entry| site.git.read_blob(&entry.id).ok());
    let after = now.and_then(|_| capture::read(&*site.tree, path).ok().flatten());
    let before = before.as_deref().map(|bytes| LineSide {
        size: bytes.len() as u64,
        bytes: Some(bytes),
    });
    let after = after.as_ref().map(|now| LineSide {
        size: now.record.size,
        bytes: now.bytes.as_deref(),
    });
    lines::line(path, before, after, false, String::new())
}

/// Adds the large files: hashed here, stored when the draft is written.
fn add_large(
    site: &RepoSite,
    large: Vec<PathStat>,
    previous: Option<&Manifest>,
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    for PathStat { path, .. } in large {
        let Some(record) = capture::kept_record(site, &path)? else {
            continue;
        };
        site.progress(record.size);
        let before = previous
            .and_then(|manifest| manifest.file(&path))
            .filter(|file| file.role == FileRole::Large);
        if before.is_none_or(|file| file.digest() != Some(record.digest)) {
            let large_side = |size| Some(LineSide { size, bytes: None });
            // It may have been in git until now, and is removed there.
            found.lines.retain(|line| line.path != path);
            found.lines.extend(lines::line(
                &path,
                before.and_then(|file| large_side(file.size()?)),
                large_side(record.size),
                true,
                String::new(),
            ));
        }
        found.large.push((path, record.digest));
        let record = FileRecord {
            mode: record.kind.mode(),
            mtime: None,
            location: Location::Object(crate::model::ObjectId(record.digest)),
            ..record
        };
        found
            .entries
            .push(ManifestFile::new(FileRole::Large, record));
    }
    Ok(())
}
