//! The registry's merge driver: merges two registries task by task.

use std::{io, path::Path};

use crate::{
    base::{
        Failure, Fs, RelPath, Root,
        fs::{publish, read_limited, write_aside},
        path::folder_of,
    },
    registry::merge,
    site,
};

/// Merges two registries by task into our side; if both sides changed a task, git's own merge
/// leaves its markers there, and the result gives the reason.
///
/// # Errors
/// Fails when a file cannot be read or written, or git cannot be run.
pub fn merge_registries(
    dir: &Path,
    [base, ours, theirs]: [&Path; 3],
    marker: u16,
) -> Result<Option<String>, Failure> {
    let failed = |path: &Path, source| site::Error::State {
        path: path.to_path_buf(),
        source,
    };
    let read = |path: &Path| {
        let (root, name) = place(&dir.join(path)).map_err(|source| failed(path, source))?;
        read_limited(&root, &name, MERGED).map_err(|source| failed(path, source))
    };
    match merge::three_way(&read(base)?, &read(ours)?, &read(theirs)?) {
        Ok(bytes) => {
            let (root, name) = place(&dir.join(ours)).map_err(|source| failed(ours, source))?;
            let mode = root
                .stat(&name)
                .ok()
                .flatten()
                .map_or(0o644, |stat| stat.mode);
            // git reads it at once and discards it, so no sync is needed.
            let written =
                write_aside(&root, &name, &bytes, mode, None).and_then(|()| publish(&root, &name));
            written.map_err(|source| failed(ours, source))?;
            Ok(None)
        }
        Err(why) => {
            Ok((!git::merge_file(dir, [base, ours, theirs], marker)?).then(|| why.to_string()))
        }
    }
}

/// Maximum size of a registry to merge, in bytes.
const MERGED: u64 = 16 << 20;

/// Returns the folder of a file, and its name.
fn place(path: &Path) -> io::Result<(Root, RelPath)> {
    let name = path
        .file_name()
        .map(|name| RelPath::parse(name.as_encoded_bytes()))
        .transpose();
    let name = name.ok().flatten().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((Root::open(folder_of(path))?, name))
}
