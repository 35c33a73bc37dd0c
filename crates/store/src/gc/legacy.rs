//! Migration of objects of the old format: needed ones go into packs, the others are removed.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    thread,
};

use super::Collection;
use crate::{ChunkStore, Error, PutSession, StoredObject, fetch::ProvedBy};
use base::{Failure, cancel};
use model::ObjectId;

impl Collection<'_> {
    /// Puts needed objects into packs; the old copy is removed once the new one is durable and can
    /// be read.
    pub fn migrate_legacy(&mut self) -> Result<(), Failure> {
        let old = self.store.legacy.all().map_err(Error::Io)?;
        if old.is_empty() {
            return Ok(());
        }
        let (roots, _) = self.roots()?;
        let session = self.store.begin();
        let mut put = Vec::new();
        for (id, size) in old.iter().filter(|(id, _)| roots.contains(id)) {
            cancel::check()?;
            // A damaged object stays where it is, for a repair.
            if put_legacy(self.store, &session, id)?.is_some_and(|stored| stored.id == *id) {
                put.push(*id);
            }
            (self.progress)(*size);
        }
        let lease = session.commit()?;
        for id in &put {
            let generation = self.store.refresh()?;
            if self
                .store
                .read_from(&generation, (id, ProvedBy::Chunks), &mut io::sink())
                .is_ok()
            {
                self.store.legacy.remove(id).map_err(Error::Write)?;
                self.report.migrated += 1;
            }
        }
        drop(lease);
        Ok(())
    }

    /// Removes objects that nothing names; all sessions that could have named one have ended.
    pub fn drop_legacy(&mut self) -> Result<(), Failure> {
        let old = self.store.legacy.all().map_err(Error::Io)?;
        if old.is_empty() {
            return Ok(());
        }
        let (roots, _) = self.roots()?;
        for (id, size) in old.iter().filter(|(id, _)| !roots.contains(id)) {
            self.store.legacy.remove(id).map_err(Error::Write)?;
            self.report.dropped.push(*id);
            self.report.freed += size;
        }
        Ok(())
    }

    /// Reports what would happen to the old objects.
    pub fn preview_legacy(&mut self, roots: &BTreeSet<ObjectId>) -> Result<(), Error> {
        for (id, size) in self.store.legacy.all().map_err(Error::Io)? {
            if roots.contains(&id) {
                self.report.migrated += 1;
            } else {
                self.report.dropped.push(id);
                self.report.freed += size;
            }
        }
        Ok(())
    }
}

/// Puts an object of the old format into a session; `None` when it is damaged.
fn put_legacy(
    store: &ChunkStore,
    session: &PutSession,
    id: &ObjectId,
) -> Result<Option<StoredObject>, Error> {
    let (put, whole) = piped(store, id, |reader| session.put(reader))?;
    put.map(|stored| whole.then_some(stored))
}

/// Runs something on a reader of an old-format object; also returns whether the object is whole,
/// which is known only at its end.
pub fn piped<T>(
    store: &ChunkStore,
    id: &ObjectId,
    run: impl FnOnce(&mut dyn Read) -> T,
) -> Result<(T, bool), Error> {
    let (mut reader, mut writer) = io::pipe().map_err(Error::Io)?;
    thread::scope(|scope| {
        let reading = scope.spawn(move || store.legacy.read(id, &mut writer).map(drop));
        let result = run(&mut reader);
        // Drains the pipe, so that the writer does not block when `run` stops early.
        let _ = io::copy(&mut reader, &mut io::sink());
        match reading.join().expect("because reading does not panic") {
            Ok(()) => Ok((result, true)),
            Err(Error::Damaged { .. }) => Ok((result, false)),
            Err(error) => Err(error),
        }
    })
}
