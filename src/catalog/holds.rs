//! Checks whether a path is in an expected state.

use std::io;

use super::capture;
use crate::{
    base::{Digest, Fs, RelPath, Type},
    model::FileRecord,
    stat_cache::KnownFiles,
};

/// Returns true when a path has exactly this state: type, bytes and, for files, permission bits.
/// Where no file is expected, a folder is fine: other paths define its contents. A file that this
/// process watches is not read.
pub fn holds(
    tree: &dyn Fs,
    known: Option<&KnownFiles>,
    path: &RelPath,
    state: Option<&FileRecord>,
) -> io::Result<bool> {
    // Whatever cannot be read as a small file is looked at below.
    if let Some(state) = state.filter(|state| !state.is_link())
        && let Some((stat, bytes)) = capture::whole_file(tree, path, state.size)
    {
        return Ok((stat.size, stat.mode) == (state.size, state.mode)
            && Digest::of(&bytes) == state.digest);
    }
    let (stat, state) = match (tree.stat(path)?, state) {
        (None, None) => return Ok(true),
        (Some(stat), None) => return Ok(stat.kind == Type::Dir),
        (Some(stat), Some(state)) => (stat, state),
        _ => return Ok(false),
    };
    match stat.kind {
        Type::Symlink if state.is_link() => Ok(Digest::of(&tree.read_link(path)?) == state.digest),
        Type::File if !state.is_link() && stat.size == state.size && stat.mode == state.mode => {
            let found = match known.and_then(|known| known.watched.digest(&stat)) {
                Some(found) => found,
                None => Digest::of_reader(&mut tree.open(path)?)?.0,
            };
            Ok(found == state.digest)
        }
        _ => Ok(false),
    }
}
