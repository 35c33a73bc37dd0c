//! Whether a path is what it should be.

use std::io;

use crate::{
    base::{Digest, Fs, RelPath, Type},
    model::FileRecord,
};

/// True when a path holds exactly a state: type, bytes and, for files, permission bits. A folder
/// is no file: other paths say what is to be in it.
pub fn holds(tree: &dyn Fs, path: &RelPath, state: Option<&FileRecord>) -> io::Result<bool> {
    let (stat, state) = match (tree.stat(path)?, state) {
        (None, None) => return Ok(true),
        (Some(stat), None) => return Ok(stat.kind == Type::Dir),
        (Some(stat), Some(state)) => (stat, state),
        _ => return Ok(false),
    };
    match stat.kind {
        Type::Symlink if state.is_link() => Ok(Digest::of(&tree.read_link(path)?) == state.digest),
        Type::File if !state.is_link() && stat.size == state.size && stat.mode == state.mode => {
            Ok(Digest::of_reader(&mut tree.open(path)?)?.0 == state.digest)
        }
        _ => Ok(false),
    }
}
