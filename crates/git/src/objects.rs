//! Commits, blobs and tag objects: read with verified hashes, written without a reference.
//!
//! Nothing here is durable until [`Repo::sync_objects`]; until then new objects are visible only to
//! this process, and nothing is reachable until a reference names it. A missing object is an error:
//! it is never fetched, not even in a partial clone.

use std::{collections::HashSet, sync::PoisonError};

use gix::{
    ObjectId,
    bstr::ByteSlice,
    objs::{Kind, WriteTo},
};
use jiff::Timestamp;

use super::{Error, Repo, Sign, error::During, repo::git_id};
use base::{encoding, zone};
use model::{GitId, operation::Person};

/// Fewest digits of an abbreviated id, as in git.
const MIN_ABBREVIATION: usize = 4;

/// The contents of a commit.
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
    /// The message, decoded from the commit's stated encoding, as shown by `git log`.
    pub message: String,
}

/// A commit to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// Its tree.
    pub tree: GitId,
    /// Its parents, in order.
    pub parents: Vec<GitId>,
    /// The message.
    pub message: String,
    /// The author; the committer is determined by git's rules.
    pub who: Person,
    /// The time.
    pub at: Timestamp,
    /// Whether and how it is signed.
    pub sign: Sign,
}

/// An annotated tag to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTag {
    /// The name after `refs/tags/`.
    pub name: String,
    /// The tagged object.
    pub target: GitId,
    /// The message.
    pub message: String,
    /// The time.
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

    /// Returns the commit with a full or abbreviated id; `None` if there is none. Reference names
    /// are never resolved. An ambiguous abbreviation is an error.
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

    /// Returns the id of these bytes as a blob; writes nothing.
    pub fn blob_id(&self, bytes: &[u8]) -> GitId {
        let id = gix::objs::compute_hash(self.hash(), Kind::Blob, bytes)
            .expect("because hashing bytes in memory cannot fail");
        git_id(&id)
    }

    /// Writes a blob, unless it exists.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<GitId, Error> {
        Ok(git_id(&self.put(Kind::Blob, bytes, None)?))
    }

    /// Like [`Repo::write_blob`], but as a delta of a similar blob where that can be, which then
    /// takes few bytes. `record` begins the first line of each of their records.
    pub fn write_blob_like(
        &self,
        bytes: &[u8],
        like: &GitId,
        record: &[u8],
    ) -> Result<GitId, Error> {
        let like = self.oid(like)?;
        Ok(git_id(&self.put(
            Kind::Blob,
            bytes,
            Some((like, record)),
        )?))
    }

    /// Writes an object, unless it exists intact. Programs that do not sync can leave empty or torn
    /// loose objects under their final names after a power failure. git and gix accept such a file
    /// as the object, so it is read before it is relied on.
    fn put(
        &self,
        kind: Kind,
        bytes: &[u8],
        like: Option<(ObjectId, &[u8])>,
    ) -> Result<ObjectId, Error> {
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
            return Ok(id);
        }
        let pending = self.pending();
        if let (Some((like, record)), false) = (like, loose)
            && pending.add_delta(&objects, (id, bytes), like, record)?
        {
            return Ok(id);
        }
        pending.add(&objects, id, kind, bytes, loose.then_some(file))?;
        Ok(id)
    }

    /// Writes an object of any kind, unless it exists.
    pub(super) fn write_object(&self, object: &impl WriteTo) -> Result<ObjectId, Error> {
        let mut bytes = Vec::new();
        object
            .write_to(&mut bytes)
            .expect("because writing into memory cannot fail");
        self.put(object.kind(), &bytes, None)
    }

    /// Records an object for the next [`Repo::sync_objects`].
    fn remember(&self, id: ObjectId) {
        self.unsynced()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
    }

    /// Writes a commit, signed if `commit.gpgSign` is set and the draft does not forbid it; no
    /// reference moves.
    pub fn write_commit(&self, draft: &NewCommit) -> Result<GitId, Error> {
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

    /// Writes an annotated tag object, signed as requested; no reference is created.
    pub fn write_tag(&self, draft: &NewTag) -> Result<GitId, Error> {
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

/// Ends the message with one newline, as git stores it.
fn with_newline(message: &str) -> String {
    format!("{}\n", message.trim_end_matches('\n'))
}

/// Returns the local zone's offset at a moment, in seconds.
pub(super) fn zone_seconds(at: Timestamp) -> i32 {
    zone().to_offset(at).seconds()
}

/// Returns the name and address of a signature line.
pub(super) fn person(signature: &gix::actor::SignatureRef<'_>) -> Person {
    Person {
        name: signature.name.trim().to_str_lossy().into_owned(),
        email: signature.email.trim().to_str_lossy().into_owned(),
    }
}

/// Returns the time of a signature line.
pub(super) fn timestamp(signature: &gix::actor::SignatureRef<'_>) -> Option<Timestamp> {
    Timestamp::from_second(signature.time().ok()?.seconds).ok()
}

#[cfg(test)]
mod tests;
