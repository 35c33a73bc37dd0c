//! The implementation of the `Fs` and `Output` ports on the simulated file system.
//!
//! Its errors are those of `base::Root`; a test compares the two on random calls.

use std::{
    io::{self, Cursor, Read, Write},
    sync::Arc,
};

use snapback::base::{
    Fs, Input, LinkOnTheWay, Output, RelPath, Stat, SyncPoint,
    fs::{FileLock, Hold},
};

use super::{
    Call, Pending, SimFs, State,
    disk::{self, Disk, Effect, Node, errno},
    is_crash,
};

/// Refuses to rename one kind of entry over another, as the kernel does.
fn check_target(disk: &Disk, from: u64, to: u64) -> io::Result<()> {
    match (&disk.inode(from).node, &disk.inode(to).node) {
        (Node::Dir(_), Node::Dir(entries)) if entries.is_empty() => Ok(()),
        (Node::Dir(_), Node::Dir(_)) => Err(errno(libc::ENOTEMPTY)),
        (Node::Dir(_), _) => Err(errno(libc::ENOTDIR)),
        (_, Node::Dir(_)) => Err(errno(libc::EISDIR)),
        _ => Ok(()),
    }
}

/// Returns whether an error says that the folder of a path is missing or not a folder.
fn is_absent(error: &io::Error) -> bool {
    let link = error
        .get_ref()
        .is_some_and(|inner| inner.is::<LinkOnTheWay>());
    link || matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl Fs for SimFs {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        let state = self.state();
        let parent = match state.live.walk(&path.parent()) {
            Err(error) if is_absent(&error) => return Ok(None),
            other => other?,
        };
        if path.is_root() {
            return Ok(Some(state.live.stat(parent)));
        }
        match state.live.entries(parent) {
            Ok(entries) => Ok(entries.get(path.name()).map(|ino| state.live.stat(*ino))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn shows_maps(&self) -> bool {
        true
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        let state = self.state();
        match &state.live.inode(state.live.walk(path)?).node {
            Node::File(bytes) => Ok(Box::new(Cursor::new(bytes.to_vec()))),
            Node::Dir(_) => Err(io::ErrorKind::InvalidInput.into()),
            Node::Symlink(_) => Err(disk::link_on_the_way()),
        }
    }

    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        let state = self.state();
        match &state.live.inode(state.named(path)?.1).node {
            Node::Symlink(target) => Ok(target.to_vec()),
            _ => Err(errno(libc::EINVAL)),
        }
    }

    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        let state = self.state();
        Ok(state
            .live
            .entries(state.live.walk(dir)?)?
            .keys()
            .cloned()
            .collect())
    }

    fn create(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        let mut state = self.state();
        state.enter(Call::Grow(disk::ENTRY))?;
        let ino = state.make(path, Node::File(Arc::default()), mode & 0o7755)?;
        Ok(Box::new(SimFile {
            fs: self.clone(),
            ino,
            at: Some(0),
        }))
    }

    fn open_input(&self, path: &RelPath) -> io::Result<Box<dyn Input>> {
        let mut bytes = Vec::new();
        self.open(path)?.read_to_end(&mut bytes)?;
        Ok(Box::new(SimInput(bytes)))
    }

    fn lock(&self, path: &RelPath, hold: Hold, wait: bool) -> io::Result<Option<FileLock>> {
        if self.stat(path)?.is_none() {
            self.create(path, 0o600)?;
        }
        let mut state = self.state();
        let holders = state.locks.entry(path.clone()).or_default();
        // The simulated machine has one thread, which would wait forever for a lock that it holds.
        match (hold, *holders) {
            (Hold::Shared, 0..) => *holders += 1,
            (Hold::Exclusive, 0) => *holders = -1,
            _ if wait => return Err(errno(libc::EDEADLK)),
            _ => return Ok(None),
        }
        drop(state);
        Ok(Some(Box::new(SimLock {
            fs: self.clone(),
            path: path.clone(),
        })))
    }

    fn append(&self, path: &RelPath) -> io::Result<Box<dyn Output>> {
        let state = self.state();
        let ino = state.live.walk(path)?;
        match &state.live.inode(ino).node {
            Node::File(_) => Ok(Box::new(SimFile {
                fs: self.clone(),
                ino,
                at: None,
            })),
            Node::Dir(_) => Err(errno(libc::EISDIR)),
            Node::Symlink(_) => Err(disk::link_on_the_way()),
        }
    }

    fn symlink(&self, target: &[u8], path: &RelPath) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Call::Grow(disk::ENTRY + target.len()))?;
        state
            .make(path, Node::Symlink(target.into()), 0o777)
            .map(drop)
    }

    fn create_dir(&self, path: &RelPath, mode: u32) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Call::Grow(disk::ENTRY))?;
        state
            .make(path, Node::Dir(Arc::default()), mode & 0o7755)
            .map(drop)
    }

    fn rename(&self, from: &RelPath, to: &RelPath) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Call::Change)?;
        let (_, to) = (state.live.slot(from)?, state.live.slot(to)?);
        let (from, ino) = state.named(from)?;
        if state.live.contains(ino, to.0) {
            return Err(errno(libc::EINVAL));
        }
        match state.live.get(&to) {
            Some(there) if there == ino => return Ok(()),
            Some(there) if state.live.contains(there, from.0) => {
                return Err(errno(libc::ENOTEMPTY));
            }
            Some(there) => check_target(&state.live, ino, there)?,
            None => {}
        }
        if from.0 == to.0 {
            state.act(Effect::Rename {
                dir: from.0,
                from: from.1,
                to: to.1,
                ino,
            });
        } else {
            let id = state.act(Effect::Link { slot: to, ino });
            state.act(Effect::Unlink {
                slot: from,
                ino,
                after: Some(id),
            });
        }
        Ok(())
    }

    fn exchange(&self, a: &RelPath, b: &RelPath) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Call::Change)?;
        state.live.slot(a).and_then(|_| state.live.slot(b))?;
        let ((a, a_ino), (b, b_ino)) = (state.named(a)?, state.named(b)?);
        if a_ino != b_ino && (state.live.contains(a_ino, b.0) || state.live.contains(b_ino, a.0)) {
            // The kernel returns EINVAL, which the real port takes for a missing swap.
            return Err(io::ErrorKind::Unsupported.into());
        }
        state.act(Effect::Exchange {
            a,
            to_a: b_ino,
            b,
            to_b: a_ino,
        });
        Ok(())
    }

    fn remove_file(&self, path: &RelPath) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Call::Change)?;
        let (slot, ino) = state.named(path)?;
        if matches!(state.live.inode(ino).node, Node::Dir(_)) {
            return Err(errno(libc::EISDIR));
        }
        state.act(Effect::Unlink {
            slot,
            ino,
            after: None,
        });
        Ok(())
    }

    fn remove_dir(&self, path: &RelPath) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Call::Change)?;
        let (slot, ino) = state.named(path)?;
        match &state.live.inode(ino).node {
            Node::Dir(entries) if entries.is_empty() => {}
            Node::Dir(_) => return Err(errno(libc::ENOTEMPTY)),
            _ => return Err(errno(libc::ENOTDIR)),
        }
        state.act(Effect::Unlink {
            slot,
            ino,
            after: None,
        });
        Ok(())
    }

    fn sync_all(&self, point: SyncPoint) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Call::Change)?;
        if state.reaches(point) {
            state.flush(|pending| !pending.forgotten);
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &RelPath, point: SyncPoint) -> io::Result<()> {
        let mut state = self.state();
        let ino = state.live.walk(dir)?;
        state.live.entries(ino)?;
        let due = state.due_for(ino);
        // A journal that cannot write names stops altogether: it never drops one and goes on.
        state.enter(Call::Change)?;
        if state.reaches(point) {
            state.flush(|pending| due.contains(&pending.id));
        }
        Ok(())
    }
}

/// A file open for reading at any offset.
struct SimInput(Vec<u8>);

impl Input for SimInput {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap().min(self.0.len());
        let n = into.len().min(self.0.len() - from);
        into[..n].copy_from_slice(&self.0[from..from + n]);
        Ok(n)
    }
}

/// A held lock, shared or exclusive.
struct SimLock {
    fs: SimFs,
    path: RelPath,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.fs.state();
        let held = state
            .locks
            .get_mut(&self.path)
            .expect("because it was taken");
        *held = if *held < 0 { 0 } else { *held - 1 };
    }
}

impl State {
    /// Marks effects as lost after a failed sync, but not after a crash.
    fn forget(&mut self, error: &io::Error, due: impl Fn(&Pending) -> bool) {
        if !is_crash(error) {
            self.pending
                .iter_mut()
                .filter(|pending| due(pending))
                .for_each(|pending| pending.forgotten = true);
        }
    }
}

/// A file open for writing.
struct SimFile {
    fs: SimFs,
    ino: u64,
    /// The offset of the next byte; `None` = at the end.
    at: Option<usize>,
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.fs.state();
        state.enter(Call::Grow(bytes.len()))?;
        let at = match (self.at, &state.live.inode(self.ino).node) {
            (Some(at), _) => at,
            (None, Node::File(content)) => content.len(),
            (None, _) => return Err(errno(libc::EBADF)),
        };
        let now = (state.tick, 0);
        state.act(Effect::Write {
            ino: self.ino,
            at,
            bytes: bytes.into(),
        });
        state.live.inode_mut(self.ino).mtime = now;
        self.at = self.at.map(|at| at + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SimFile {
    fn set(&mut self, mode: Option<u32>, mtime: Option<(i64, u32)>) -> io::Result<()> {
        let mut state = self.fs.state();
        state.enter(Call::Change)?;
        state.act(Effect::Attributes {
            ino: self.ino,
            mode,
            mtime,
        });
        Ok(())
    }
}

impl Output for SimFile {
    fn sync(&mut self, point: SyncPoint) -> io::Result<()> {
        let mut state = self.fs.state();
        let ino = self.ino;
        if let Err(error) = state.enter(Call::Change) {
            state.forget(&error, |pending| pending.effect.file() == Some(ino));
            return Err(error);
        }
        if state.reaches(point) {
            state.flush(|pending| pending.effect.file() == Some(ino) && !pending.forgotten);
        }
        Ok(())
    }

    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        self.set(Some(mode & 0o7777), None)
    }

    fn set_mtime(&mut self, mtime: (i64, u32)) -> io::Result<()> {
        self.set(None, Some(mtime))
    }
}
