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
use crate::{
    base::{GitId, encoding, zone},
    model::operation::Person,
};

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
mod tests {
    use super::super::testing::{Sandbox, tag_on};
    use super::*;
    use crate::base::{Fault, Kind as ErrorKind};

    fn draft(sandbox: &Sandbox, parent: &GitId) -> CommitDraft {
        CommitDraft {
            tree: sandbox.id("HEAD^{tree}"),
            parents: vec![parent.clone()],
            message: "release(T01): v1.0.0".to_string(),
            who: sandbox.repo().identity().unwrap(),
            at: "2026-02-24T05:10:00Z".parse().unwrap(),
            sign: Sign::default(),
        }
    }

    #[test]
    fn commits_and_tags_are_what_git_writes() {
        for format in ["sha1", "sha256"] {
            let sandbox = Sandbox::with_format(format);
            sandbox.write("a", b"1\n");
            let first = sandbox.commit("first");
            let repo = sandbox.repo();
            assert_eq!(repo.is_sha256(), format == "sha256");
            let commit = repo.write_commit(&draft(&sandbox, &first)).unwrap();
            let tag = repo.write_tag(&tag_on(&commit, "m")).unwrap();
            repo.sync_objects(&[]).unwrap();
            sandbox.git(&["update-ref", "refs/tags/T01-v1.0.0", tag.as_str()]);
            sandbox.git(&["fsck", "--strict"]);
            assert_eq!(
                sandbox.text(&["show", "-s", "--format=%an <%ae> %at %s", commit.as_str()]),
                "Ada <ada@example.org> 1771909800 release(T01): v1.0.0"
            );
            assert_eq!(sandbox.id("T01-v1.0.0^{commit}"), commit);
            let read = repo.commit(&commit).unwrap();
            assert_eq!(
                (read.parents, read.time, read.message.as_str()),
                (
                    vec![first],
                    "2026-02-24T05:10:00Z".parse().unwrap(),
                    "release(T01): v1.0.0\n"
                )
            );
        }
    }

    #[test]
    fn blobs_are_checked_and_absent_ones_are_missing() {
        let sandbox = Sandbox::new();
        let repo = sandbox.repo();
        let id = repo.write_blob(b"bytes\n").unwrap();
        repo.sync_objects(&[]).unwrap();
        assert_eq!(sandbox.git(&["cat-file", "blob", id.as_str()]), b"bytes\n");
        assert_eq!(
            (repo.read_blob(&id).unwrap(), repo.blob_id(b"bytes\n")),
            (b"bytes\n".to_vec(), id.clone())
        );
        let absent = repo.blob_id(b"other");
        assert!(!repo.has_object(&absent));
        assert_eq!(
            repo.read_blob(&absent).expect_err("it is absent").kind(),
            ErrorKind::Missing
        );

        // Another object's file under this id: the bytes no longer have the id.
        let ((id, file), (_, other)) = (sandbox.loose(b"read\n"), sandbox.loose(b"forged\n"));
        sandbox.remove(&file);
        std::fs::copy(other, file).unwrap();
        assert_eq!(
            repo.read_blob(&id).expect_err("it is forged").kind(),
            ErrorKind::Bad
        );
    }

    #[test]
    fn of_many_objects_the_missing_ones_are_told_loose_or_packed() {
        let sandbox = Sandbox::new();
        let repo = sandbox.repo();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        sandbox.git(&["gc", "-q"]);
        let mut here: Vec<GitId> = (0..5000_u32)
            .map(|n| repo.write_blob(&n.to_le_bytes()).unwrap())
            .collect();
        here.push(sandbox.id("HEAD:a"));
        assert_eq!(
            repo.missing(&here),
            HashSet::new(),
            "some wait to be installed"
        );
        // Loose ones, many to a folder.
        repo.sync_objects(&[]).unwrap();
        let pack = std::fs::read_dir(sandbox.path(".git/objects/pack"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let packs: Vec<_> = pack
            .filter(|path| path.extension().is_some_and(|kind| kind == "pack"))
            .collect();
        for pack in packs {
            let moved = sandbox.path(".git").join(pack.file_name().unwrap());
            sandbox.rename(pack.to_str().unwrap(), moved.to_str().unwrap());
            sandbox.remove(pack.with_extension("idx"));
            sandbox.git_reading(&["unpack-objects", "-q"], &moved);
        }
        let repo = sandbox.repo();
        assert_eq!(repo.missing(&here), HashSet::new());
        let absent: Vec<GitId> = (0..1000_u32)
            .map(|n| repo.blob_id(&[n.to_le_bytes(), [1; 4]].concat()))
            .collect();
        assert_eq!(
            repo.missing(here.iter().chain(&absent)),
            absent.iter().collect()
        );
        let objects = sandbox.path(".git/objects");
        sandbox.remove(super::super::sync::loose_path(
            &objects,
            &repo.oid(&here[7]).unwrap(),
        ));
        assert_eq!(repo.missing(&here), HashSet::from([&here[7]]));
    }

    #[test]
    fn abbreviations_name_commits_only() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        let first = sandbox.commit("first");
        sandbox.git(&["tag", "abcd"]);
        let repo = sandbox.repo();
        assert_eq!(
            repo.resolve_commit(&first.as_str()[..7]).unwrap(),
            Some(first.clone())
        );
        assert_eq!(repo.resolve_commit(first.as_str()).unwrap(), Some(first));
        for other in [
            "main",
            "HEAD",
            "abcd",
            "",
            "abc",
            sandbox.id("HEAD^{tree}").as_str(),
        ] {
            assert_eq!(repo.resolve_commit(other).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn without_a_name_there_is_no_identity() {
        let sandbox = Sandbox::new();
        sandbox.git(&["config", "user.name", ""]);
        assert!(matches!(
            sandbox.repo().identity(),
            Err(Error::Identity { .. })
        ));
    }

    #[test]
    fn a_partial_clone_never_fetches() {
        let origin = Sandbox::new();
        origin.write("a", b"1\n");
        origin.commit("first");
        origin.git(&["config", "uploadpack.allowFilter", "true"]);
        let url = format!("file://{}", origin.root().display());
        origin.git(&[
            "clone",
            "-q",
            "--no-checkout",
            "--filter=blob:none",
            &url,
            "partial",
        ]);
        let repo = Repo::discover(&origin.path("partial")).unwrap();
        let error = repo
            .read_blob(&origin.id("HEAD:a"))
            .expect_err("it is not here");
        assert!(matches!(error, Error::MissingObject { .. }), "{error}");
        assert!(!repo.has_object(&origin.id("HEAD:a")));
    }

    #[test]
    fn signatures_are_made_when_git_is_set_to_sign() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        let first = sandbox.commit("first");
        let key = sandbox.path(".git/key");
        let make = crate::base::process::Command::new("ssh-keygen", sandbox.root())
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key);
        if !make.run().is_ok_and(|ended| ended.succeeded()) {
            return;
        }
        let public = std::fs::read(key.with_extension("pub")).unwrap();
        sandbox.write(
            ".git/signers",
            &[b"ada@example.org ", public.as_slice()].concat(),
        );
        for (name, value) in [
            ("gpg.format", "ssh"),
            ("user.signingKey", key.to_str().unwrap()),
            ("commit.gpgSign", "true"),
            ("tag.gpgSign", "true"),
        ] {
            sandbox.git(&["config", name, value]);
        }
        sandbox.git(&[
            "config",
            "gpg.ssh.allowedSignersFile",
            sandbox.path(".git/signers").to_str().unwrap(),
        ]);
        let repo = sandbox.repo();
        let draft = draft(&sandbox, &first);
        let commit = repo.write_commit(&draft).unwrap();
        repo.sync_objects(&[]).unwrap();
        sandbox.git(&["verify-commit", commit.as_str()]);
        let tag = tag_on(&commit, "the message\n\nSnapback-Task: T01");
        let id = repo.write_tag(&tag).unwrap();
        repo.sync_objects(&[]).unwrap();
        sandbox.git(&["update-ref", "refs/tags/T01-v1.0.0", id.as_str()]);
        sandbox.git(&["verify-tag", "T01-v1.0.0"]);
        assert_eq!(
            repo.peel_tag(&id).unwrap().message,
            "the message\n\nSnapback-Task: T01\n",
            "without the signature"
        );
        sandbox.git(&["fsck", "--strict"]);
    }
}
