//! Objects of the old format: those that are needed are put into packs, the others removed.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    thread,
};

use super::Collection;
use crate::{ChunkStore, Error, PutSession, Stored};
use base::{Failure, cancel};
use model::ObjectId;

impl Collection<'_> {
    /// Puts what is needed into packs; a copy of the old format is removed once the new one is
    /// durable and can be read.
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
            // One that is damaged stays where it is, for a repair.
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
                .read_from(&generation, id, &mut io::sink())
                .is_ok()
            {
                self.store.legacy.remove(id).map_err(Error::Write)?;
                self.report.migrated += 1;
            }
        }
        drop(lease);
        Ok(())
    }

    /// Removes the objects that nothing names; the sessions that could have named one have ended.
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

    /// Says what would become of them.
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
) -> Result<Option<Stored>, Error> {
    let (put, whole) = piped(store, id, |reader| session.put(reader))?;
    put.map(|stored| whole.then_some(stored))
}

/// Lets something read an object of the old format; also says whether the object is whole,
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
        // The other side must not wait for a reader that has had enough.
        let _ = io::copy(&mut reader, &mut io::sink());
        match reading.join().expect("because reading does not panic") {
            Ok(()) => Ok((result, true)),
            Err(Error::Damaged { .. }) => Ok((result, false)),
            Err(error) => Err(error),
        }
    })
}
