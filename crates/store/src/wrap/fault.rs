//! A backend whose calls fail on demand, and that loses everything no barrier has covered.
//!
//! Tests use it to fail every call of a commit, a collection or a repair in turn, cut the power
//! there, and inspect what is left. It is not used in the product.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::backend::{
    Area, Backend, FileName, Input, Lease, LeaseOn, StagedFile, Upload, stage_bytes,
};

/// Specifies which call fails, and how.
#[derive(Debug, Clone, Copy)]
pub struct FaultPlan {
    /// The call, counted from 1.
    pub call: u64,
    /// The kind of its error.
    pub kind: io::ErrorKind,
    /// True when the call takes effect and only its result is lost.
    pub happens: bool,
    /// True when every later call fails too.
    pub lasts: bool,
}

/// A backend that fails on demand. Clones share their state.
#[derive(Clone)]
pub struct FaultyBackend(Arc<Faults>);

/// State shared by all handles.
struct Faults {
    inner: Arc<dyn Backend>,
    state: Mutex<FaultState>,
}

#[derive(Default)]
struct FaultState {
    calls: u64,
    plan: Option<FaultPlan>,
    skipped: BTreeSet<Area>,
    uncovered: Vec<UncoveredChange>,
}

/// A change of names that a power cut can revert.
struct UncoveredChange {
    /// Area whose barrier covers it; `None` for a removal.
    covered_by: Option<Area>,
    /// The state of the files before it. The first is the file that was changed.
    before: Vec<(FileName, Option<Vec<u8>>)>,
}

impl UncoveredChange {
    /// Returns the file that was changed.
    fn name(&self) -> &FileName {
        &self.before[0].0
    }
}

impl FaultyBackend {
    /// Creates a backend that fails no call yet.
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        Self(Arc::new(Faults {
            inner,
            state: Mutex::default(),
        }))
    }

    /// Sets which call fails; replaces any earlier plan.
    pub fn plan(&self, plan: FaultPlan) {
        self.0.lock().plan = Some(plan);
    }

    /// Makes the barrier of an area ineffective.
    pub fn skip(&self, area: Area) {
        self.0.lock().skipped.insert(area);
    }

    /// Returns the number of calls so far.
    pub fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// Cuts the power and turns it on again: no call fails any more. Of the changes to each file
    /// that no barrier has covered, the earliest survive: `choose` receives their number and
    /// returns how many survive. Nothing else may be running.
    pub fn cut_power(&self, choose: &mut dyn FnMut(usize) -> usize) -> io::Result<()> {
        let mut state = self.0.lock();
        state.plan = None;
        let mut by_name: BTreeMap<FileName, Vec<UncoveredChange>> = BTreeMap::new();
        for change in std::mem::take(&mut state.uncovered) {
            let name = change.name().clone();
            by_name.entry(name).or_default().push(change);
        }
        for mut changes in by_name.into_values() {
            let survive = choose(changes.len()).min(changes.len());
            // Restores the state before the first lost change.
            for change in changes.drain(survive..).take(1) {
                for (name, before) in change.before {
                    self.0.restore(&name, before)?;
                }
            }
        }
        Ok(())
    }
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, FaultState> {
        self.state.lock().expect("because no holder panics")
    }

    /// Counts a call and runs it unless it must fail.
    fn call<T>(&self, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut state = self.lock();
        state.calls += 1;
        let calls = state.calls;
        let plan = state.plan;
        drop(state);
        match plan {
            Some(plan) if calls == plan.call && plan.happens => {
                run()?;
                Err(plan.kind.into())
            }
            Some(plan) if calls == plan.call || (plan.lasts && calls > plan.call) => {
                Err(plan.kind.into())
            }
            _ => run(),
        }
    }

    /// Returns the bytes of a file if it exists.
    fn bytes(&self, name: &FileName) -> io::Result<Option<Vec<u8>>> {
        match self.inner.read(name, u64::MAX - 1) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Restores a file's earlier content.
    fn restore(&self, name: &FileName, before: Option<Vec<u8>>) -> io::Result<()> {
        match before {
            Some(bytes) => stage_bytes(&*self.inner, name.area, "lost", &bytes)?.put(name),
            None => self.inner.remove(name),
        }
    }

    /// Changes a file and records its earlier content.
    fn change(
        &self,
        name: &FileName,
        covered_by: Option<Area>,
        run: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let before = vec![(name.clone(), self.bytes(name)?)];
        run()?;
        self.lock()
            .uncovered
            .push(UncoveredChange { covered_by, before });
        Ok(())
    }

    /// Records what a barrier covers: names assigned in its area, and all earlier changes to those
    /// files.
    fn cover(&self, area: Area) {
        let mut state = self.lock();
        if state.skipped.contains(&area) {
            return;
        }
        let mut covered = BTreeSet::new();
        let mut left: Vec<UncoveredChange> = Vec::new();
        while let Some(change) = state.uncovered.pop() {
            if change.covered_by == Some(area) || covered.contains(change.name()) {
                covered.insert(change.name().clone());
            } else {
                left.push(change);
            }
        }
        left.reverse();
        state.uncovered = left;
    }
}

impl Backend for FaultyBackend {
    fn location(&self, name: &FileName) -> String {
        self.0.inner.location(name)
    }

    fn prepare(&self) -> io::Result<()> {
        self.0.call(|| self.0.inner.prepare())
    }

    fn size(&self, name: &FileName) -> io::Result<Option<u64>> {
        self.0.call(|| self.0.inner.size(name))
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn Input>> {
        let inner = self.0.call(|| self.0.inner.open(name))?;
        let shared = self.0.clone();
        Ok(Box::new(FaultyInput { inner, shared }))
    }

    fn read(&self, name: &FileName, limit: u64) -> io::Result<Vec<u8>> {
        self.0.call(|| self.0.inner.read(name, limit))
    }

    fn list(&self, area: Area) -> io::Result<Vec<String>> {
        self.0.call(|| self.0.inner.list(area))
    }

    fn stage(&self, area: Area, owner: &str) -> io::Result<Box<dyn Upload>> {
        let inner = self.0.call(|| self.0.inner.stage(area, owner))?;
        let shared = self.0.clone();
        Ok(Box::new(FaultyUpload { inner, shared }))
    }

    fn remove(&self, name: &FileName) -> io::Result<()> {
        let remove = || self.0.inner.remove(name);
        self.0.call(|| self.0.change(name, None, remove))
    }

    fn set_aside(&self, name: &FileName) -> io::Result<Option<FileName>> {
        self.0.call(|| {
            let before = self.0.bytes(name)?;
            let target = self.0.inner.set_aside(name)?;
            if let Some(target) = &target {
                self.0.lock().uncovered.push(UncoveredChange {
                    covered_by: Some(Area::Quarantine),
                    before: vec![(name.clone(), before), (target.clone(), None)],
                });
            }
            Ok(target)
        })
    }

    fn barrier(&self, area: Area) -> io::Result<()> {
        self.0.call(|| {
            self.0.inner.barrier(area)?;
            self.0.cover(area);
            Ok(())
        })
    }

    fn lease(&self, on: &LeaseOn, wait: bool) -> io::Result<Option<Lease>> {
        self.0.call(|| self.0.inner.lease(on, wait))
    }

    fn set_room_aside(&self, aside: bool) -> io::Result<()> {
        self.0.call(|| self.0.inner.set_room_aside(aside))
    }
}

/// An open file.
struct FaultyInput {
    inner: Box<dyn Input>,
    shared: Arc<Faults>,
}

impl Input for FaultyInput {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.shared.call(|| self.inner.read_at(offset, into))
    }

    fn read_once_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.shared.call(|| self.inner.read_once_at(offset, into))
    }
}

/// A file being written.
struct FaultyUpload {
    inner: Box<dyn Upload>,
    shared: Arc<Faults>,
}

impl Write for FaultyUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shared.call(|| self.inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Upload for FaultyUpload {
    fn finish(self: Box<Self>) -> io::Result<Box<dyn StagedFile>> {
        let Self { inner, shared } = *self;
        let inner = shared.call(|| inner.finish())?;
        Ok(Box::new(FaultyStaged { inner, shared }))
    }
}

/// A complete file without a name.
struct FaultyStaged {
    inner: Box<dyn StagedFile>,
    shared: Arc<Faults>,
}

impl StagedFile for FaultyStaged {
    fn put(self: Box<Self>, name: &FileName) -> io::Result<()> {
        let Self { inner, shared } = *self;
        let put = || inner.put(name);
        shared.call(|| shared.change(name, Some(name.area), put))
    }

    fn put_new(self: Box<Self>, name: &FileName) -> io::Result<()> {
        let Self { inner, shared } = *self;
        let put = || inner.put_new(name);
        shared.call(|| shared.change(name, Some(name.area), put))
    }
}
