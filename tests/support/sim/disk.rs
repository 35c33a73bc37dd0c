//! A disk as plain data: inodes, folders, and the effects that change them.
//!
//! An [`Effect`] names inodes, not paths, so applying any subset of effects in order gives a disk
//! that a power cut could have left. Names are bytes, as in `RelPath`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{Hash, Hasher},
    io,
    sync::Arc,
};

use snapback::base::{LinkOnTheWay, RelPath, Stat, Type};

/// The inode number of the root folder.
pub const ROOT: u64 = 1;

/// The size of a name and its inode, in bytes.
pub const ENTRY: usize = 100;

/// The contents of an inode, shared between copies of a disk until one is changed.
#[derive(Clone, Debug)]
pub enum Node {
    File(Arc<Vec<u8>>),
    Symlink(Arc<[u8]>),
    Dir(Arc<BTreeMap<Vec<u8>, u64>>),
}

/// An inode.
#[derive(Clone, Debug)]
pub struct Inode {
    pub node: Node,
    pub mode: u32,
    pub mtime: (i64, u32),
    pub ctime: (i64, u32),
}

/// A name in a folder, which is given by its inode.
pub type Slot = (u64, Vec<u8>);

/// A change that reaches the disk whole, torn (only writes) or not at all.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Writes bytes of a file at an offset.
    Write {
        ino: u64,
        at: usize,
        bytes: Arc<[u8]>,
    },
    /// Changes permission bits or the modification time.
    Attributes {
        ino: u64,
        mode: Option<u32>,
        mtime: Option<(i64, u32)>,
    },
    /// Creates a name, or points it to another inode.
    Link { slot: Slot, ino: u64 },
    /// Removes a name. The old name of a move never goes before the new one (`after`, an effect's
    /// id) exists.
    Unlink {
        slot: Slot,
        ino: u64,
        after: Option<u64>,
    },
    /// Renames inside one folder: a single change.
    Rename {
        dir: u64,
        from: Vec<u8>,
        to: Vec<u8>,
        ino: u64,
    },
    /// Swaps two names: a single change, because no order of two halves would keep both files.
    Exchange {
        a: Slot,
        to_a: u64,
        b: Slot,
        to_b: u64,
    },
}

impl Effect {
    /// Returns the file whose sync makes the effect durable, if it changes a file.
    pub fn file(&self) -> Option<u64> {
        match self {
            Self::Write { ino, .. } | Self::Attributes { ino, .. } => Some(*ino),
            _ => None,
        }
    }

    /// Returns the folders in which the effect changes names.
    pub fn dirs(&self) -> Vec<u64> {
        match self {
            Self::Write { .. } | Self::Attributes { .. } => Vec::new(),
            Self::Link { slot, .. } | Self::Unlink { slot, .. } => vec![slot.0],
            Self::Rename { dir, .. } => vec![*dir],
            Self::Exchange { a, b, .. } => vec![a.0, b.0],
        }
    }
}

/// Returns the error of an `errno`.
pub fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

/// The file tree below one root.
#[derive(Clone, Debug)]
pub struct Disk {
    pub inodes: HashMap<u64, Inode>,
}

impl Disk {
    /// Returns an empty root folder.
    pub fn empty() -> Self {
        let root = Inode {
            node: Node::Dir(Arc::default()),
            mode: 0o755,
            mtime: (0, 0),
            ctime: (0, 0),
        };
        Self {
            inodes: HashMap::from([(ROOT, root)]),
        }
    }

    /// Returns an inode that must exist.
    pub fn inode(&self, ino: u64) -> &Inode {
        &self.inodes[&ino]
    }

    /// Returns an inode that must exist, mutably.
    pub fn inode_mut(&mut self, ino: u64) -> &mut Inode {
        self.inodes
            .get_mut(&ino)
            .expect("because inodes are never removed")
    }

    /// Returns the entries of a folder, or an error when the inode is not a folder.
    pub fn entries(&self, ino: u64) -> io::Result<&BTreeMap<Vec<u8>, u64>> {
        match &self.inode(ino).node {
            Node::Dir(entries) => Ok(entries),
            Node::File(_) => Err(errno(libc::ENOTDIR)),
            Node::Symlink(_) => Err(link_on_the_way()),
        }
    }

    /// Returns the inode of a path, following no links.
    pub fn walk(&self, path: &RelPath) -> io::Result<u64> {
        let mut at = ROOT;
        for name in path
            .as_bytes()
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
        {
            if name == b".." || name == b"." {
                return Err(io::Error::other("the path leaves the root"));
            }
            at = *self
                .entries(at)?
                .get(name)
                .ok_or_else(|| errno(libc::ENOENT))?;
        }
        Ok(at)
    }

    /// Returns the folder that holds a path, and the path's last name.
    pub fn slot(&self, path: &RelPath) -> io::Result<Slot> {
        let (dir, name) = path.split();
        let dir = self.walk(&dir)?;
        self.entries(dir)?;
        Ok((dir, name.to_vec()))
    }

    /// Returns the inode that a slot names.
    pub fn get(&self, slot: &Slot) -> Option<u64> {
        self.entries(slot.0).ok()?.get(&slot.1).copied()
    }

    /// Returns whether `inner` is `outer` or lies below it.
    pub fn contains(&self, outer: u64, inner: u64) -> bool {
        outer == inner
            || self
                .entries(outer)
                .is_ok_and(|entries| entries.values().any(|ino| self.contains(*ino, inner)))
    }

    /// Returns the result of `lstat`.
    pub fn stat(&self, ino: u64) -> Stat {
        let inode = self.inode(ino);
        let (kind, size) = match &inode.node {
            Node::File(bytes) => (Type::File, bytes.len()),
            Node::Symlink(target) => (Type::Symlink, target.len()),
            Node::Dir(entries) => (Type::Dir, entries.len()),
        };
        let (mode, mtime, ctime) = (inode.mode, inode.mtime, inode.ctime);
        Stat {
            kind,
            mode,
            size: size as u64,
            mtime,
            ctime,
            ino,
            dev: 1,
            uid: 0,
            gid: 0,
            links: 1,
        }
    }

    /// Points a name at an inode, or removes it.
    fn set(&mut self, dir: u64, name: &[u8], ino: Option<u64>) {
        let Node::Dir(entries) = &mut self.inode_mut(dir).node else {
            return;
        };
        let entries = Arc::make_mut(entries);
        match ino {
            Some(ino) => entries.insert(name.to_vec(), ino),
            None => entries.remove(name),
        };
    }

    /// Removes a name only if it points at this inode: an entry that never existed cannot be
    /// removed.
    fn unset(&mut self, dir: u64, name: &[u8], ino: u64) {
        if self
            .entries(dir)
            .is_ok_and(|entries| entries.get(name) == Some(&ino))
        {
            self.set(dir, name, None);
        }
    }

    /// Applies one effect.
    pub fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Write { ino, at, bytes } => self.write(*ino, *at, bytes),
            Effect::Attributes { ino, mode, mtime } => {
                let inode = self.inode_mut(*ino);
                inode.mode = mode.unwrap_or(inode.mode);
                inode.mtime = mtime.unwrap_or(inode.mtime);
            }
            Effect::Link {
                slot: (dir, name),
                ino,
            } => self.set(*dir, name, Some(*ino)),
            Effect::Unlink {
                slot: (dir, name),
                ino,
                ..
            } => self.unset(*dir, name, *ino),
            Effect::Rename { dir, from, to, ino } => {
                self.unset(*dir, from, *ino);
                self.set(*dir, to, Some(*ino));
            }
            Effect::Exchange { a, to_a, b, to_b } => {
                self.set(a.0, &a.1, Some(*to_a));
                self.set(b.0, &b.1, Some(*to_b));
            }
        }
    }

    /// Writes bytes into a file; a gap before them reads as zeros.
    pub fn write(&mut self, ino: u64, at: usize, bytes: &[u8]) {
        let Node::File(content) = &mut self.inode_mut(ino).node else {
            return;
        };
        let content = Arc::make_mut(content);
        content.resize(content.len().max(at + bytes.len()), 0);
        content[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Drops the inodes without a name, as a file system check does at boot.
    pub fn forget_nameless(&mut self) {
        let (mut named, mut todo) = (HashSet::from([ROOT]), vec![ROOT]);
        while let Some(dir) = todo.pop() {
            for ino in self.entries(dir).into_iter().flat_map(BTreeMap::values) {
                if named.insert(*ino) {
                    todo.push(*ino);
                }
            }
        }
        self.inodes.retain(|ino, _| named.contains(ino));
    }

    /// Sums the bytes in use below a folder.
    pub fn used(&self, dir: u64) -> u64 {
        let of = |ino: &u64| match &self.inode(*ino).node {
            Node::File(bytes) => bytes.len() as u64,
            Node::Symlink(target) => target.len() as u64,
            Node::Dir(_) => self.used(*ino),
        };
        self.entries(dir)
            .into_iter()
            .flatten()
            .map(|(_, ino)| ENTRY as u64 + of(ino))
            .sum()
    }

    /// Hashes the tree below a folder. Large files written separately count as different.
    pub fn hash_tree(&self, dir: u64, into: &mut impl Hasher) {
        for (name, ino) in self.entries(dir).into_iter().flatten() {
            let inode = self.inode(*ino);
            (name, inode.mode).hash(into);
            match &inode.node {
                Node::File(bytes) if bytes.len() > 100_000 => (0, Arc::as_ptr(bytes)).hash(into),
                Node::File(bytes) => (1, bytes).hash(into),
                Node::Symlink(target) => (2, target).hash(into),
                Node::Dir(_) => {
                    3.hash(into);
                    self.hash_tree(*ino, into);
                    4.hash(into);
                }
            }
        }
    }

    /// Returns every path below the root with its entry: `d`, `l` or `f`, permission bits, bytes.
    pub fn tree(&self) -> BTreeMap<Vec<u8>, (char, u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut todo = vec![(Vec::new(), ROOT)];
        while let Some((at, dir)) = todo.pop() {
            for (name, ino) in self.entries(dir).into_iter().flatten() {
                let path = if at.is_empty() {
                    name.clone()
                } else {
                    [&at[..], b"/", name].concat()
                };
                let inode = self.inode(*ino);
                let entry = match &inode.node {
                    Node::File(bytes) => ('f', inode.mode, bytes.to_vec()),
                    Node::Symlink(target) => ('l', 0o777, target.to_vec()),
                    Node::Dir(_) => ('d', inode.mode, Vec::new()),
                };
                if entry.0 == 'd' {
                    todo.push((path.clone(), *ino));
                }
                found.insert(path, entry);
            }
        }
        found
    }
}

/// Returns the error for a link where a folder or file was expected.
pub fn link_on_the_way() -> io::Error {
    io::Error::other(LinkOnTheWay(RelPath::root()))
}
