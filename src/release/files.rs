//! The files of a release: what git tracks and what is new goes into the commit, large files into
//! the store. Bytes whose blob the previous manifest knows, by word of its tag, are not hashed
//! again.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::databases;
use crate::{
    base::{Digest, Failure, GitId, RelPath},
    catalog::{
        Error, Scope, capture, grown, left_out,
        manifests::{self, Found as ReadRelease},
    },
    deps::facts::NewFacts,
    draft::{
        FileDraft, NewBlob,
        lines::{self, Side},
        tree::all_bytes,
    },
    git::{self, Attributes, Converter, Scan, Tracked, WorkState},
    ground::Ground,
    model::{
        LeftOut, Manifest, TaskSpec,
        manifest::{FileEntry, Role},
        operation::{TreeChange, TreeEntry},
        plan::FileLine,
    },
};

/// What a release consists of.
#[derive(Default)]
pub struct Found {
    /// The manifest's files.
    pub entries: Vec<FileEntry>,
    /// How the commit's tree differs from HEAD; entries that do not differ may be among them.
    pub tree: Vec<TreeChange>,
    /// How the index changes; an entry that does not differ only gets new stat data.
    pub index: Vec<TreeChange>,
    /// Changes of the work tree: versions in configuration and registry.
    pub edits: Vec<FileDraft>,
    /// Large files and their digests.
    pub large: Vec<(RelPath, Digest)>,
    /// Blobs to be written.
    pub blobs: Vec<NewBlob>,
    /// Blobs that git has but may not have synced.
    pub unsynced: Vec<GitId>,
    /// The plan's lines.
    pub lines: Vec<FileLine>,
    /// Ignored files that are no part of it.
    pub left_out: LeftOut,
    /// The plan's remarks.
    pub notes: Vec<String>,
    /// Which files were read, because the index does not vouch for them.
    pub read: HashSet<RelPath>,
    /// What the sources say, for the next release.
    pub facts: Option<NewFacts>,
    /// Files whose line ends git does not give back as they are.
    pub line_ends: Vec<RelPath>,
}

/// One file after it was looked at.
struct Looked {
    path: RelPath,
    head: Option<TreeEntry>,
    index: Option<TreeEntry>,
    now: Option<Seen>,
    /// True when the index's stat data may not be the file's.
    stale: bool,
    /// True when it was read.
    read: bool,
}

/// What git stores for a file of the work tree.
struct Seen {
    entry: TreeEntry,
    checksum: Digest,
    size: u64,
    blob: Option<NewBlob>,
    sync: bool,
    /// False when other line ends come back than there are.
    exact: bool,
}

/// Finds them, given a scan of the task's folders.
pub fn find(
    ground: &Ground,
    task: &TaskSpec,
    scope: &Scope,
    scan: &Scan,
    previous: Option<&ReadRelease>,
) -> Result<Found, Failure> {
    for path in scan.refused.iter().filter(|path| scope.owns(path)) {
        let why = RelPath::parse(path.as_bytes())
            .map_or_else(|refusal| refusal.why, |_| "its name is reserved");
        ground.warn(format!(
            "{path} is not released ({why}): rename it, or name it in the task's `exclude`"
        ));
    }
    let dirs = scope.dirs();
    let holds_all = |nested: &&RelPath| dirs.iter().any(|dir| dir.is_in(nested));
    let submodule = scan
        .submodules
        .iter()
        .find(|path| scope.owns(path))
        .or_else(|| scan.nested.iter().find(holds_all));
    if let Some(path) = submodule {
        return Err(Error::NotAFile {
            path: path.clone(),
            what: "a nested repository or submodule",
        }
        .into());
    }
    // A manifest that no tag vouches for may have been edited: nothing is taken from it unread.
    let vouched = previous.filter(|found| manifests::digest_in(&found.tag.message).is_some());
    let mut known: HashMap<&GitId, (Digest, u64)> =
        HashMap::with_capacity(vouched.map_or(0, |found| found.manifest.files.len()));
    let files = vouched.into_iter().flat_map(|found| &found.manifest.files);
    known
        .extend(files.filter_map(|file| Some((file.blob.as_ref()?, (file.digest()?, file.size?)))));
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
    let converter = ground.git.converter(Attributes::After(&gone))?;
    let reader = Reader {
        ground,
        converter: &converter,
        known: &known,
    };
    let (mut small, mut large) = split(ground, scope, &scan.untracked, &scan.ignored)?;
    databases::leave_lone_logs(ground, scan, scope, &mut small, &mut large);
    let tracked: Vec<&Tracked> = scan
        .tracked
        .iter()
        .filter(|tracked| scope.owns(&tracked.path))
        .collect();
    // A file that was staged as deleted and still lies there is an untracked file that HEAD knows.
    let unstaged = tracked.iter().filter(|tracked| tracked.index.is_none());
    let in_head: HashMap<&RelPath, &TreeEntry> = unstaged
        .filter_map(|tracked| Some((&tracked.path, tracked.head.as_ref()?)))
        .collect();
    let there: HashSet<&RelPath> = small.iter().collect();
    let total = (tracked.len() + small.len()) as u64;
    let tracked: Vec<&Tracked> = tracked
        .into_iter()
        .filter(|tracked| !there.contains(&tracked.path))
        .collect();
    // Not into one result: rayon would make the list in parts and move them.
    let looked: Vec<Result<Looked, Failure>> = ground.work("reading", total, false, || {
        let tracked = tracked.par_iter().map(|tracked| reader.tracked(tracked));
        tracked
            .chain(
                small
                    .par_iter()
                    .map(|path| reader.untracked(path, in_head.get(path).copied())),
            )
            .collect()
    });
    let mut found = Found {
        entries: Vec::with_capacity(looked.len()),
        ..Found::default()
    };
    let nested = scan.nested.iter().filter(|path| scope.owns(path));
    found.notes.extend(nested.map(|path| {
        format!(
            "{path} is a git repository of its own: it is not released, and no rollback touches it"
        )
    }));
    for file in looked {
        add(ground, task, file?, &mut found);
    }
    found.left_out = left_out::of(&*ground.tree, task, scope, scan.ignored.iter());
    found.line_ends.sort();
    found.notes.extend(lines::other_line_ends(
        &found.line_ends,
        "it has now",
        "they have now",
    ));
    let bytes = large.iter().map(|(_, size)| size).sum();
    ground.work("hashing", bytes, true, || {
        add_large(
            ground,
            large,
            previous.map(|found| &found.manifest),
            &mut found,
        )
    })?;
    if let Some(previous) = previous {
        note_gone_large(ground, scope, &previous.manifest, &mut found)?;
    }
    Ok(found)
}

/// Names large files of the release before that are not there any more. Where the store has no
/// bytes of them either, as in another clone, it is not said that somebody deleted them.
fn note_gone_large(
    ground: &Ground,
    scope: &Scope,
    previous: &Manifest,
    found: &mut Found,
) -> Result<(), Failure> {
    let now: HashSet<&RelPath> = found.entries.iter().map(|entry| &entry.path).collect();
    let is_gone = |file: &&FileEntry| {
        file.role == Role::Large && scope.owns(&file.path) && !now.contains(&file.path)
    };
    let (mut not_here, mut lines) = (Vec::new(), Vec::new());
    for file in previous.files.iter().filter(is_gone) {
        match file
            .object
            .as_ref()
            .map(|object| ground.store.size(object))
            .transpose()?
            .flatten()
        {
            Some(size) => lines.extend(lines::line(
                &file.path,
                Some(Side { size, bytes: None }),
                None,
                true,
                String::new(),
            )),
            None => not_here.push(file.path.clone()),
        }
    }
    if !not_here.is_empty() {
        return Err(super::Error::NotHere {
            task: previous.metadata.task_id.clone(),
            version: previous.metadata.version.clone(),
            paths: not_here,
        }
        .into());
    }
    found.lines.extend(lines);
    Ok(())
}

/// Small files, and large ones with their sizes.
type Split = (Vec<RelPath>, Vec<(RelPath, u64)>);

/// Splits what git does not track into small files for git and large ones (with their sizes) for
/// the store. Ignored files are taken only when the large-file globs name them.
fn split(
    ground: &Ground,
    scope: &Scope,
    untracked: &[RelPath],
    ignored: &[RelPath],
) -> Result<Split, Error> {
    let (mut small, mut large) = (Vec::new(), Vec::new());
    let ignored = ignored.iter().filter(|path| scope.names_large(path));
    for path in untracked
        .iter()
        .filter(|path| scope.owns(path))
        .chain(ignored)
    {
        let Some(stat) = capture::stat(&*ground.tree, path)? else {
            continue;
        };
        match stat.kind {
            crate::base::Type::File if scope.is_large(path, stat.size) => {
                large.push((path.clone(), stat.size))
            }
            crate::base::Type::File | crate::base::Type::Symlink => small.push(path.clone()),
            crate::base::Type::Dir | crate::base::Type::Other => {
                return Err(Error::NotAFile {
                    path: path.clone(),
                    what: "a device, FIFO or socket",
                });
            }
        }
    }
    small.sort_unstable();
    Ok((small, large))
}

/// Reads files into what git stores for them.
struct Reader<'a> {
    ground: &'a Ground,
    converter: &'a Converter,
    known: &'a HashMap<&'a GitId, (Digest, u64)>,
}

impl Reader<'_> {
    /// A file that the index or HEAD knows.
    fn tracked(&self, tracked: &Tracked) -> Result<Looked, Failure> {
        let now = match (&tracked.state, &tracked.index) {
            (WorkState::Clean | WorkState::LeftOut, Some(entry)) => {
                Some(self.clean(&tracked.path, entry)?)
            }
            (WorkState::Missing, _) | (_, None) => None,
            (WorkState::TypeChanged, _) => {
                self.refuse_special(&tracked.path)?;
                None
            }
            _ => self.read(&tracked.path, tracked.index.as_ref())?,
        };
        self.ground.progress(1);
        let stale = tracked.state == WorkState::Maybe;
        let read = !matches!(tracked.state, WorkState::Clean | WorkState::LeftOut);
        Ok(Looked {
            path: tracked.path.clone(),
            head: tracked.head.clone(),
            index: tracked.index.clone(),
            now,
            stale,
            read,
        })
    }

    /// A folder in place of a file is a removal; a device, FIFO or socket is nothing to release.
    fn refuse_special(&self, path: &RelPath) -> Result<(), Error> {
        match capture::stat(&*self.ground.tree, path)?.map(|stat| stat.kind) {
            Some(crate::base::Type::Other) => Err(Error::NotAFile {
                path: path.clone(),
                what: "a device, FIFO or socket",
            }),
            _ => Ok(()),
        }
    }

    /// A file that the index does not know; HEAD may.
    fn untracked(&self, path: &RelPath, head: Option<&TreeEntry>) -> Result<Looked, Failure> {
        let now = self.read(path, None)?;
        self.ground.progress(1);
        Ok(Looked {
            path: path.clone(),
            head: head.cloned(),
            index: None,
            now,
            stale: false,
            read: true,
        })
    }

    /// A file that equals its index entry.
    fn clean(&self, path: &RelPath, entry: &TreeEntry) -> Result<Seen, Failure> {
        let known = self.known.get(&entry.id).copied();
        let (checksum, size) = match known {
            Some(known) => known,
            None => {
                let bytes = self.ground.git.read_blob(&entry.id)?;
                (Digest::of(&bytes), bytes.len() as u64)
            }
        };
        let now = if entry.mode == "120000" || self.converter.is_plain(path)? {
            None
        } else {
            capture::stat(&*self.ground.tree, path)?
        };
        let in_git = || self.ground.git.read_blob(&entry.id);
        let exact = match now {
            Some(now) => self
                .converter
                .comes_back(path, (now.size, None), (size, &in_git))?,
            None => true,
        };
        Ok(Seen {
            entry: entry.clone(),
            checksum,
            size,
            blob: None,
            sync: known.is_none(),
            exact,
        })
    }

    /// A file that must be read.
    fn read(&self, path: &RelPath, index: Option<&TreeEntry>) -> Result<Option<Seen>, Failure> {
        let Some(now) = capture::read(&*self.ground.tree, path)? else {
            return Ok(None);
        };
        let link = now.is_link();
        let mode = match index {
            // Where the file system keeps no executable bit, the index says what it is.
            Some(entry)
                if !link && entry.mode != "120000" && !self.ground.git.trusts_file_mode() =>
            {
                entry.mode.clone()
            }
            _ => now.git_mode().into(),
        };
        if !link && self.converter.is_lfs(path)? && !self.stays(path, now.bytes.as_ref())? {
            let pointer = git::Repo::lfs_pointer(&now.digest, now.size);
            let id = self.ground.git.blob_id(&pointer);
            let (checksum, size) = (Digest::of(&pointer), pointer.len() as u64);
            return Ok(Some(Seen {
                entry: TreeEntry {
                    mode,
                    id: id.clone(),
                },
                checksum,
                size,
                blob: Some(NewBlob::Lfs(path.clone(), id)),
                sync: false,
                exact: true,
            }));
        }
        let bytes = all_bytes(&*self.ground.tree, path, now)?;
        let (in_git, exact) = if link {
            (bytes, true)
        } else {
            self.in_git(path, bytes)?
        };
        let id = self.ground.git.blob_id(&in_git);
        let blob = (!self.ground.git.sees_object(&id))
            .then(|| NewBlob::FromTree(path.clone(), id.clone()));
        let sync = blob.is_none();
        Ok(Some(Seen {
            entry: TreeEntry { mode, id },
            checksum: Digest::of(&in_git),
            size: in_git.len() as u64,
            blob,
            sync,
            exact,
        }))
    }

    /// What git keeps of a file's bytes, and whether these very bytes come back from that.
    fn in_git(&self, path: &RelPath, bytes: Vec<u8>) -> Result<(Vec<u8>, bool), Failure> {
        if self.converter.is_plain(path)? {
            return Ok((bytes, true));
        }
        let in_git = self.converter.to_git(path, bytes.clone())?;
        let exact = self.converter.comes_back(
            path,
            (bytes.len() as u64, Some(&bytes)),
            (in_git.len() as u64, &|| Ok(in_git.clone())),
        )?;
        Ok((in_git, exact))
    }

    /// True when git keeps the bytes of a Git LFS file as they are: nothing, and a pointer whose
    /// object was never fetched.
    fn stays(&self, path: &RelPath, bytes: Option<&Vec<u8>>) -> Result<bool, Failure> {
        let Some(bytes) = bytes.filter(|bytes| bytes.len() < 1024) else {
            return Ok(false);
        };
        Ok(self.converter.to_git(path, bytes.clone())? == *bytes)
    }
}

/// Adds a looked-at file to the release.
fn add(ground: &Ground, task: &TaskSpec, file: Looked, found: &mut Found) {
    let Looked {
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
    let after = now.as_ref().map(|seen| seen.entry.clone());
    if head != after {
        found
            .lines
            .extend(plan_line(ground, &path, head.as_ref(), now.as_ref()));
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
    let Some(seen) = now else { return };
    if seen.sync {
        found.unsynced.push(seen.entry.id.clone());
    }
    found.blobs.extend(seen.blob);
    if !seen.exact {
        found.line_ends.push(path.clone());
    }
    found.entries.push(FileEntry {
        checksum: seen.checksum.to_string(),
        size: Some(seen.size),
        mode: Some(seen.entry.mode),
        role: grown::role(task, &path),
        blob: Some(seen.entry.id),
        object: None,
        path,
    });
}

/// The plan's line for a file that differs from HEAD.
fn plan_line(
    ground: &Ground,
    path: &RelPath,
    head: Option<&TreeEntry>,
    now: Option<&Seen>,
) -> Option<FileLine> {
    let before = head.and_then(|entry| ground.git.read_blob(&entry.id).ok());
    let after = now.and_then(|_| capture::read(&*ground.tree, path).ok().flatten());
    let before = before.as_deref().map(|bytes| Side {
        size: bytes.len() as u64,
        bytes: Some(bytes),
    });
    let after = after.as_ref().map(|now| Side {
        size: now.size,
        bytes: now.bytes.as_deref(),
    });
    lines::line(path, before, after, false, String::new())
}

/// Adds the large files: hashed here, stored when the draft is written.
fn add_large(
    ground: &Ground,
    large: Vec<(RelPath, u64)>,
    previous: Option<&Manifest>,
    found: &mut Found,
) -> Result<(), Failure> {
    for (path, _) in large {
        let Some(now) = capture::read(&*ground.tree, &path)? else {
            continue;
        };
        ground.progress(now.size);
        let before = previous
            .and_then(|manifest| manifest.file(&path))
            .filter(|file| file.role == Role::Large);
        if before.is_none_or(|file| file.digest() != Some(now.digest)) {
            let side = |size| Some(Side { size, bytes: None });
            // It may have been in git until now; there it is gone.
            found.lines.retain(|line| line.path != path);
            found.lines.extend(lines::line(
                &path,
                before.and_then(|file| side(file.size?)),
                side(now.size),
                true,
                String::new(),
            ));
        }
        found.large.push((path.clone(), now.digest));
        found.entries.push(FileEntry {
            checksum: now.digest.to_string(),
            size: Some(now.size),
            mode: Some(now.git_mode().into()),
            role: Role::Large,
            blob: None,
            object: Some(crate::base::ObjectId(now.digest)),
            path,
        });
    }
    Ok(())
}
