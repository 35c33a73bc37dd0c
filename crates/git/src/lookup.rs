//! Finds and reads objects; none is reported missing before it was looked up twice.
//!
//! Bytes are checked against their id unless something else vouches for them. Objects written by
//! this process but not yet visible to others are found as well.

use std::{
    collections::HashSet, convert::Infallible, path::Path, sync::PoisonError, time::SystemTime,
};

use gix::{ObjectId, objs::Kind};
use rayon::prelude::*;

use super::{
    Error, Repo,
    error::{Cause, During},
    repo::options_for,
};
use base::{Digest, failure::errors_in};
use model::GitId;

/// From this many lookups in a folder on, listing it costs less.
const WORTH_LISTING: usize = 8;

/// A second instance of the repository, and the pack folder's modification time when it was opened.
pub(super) struct Second {
    repo: gix::Repository,
    packs: Option<SystemTime>,
}

impl Repo {
    /// Looks something up in the object database. If it is not found or cannot be read, the lookup
    /// is repeated in a database that only this call uses.
    ///
    /// The threads of a process share one view of the packs. When one thread has just loaded a new
    /// pack, gix tells another that looked at the same moment that there is nothing new, and it
    /// goes on without that pack. A view with a single user has no such race.
    pub(super) fn find<T, E>(
        &self,
        look: impl Fn(&gix::Repository) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        match self.with(&look) {
            Ok(Some(found)) => Ok(Some(found)),
            first => self.find_again(look).unwrap_or(first),
        }
    }

    /// See [`Repo::find`]; `None` if the repository cannot be opened a second time.
    fn find_again<T, E>(
        &self,
        look: impl Fn(&gix::Repository) -> Result<Option<T>, E>,
    ) -> Option<Result<Option<T>, E>> {
        let mut second = self.second().lock().unwrap_or_else(PoisonError::into_inner);
        let packs = std::fs::metadata(self.common_dir().join("objects/pack"))
            .and_then(|found| found.modified())
            .ok();
        if let Some(open) = second.as_ref().filter(|open| open.packs == packs) {
            match look(&open.repo) {
                Err(_) => {}
                found => return Some(found),
            }
        }
        let options = options_for(gix::sec::Trust::Full).open_path_as_is(true);
        let repo = gix::open_opts(self.git_dir(), options).ok()?;
        let open = second.insert(Second { repo, packs });
        Some(look(&open.repo))
    }

    /// Reads a blob, checked against its id.
    pub fn read_blob(&self, id: &GitId) -> Result<Vec<u8>, Error> {
        self.read_object(id, Kind::Blob)
    }

    /// Like [`Repo::read_blob`], but a blob larger than the limit is an error and is not unpacked.
    pub fn read_blob_within(&self, id: &GitId, limit: u64) -> Result<Vec<u8>, Error> {
        self.check_size(id, limit)?;
        self.read_blob(id)
    }

    /// Returns an error if an object's header states a size above the limit. Absent objects pass:
    /// the reader reports them.
    pub fn check_size(&self, id: &GitId, limit: u64) -> Result<(), Error> {
        match self.header(id)? {
            Some((_, size)) if size > limit => Err(Error::OtherObject(
                id.clone(),
                format!("it has {size} bytes, more than the {limit} that are read"),
            )),
            _ => Ok(()),
        }
    }

    /// Returns an object's kind and size in bytes, as stated in its header; `None` if it is not in
    /// this repository.
    pub(super) fn header(&self, id: &GitId) -> Result<Option<(Kind, u64)>, Error> {
        let oid = self.oid(id)?;
        if let Some(pending) = self.pending().header(&oid) {
            return Ok(Some(pending));
        }
        let found = self.find(|repo| {
            repo.try_find_header(oid)
                .map(|found| found.map(|header| (header.kind(), header.size())))
        });
        found.map_err(|error| unreadable(id, error.into()))
    }

    /// Reads a blob that should have this digest. Without it or if it differs, the bytes are
    /// checked against the blob's id; if it differs, `Err` holds theirs.
    pub fn read_blob_of(
        &self,
        id: &GitId,
        digest: Option<Digest>,
    ) -> Result<Result<Vec<u8>, Digest>, Error> {
        let bytes = self.read_unchecked(id, Kind::Blob)?;
        let found = Digest::of(&bytes);
        if digest == Some(found) {
            return Ok(Ok(bytes));
        }
        self.check_id(id, Kind::Blob, &bytes)?;
        Ok(if digest.is_none() {
            Ok(bytes)
        } else {
            Err(found)
        })
    }

    /// Reads an object of one kind, checked against its id.
    pub(super) fn read_object(&self, id: &GitId, kind: Kind) -> Result<Vec<u8>, Error> {
        let bytes = self.read_unchecked(id, kind)?;
        self.check_id(id, kind, &bytes)?;
        Ok(bytes)
    }

    /// Returns an error unless these bytes have this id.
    fn check_id(&self, id: &GitId, kind: Kind, bytes: &[u8]) -> Result<(), Error> {
        let actual =
            gix::objs::compute_hash(self.hash(), kind, bytes).during("hashing an object")?;
        if actual == self.oid(id)? {
            return Ok(());
        }
        Err(Error::BadObject {
            id: id.clone(),
            why: format!("its bytes have the id {actual}"),
        })
    }

    /// Reads an object of one kind without checking its id; something else must vouch for it.
    fn read_unchecked(&self, id: &GitId, kind: Kind) -> Result<Vec<u8>, Error> {
        let oid = self.oid(id)?;
        let bad = |why: String| Error::BadObject {
            id: id.clone(),
            why,
        };
        let (found, bytes) = match self
            .pending()
            .read(&oid)
            .map_err(|error| bad(error.to_string()))?
        {
            Some(pending) => pending,
            None => {
                let take =
                    |mut object: gix::Object<'_>| (object.kind, std::mem::take(&mut object.data));
                let found =
                    self.find(|repo| repo.try_find_object(oid).map(|object| object.map(take)));
                found
                    .map_err(|error| unreadable(id, error.into()))?
                    .ok_or_else(|| Error::MissingObject { id: id.clone() })?
            }
        };
        if found == kind {
            Ok(bytes)
        } else {
            Err(Error::OtherObject(
                id.clone(),
                format!("it is a {found} and not a {kind}"),
            ))
        }
    }

    /// True when the object is in this repository.
    pub fn has_object(&self, id: &GitId) -> bool {
        self.oid(id)
            .is_ok_and(|oid| self.pending().has(&oid) || self.holds(&oid))
    }

    /// True when the object database has an object.
    pub(super) fn holds(&self, id: &ObjectId) -> bool {
        self.find(|repo| Ok::<_, Infallible>(repo.has_object(id).then_some(())))
            .is_ok_and(|found| found.is_some())
    }

    /// Like [`Repo::has_object`], but faster and possibly wrong when it returns false, which at
    /// worst causes an existing object to be written again.
    pub fn sees_object(&self, id: &GitId) -> bool {
        self.oid(id)
            .is_ok_and(|oid| self.pending().has(&oid) || self.with(|repo| repo.has_object(oid)))
    }

    /// Returns those of many objects that are not in this repository.
    ///
    /// If several objects may be in the same folder of loose objects, it is listed: one call for
    /// hundreds of names. Whatever is not listed as a regular file is looked up.
    pub fn missing<'a>(&self, ids: impl IntoIterator<Item = &'a GitId>) -> HashSet<&'a GitId> {
        let mut ids: Vec<&GitId> = ids.into_iter().collect();
        ids.par_sort_unstable();
        ids.dedup();
        let objects = self.common_dir().join("objects");
        let folders: Vec<&[&GitId]> = ids
            .chunk_by(|a, b| a.as_str()[..2] == b.as_str()[..2])
            .collect();
        let absent = folders.into_par_iter().flat_map_iter(|folder| {
            let worth = folder.len() >= WORTH_LISTING;
            let listed = if worth {
                loose_names(&objects.join(&folder[0].as_str()[..2]))
            } else {
                HashSet::new()
            };
            folder
                .iter()
                .copied()
                .filter(move |id| !listed.contains(&id.as_str()[2..]) && !self.has_object(id))
        });
        absent.collect()
    }
}

/// Makes the error for an unreadable object: damaged, unless the system refused to read it.
fn unreadable(id: &GitId, error: Cause) -> Error {
    let is_of_the_system = |error: &std::io::Error| error.raw_os_error().is_some();
    if errors_in(&*error).any(|error| error.downcast_ref().is_some_and(is_of_the_system)) {
        return Error::Unreadable {
            id: id.clone(),
            source: error,
        };
    }
    Error::BadObject {
        id: id.clone(),
        why: error.to_string(),
    }
}

/// Returns the names of the files in a folder of loose objects.
fn loose_names(folder: &Path) -> HashSet<String> {
    let Ok(listing) = std::fs::read_dir(folder) else {
        return HashSet::new();
    };
    let files = listing
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;

    #[test]
    fn nothing_is_missing_before_it_was_looked_for_twice() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        let repo = sandbox.repo();
        // The answers that gix gives a thread that lost the race.
        for overtaken in [Ok(None), Err("too few slots")] {
            let asked = std::cell::Cell::new(0);
            let look = |_: &gix::Repository| {
                asked.set(asked.get() + 1);
                if asked.get() == 1 {
                    overtaken
                } else {
                    Ok(Some("found"))
                }
            };
            assert_eq!(repo.find(look), Ok(Some("found")));
        }
        // The second database is reopened when it cannot be read, or when packs came or went.
        let seen = std::cell::RefCell::new(Vec::new());
        let look = |gix: &gix::Repository| -> Result<Option<()>, ()> {
            seen.borrow_mut().push(std::ptr::from_ref(gix) as usize);
            Err(())
        };
        assert_eq!((repo.find(look), seen.borrow().len()), (Err(()), 3));
        let written = repo.write_blob(b"new").unwrap();
        repo.sync_objects(&[]).unwrap();
        let id = repo.oid(&written).unwrap();
        let from_second = std::cell::Cell::new(false);
        let found = repo.find(|gix| {
            let first = !from_second.replace(true);
            Ok::<_, ()>(if first {
                None
            } else {
                gix.has_object(id).then_some(())
            })
        });
        assert_eq!(found, Ok(Some(())));
    }
}
