//! A store in memory, for tests and for data that need not outlive the process.
//!
//! It keeps every promise of the port but one: nothing survives the process, so barriers do
//! nothing. `wrap/fault.rs` discards what no barrier has covered.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use super::{Area, Backend, FileName, Input, Lease, LeaseOn, StagedFile, Upload};

/// A store in memory.
#[derive(Default)]
pub struct MemoryBackend(Arc<MemoryShared>);

/// State shared by all handles of one store.
#[derive(Default)]
struct MemoryShared {
    state: Mutex<MemoryState>,
    /// Notified whenever a lease ends.
    ended: Condvar,
}

/// The complete state of a store.
#[derive(Default)]
struct MemoryState {
    files: BTreeMap<FileName, Arc<Vec<u8>>>,
    number: u64,
    leases: MemoryLeases,
}

/// The leases that are held.
#[derive(Default)]
struct MemoryLeases {
    /// Number of sessions that are beginning.
    beginning: usize,
    committing: bool,
    collecting: bool,
    sessions: BTreeSet<String>,
}

impl MemoryLeases {
    /// Takes a lease; returns false when another lease excludes it.
    fn take(&mut self, on: &LeaseOn) -> bool {
        let free = match on {
            LeaseOn::Beginning => !self.committing,
            LeaseOn::Commit => !self.committing && self.beginning == 0,
            LeaseOn::Collection => !self.collecting,
            LeaseOn::Session(name) => !self.sessions.contains(name),
        };
        if free {
            match on {
                LeaseOn::Beginning => self.beginning += 1,
                LeaseOn::Commit => self.committing = true,
                LeaseOn::Collection => self.collecting = true,
                LeaseOn::Session(name) => drop(self.sessions.insert(name.clone())),
            }
        }
        free
    }

    /// Ends a lease that was taken.
    fn end(&mut self, on: &LeaseOn) {
        match on {
            LeaseOn::Beginning => self.beginning -= 1,
            LeaseOn::Commit => self.committing = false,
            LeaseOn::Collection => self.collecting = false,
            LeaseOn::Session(name) => drop(self.sessions.remove(name)),
        }
    }
}

impl MemoryState {
    /// Returns the names in an area, sorted.
    fn names(&self, area: Area) -> Vec<String> {
        let own = self.files.range(FileName::new(area, "")..);
        own.take_while(|(name, _)| name.area == area)
            .map(|(name, _)| name.name.clone())
            .collect()
    }
}

impl MemoryShared {
    fn lock(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().expect("because no holder panics")
    }
}

/// Returns the error for a missing file.
fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Backend for MemoryBackend {
    fn location(&self, name: &FileName) -> String {
        format!("memory:{name}")
    }

    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    fn size(&self, name: &FileName) -> io::Result<Option<u64>> {
        let state = self.0.lock();
        Ok(state.files.get(name).map(|bytes| bytes.len() as u64))
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn Input>> {
        let state = self.0.lock();
        let bytes = state.files.get(name).ok_or_else(missing)?;
        Ok(Box::new(MemoryInput(bytes.clone())))
    }

    fn list(&self, area: Area) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        if area == Area::Sessions {
            return Ok(state.leases.sessions.iter().cloned().collect());
        }
        Ok(state.names(area))
    }

    fn stage(&self, _area: Area, owner: &str) -> io::Result<Box<dyn Upload>> {
        let mut state = self.0.lock();
        let name = FileName::new(Area::Staging, format!("{owner}-{}", state.number));
        state.number += 1;
        state.files.insert(name.clone(), Arc::default());
        drop(state);
        Ok(Box::new(MemoryUpload {
            bytes: Vec::new(),
            temp: MemoryStaged {
                shared: self.0.clone(),
                name,
            },
        }))
    }

    fn remove(&self, name: &FileName) -> io::Result<()> {
        self.0.lock().files.remove(name);
        Ok(())
    }

    fn set_aside(&self, name: &FileName) -> io::Result<Option<FileName>> {
        let mut state = self.0.lock();
        let Some(bytes) = state.files.remove(name) else {
            return Ok(None);
        };
        let target = name.aside(&state.names(Area::Quarantine));
        state.files.insert(target.clone(), bytes);
        Ok(Some(target))
    }

    fn barrier(&self, _area: Area) -> io::Result<()> {
        Ok(())
    }

    fn lease(&self, on: &LeaseOn, wait: bool) -> io::Result<Option<Lease>> {
        let mut state = self.0.lock();
        while !state.leases.take(on) {
            if !wait {
                return Ok(None);
            }
            let waited = self.0.ended.wait(state);
            state = waited.expect("because no holder panics");
        }
        drop(state);
        let shared = self.0.clone();
        let on = on.clone();
        Ok(Some(Lease::new(move || {
            shared.lock().leases.end(&on);
            shared.ended.notify_all();
            Ok(())
        })))
    }
}

/// The bytes of an open file, which do not change while it is open.
struct MemoryInput(Arc<Vec<u8>>);

impl Input for MemoryInput {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).map_or(self.0.len(), |from| from.min(self.0.len()));
        let rest = &self.0[from..];
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// A file without a name of its own, removed on drop.
struct MemoryStaged {
    shared: Arc<MemoryShared>,
    name: FileName,
}

impl Drop for MemoryStaged {
    fn drop(&mut self) {
        self.shared.lock().files.remove(&self.name);
    }
}

/// A file being written.
struct MemoryUpload {
    bytes: Vec<u8>,
    temp: MemoryStaged,
}

impl Write for MemoryUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for MemoryUpload {
    fn finish(self: Box<Self>) -> io::Result<Box<dyn StagedFile>> {
        let mut state = self.temp.shared.lock();
        let staged = state.files.get_mut(&self.temp.name).ok_or_else(missing)?;
        *staged = Arc::new(self.bytes);
        drop(state);
        Ok(Box::new(self.temp))
    }
}

impl MemoryStaged {
    /// Gives the file its name.
    fn name(&self, name: &FileName, must_be_new: bool) -> io::Result<()> {
        let mut state = self.shared.lock();
        if must_be_new && state.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let bytes = state.files.remove(&self.name).ok_or_else(missing)?;
        state.files.insert(name.clone(), bytes);
        Ok(())
    }
}

impl StagedFile for MemoryStaged {
    fn put(self: Box<Self>, name: &FileName) -> io::Result<()> {
        self.name(name, false)
    }

    fn put_new(self: Box<Self>, name: &FileName) -> io::Result<()> {
        self.name(name, true)
    }
}
