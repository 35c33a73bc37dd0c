//! What this room reads of other people's bytes, as functions of bytes, for the fuzz targets in
//! `fuzz/` and nobody else.
//!
//! Built only when cargo-fuzz sets `cfg(fuzzing)`. The index is read with the same options as
//! the product's, trees through the product's own reader.

use gix::index::{State, decode::Options};

use super::{Error, lfs, tree};
use base::{Digest, RelPath, path::UnsafePath};
use model::GitId;

/// The paths of an index file; `None` when it is refused.
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

/// The entries of a tree: their paths in a folder, or why they cannot be there; their objects.
pub fn tree(
    bytes: &[u8],
    dir: &RelPath,
) -> Result<Vec<(Result<RelPath, UnsafePath>, GitId)>, Error> {
    tree::entries_of(bytes, gix::hash::Kind::Sha1, |entry| {
        Ok((dir.child(entry.filename), super::repo::git_id(entry.oid)))
    })
}

/// The digest and size in a Git LFS pointer.
pub fn pointer(bytes: &[u8]) -> Option<(Digest, u64)> {
    lfs::parse_pointer(bytes)
}
