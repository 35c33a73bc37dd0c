//! A file system in memory that loses what was not synced: the simulated twin of `base::Root`.
//!
//! File bytes and attributes become durable only by `Output::sync`, names only by `sync_dir` of
//! their folder, which is less than any real file system guarantees. A test runs code with
//! [`SimFs::crash_at`], takes the possible disks by [`SimFs::crash_states`], runs the recovery on
//! each and examines the result; [`sweep`] does so for every mutating call. Tests of the tests skip
//! one [`SyncPoint`] at a time ([`SimFs::skip`]) and expect a failure.

pub mod crash;
pub mod disk;
mod port;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    io::{self, Read, Write},
    sync::{Arc, Mutex, MutexGuard},
};

use disk::{Disk, Effect, Inode, Node, Slot, errno};
use snapback::base::{Fs, RelPath, SyncPoint};

/// The error of a power cut: the code under test must stop. See [`is_crash`].
#[derive(Debug)]
pub struct PowerCut;

impl fmt::Display for PowerCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated power cut")
    }
}

impl std::error::Error for PowerCut {}

/// Returns whether an error is the one that mutating calls return from [`SimFs::crash_at`] on.
pub fn is_crash(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<PowerCut>)
}

/// An effect that is not yet durable.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Increasing, never reused.
    pub id: u64,
    pub effect: Effect,
    /// True after a failed sync: the kernel marked the pages clean, so no later sync writes them.
    pub forgotten: bool,
}

/// The effect of a mutating call, as far as injected errors distinguish calls.
#[derive(Clone, Copy, PartialEq)]
enum Call {
    /// Needs this many bytes of space: a full disk makes it fail.
    Grow(usize),
    /// Needs no space.
    Change,
}

/// An error to inject.
#[derive(Clone, Copy)]
struct Fail {
    from: u64,
    errno: i32,
    for_ever: bool,
}

struct State {
    live: Disk,
    durable: Disk,
    pending: Vec<Pending>,
    next_ino: u64,
    next_effect: u64,
    tick: i64,
    calls: u64,
    crash_at: Option<u64>,
    fail: Option<Fail>,
    /// The size of the disk in bytes; `None` for unlimited.
    room: Option<u64>,
    skipped: HashSet<SyncPoint>,
    synced: BTreeMap<SyncPoint, u64>,
    /// The number of shared holders of a lock; -1 for an exclusive one.
    locks: BTreeMap<RelPath, i64>,
}

/// The file system. Clones are handles of the same one; [`SimFs::fork`] makes a second one.
#[derive(Clone)]
pub struct SimFs(Arc<Mutex<State>>);

impl SimFs {
    /// Creates an empty, durable root folder.
    pub fn new() -> Self {
        Self::on(Disk::empty(), HashSet::new())
    }

    /// Creates a freshly booted file system.
    fn on(disk: Disk, skipped: HashSet<SyncPoint>) -> Self {
        let next_ino = disk.inodes.keys().max().expect("because there is a root") + 1;
        let (live, durable) = (disk.clone(), disk);
        let (pending, synced) = (Vec::new(), BTreeMap::new());
        let state = State {
            live,
            durable,
            pending,
            next_ino,
            next_effect: 0,
            tick: 1_000,
            calls: 0,
            crash_at: None,
            fail: None,
            room: None,
            skipped,
            synced,
            locks: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("because no holder panics")
    }

    /// Makes every sync of this point do nothing from now on: a mutant.
    pub fn skip(&self, point: SyncPoint) {
        self.state().skipped.insert(point);
    }

    /// Counts the syncs of a point, skipped ones included: a point never reached proves nothing.
    pub fn synced(&self, point: SyncPoint) -> u64 {
        self.state().synced.get(&point).copied().unwrap_or(0)
    }

    /// Returns the number of mutating calls so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Fails the `k`-th mutating call from now (from 1) and all later ones with [`PowerCut`].
    pub fn crash_at(&self, k: u64) {
        let mut state = self.state();
        state.crash_at = Some(state.calls + k);
    }

    /// Fails the `k`-th mutating call from now with an errno, once or with all later ones. A full
    /// disk (ENOSPC, EDQUOT) affects only calls that need space.
    pub fn fail_at(&self, k: u64, errno: i32, for_ever: bool) {
        let mut state = self.state();
        state.fail = Some(Fail {
            from: state.calls + k,
            errno,
            for_ever,
        });
    }

    /// Returns the number of bytes in use.
    pub fn used(&self) -> u64 {
        self.state().live.used(disk::ROOT)
    }

    /// Limits the disk to this many bytes; a call that needs more fails with ENOSPC.
    pub fn limit_room(&self, bytes: u64) {
        self.state().room = Some(bytes);
    }

    /// Moves the clock by this many seconds, forwards or backwards.
    pub fn jump(&self, seconds: i64) {
        self.state().tick += seconds;
    }

    /// Stops all injected crashes and errors.
    pub fn calm(&self) {
        let mut state = self.state();
        (state.crash_at, state.fail) = (None, None);
    }

    /// Returns whether the crash of [`SimFs::crash_at`] has happened.
    pub fn crashed(&self) -> bool {
        let state = self.state();
        state.crash_at.is_some_and(|at| state.calls >= at)
    }

    /// Makes everything durable, as happens on an idle machine after a while.
    pub fn settle(&self) {
        let mut state = self.state();
        state.durable = state.live.clone();
        state.pending.clear();
    }

    /// Forces one file and its name to the disk despite skipped points: for stand-ins of what
    /// another program does durably.
    pub fn force(&self, path: &RelPath) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Call::Change)?;
        let (slot, ino) = state.named(path)?;
        let due = state.due_for(slot.0);
        state.flush(|pending| due.contains(&pending.id) || pending.effect.file() == Some(ino));
        Ok(())
    }

    /// Returns an independent copy, with pending effects and without injected faults.
    pub fn fork(&self) -> Self {
        let state = self.state();
        let copy = Self::on(state.live.clone(), state.skipped.clone());
        let mut twin = copy.state();
        (twin.durable, twin.pending) = (state.durable.clone(), state.pending.clone());
        (twin.next_ino, twin.next_effect, twin.tick) =
            (state.next_ino, state.next_effect, state.tick);
        drop(twin);
        copy
    }

    /// Returns at most `limit` different disks that a power cut at this moment can leave, each
    /// booted: no counters, no faults, the same skipped points. The same seed gives the same disks.
    pub fn crash_states(&self, limit: usize, seed: u64) -> Vec<SimFs> {
        let state = self.state();
        let disks = crash::states(&state.durable, &state.pending, limit, seed);
        let boot = |mut disk: Disk| {
            disk.forget_nameless();
            Self::on(disk, state.skipped.clone())
        };
        disks.into_iter().map(boot).collect()
    }

    /// Returns the entries by path: `d`, `l` or `f`, permission bits, bytes.
    pub fn tree(&self) -> BTreeMap<Vec<u8>, (char, u32, Vec<u8>)> {
        self.state().live.tree()
    }

    /// For preparing tests: creates a file with its folders, neither counted nor durable before
    /// [`SimFs::settle`].
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let faults = {
            let mut state = self.state();
            (state.crash_at.take(), state.fail.take(), state.calls)
        };
        let path = RelPath::own(path);
        snapback::base::fs::create_dir_all(self, &path.parent(), 0o755)
            .expect("because the test gives a free path");
        if self
            .stat(&path)
            .expect("because the path is plain")
            .is_some()
        {
            self.remove_file(&path).expect("because it is a file");
        }
        self.create(&path, 0o644)
            .and_then(|mut file| file.write_all(bytes))
            .expect("because the test gives a free path");
        let mut state = self.state();
        (state.crash_at, state.fail, state.calls) = faults;
    }

    /// For stand-ins of code that is not under test: syncs a folder despite skipped points.
    pub fn sync_certainly(&self, dir: &RelPath) -> io::Result<()> {
        let mut state = self.state();
        let due = state.due_for(state.live.walk(dir)?);
        state.enter(Call::Change)?;
        state.flush(|pending| due.contains(&pending.id));
        Ok(())
    }

    /// For preparing tests: like [`SimFs::put`], but durable at once.
    pub fn put_synced(&self, path: &str, bytes: &[u8]) {
        self.put(path, bytes);
        let mut state = self.state();
        let ino = state
            .live
            .walk(&RelPath::own(path))
            .expect("because it was just put");
        let due = state.due_for(
            state
                .live
                .walk(&RelPath::own(path).parent())
                .expect("because it holds a file"),
        );
        state.flush(|pending| pending.effect.file() == Some(ino) || due.contains(&pending.id));
    }

    /// For assertions: returns the bytes of a file, `None` when there is none.
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(&RelPath::own(path))
            .ok()?
            .read_to_end(&mut bytes)
            .ok()?;
        Some(bytes)
    }
}

impl State {
    /// Counts a mutating call and injects the error that is due.
    fn enter(&mut self, call: Call) -> io::Result<()> {
        self.calls += 1;
        self.tick += 1;
        if self.crash_at.is_some_and(|at| self.calls >= at) {
            return Err(io::Error::other(PowerCut));
        }
        if let (Some(room), Call::Grow(more)) = (self.room, call)
            && self.live.used(disk::ROOT) + more as u64 > room
        {
            return Err(errno(libc::ENOSPC));
        }
        let Some(fail) = self.fail else { return Ok(()) };
        let full = matches!(fail.errno, libc::ENOSPC | libc::EDQUOT);
        if self.calls < fail.from || (full && call == Call::Change) {
            return Ok(());
        }
        if !fail.for_ever {
            self.fail = None;
        }
        Err(errno(fail.errno))
    }

    /// Applies an effect, and records it as not durable yet.
    fn act(&mut self, effect: Effect) -> u64 {
        self.live.apply(&effect);
        self.next_effect += 1;
        self.pending.push(Pending {
            id: self.next_effect,
            effect,
            forgotten: false,
        });
        self.next_effect
    }

    /// Creates an inode. It exists on the disk at once, but without a name.
    fn inode(&mut self, node: Node, mode: u32) -> u64 {
        let (ino, now) = (self.next_ino, (self.tick, 0));
        self.next_ino += 1;
        let inode = Inode {
            node,
            mode,
            mtime: now,
            ctime: now,
        };
        self.durable.inodes.insert(ino, inode.clone());
        self.live.inodes.insert(ino, inode);
        ino
    }

    /// Creates an inode under a name that must be free.
    fn make(&mut self, path: &RelPath, node: Node, mode: u32) -> io::Result<u64> {
        let slot = self.live.slot(path)?;
        if self.live.get(&slot).is_some() {
            return Err(errno(libc::EEXIST));
        }
        let ino = self.inode(node, mode);
        self.act(Effect::Link { slot, ino });
        Ok(ino)
    }

    /// Returns the slot of a path, and the inode it names.
    fn named(&self, path: &RelPath) -> io::Result<(Slot, u64)> {
        let slot = self.live.slot(path)?;
        let ino = self.live.get(&slot).ok_or_else(|| errno(libc::ENOENT))?;
        Ok((slot, ino))
    }

    /// Counts a sync. Returns false when its point is skipped.
    fn reaches(&mut self, point: SyncPoint) -> bool {
        *self.synced.entry(point).or_default() += 1;
        !self.skipped.contains(&point)
    }

    /// Makes the effects that `due` selects durable, in order.
    fn flush(&mut self, mut due: impl FnMut(&Pending) -> bool) {
        let (flushed, kept) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|pending| due(pending));
        self.pending = kept;
        let flushed: Vec<Pending> = flushed;
        for pending in flushed {
            self.durable.apply(&pending.effect);
        }
    }

    /// Returns the effects that a sync of a folder writes. A change of two folders includes what
    /// happened before it in the other one, as in every journal.
    fn due_for(&self, dir: u64) -> HashSet<u64> {
        let (mut dirs, mut wanted, mut due) =
            (HashSet::from([dir]), HashSet::new(), HashSet::new());
        for pending in self
            .pending
            .iter()
            .rev()
            .filter(|pending| !pending.forgotten)
        {
            let touched = pending.effect.dirs();
            let here = touched.iter().any(|dir| dirs.contains(dir));
            if !here && !wanted.contains(&pending.id) {
                continue;
            }
            due.insert(pending.id);
            dirs.extend(touched);
            if let Effect::Unlink {
                after: Some(id), ..
            } = pending.effect
            {
                wanted.insert(id);
            }
        }
        due
    }
}

/// Runs `act` on forks of `base` (which should be settled) that crash at each mutating call in
/// turn, and `look` on every disk that each crash can leave, at most `limit` per crash point.
/// `look` gets the disk and whether `act` had reported success before the power went; it returns
/// what is wrong. The last round lets `act` finish and then cuts the power.
///
/// Returns the number of disks examined, or the first complaint with the crash point.
pub fn sweep<T, E>(
    base: &SimFs,
    limit: usize,
    seed: u64,
    act: impl Fn(&SimFs) -> Result<T, E>,
    look: impl Fn(&SimFs, bool) -> Result<(), String>,
) -> Result<u64, String> {
    let mut looked = 0;
    for k in 1.. {
        let fs = base.fork();
        fs.crash_at(k);
        let done = act(&fs).is_ok();
        for (nth, disk) in fs.crash_states(limit, seed ^ k).iter().enumerate() {
            looked += 1;
            look(disk, done).map_err(|wrong| {
                format!("power cut at call {k}, disk {nth} (seed {seed}): {wrong}")
            })?;
        }
        if !fs.crashed() {
            break;
        }
    }
    Ok(looked)
}
