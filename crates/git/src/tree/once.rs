//! Trees that this process has read. The commits that a command reads share nearly all of them, and
//! a folder may have tens of thousands of entries of which one is wanted at a time.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use gix::{
    ObjectId,
    objs::{Kind, TreeRefIter, tree::EntryRef},
};

use super::{
    super::{Error, Repo, repo::git_id},
    TreeSlot, entries_of,
};

/// Most bytes of trees that are kept.
const MAX_BYTES: usize = 64 << 20;

/// Most trees of which it is noted that a name is lacking.
const MOST_LACKING: usize = 1 << 20;

/// A tree that was read and checked against its id.
pub(in super::super) struct ReadTree {
    pub(super) bytes: Vec<u8>,
    /// Where the entries begin, in the order of their names; made when a name is first looked up.
    by_name: OnceLock<Vec<u32>>,
}

/// The trees that are kept.
#[derive(Default)]
pub(in super::super) struct ReadTrees {
    kept: Mutex<Kept>,
    /// Trees in and below which no file has a certain name.
    lacking: Mutex<HashSet<(ObjectId, &'static str)>>,
}

impl ReadTrees {
    /// Notes trees in and below which no file has this name.
    pub(super) fn note_lacking(&self, trees: HashSet<ObjectId>, name: &'static str) {
        let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        if lacking.len() + trees.len() > MOST_LACKING {
            lacking.clear();
        }
        lacking.extend(trees.into_iter().map(|tree| (tree, name)));
    }

    /// True when no file in or below a tree is known to have this name.
    pub(super) fn is_lacking(&self, tree: ObjectId, name: &'static str) -> bool {
        let lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        lacking.contains(&(tree, name))
    }
}

#[derive(Default)]
struct Kept {
    trees: HashMap<ObjectId, Arc<ReadTree>>,
    bytes: usize,
}

impl ReadTree {
    /// Wraps the bytes of a tree, which nobody has parsed yet.
    pub(in super::super) fn of(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            by_name: OnceLock::new(),
        }
    }

    /// Returns the entry with this name; of twins the last.
    pub(in super::super) fn find(
        &self,
        name: &[u8],
        hash: gix::hash::Kind,
    ) -> Result<Option<TreeSlot>, Error> {
        let by_name = match self.by_name.get() {
            Some(known) => known,
            None => {
                let sorted = sorted_starts(&self.bytes, hash)?;
                self.by_name.get_or_init(|| sorted)
            }
        };
        let after = by_name.partition_point(|start| name_at(&self.bytes, *start) <= name);
        let start = after.checked_sub(1).map(|at| by_name[at]);
        Ok(start
            .filter(|start| name_at(&self.bytes, *start) == name)
            .and_then(|start| entry_at(&self.bytes, start, hash))
            .map(|entry| (entry.mode, entry.oid.to_owned())))
    }
}

/// Returns where the entries of a tree begin, sorted by name.
fn sorted_starts(bytes: &[u8], hash: gix::hash::Kind) -> Result<Vec<u32>, Error> {
    let mut next = 0;
    let mut starts = entries_of(bytes, hash, |entry| {
        let start = next;
        let mode = bytes[start..].iter().take_while(|byte| **byte != b' ');
        next = start + mode.count() + entry.filename.len() + 2 + hash.len_in_bytes();
        Ok(u32::try_from(start).expect("because no object may have 4 GiB"))
    })?;
    starts.sort_by_key(|start| name_at(bytes, *start));
    Ok(starts)
}

/// Returns the name of the entry that begins at `start`.
fn name_at(bytes: &[u8], start: u32) -> &[u8] {
    let entry = &bytes[start as usize..];
    let begin = entry.iter().position(|byte| *byte == b' ').unwrap_or(0) + 1;
    let rest = entry.get(begin..).unwrap_or_default();
    rest.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Returns the entry that begins at `start`.
fn entry_at(bytes: &[u8], start: u32, hash: gix::hash::Kind) -> Option<EntryRef<'_>> {
    TreeRefIter::from_bytes(&bytes[start as usize..], hash)
        .next()?
        .ok()
}

impl Repo {
    /// Returns a tree, checked against its id when this process first reads it.
    pub(in super::super) fn tree_once(&self, id: ObjectId) -> Result<Arc<ReadTree>, Error> {
        let kept = || {
            let known = &self.read_trees().kept;
            known.lock().unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = kept().trees.get(&id) {
            return Ok(known.clone());
        }
        let tree = Arc::new(ReadTree::of(self.read_object(&git_id(&id), Kind::Tree)?));
        let mut kept = kept();
        if kept.bytes + tree.bytes.len() <= MAX_BYTES {
            kept.bytes += tree.bytes.len();
            kept.trees.insert(id, tree.clone());
        }
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use gix::objs::tree::EntryKind;

    use super::*;

    /// A tree with these names, in this order.
    fn tree(names: &[&str]) -> ReadTree {
        let mut bytes = Vec::new();
        for (nth, name) in names.iter().enumerate() {
            bytes.extend_from_slice(b"100644 ");
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&[u8::try_from(nth).expect("few"); 20]);
        }
        ReadTree::of(bytes)
    }

    #[test]
    fn each_name_is_found_whatever_the_order() {
        let names = ["b", "a b", "a", "c.d", "c", "zz"];
        let tree = tree(&names);
        for (nth, name) in names.iter().enumerate() {
            let found = tree.find(name.as_bytes(), gix::hash::Kind::Sha1);
            let (mode, id) = found.expect("it is whole").expect("it is there");
            assert_eq!(mode.kind(), EntryKind::Blob);
            assert!(id.as_bytes().iter().all(|byte| usize::from(*byte) == nth));
        }
        for name in ["", "aa", "d", "zzz", "\n"] {
            let found = tree.find(name.as_bytes(), gix::hash::Kind::Sha1);
            assert!(found.expect("it is whole").is_none(), "{name:?}");
        }
    }

    #[test]
    fn of_twins_the_last_is_found_and_a_torn_tree_is_an_error() {
        let found = tree(&["a", "b", "a"]).find(b"a", gix::hash::Kind::Sha1);
        assert_eq!(found.expect("whole").expect("there").1.as_bytes()[0], 2);
        let mut torn = tree(&["a", "b"]);
        torn.bytes.truncate(40);
        assert!(torn.find(b"a", gix::hash::Kind::Sha1).is_err());
        assert!(
            tree(&[])
                .find(b"a", gix::hash::Kind::Sha1)
                .is_ok_and(|found| found.is_none())
        );
    }
}
