//! Where the bytes of a release's manifest lie: the commits in which they are looked for, in their
//! order. Only bytes are found here; nobody reads what they say.

use super::super::{Error, Release};
use super::{LIMIT, digest_in};
use crate::{
    base::{Digest, Failure, Fault, Kind, RelPath},
    git::{self, PeeledTag, Repo},
    model::{GitId, Settings, TaskId},
};

/// A manifest's bytes, and where they were found.
pub(super) struct Located {
    pub(super) bytes: Vec<u8>,
    /// The commit of the release.
    pub(super) commit: GitId,
    /// A commit that has them; `None` when only what was before it has.
    pub(super) source: Option<GitId>,
    /// HEAD's own blob in the manifest's place, when it is another one.
    pub(super) head: Option<GitId>,
}

/// A search for a manifest's bytes, and what it met on its way.
struct Search<'a> {
    git: &'a Repo,
    release: &'a Release,
    path: RelPath,
    /// The digest that the tag names.
    expected: Option<Digest>,
    /// The digest of the first bytes that were not it.
    wrong: Option<Digest>,
    /// Why the first that could not be read could not.
    unread: Option<git::Error>,
    /// Why the first that is too large was not read.
    large: Option<git::Error>,
    tried: Vec<GitId>,
    /// HEAD's own blob in the manifest's place, when it is another one.
    in_head: Option<GitId>,
}

/// The manifest's bytes: from the commit that HEAD leads to, on a branch or not, else from any
/// branch, else from what the operations here keep alive, because a branch may be reset or deleted,
/// else from the task's other releases, else from whatever any reference or log still reaches.
/// Where the tag names a digest, bytes that have it win, and where none have it, bytes that do not
/// are an error.
pub(super) fn bytes_of(
    git: &Repo,
    settings: &Settings,
    release: &Release,
    tag: &PeeledTag,
) -> Result<Located, Failure> {
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
    let located = |bytes, source, head| Located {
        bytes,
        commit: tag.commit.clone(),
        source,
        head,
    };
    for commit in places(git, &release.task, head.clone(), expected.is_some()) {
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
    /// Reads a blob; bytes that do not have the tag's digest are returned as theirs.
    fn read(&self, id: &GitId) -> Result<Result<Vec<u8>, Digest>, git::Error> {
        self.git
            .check_size(id, LIMIT)
            .and_then(|()| self.git.read_blob_of(id, self.expected))
    }

    /// Looks in one commit.
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
            // Nothing that is so large is a manifest; another commit may have the true one.
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

    /// Looks at whatever any reference or log still reaches, when only other bytes were found.
    fn look_everywhere(&self) -> Option<Vec<u8>> {
        if self.expected.is_none() || self.wrong.is_none() && self.large.is_none() {
            return None;
        }
        let name = String::from_utf8_lossy(self.path.name()).into_owned();
        // A look at all of history is long; without it, the release would be called damaged.
        for (id, _) in self.git.reachable_blobs(&name, "").unwrap_or_default() {
            if let Ok(Ok(bytes)) = self.read(&id) {
                return Some(bytes);
            }
        }
        None
    }

    /// Why nothing was found.
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

/// Keeps the first error about an object that is missing: another commit may have what is looked
/// for.
fn may_be_elsewhere(error: git::Error, unread: &mut Option<git::Error>) -> Result<(), git::Error> {
    if error.kind() != Kind::Missing {
        return Err(error);
    }
    unread.get_or_insert(error);
    Ok(())
}

/// The commits in which a manifest is looked for: HEAD first, the others only when needed.
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
