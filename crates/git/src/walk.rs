//! A single pass over the work tree: every folder is opened once, below its parent's handle.
//!
//! Tracked files are compared with the index by `lstat`; all other names are collected for
//! `scan.rs` to classify as untracked or ignored. No symbolic link is followed, in any component;
//! `.git`, `.snapback` and nested repositories are never entered. Folders are walked in parallel.

use std::{io, mem::MaybeUninit, os::fd::OwnedFd, path::Path};

use gix::{
    bstr::{BStr, ByteSlice},
    index::{
        Entry, State,
        entry::{Flags, Mode, Stat, stat},
    },
};
use rayon::prelude::*;
use rustix::{
    fs::{AtFlags, FileType, OFlags, RawDir, ResolveFlags},
    io::Errno,
};

use super::{
    Error,
    scan::WorkState,
    stat::{StatRules, written},
};
use base::{RelPath, path::UnsafePath, times};

/// Most bytes of names that one system call returns.
const LISTING_BYTES: usize = 32 << 10;

/// The walk's inputs.
pub(super) struct IndexWalk<'a> {
    pub work_tree: &'a Path,
    pub index: &'a State,
    pub stat: StatRules,
    /// `core.fileMode`: whether the executable bit is meaningful.
    pub file_mode: bool,
}

/// The results of a walk, unsorted.
#[derive(Default)]
pub(super) struct WalkResult<'a> {
    /// Index entries, without submodules.
    pub tracked: Vec<(RelPath, &'a Entry, WorkState)>,
    /// Files and links that are not in the index.
    pub others: Vec<RelPath>,
    /// Submodules.
    pub submodules: Vec<RelPath>,
    /// Nested repositories that are not in the index.
    pub nested: Vec<RelPath>,
    /// Names that are not in the index and that no release can hold.
    pub refused: Vec<RelPath>,
}

impl WalkResult<'_> {
    /// Adds the results of another walk.
    pub fn merge(&mut self, other: Self) {
        self.tracked.extend(other.tracked);
        self.others.extend(other.others);
        self.submodules.extend(other.submodules);
        self.nested.extend(other.nested);
        self.refused.extend(other.refused);
    }
}

/// A name in a folder.
struct Name {
    bytes: Vec<u8>,
    kind: FileType,
    tracked: bool,
}

impl<'a> IndexWalk<'a> {
    /// Walks one path and everything below it, given the index entries at and below it.
    pub fn start(
        &self,
        path: &RelPath,
        here: &'a [Entry],
        below: &'a [Entry],
    ) -> Result<WalkResult<'a>, Error> {
        let failed = |source| self.failed(path, source);
        let top = rustix::fs::open(
            self.work_tree,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let top = top.map_err(|error| failed(error.into()))?;
        if path.is_root() {
            return self.folder(&top, path, below);
        }
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let (dir, name) = path.split();
        let dir = if dir.is_root() {
            Path::new(".")
        } else {
            Path::new(dir.as_os())
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = match rustix::fs::openat2(&top, dir, flags, rustix::fs::Mode::empty(), resolve)
        {
            Ok(parent) => parent,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {
                let mut found = self.missing(here)?;
                found.merge(self.missing(below)?);
                return Ok(found);
            }
            Err(error) => return Err(failed(error.into())),
        };
        let mut found = WalkResult::default();
        let listed = self.stat(&parent, name, path)?;
        if let Some(entry) = here.first() {
            self.tracked(
                &mut found,
                path.clone(),
                entry,
                listed.map(|listed| (listed, times::are_fine(&parent))),
            );
        }
        match listed.map(|listed| FileType::from_raw_mode(listed.st_mode)) {
            Some(FileType::Directory)
                if here.first().is_some_and(|entry| entry.mode == Mode::COMMIT) => {}
            Some(FileType::Directory) => found.merge(self.enter(&parent, name, path, below)?),
            kind => {
                if here.is_empty()
                    && matches!(kind, Some(FileType::RegularFile | FileType::Symlink))
                {
                    found.others.push(path.clone());
                }
                found.merge(self.missing(below)?);
            }
        }
        Ok(found)
    }

    /// Opens a folder below its parent and walks it.
    fn enter(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        path: &RelPath,
        entries: &'a [Entry],
    ) -> Result<WalkResult<'a>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(parent, name, flags, rustix::fs::Mode::empty()) {
            Ok(dir) => self.folder(&dir, path, entries),
            // It was replaced during the walk.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => self.missing(entries),
            Err(error) => Err(self.failed(path, error.into())),
        }
    }

    /// Walks one open folder.
    fn folder(
        &self,
        dir: &OwnedFd,
        path: &RelPath,
        entries: &'a [Entry],
    ) -> Result<WalkResult<'a>, Error> {
        let mut names = self.list(dir, path)?;
        let fine = times::are_fine(dir);
        let mut found = WalkResult::default();
        if entries.is_empty() && !path.is_root() && find(&names, b".git").is_some() {
            found.nested.push(path.clone());
            return Ok(found);
        }
        let cut = if path.is_root() {
            0
        } else {
            path.as_bytes().len() + 1
        };
        let mut folders: Vec<PendingFolder<'a>> = Vec::new();
        let mut rest = entries;
        while let Some(entry) = rest.first() {
            let name = &entry.path_in(self.index.path_backing())[cut..];
            if let Some(slash) = name.find_byte(b'/') {
                let prefix = &entry.path_in(self.index.path_backing())[..=cut + slash];
                let (group, after) = rest.split_at(rest.partition_point(|other| {
                    other.path_in(self.index.path_backing()).starts_with(prefix)
                }));
                let place = find(&names, &name[..slash]);
                if let Some(at) = place {
                    // A link or file in the place of a folder is an untracked name.
                    names[at].tracked = names[at].kind == FileType::Directory;
                }
                folders.push((child(path, &name[..slash])?, place, group));
                rest = after;
                continue;
            }
            let same = rest
                .iter()
                .take_while(|other| other.path_in(self.index.path_backing())[cut..] == *name)
                .count();
            let after = &rest[same..];
            let place = find(&names, name);
            let child = child(path, name)?;
            let listed = match place {
                Some(at) => {
                    // A folder in the place of a tracked file holds untracked files.
                    names[at].tracked =
                        names[at].kind != FileType::Directory || entry.mode == Mode::COMMIT;
                    self.stat(dir, name, &child)?
                }
                None => None,
            };
            self.tracked(
                &mut found,
                child,
                entry,
                listed.map(|listed| (listed, fine)),
            );
            rest = after;
        }
        for name in names.iter().filter(|name| !name.tracked) {
            untracked(&mut found, &mut folders, path, name, &names);
        }
        found.merge(self.below(dir, &names, folders)?);
        Ok(found)
    }

    /// Walks the folders of a folder in parallel.
    fn below(
        &self,
        dir: &OwnedFd,
        names: &[Name],
        folders: Vec<PendingFolder<'a>>,
    ) -> Result<WalkResult<'a>, Error> {
        let walk = |(path, place, entries): PendingFolder<'a>| match place {
            Some(at) if names[at].kind == FileType::Directory => {
                self.enter(dir, &names[at].bytes, &path, entries)
            }
            _ => self.missing(entries),
        };
        let all = folders
            .into_par_iter()
            .map(walk)
            .collect::<Result<Vec<_>, _>>()?;
        let mut found = WalkResult::default();
        for part in all {
            found.merge(part);
        }
        Ok(found)
    }

    /// Records the entries of a missing folder.
    fn missing(&self, entries: &'a [Entry]) -> Result<WalkResult<'a>, Error> {
        let mut found = WalkResult::default();
        for entry in entries {
            let path =
                RelPath::parse(entry.path_in(self.index.path_backing())).map_err(bad_path)?;
            if found.tracked.last().is_none_or(|(last, ..)| *last != path) {
                self.tracked(&mut found, path, entry, None);
            }
        }
        Ok(found)
    }

    /// Records an index entry and its state; `listed` is its stat and whether times are fine there.
    fn tracked(
        &self,
        found: &mut WalkResult<'a>,
        path: RelPath,
        entry: &'a Entry,
        listed: Option<(rustix::fs::Stat, bool)>,
    ) {
        if entry.mode == Mode::COMMIT {
            found.submodules.push(path);
            return;
        }
        let state = match listed {
            Some((listed, fine)) => self.state(entry, &listed, fine),
            None if entry.flags.contains(Flags::SKIP_WORKTREE) => WorkState::LeftOut,
            None => WorkState::Missing,
        };
        found.tracked.push((path, entry, state));
    }

    /// Decides whether a file can be trusted to match the index without reading it.
    fn state(&self, entry: &Entry, listed: &rustix::fs::Stat, fine: bool) -> WorkState {
        let kind = FileType::from_raw_mode(listed.st_mode);
        let same_mode = match kind {
            FileType::Symlink => entry.mode == Mode::SYMLINK,
            FileType::RegularFile => {
                let executable = listed.st_mode & 0o100 != 0;
                entry.mode == Mode::FILE && (!self.file_mode || !executable)
                    || entry.mode == Mode::FILE_EXECUTABLE && (!self.file_mode || executable)
            }
            _ => return WorkState::TypeChanged,
        };
        let unsure =
            Flags::ASSUME_VALID | Flags::SKIP_WORKTREE | Flags::INTENT_TO_ADD | Flags::STAGE_MASK;
        if !same_mode || entry.flags.intersects(unsure) {
            return WorkState::Maybe;
        }
        self.stat.state(
            &to_index_stat(listed),
            &entry.stat,
            written(self.index),
            fine,
        )
    }

    /// Returns the names in a folder, sorted.
    fn list(&self, dir: &OwnedFd, path: &RelPath) -> Result<Vec<Name>, Error> {
        let mut buffer = vec![MaybeUninit::uninit(); LISTING_BYTES];
        let mut listing = RawDir::new(dir, &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = listing.next() {
            let entry = entry.map_err(|error| self.failed(path, error.into()))?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match self.stat(dir, bytes, path)? {
                    Some(listed) => FileType::from_raw_mode(listed.st_mode),
                    None => continue,
                },
                kind => kind,
            };
            names.push(Name {
                bytes: bytes.to_vec(),
                kind,
                tracked: false,
            });
        }
        names.sort_unstable_by(|a, b| a.bytes.cmp(&b.bytes));
        Ok(names)
    }

    /// Calls `lstat` on one name; `None` if it is missing.
    fn stat(
        &self,
        dir: &OwnedFd,
        name: &[u8],
        path: &RelPath,
    ) -> Result<Option<rustix::fs::Stat>, Error> {
        match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(listed) => Ok(Some(listed)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(self.failed(path, error.into())),
        }
    }

    fn failed(&self, path: &RelPath, source: io::Error) -> Error {
        Error::File {
            doing: "looking at",
            path: self.work_tree.join(path.as_os()),
            source,
        }
    }
}

/// A folder to walk: its path, its place in the listing, and the entries below it.
type PendingFolder<'a> = (RelPath, Option<usize>, &'a [Entry]);

/// Classifies a name that is not in the index.
fn untracked<'a>(
    found: &mut WalkResult<'a>,
    folders: &mut Vec<PendingFolder<'a>>,
    path: &RelPath,
    name: &Name,
    names: &[Name],
) {
    // Names that could never be restored are not entered; `.git` is silently skipped.
    let Ok(child) = path.child(&name.bytes) else {
        if name.bytes != b".git" {
            found.refused.push(path.join(&name.bytes));
        }
        return;
    };
    match name.kind {
        FileType::Directory => folders.push((child, find(names, &name.bytes), &[])),
        FileType::RegularFile | FileType::Symlink => found.others.push(child),
        _ => {}
    }
}

/// Returns the path of a name that is in the index.
fn child(path: &RelPath, name: &[u8]) -> Result<RelPath, Error> {
    path.child(name).map_err(bad_path)
}

/// Returns the place of a name in a sorted listing.
fn find(names: &[Name], name: &[u8]) -> Option<usize> {
    names
        .binary_search_by(|other| other.bytes.as_slice().cmp(name))
        .ok()
}

/// Converts stat data to the form of the index; numbers are cut to 32 bits, as in git.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::allow_attributes,
    reason = "the index holds the low 32 bits of each number"
)]
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_possible_wrap,
    reason = "the types differ between platforms"
)]
pub(super) fn to_index_stat(listed: &rustix::fs::Stat) -> Stat {
    let time = |secs: i64, nsecs: i64| stat_time(secs as u32, nsecs as u32);
    Stat {
        mtime: time(listed.st_mtime as i64, listed.st_mtime_nsec as i64),
        ctime: time(listed.st_ctime as i64, listed.st_ctime_nsec as i64),
        dev: listed.st_dev as u32,
        ino: listed.st_ino as u32,
        uid: listed.st_uid,
        gid: listed.st_gid,
        size: listed.st_size as u32,
    }
}

fn stat_time(secs: u32, nsecs: u32) -> stat::Time {
    stat::Time { secs, nsecs }
}

/// Makes the error for a path of the index that must never be written.
pub(super) fn bad_path(source: UnsafePath) -> Error {
    Error::BadPath {
        place: "the index".to_string(),
        source,
    }
}

/// Returns the index entries at one path and below it.
pub(super) fn entries_at<'a>(index: &'a State, path: &RelPath) -> (&'a [Entry], &'a [Entry]) {
    let (entries, paths) = (index.entries(), index.path_backing());
    if path.is_root() {
        return (&[], entries);
    }
    let range = |is_before: &dyn Fn(&BStr) -> bool, is_in: &dyn Fn(&BStr) -> bool| {
        let from = entries.partition_point(|entry| is_before(entry.path_in(paths)));
        let count = entries[from..].partition_point(|entry| is_in(entry.path_in(paths)));
        &entries[from..from + count]
    };
    let exact = path.as_bstr();
    let folder = [path.as_bytes(), b"/"].concat();
    let here = range(&|other| other < exact, &|other| other == exact);
    let below = range(&|other| other.as_bytes() < folder.as_slice(), &|other| {
        other.starts_with(&folder)
    });
    (here, below)
}
