//! Makes a new tree from an old one.
//!
//! It is built from a base and a list of changes whose `before` must hold, so that two plans made
//! from the same base cannot silently overwrite each other. No reference names it yet.

use std::collections::BTreeMap;

use gix::{ObjectId, bstr::ByteSlice, objs::tree::EntryKind};

use super::{
    super::{Error, Repo, repo::git_id},
    TreeSlot, entry_kind, tree_entry,
};
use model::{GitId, operation::TreeChange};

impl Repo {
    /// Writes the commit's tree with some paths changed; returns the new tree.
    ///
    /// A path that does not match `before` is a conflict. Folders that become empty disappear.
    pub fn write_tree(&self, base_commit: &GitId, changes: &[TreeChange]) -> Result<GitId, Error> {
        let base = self.tree_of(base_commit)?;
        let mut sorted: Vec<(&[u8], &TreeChange)> = changes
            .iter()
            .map(|change| (change.path.as_bytes(), change))
            .collect();
        sorted.sort_by_key(|(path, _)| *path);
        let tree = match self.rewrite(Some(base), &sorted)? {
            Some(tree) => tree,
            None => self.write_object(&gix::objs::Tree {
                entries: Vec::new(),
            })?,
        };
        Ok(git_id(&tree))
    }

    /// Applies changes, with paths relative to it, to one tree; `None` if it became empty.
    fn rewrite(
        &self,
        tree: Option<ObjectId>,
        changes: &[(&[u8], &TreeChange)],
    ) -> Result<Option<ObjectId>, Error> {
        let mut slots = match tree {
            Some(id) => self.read_tree(id)?,
            None => BTreeMap::new(),
        };
        for (name, group) in by_first_name(changes) {
            let (here, below): (Vec<_>, Vec<_>) =
                group.into_iter().partition(|(rest, _)| rest.is_empty());
            self.rewrite_name(&mut slots, name, &here, &below)?;
        }
        if slots.is_empty() {
            return Ok(None);
        }
        let entry = |(name, (mode, oid)): (Vec<u8>, TreeSlot)| gix::objs::tree::Entry {
            mode,
            filename: name.into(),
            oid,
        };
        let mut entries: Vec<_> = slots.into_iter().map(entry).collect();
        entries.sort();
        self.write_object(&gix::objs::Tree { entries }).map(Some)
    }

    /// Applies the changes to one name of a tree: at it, and below it.
    fn rewrite_name(
        &self,
        slots: &mut BTreeMap<Vec<u8>, TreeSlot>,
        name: &[u8],
        here: &[(&[u8], &TreeChange)],
        below: &[(&[u8], &TreeChange)],
    ) -> Result<(), Error> {
        let changed = |change: &TreeChange| Error::PathChanged {
            path: change.path.clone(),
            place: "the commit",
        };
        for (_, change) in here {
            let now = slots
                .get(name)
                .filter(|(mode, _)| !mode.is_tree())
                .map(|(mode, id)| tree_entry(*mode, id));
            if now != change.before {
                return Err(changed(change));
            }
            if now.is_some() {
                slots.remove(name);
            }
        }
        if let Some((_, first)) = below.first() {
            let subtree = match slots.remove(name) {
                Some((mode, id)) if mode.is_tree() => Some(id),
                Some(_) => return Err(changed(first)),
                None => None,
            };
            if let Some(id) = self.rewrite(subtree, below)? {
                slots.insert(name.to_vec(), (EntryKind::Tree.into(), id));
            }
        }
        for (_, change) in here {
            let Some(after) = &change.after else { continue };
            // Whatever is still there is a folder that keeps other files.
            if slots.contains_key(name) {
                return Err(changed(change));
            }
            let kind = entry_kind(after).ok_or_else(|| changed(change))?;
            slots.insert(name.to_vec(), (kind.into(), self.oid(&after.id)?));
        }
        Ok(())
    }
}

/// Groups sorted changes by the first name of their paths, and removes that name.
fn by_first_name<'a>(
    changes: &[(&'a [u8], &'a TreeChange)],
) -> BTreeMap<&'a [u8], Vec<(&'a [u8], &'a TreeChange)>> {
    let mut groups: BTreeMap<&[u8], Vec<_>> = BTreeMap::new();
    for (path, change) in changes {
        let (name, rest) = path.split_once_str("/").unwrap_or((path, b""));
        groups.entry(name).or_default().push((rest, *change));
    }
    groups
}
