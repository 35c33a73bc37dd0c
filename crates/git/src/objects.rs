//! Commits, blobs and tag objects: read with their hash checked, written without a reference.
//!
//! Nothing here is durable until [`Repo::sync_objects`]; until then new objects are seen by this
//! process only, and nothing is reachable until a reference names it. An object that is missing
//! is an error: it is never fetched, not even in a partial clone.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};

use gix::{
    ObjectId,
    bstr::ByteSlice,
    objs::{Kind, WriteTo},
};
use jiff::Timestamp;

use super::{Error, Repo, Sign, error::During, repo::git_id};
use base::{encoding, zone};
use model::{GitId, operation::Person};

/// The fewest digits that are taken for an abbreviated id, as in git.
const MIN_ABBREVIATION: usize = 4;

/// What a commit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its tree.
    pub tree: GitId,
    /// Its parents, in order.
    pub parents: Vec<GitId>,
    /// Its author.
    pub author: Person,
    /// The author's time.
    pub time: Timestamp,
    /// The message, in the encoding that the commit names, as `git log` shows it.
    pub message: String,
}

/// A commit to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitDraft {
    /// Its tree.
    pub tree: GitId,
    /// Its parents, in order.
    pub parents: Vec<GitId>,
    /// The message.
    pub message: String,
    /// The author; the committer is git's own.
    pub who: Person,
    /// When.
    pub at: Timestamp,
    /// Whether and how it is signed.
    pub sign: Sign,
}

/// An annotated tag to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagDraft {
    /// The name after `refs/tags/`.
    pub name: String,
    /// The tagged object.
    pub target: GitId,
    /// The message.
    pub message: String,
    /// When.
    pub at: Timestamp,
    /// Whether and how it is signed.
    pub sign: Sign,
}

impl Repo {
    /// Reads a commit.
    pub fn commit(&self, id: &GitId) -> Result<CommitInfo, Error> {
        let bytes = self.read_object(id, Kind::Commit)?;
        let bad = |why: &dyn std::fmt::Display| Error::BadObject {
            id: id.clone(),
            why: why.to_string(),
        };
        let commit =
            gix::objs::CommitRef::from_bytes(&bytes, self.hash()).map_err(|error| bad(&error))?;
        let author = commit.author().map_err(|error| bad(&error))?;
        let text = |bytes| encoding::named(bytes, commit.encoding.map(|name| &**name));
        Ok(CommitInfo {
            tree: git_id(&commit.tree()),
            parents: commit.parents().map(|id| git_id(&id)).collect(),
            author: Person {
                name: text(author.name.trim()),
                ..person(&author)
            },
            time: timestamp(&author).ok_or_else(|| bad(&"its time cannot be read"))?,
            message: text(commit.message),
        })
    }

    /// The commit that a full or abbreviated id names; `None` when there is none.
    /// Names of references are never taken for commits. Several fitting commits are an error.
    pub fn resolve_commit(&self, spec: &str) -> Result<Option<GitId>, Error> {
        let hex = spec.to_ascii_lowercase();
        let fits = (MIN_ABBREVIATION..=self.hash().len_in_hex()).contains(&hex.len())
            && hex.bytes().all(|c| c.is_ascii_hexdigit());
        if !fits {
            return Ok(None);
        }
        self.with(|repo| {
            let prefix = gix::hash::Prefix::from_hex(&hex).during("reading an abbreviated id")?;
            let mut candidates = HashSet::new();
            repo.objects
                .lookup_prefix(prefix, Some(&mut candidates))
                .during("looking for a commit")?;
            let is_commit = |id: &ObjectId| {
                repo.find_header(*id)
                    .is_ok_and(|header| header.kind() == Kind::Commit)
            };
            let mut commits = candidates.into_iter().filter(is_commit);
            match (commits.next(), commits.next()) {
                (None, _) => Ok(None),
                (Some(id), None) => Ok(Some(git_id(&id))),
                _ => Err(Error::Ambiguous {
                    spec: spec.to_string(),
                }),
            }
        })
    }

    /// The id that these bytes have as a blob; writes nothing.
    pub fn blob_id(&self, bytes: &[u8]) -> GitId {
        let id = gix::objs::compute_hash(self.hash(), Kind::Blob, bytes)
            .expect("because hashing bytes in memory cannot fail");
        git_id(&id)
    }

    /// Writes a blob, unless it is there.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<GitId, Error> {
        Ok(git_id(&self.put(Kind::Blob, bytes)?))
    }

    /// Writes an object, unless it is there whole. Programs that do not sync leave loose objects
    /// empty or torn under their final names when the power goes; git and gix take such a file for
    /// the object, so it is read before it is relied on.
    fn put(&self, kind: Kind, bytes: &[u8]) -> Result<ObjectId, Error> {
        let id = gix::objs::compute_hash(self.hash(), kind, bytes)
            .expect("because hashing bytes in memory cannot fail");
        let objects = self.common_dir().join("objects");
        let file = super::sync::loose_path(&objects, &id);
        let whole = |repo: &gix::Repository| {
            repo.find_object(id)
                .is_ok_and(|object| object.kind == kind && object.data == bytes)
        };
        let (there, loose) = (
            self.with(|repo| repo.objects.exists_without_refresh(&id)),
            file.exists(),
        );
        if there && (!loose || self.with(whole)) {
            self.remember(id);
        } else {
            self.pending()
                .add(&objects, id, kind, bytes, loose.then_some(file))?;
        }
        Ok(id)
    }

    /// [`Repo::write_blob`] of bytes that [`Repo::recall`] gives back, until the next ones are
    /// kept.
    pub fn write_kept_blob(&self, bytes: Vec<u8>) -> Result<GitId, Error> {
        let id = self.write_blob(&bytes)?;
        *self
            .kept_blob()
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((id.clone(), Arc::new(bytes)));
        Ok(id)
    }

    /// The bytes that were kept when this blob was written; they are not read back from the disk.
    pub fn recall(&self, id: &GitId) -> Option<Arc<Vec<u8>>> {
        let kept = self
            .kept_blob()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.as_ref()
            .filter(|(kept, _)| kept == id)
            .map(|(_, bytes)| bytes.clone())
    }

    /// The blob that was kept, when it has these bytes.
    pub fn recall_id(&self, bytes: &[u8]) -> Option<GitId> {
        let kept = self
            .kept_blob()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.as_ref()
            .filter(|(_, kept)| kept.as_slice() == bytes)
            .map(|(id, _)| id.clone())
    }

    /// Writes an object of any kind, unless it is there.
    pub(super) fn write_object(&self, object: &impl WriteTo) -> Result<ObjectId, Error> {
        let mut bytes = Vec::new();
        object
            .write_to(&mut bytes)
            .expect("because writing into memory cannot fail");
        self.put(object.kind(), &bytes)
    }

    /// Notes an object for the next [`Repo::sync_objects`].
    fn remember(&self, id: ObjectId) {
        self.unsynced()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
    }

    /// Writes a commit, signed when `commit.gpgSign` is set, unless it is not to be; no reference
    /// moves.
    pub fn write_commit(&self, draft: &CommitDraft) -> Result<GitId, Error> {
        let mut commit = gix::objs::Commit {
            tree: self.oid(&draft.tree)?,
            parents: draft
                .parents
                .iter()
                .map(|id| self.oid(id))
                .collect::<Result<_, _>>()?,
            author: self.author_line(&draft.who, draft.at)?,
            committer: self.committer_line(draft.at)?,
            encoding: None,
            message: with_newline(&draft.message).into(),
            extra_headers: Vec::new(),
        };
        if let Some(signer) = self.commit_signer(&draft.sign)? {
            commit = signer.sign("the commit", |options| commit.sign(options))?;
        }
        Ok(git_id(&self.write_object(&commit)?))
    }

    /// Writes an annotated tag object, signed as is asked for; no reference is made.
    pub fn write_tag(&self, draft: &TagDraft) -> Result<GitId, Error> {
        let target = self.oid(&draft.target)?;
        let (target_kind, _) = self
            .header(&draft.target)?
            .ok_or_else(|| Error::MissingObject {
                id: draft.target.clone(),
            })?;
        let mut tag = gix::objs::Tag {
            target,
            target_kind,
            name: draft.name.as_str().into(),
            tagger: Some(self.committer_line(draft.at)?),
            message: with_newline(&draft.message).into(),
            signature: None,
        };
        if let Some(signer) = self.tag_signer(&draft.sign)? {
            tag = signer.sign("the tag", |options| tag.sign(options))?;
        }
        Ok(git_id(&self.write_object(&tag)?))
    }
}

/// The message as git stores it: ended by a newline.
fn with_newline(message: &str) -> String {
    format!("{}\n", message.trim_end_matches('\n'))
}

/// How far the local time zone is ahead at a moment, in seconds.
pub(super) fn zone_seconds(at: Timestamp) -> i32 {
    zone().to_offset(at).seconds()
}

/// The name and address of a signature.
pub(super) fn person(signature: &gix::actor::SignatureRef<'_>) -> Person {
    Person {
        name: signature.name.trim().to_str_lossy().into_owned(),
        email: signature.email.trim().to_str_lossy().into_owned(),
    }
}

/// The moment of a signature.
pub(super) fn timestamp(signature: &gix::actor::SignatureRef<'_>) -> Option<Timestamp> {
    Timestamp::from_second(signature.time().ok()?.seconds).ok()
}

#[cfg(test)]
mod tests;
