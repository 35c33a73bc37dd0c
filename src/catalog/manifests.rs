//! Finds the manifest of a release and checks the chain tag -> commit -> manifest.
//!
//! [`load`] is the one way to a manifest that anything is restored, compared or made from, so what
//! it refuses (a tag that was moved, a manifest that is not the tag's) no command passes over.

use std::sync::Arc;

use super::{Error, Release, capture, grown};
pub use crate::ground::ReadRelease as Found;
use crate::{
    base::{Digest, Failure, Fault, GitId, Kind, RelPath, TaskId, fs::read_limited},
    git::{self, Attributes, BrokenRef, PeeledTag, Repo},
    ground::{Ground, ReleaseKey},
    model::{DependencyList, Manifest, Settings, TagName},
};

/// The line of a tag's message that names the digest of the manifest.
pub const MANIFEST_TRAILER: &str = "Snapback-Manifest: ";

/// No manifest is larger, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// The digest that a tag's message names, if it names one.
pub fn digest_in(message: &str) -> Option<Digest> {
    message.lines().rev().find_map(|line| line.strip_prefix(MANIFEST_TRAILER)?.trim().parse().ok())
}

/// Loads and checks the manifest of a release: the tag is the one that was made, its commit is the
/// manifest's, the manifest's digest is the tag's (adopted tags name none).
pub fn load(ground: &Ground, release: &Release) -> Result<Arc<Found>, Failure> {
    if let Kept::Other(kept) = kept(&ground.git, release)? {
        return Err(Error::tag_replaced(release, kept).into());
    }
    let known = || ground.read.lock().expect("because no holder of this lock panics");
    let (task, version, tag_id) = (release.task.clone(), release.version.clone(), release.tag_id.clone());
    let key = ReleaseKey { task, version, tag_id, head: ground.git.head_commit()? };
    if let Some(found) = known().get(&key) {
        return Ok(found.clone());
    }
    let found = Arc::new(read(ground, release)?);
    known().insert(key, found.clone());
    Ok(found)
}

/// What the second reference of a release says of its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It names the same.
    Same,
    /// There is none: the release was made elsewhere, or adopted.
    Nothing,
    /// It names something else, so the tag was moved.
    Other(GitId),
    /// It leads nowhere itself, so it says nothing of the tag.
    Broken(BrokenRef),
}

/// Looks at the second reference of a release.
pub fn kept(git: &Repo, release: &Release) -> Result<Kept, Failure> {
    let found = match git.find_ref(&TagName::keep_reference(&release.task, &release.version)) {
        Err(git::Error::BrokenRef(broken)) => return Ok(Kept::Broken(broken)),
        found => found?,
    };
    Ok(match found {
        None => Kept::Nothing,
        Some(id) if id == release.tag_id => Kept::Same,
        Some(id) => Kept::Other(id),
    })
}

/// The exact bytes of a release's manifest, unread, and its tag. Where the tag names a digest they have it.
pub fn bytes(ground: &Ground, release: &Release) -> Result<(PeeledTag, Vec<u8>), Failure> {
    let tag = ground.git.peel_tag(&release.tag_id)?;
    let bytes = bytes_of(&ground.git, &ground.settings, release, &tag)?;
    Ok((tag, bytes))
}

/// The dependencies of a release by its manifest, whose files are not looked at; `None` when nobody
/// looked for them ([`Manifest::knows_dependencies`]).
pub fn dependencies(ground: &Ground, release: &Release) -> Result<Option<DependencyList>, Failure> {
    let tag = ground.git.peel_tag(&release.tag_id)?;
    let expected = digest_in(&tag.message);
    // The copy in the work tree is quicker to read, and as good when it has the digest.
    let copy = capture::bytes(&*ground.tree, &ground.settings.manifest_path(&release.task, &release.version)).ok().flatten();
    let bytes = match copy.filter(|bytes| expected == Some(Digest::of(bytes))) {
        Some(bytes) => bytes,
        None => bytes_of(&ground.git, &ground.settings, release, &tag)?,
    };
    Ok(Manifest::parse_dependencies(&bytes)?)
}

/// Reads and checks it.
fn read(ground: &Ground, release: &Release) -> Result<Found, Failure> {
    let (git, settings) = (&ground.git, &ground.settings);
    let tag = git.peel_tag(&release.tag_id)?;
    let bytes = bytes_of(git, settings, release, &tag)?;
    let (copy, manifest) = rayon::join(|| check_copy(ground, release, &bytes), || Manifest::parse(&bytes));
    copy?;
    let mut manifest = manifest?;
    if manifest.metadata.task_id != release.task || manifest.metadata.version != release.version {
        return Err(
            crate::model::manifest::Error::Rule(format!("it is of {} {}", manifest.metadata.task_id, manifest.metadata.version)).into()
        );
    }
    let commit = &manifest.metadata.git_commit;
    let same = if manifest.schema.is_some() {
        *commit == tag.commit.as_str()
    } else {
        commit.len() >= 7 && tag.commit.as_str().starts_with(commit.as_str())
    };
    if !same {
        return Err(Error::TagMoved { tag: release.tag(), expected: commit.clone(), found: tag.commit.to_string() }.into());
    }
    let grown = match settings.task(&release.task).filter(|_| manifest.schema.is_some()) {
        Some(task) => grown::complete(ground, task, &tag.commit, &mut manifest)?,
        None => Vec::new(),
    };
    Ok(Found { manifest, tag, grown })
}

/// An edit of the work tree's copy that is not committed yet is not passed over either.
fn check_copy(ground: &Ground, release: &Release, bytes: &[u8]) -> Result<(), Failure> {
    let path = ground.settings.manifest_path(&release.task, &release.version);
    if capture::is_now(&*ground.tree, &path, bytes) {
        return Ok(());
    }
    let Some(copy) = capture::bytes(&*ground.tree, &path)? else { return check_large_copy(ground, release, &path, bytes) };
    if copy == bytes || ground.git.converter(Attributes::WorkTree)?.to_git(&path, copy.clone())? == bytes {
        return Ok(());
    }
    let (expected, found) = (Digest::of(bytes).to_string(), Digest::of(&copy).to_string());
    Err(Error::ManifestChanged { task: release.task.clone(), version: release.version.clone(), expected, found }.into())
}

/// A copy that is too large to be read into memory, or none at all.
fn check_large_copy(ground: &Ground, release: &Release, path: &RelPath, bytes: &[u8]) -> Result<(), Failure> {
    /// How much larger a file can be than what git keeps of it: UTF-32 with a mark of its order.
    const MOST: u64 = 5;
    // The file itself was compared before; no line ends and no encoding make more than this of it.
    let Some(copy) = capture::read(&*ground.tree, path)? else { return Ok(()) };
    if copy.size <= MOST * bytes.len() as u64 {
        let read = read_limited(&*ground.tree, path, MOST * LIMIT);
        let copy = read.map_err(|source| Error::Read { path: path.clone(), source })?;
        if ground.git.converter(Attributes::WorkTree)?.to_git(path, copy)? == bytes {
            return Ok(());
        }
    }
    let (task, version) = (release.task.clone(), release.version.clone());
    Err(Error::ManifestChanged { task, version, expected: Digest::of(bytes).to_string(), found: copy.digest.to_string() }.into())
}

/// The manifest's bytes: from the commit that HEAD leads to, on a branch or not, else from any branch,
/// else from what the operations here keep alive, because a branch may be reset or deleted, else from
/// the task's other releases. Where the tag names a digest, bytes that have it win, and bytes that do
/// not are an error.
fn bytes_of(git: &Repo, settings: &Settings, release: &Release, tag: &PeeledTag) -> Result<Vec<u8>, Failure> {
    let expected = digest_in(&tag.message);
    let (mut wrong, mut unread) = (None, None);
    let mut tried: Vec<GitId> = Vec::new();
    let head = git.head_commit()?;
    let path = settings.manifest_path(&release.task, &release.version);
    let read = |id: &GitId| git.check_size(id, LIMIT).and_then(|()| git.read_blob_of(id, expected));
    for commit in places(git, &release.task, head.clone(), expected.is_some()) {
        let entry = match git.entry(&commit, &path) {
            Ok(Some(entry)) if !tried.contains(&entry.id) => entry,
            Ok(_) => continue,
            Err(error) => {
                may_be_elsewhere(error, &mut unread)?;
                continue;
            }
        };
        match read(&entry.id) {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(digest)) => drop(wrong.get_or_insert(digest)),
            Err(error) => may_be_elsewhere(error, &mut unread)?,
        }
        // A changed manifest in HEAD itself is never passed over: somebody must look at it.
        if tried.is_empty() && unread.is_none() && Some(&commit) == head.as_ref() {
            break;
        }
        tried.push(entry.id);
    }
    let (task, version) = (release.task.clone(), release.version.clone());
    Err(match (expected, wrong, unread) {
        (Some(expected), Some(found), _) => {
            Error::ManifestChanged { task, version, expected: expected.to_string(), found: found.to_string() }.into()
        }
        (_, _, Some(error)) => error.into(),
        (Some(_), ..) => Error::ManifestAway { task, version }.into(),
        (None, ..) => Error::NoManifest { task, version }.into(),
    })
}

/// Keeps the first error about an object that is missing: another commit may have what is looked for.
fn may_be_elsewhere(error: git::Error, unread: &mut Option<git::Error>) -> Result<(), git::Error> {
    if error.kind() != Kind::Missing {
        return Err(error);
    }
    unread.get_or_insert(error);
    Ok(())
}

/// The commits in which a manifest is looked for: HEAD first, the others only when needed.
fn places<'a>(git: &'a Repo, task: &TaskId, head: Option<GitId>, with_kept: bool) -> impl Iterator<Item = GitId> + use<'a> {
    let below = |prefix: &str| git.refs_below(prefix).unwrap_or_default().into_iter().map(|(_, id)| id);
    let tags = format!("refs/tags/{task}-v");
    let mut others = None;
    let rest = std::iter::from_fn(move || {
        let all = || {
            let mut all: Vec<GitId> = below("refs/heads/").chain(below("refs/remotes/")).collect();
            if with_kept {
                all.extend(below("refs/snapback/safety/"));
                all.extend(below(&tags).filter_map(|id| Some(git.peel_tag(&id).ok()?.commit)));
            }
            all.into_iter()
        };
        others.get_or_insert_with(all).next()
    });
    head.into_iter().chain(rest)
}
