//! Reading trees: the contents of a commit below some folders, or at one path.
//!
//! Paths in trees are untrusted: each passes `RelPath::parse` or is an error. Nothing recurses, and
//! no listing exceeds a limit, because a tree may be hostile. See `tree/write.rs` for how a new
//! tree is made from an old one.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use gix::{
    ObjectId,
    objs::{
        Kind, TreeRefIter,
        tree::{EntryKind, EntryMode, EntryRef},
    },
};
use rayon::prelude::*;

use super::{Error, Repo, repo::git_id};
use base::{RelPath, path::UnsafePath};
use model::{GitId, GitMode, operation::TreeEntry};

pub(super) mod once;
mod write;

/// A function that returns a folder's contents if known without reading its tree.
pub(super) type KnownTree<'a> =
    &'a (dyn Fn(&RelPath, &gix::oid) -> Option<Vec<(RelPath, TreeEntry)>> + Sync);

/// Most files and folders in a listing: a million files in 100,000 folders. More come from trees
/// that name each other thousands of times, and would not fit into a command's memory limit.
pub const MAX_ENTRIES: usize = 1_100_000;
/// How many folders are read before the number is checked again.
const FOLDERS_AT_ONCE: usize = 4096;

/// The files of a folder, and its folders.
type FolderEntries = (Vec<(RelPath, TreeEntry)>, Vec<(RelPath, ObjectId)>);

/// An entry of one tree: mode and object.
type TreeSlot = (EntryMode, ObjectId);

/// The trees of one commit: for many of its paths, each tree is read once.
type Trees = HashMap<ObjectId, Arc<once::ReadTree>>;

impl Repo {
    /// Returns everything below these folders, or exactly these files, sorted by path bytes.
    ///
    /// The root lists all. A path that is not in the commit adds nothing. Submodules are listed as
    /// such.
    pub fn entries(
        &self,
        commit: &GitId,
        dirs: &[RelPath],
    ) -> Result<Vec<(RelPath, TreeEntry)>, Error> {
        self.entries_but(commit, dirs, &|_, _| None)
    }

    /// Like [`Repo::entries`], but `known` may supply a folder's contents in place of its tree.
    pub(super) fn entries_but(
        &self,
        commit: &GitId,
        dirs: &[RelPath],
        known: KnownTree<'_>,
    ) -> Result<Vec<(RelPath, TreeEntry)>, Error> {
        let tree = self.tree_of(commit)?;
        let mut found = Vec::new();
        let (dirs, mut trees) = (without_nested(dirs), Trees::new());
        let is_alone = dirs.len() == 1;
        for dir in dirs {
            let slot = if is_alone {
                self.find_in_tree(tree, &dir)?
            } else {
                self.find_in_trees(&mut trees, tree, &dir)?
            };
            match slot {
                Some((mode, id)) if mode.is_tree() => {
                    found.extend(self.list_below(commit, id, &dir, known)?);
                }
                Some((mode, id)) => found.push((dir, tree_entry(mode, &id))),
                None => {}
            }
        }
        found.par_sort_unstable_by(|a, b| a.0.cmp(&b.0));
        match found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            None => Ok(found),
            Some(pair) => Err(bad_path(
                commit,
                UnsafePath {
                    path: pair[0].0.to_string(),
                    why: "it is there twice",
                },
            )),
        }
    }

    /// Returns the entry at one path of a commit; `None` if it is absent or a folder.
    pub fn entry(&self, commit: &GitId, path: &RelPath) -> Result<Option<TreeEntry>, Error> {
        let found = self.find_in_tree(self.tree_of(commit)?, path)?;
        Ok(found
            .filter(|(mode, _)| !mode.is_tree())
            .map(|(mode, id)| tree_entry(mode, &id)))
    }

    /// Returns those of a commit's files whose mode is not written in git's usual form.
    pub fn oddly_written<'a>(
        &self,
        commit: &GitId,
        paths: impl Iterator<Item = &'a RelPath>,
    ) -> Result<HashSet<RelPath>, Error> {
        let (tree, mut trees, mut odd) = (self.tree_of(commit)?, Trees::new(), HashSet::new());
        for path in paths {
            let slot = self.find_in_trees(&mut trees, tree, path)?;
            if slot.is_some_and(|(mode, _)| mode.value() != EntryMode::from(mode.kind()).value()) {
                odd.insert(path.clone());
            }
        }
        Ok(odd)
    }

    /// Returns every file below a tree that is at this path.
    pub(super) fn files_of_tree(
        &self,
        tree: ObjectId,
        dir: &RelPath,
    ) -> Result<Vec<(RelPath, TreeEntry)>, Error> {
        self.list_below(&git_id(&tree), tree, dir, &|_, _| None)
    }

    /// Returns the tree of a commit.
    pub(super) fn tree_of(&self, commit: &GitId) -> Result<ObjectId, Error> {
        self.oid(&self.commit(commit)?.tree)
    }

    /// Returns the mode and object at a path; the root is the tree itself.
    pub(super) fn find_in_tree(
        &self,
        tree: ObjectId,
        path: &RelPath,
    ) -> Result<Option<TreeSlot>, Error> {
        descend(tree, path, |tree, wanted| {
            self.tree_once(tree)?.find(wanted, self.hash())
        })
    }

    /// Like [`Repo::find_in_tree`], for many paths of one commit.
    fn find_in_trees(
        &self,
        trees: &mut Trees,
        tree: ObjectId,
        path: &RelPath,
    ) -> Result<Option<TreeSlot>, Error> {
        descend(tree, path, |tree, wanted| {
            let known = match trees.entry(tree) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.tree_once(tree)?),
            };
            known.find(wanted, self.hash())
        })
    }

    /// True when a file of this name lies in a tree or below it. Each distinct tree is read once,
    /// and no more for other commits that have it, too.
    pub(super) fn has_file_named(&self, tree: ObjectId, name: &'static str) -> Result<bool, Error> {
        let is_lacking = |tree: ObjectId| self.read_trees().is_lacking(tree, name);
        if is_lacking(tree) {
            return Ok(false);
        }
        let (mut seen, mut level) = (HashSet::from([tree]), vec![tree]);
        while !level.is_empty() {
            let look = |tree: &ObjectId| {
                let mut found = false;
                let folders = self.each_entry(*tree, |mode, other, id| {
                    found |= mode.is_blob() && other == name.as_bytes();
                    Ok(mode.is_tree().then_some(id))
                })?;
                Ok((found, folders))
            };
            let looked = level
                .par_iter()
                .map(look)
                .collect::<Result<Vec<_>, Error>>()?;
            if looked.iter().any(|(found, _)| *found) {
                return Ok(true);
            }
            level = looked
                .into_iter()
                .flat_map(|(_, folders)| folders)
                .flatten()
                .filter(|id| !is_lacking(*id) && seen.insert(*id))
                .collect();
        }
        self.read_trees().note_lacking(seen, name);
        Ok(false)
    }

    /// Returns the entries of one folder by name: whether each is a folder, and its object.
    pub(super) fn folder_entries(
        &self,
        id: ObjectId,
    ) -> Result<BTreeMap<Vec<u8>, (bool, ObjectId)>, Error> {
        Ok(self
            .read_tree(id)?
            .into_iter()
            .map(|(name, (mode, id))| (name, (mode.is_tree(), id)))
            .collect())
    }

    /// Returns all entries of one tree, by name.
    fn read_tree(&self, id: ObjectId) -> Result<BTreeMap<Vec<u8>, TreeSlot>, Error> {
        self.each_entry(id, |mode, name, id| Ok((name.to_vec(), (mode, id))))
            .map(|entries| entries.into_iter().collect())
    }

    /// Calls `take` with mode, name and object of each entry of one tree.
    fn each_entry<T>(
        &self,
        id: ObjectId,
        mut take: impl FnMut(EntryMode, &[u8], ObjectId) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        entries_of(&self.tree_once(id)?.bytes, self.hash(), |entry| {
            take(entry.mode, entry.filename, entry.oid.to_owned())
        })
    }

    /// Returns everything below one tree, unsorted, reading the folders of one depth in parallel.
    /// Nothing recurses and the number is limited, because a hostile tree may be deep and wide.
    fn list_below(
        &self,
        commit: &GitId,
        tree: ObjectId,
        dir: &RelPath,
        known: KnownTree<'_>,
    ) -> Result<Vec<(RelPath, TreeEntry)>, Error> {
        let (mut files, mut level, mut count) = (Vec::new(), vec![(dir.clone(), tree)], 0);
        while !level.is_empty() {
            let mut below = Vec::new();
            for part in level.chunks(FOLDERS_AT_ONCE) {
                let listed = part
                    .par_iter()
                    .map(|(dir, tree)| self.list_one(commit, *tree, dir, known))
                    .collect::<Result<Vec<_>, _>>()?;
                for (here, folders) in listed {
                    count += here.len() + folders.len();
                    files.extend(here);
                    below.extend(folders);
                }
                if count > MAX_ENTRIES {
                    return Err(Error::TooMany {
                        commit: commit.clone(),
                        dir: dir.clone(),
                        limit: MAX_ENTRIES,
                    });
                }
            }
            level = below;
        }
        Ok(files)
    }

    /// Returns the files and folders of one tree; for a `known` one, everything below it as files.
    fn list_one(
        &self,
        commit: &GitId,
        tree: ObjectId,
        dir: &RelPath,
        known: KnownTree<'_>,
    ) -> Result<FolderEntries, Error> {
        if let Some(entries) = known(dir, &tree) {
            return Ok((entries, Vec::new()));
        }
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        self.each_entry(tree, |mode, name, id| {
            let path = dir.child(name).map_err(|source| bad_path(commit, source))?;
            if mode.is_tree() {
                folders.push((path, id));
            } else {
                files.push((path, tree_entry(mode, &id)));
            }
            Ok(())
        })?;
        // If a link and a folder had the same name, files written below the folder would go where
        // the link points.
        let names: HashSet<&RelPath> = folders.iter().map(|(path, _)| path).collect();
        let twin = if names.is_empty() {
            None
        } else {
            files
                .iter()
                .map(|(path, _)| path)
                .find(|path| names.contains(path))
        };
        if twin.is_some() || names.len() < folders.len() {
            let path = twin.unwrap_or(dir).to_string();
            return Err(bad_path(
                commit,
                UnsafePath {
                    path,
                    why: "it is there twice, or holds a folder twice",
                },
            ));
        }
        Ok((files, folders))
    }
}

/// Calls `take` with each entry of a tree's bytes.
pub(super) fn entries_of<T>(
    bytes: &[u8],
    hash: gix::hash::Kind,
    mut take: impl FnMut(EntryRef<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let id = || gix::objs::compute_hash(hash, Kind::Tree, bytes).unwrap_or_else(|_| hash.null());
    TreeRefIter::from_bytes(bytes, hash)
        .map(|entry| {
            take(entry.map_err(|error| Error::BadObject {
                id: git_id(&id()),
                why: error.to_string(),
            })?)
        })
        .collect()
}

/// Converts a tree's entry to our form, with the mode that git would show.
pub(super) fn tree_entry(mode: EntryMode, id: &gix::oid) -> TreeEntry {
    let mode = match mode.kind() {
        EntryKind::Tree => GitMode::Folder,
        EntryKind::Blob => GitMode::File,
        EntryKind::BlobExecutable => GitMode::Executable,
        EntryKind::Link => GitMode::Link,
        EntryKind::Commit => GitMode::Submodule,
    };
    TreeEntry {
        mode,
        id: git_id(id),
    }
}

/// Converts our mode to git's kind; `None` for a mode that a file in a tree cannot have.
pub(super) fn entry_kind(entry: &TreeEntry) -> Option<EntryKind> {
    match entry.mode {
        GitMode::File => Some(EntryKind::Blob),
        GitMode::Executable => Some(EntryKind::BlobExecutable),
        GitMode::Link => Some(EntryKind::Link),
        GitMode::Submodule => Some(EntryKind::Commit),
        GitMode::Folder | GitMode::Other(_) => None,
    }
}

/// Returns the paths that do not lie in another one of them, sorted.
pub(super) fn without_nested(dirs: &[RelPath]) -> Vec<RelPath> {
    let all: HashSet<&RelPath> = dirs.iter().collect();
    let is_nested = |dir: &RelPath| {
        !dir.is_root()
            && (all.contains(&RelPath::root()) || dir.ancestors().any(|above| all.contains(&above)))
    };
    let mut kept: Vec<RelPath> = dirs.iter().filter(|dir| !is_nested(dir)).cloned().collect();
    kept.sort();
    kept.dedup();
    kept
}

/// Descends from a tree name by name; `look` finds a name in one tree.
fn descend(
    tree: ObjectId,
    path: &RelPath,
    mut look: impl FnMut(ObjectId, &[u8]) -> Result<Option<TreeSlot>, Error>,
) -> Result<Option<TreeSlot>, Error> {
    let mut at = (EntryMode::from(EntryKind::Tree), tree);
    for name in path
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|_| !path.is_root())
    {
        if !at.0.is_tree() {
            return Ok(None);
        }
        match look(at.1, name)? {
            Some(slot) => at = slot,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// Makes the error for a path of a commit that must never be written.
fn bad_path(commit: &GitId, source: UnsafePath) -> Error {
    Error::BadPath {
        place: format!("the commit {}", commit.short()),
        source,
    }
}
