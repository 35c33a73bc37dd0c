//! Objects, looked for and read: nobody is told that one is missing before it was looked for twice.
//!
//! Bytes are checked against their id unless something else vouches for them. What this process
//! wrote and nobody can see yet is found, too.

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

/// How many objects must be looked for in a folder before listing it costs less.
const WORTH_LISTING: usize = 8;

/// A repository that was opened a second time, and when the folder of its packs was changed last.
pub(super) struct Second {
    repo: gix::Repository,
    packs: Option<SystemTime>,
}

impl Repo {
    /// Looks for something in the object database. What is not found there, or cannot be read, is
    /// looked for once more in a database that only this call uses, before anybody is told that it
    /// is missing.
    ///
    /// The threads of a process share one view of the packs. When one of them has just taken in a
    /// new pack, gix tells another one that looked at the same moment that there is nothing new,
    /// and it goes on without that pack. A view that has one user cannot be overtaken.
    pub(super) fn find<T, E>(
        &self,
        look: impl Fn(&gix::Repository) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        match self.with(&look) {
            Ok(Some(found)) => Ok(Some(found)),
            first => self.find_again(look).unwrap_or(first),
        }
    }

    /// See [`Repo::find`]; `None` when the repository cannot be opened a second time.
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

    /// The bytes of a blob, checked against its id.
    pub fn read_blob(&self, id: &GitId) -> Result<Vec<u8>, Error> {
        self.read_object(id, Kind::Blob)
    }

    /// The same of a blob that must not be larger than this; a larger one is not unpacked.
    pub fn read_blob_within(&self, id: &GitId, limit: u64) -> Result<Vec<u8>, Error> {
        self.check_size(id, limit)?;
        self.read_blob(id)
    }

    /// Fails when an object says that it is larger than this. An absent one is for the reader to
    /// tell.
    pub fn check_size(&self, id: &GitId, limit: u64) -> Result<(), Error> {
        match self.header(id)? {
            Some((_, size)) if size > limit => Err(Error::OtherObject(
                id.clone(),
                format!("it has {size} bytes, more than the {limit} that are read"),
            )),
            _ => Ok(()),
        }
    }

    /// What an object says that it is, and its size in bytes; `None` when it is not in this
    /// repository.
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

    /// The bytes of a blob that have this digest; when they have another one, they are checked
    /// against the blob's id, and `Err` holds the digest that they have.
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

    /// The bytes of an object of one kind, checked against its id.
    pub(super) fn read_object(&self, id: &GitId, kind: Kind) -> Result<Vec<u8>, Error> {
        let bytes = self.read_unchecked(id, kind)?;
        self.check_id(id, kind, &bytes)?;
        Ok(bytes)
    }

    /// Fails unless these bytes have this id.
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

    /// The bytes of an object of one kind, which something else must vouch for.
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

    /// [`Repo::has_object`] at a glance: a no may be wrong, so it only says that something may have
    /// to be written which is there already.
    pub fn sees_object(&self, id: &GitId) -> bool {
        self.oid(id)
            .is_ok_and(|oid| self.pending().has(&oid) || self.with(|repo| repo.has_object(oid)))
    }

    /// Those of many objects that are not in this repository.
    ///
    /// A folder of loose objects is listed when several are looked for in it: one call for
    /// hundreds of names. Anything but a file of that name, and what is not listed, is asked for.
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

/// The error for an object that cannot be read: damaged, unless it was the system that refused.
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

/// The names of the files in a folder of loose objects.
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
        // What gix answers a thread that another one has just overtaken.
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
        // The second database is opened anew when it cannot be read, or packs came or went.
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
