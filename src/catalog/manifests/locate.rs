//! Locates the bytes of a release's manifest: which commits are searched, in which order. Only
//! finds bytes; nothing is parsed here.

use super::super::{Error, Release};
use super::{LIMIT, digest_in};
use crate::{
    base::{Digest, Failure, Fault, Kind, RelPath},
    git::{self, PeeledTag, Repo},
    model::{GitId, Settings, TaskId},
};

/// A manifest's bytes and their location.
pub(super) struct ManifestLocation {
    pub(super) bytes: Vec<u8>,
    /// The commit of the release.
    pub(super) commit: GitId,
    /// A commit that has them; `None` when only an earlier version has them.
    pub(super) source: Option<GitId>,
    /// HEAD's own blob at the manifest's path, if it differs.
    pub(super) head: Option<GitId>,
}

/// A search for a manifest's bytes, with its intermediate findings.
struct Search<'a> {
    git: &'a Repo,
    release: &'a Release,
    path: RelPath,
    /// The digest named by the tag.
    expected: Option<Digest>,
    /// The digest of the first bytes that did not match.
    wrong: Option<Digest>,
    /// The error of the first unreadable candidate.
    unread: Option<git::Error>,
    /// The error of the first candidate that is too large.
    large: Option<git::Error>,
    tried: Vec<GitId>,
    /// HEAD's own blob at the manifest's path, if it differs.
    in_head: Option<GitId>,
}

/// Finds the manifest's bytes: in the commit that is being made for it, or HEAD's, else on any
/// branch, else in commits that local operations keep alive (a branch may be reset or deleted),
/// else in the task's other releases, else in anything that a reference or reflog still reaches. If
/// the tag names a digest, bytes with that digest win, and it is an error when none have it.
pub(super) fn bytes_of(
    git: &Repo,
    settings: &Settings,
    release: &Release,
    tag: &PeeledTag,
) -> Result<ManifestLocation, Failure> {
    let expected = digest_in(&tag.message);
    let head = git.head_commit()?;
    let mut search = Search {
        git,
        release,
        path: settings.manifest_path(&release.task, &release.version),
        expected,
        wrong: None,
        unread: None,
        large: None,
        tried: Vec::new(),
        in_head: None,
    };
    let located = |bytes, source, head| ManifestLocation {
        bytes,
        commit: tag.commit.clone(),
        source,
        head,
    };
    let named = places(git, &release.task, head.clone(), expected.is_some());
    for commit in release.pending.iter().cloned().chain(named) {
        if let Some(bytes) = search.look_in(&commit, Some(&commit) == head.as_ref())? {
            return Ok(located(bytes, Some(commit), search.in_head));
        }
    }
    match search.look_everywhere() {
        Some(bytes) => Ok(located(bytes, None, search.in_head)),
        None => Err(search.failure()),
    }
}

impl Search<'_> {
    /// Reads a blob; if its bytes do not have the tag's digest, returns their digest.
    fn read(&self, id: &GitId) -> Result<Result<Vec<u8>, Digest>, git::Error> {
        self.git
            .check_size(id, LIMIT)
            .and_then(|()| self.git.read_blob_of(id, self.expected))
    }

    /// Searches one commit.
    fn look_in(&mut self, commit: &GitId, is_head: bool) -> Result<Option<Vec<u8>>, git::Error> {
        let entry = match self.git.entry(commit, &self.path) {
            Ok(Some(entry)) if !self.tried.contains(&entry.id) => entry,
            Ok(_) => return Ok(None),
            Err(error) => {
                may_be_elsewhere(error, &mut self.unread)?;
                return Ok(None);
            }
        };
        match self.read(&entry.id) {
            Ok(Ok(bytes)) => return Ok(Some(bytes)),
            Ok(Err(digest)) => drop(self.wrong.get_or_insert(digest)),
            // Nothing this large is a manifest; another commit may have the true one.
            Err(error)
                if self.expected.is_some() && self.git.check_size(&entry.id, LIMIT).is_err() =>
            {
                self.large.get_or_insert(error);
            }
            Err(error) => may_be_elsewhere(error, &mut self.unread)?,
        }
        if is_head {
            self.in_head = Some(entry.id.clone());
        }
        self.tried.push(entry.id);
        Ok(None)
    }

    /// Searches everything that a reference or reflog reaches, if only other bytes were found.
    fn look_everywhere(&self) -> Option<Vec<u8>> {
        if self.expected.is_none() || self.wrong.is_none() && self.large.is_none() {
            return None;
        }
        let name = String::from_utf8_lossy(self.path.name()).into_owned();
        // Searching all history is slow, but otherwise the release would be reported as damaged.
        for (id, _) in self.git.reachable_blobs(&name, "").unwrap_or_default() {
            if let Ok(Ok(bytes)) = self.read(&id) {
                return Some(bytes);
            }
        }
        None
    }

    /// Returns why nothing was found.
    fn failure(self) -> Failure {
        if let Some(error) = self.large {
            return error.into();
        }
        let (task, version) = (self.release.task.clone(), self.release.version.clone());
        match (self.expected, self.wrong, self.unread) {
            (Some(expected), Some(found), _) => Error::ManifestChanged {
                task,
                version,
                expected: expected.to_string(),
                found: found.to_string(),
            }
            .into(),
            (_, _, Some(error)) => error.into(),
            (Some(_), ..) => Error::ManifestAway { task, version }.into(),
            (None, ..) => Error::NoManifest { task, version }.into(),
        }
    }
}

/// Keeps the first error about a missing object, because another commit may have it.
fn may_be_elsewhere(error: git::Error, unread: &mut Option<git::Error>) -> Result<(), git::Error> {
    if error.kind() != Kind::Missing {
        return Err(error);
    }
    unread.get_or_insert(error);
    Ok(())
}

/// Yields the commits to search: HEAD first, the others only when needed.
fn places<'a>(
    git: &'a Repo,
    task: &TaskId,
    head: Option<GitId>,
    with_kept: bool,
) -> impl Iterator<Item = GitId> + use<'a> {
    let below = |prefix: &str| {
        git.refs_below(prefix)
            .unwrap_or_default()
            .into_iter()
            .map(|(_, id)| id)
    };
    let (tags, kept) = (
        format!("refs/tags/{task}-v"),
        format!("refs/snapback/keep/{task}/"),
    );
    let mut others = None;
    let rest = std::iter::from_fn(move || {
        let all = || {
            let mut all: Vec<GitId> = below("refs/heads/").chain(below("refs/remotes/")).collect();
            if with_kept {
                all.extend(below("refs/snapback/safety/"));
                all.extend(below(&kept).filter_map(|id| Some(git.peel_tag(&id).ok()?.commit)));
                all.extend(below(&tags).filter_map(|id| Some(git.peel_tag(&id).ok()?.commit)));
            }
            all.into_iter()
        };
        others.get_or_insert_with(all).next()
    });
    head.into_iter().chain(rest)
}
