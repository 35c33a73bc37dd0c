//! Finds the manifest of a release and checks the chain tag -> commit -> manifest.

use std::sync::Arc;

use super::{Error, Release, capture};
pub use crate::ground::ReadRelease as Found;
use crate::{
    base::{Digest, Failure, GitId},
    git::{Attributes, PeeledTag, Repo},
    ground::Ground,
    model::{DependencyList, Manifest, Settings},
};

/// The line of a tag's message that names the digest of the manifest.
pub const MANIFEST_TRAILER: &str = "Snapback-Manifest: ";

/// No manifest is larger, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// The digest that a tag's message names, if it names one.
pub fn digest_in(message: &str) -> Option<Digest> {
    message.lines().rev().find_map(|line| line.strip_prefix(MANIFEST_TRAILER)?.trim().parse().ok())
}

/// Loads and checks the manifest of a release: the tag's commit is the manifest's, the
/// manifest's digest is the tag's (adopted tags name none).
pub fn load(ground: &Ground, release: &Release) -> Result<Arc<Found>, Failure> {
    let known = || ground.read.lock().expect("because no holder of this lock panics");
    if let Some(found) = known().get(&release.tag_id) {
        return Ok(found.clone());
    }
    let found = Arc::new(read(ground, release)?);
    known().insert(release.tag_id.clone(), found.clone());
    Ok(found)
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
    let manifest = manifest?;
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
    Ok(Found { manifest, tag })
}

/// An edit of the work tree's copy that is not committed yet is not passed over either.
fn check_copy(ground: &Ground, release: &Release, bytes: &[u8]) -> Result<(), Failure> {
    let path = ground.settings.manifest_path(&release.task, &release.version);
    if capture::is_now(&*ground.tree, &path, bytes) {
        return Ok(());
    }
    let Some(copy) = capture::bytes(&*ground.tree, &path)? else { return Ok(()) };
    if copy == bytes || ground.git.converter(Attributes::WorkTree)?.to_git(&path, copy.clone())? == bytes {
        return Ok(());
    }
    let (expected, found) = (Digest::of(bytes).to_string(), Digest::of(&copy).to_string());
    Err(Error::ManifestChanged { task: release.task.clone(), version: release.version.clone(), expected, found }.into())
}

/// The manifest's bytes: from the commit the branch is on, else from any other branch, else from
/// what the operations here keep alive, because a branch may be reset or deleted. Where the
/// tag names a digest, bytes that have it win, and bytes that do not are an error.
fn bytes_of(git: &Repo, settings: &Settings, release: &Release, tag: &PeeledTag) -> Result<Vec<u8>, Failure> {
    let expected = digest_in(&tag.message);
    let mut wrong = None;
    let mut tried: Vec<GitId> = Vec::new();
    for commit in heads(git, expected.is_some())? {
        let path = settings.manifest_path(&release.task, &release.version);
        let Some(entry) = git.entry(&commit, &path)? else { continue };
        if tried.contains(&entry.id) {
            continue;
        }
        git.check_size(&entry.id, LIMIT)?;
        match git.read_blob_of(&entry.id, expected)? {
            Ok(bytes) => return Ok(bytes),
            Err(digest) => drop(wrong.get_or_insert(digest)),
        }
        // A changed manifest on the branch itself is never passed over: somebody must look at it.
        if tried.is_empty() && commit == git.head()?.commit {
            break;
        }
        tried.push(entry.id);
    }
    let (task, version) = (release.task.clone(), release.version.clone());
    Err(match (expected, wrong) {
        (Some(expected), Some(found)) => Error::ManifestChanged { task, version, expected: expected.to_string(), found: found.to_string() },
        _ => Error::NoManifest { task, version },
    }
    .into())
}

/// The commits in which a manifest is looked for: HEAD first, the others only when needed.
fn heads(git: &Repo, with_kept: bool) -> Result<impl Iterator<Item = GitId>, Failure> {
    let head = git.head()?.commit;
    let mut others: Option<std::vec::IntoIter<(String, GitId)>> = None;
    let below = |prefix: &str| git.refs_below(prefix).unwrap_or_default();
    let rest = std::iter::from_fn(move || {
        let kept = || if with_kept { below("refs/snapback/safety/") } else { Vec::new() };
        let iter = others.get_or_insert_with(|| [below("refs/heads/"), below("refs/remotes/"), kept()].concat().into_iter());
        iter.next().map(|(_, id)| id)
    });
    Ok(std::iter::once(head).chain(rest))
}
