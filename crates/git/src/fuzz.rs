//! The readers of untrusted bytes in this room, exposed for the fuzz targets in `fuzz/` only.
//!
//! Compiled only with the feature `fuzz`. The index is decoded with the same options as
//! in the product, trees by the product's own reader.

use gix::index::{State, decode::Options};

use super::{Error, delta, lfs, pack, tree};
use base::{Digest, RelPath, path::UnsafePath};
use model::GitId;

/// Returns the paths of an index file; `None` if it is refused.
pub fn index(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let never = std::time::UNIX_EPOCH;
    let (state, _) = State::from_bytes(
        bytes,
        never.into(),
        gix::hash::Kind::Sha1,
        Options::default(),
    )
    .ok()?;
    Some(
        state
            .entries()
            .iter()
            .map(|entry| entry.path(&state).to_vec())
            .collect(),
    )
}

/// Returns a tree's entries: the path below `dir`, or why it is unsafe, and the object.
pub fn tree(
    bytes: &[u8],
    dir: &RelPath,
) -> Result<Vec<(Result<RelPath, UnsafePath>, GitId)>, Error> {
    tree::entries_of(bytes, gix::hash::Kind::Sha1, |entry| {
        Ok((dir.child(entry.filename), super::repo::git_id(entry.oid)))
    })
}

/// Returns the object of a tree's entry with this name.
pub fn find_in_tree(bytes: &[u8], name: &[u8]) -> Result<Option<GitId>, Error> {
    let found = tree::once::ReadTree::of(bytes.to_vec()).find(name, gix::hash::Kind::Sha1)?;
    Ok(found.map(|(_, id)| super::repo::git_id(&id)))
}

/// Returns the bytes of a pack's entry that says it has `size` of them.
pub fn packed(entry: &[u8], size: u64) -> Option<Vec<u8>> {
    pack::unpack(entry, size, gix::hash::Kind::Sha1).ok()
}

/// Returns what a delta makes of a base, and the size that it says.
pub fn apply_delta(base: &[u8], delta: &[u8]) -> Option<(Vec<u8>, u64)> {
    let (_, size, _) = delta::sizes(delta).ok()?;
    Some((delta::apply(base, delta).ok()?, size))
}

/// Returns a delta that makes `target` of `base`.
pub fn delta_of(base: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    delta::encode(base, target, b"- ")
}

/// Returns the digest and size in a Git LFS pointer.
pub fn pointer(bytes: &[u8]) -> Option<(Digest, u64)> {
    lfs::parse_pointer(bytes)
}
