//! The folder of keys: opened only when it is the user's own, outside the work tree, and nobody
//! else can write to it.

use std::path::Path;

use serde::Serialize;

use super::{Error, LIMIT};
use crate::base::{
    Fs, RelPath, Root, Type,
    fs::{Stat, write_durably},
    user,
};

/// Opens the folder, which must be the user's own and nobody else's to write.
pub(super) fn open(folder: &Path, work_tree: &Path) -> Result<Root, Error> {
    let failed = |source| Error::File {
        path: folder.to_path_buf(),
        source,
    };
    let real = folder.canonicalize().map_err(failed)?;
    if real.starts_with(work_tree) {
        return Err(Error::PlaceInside(real));
    }
    let root = Root::open(&real).map_err(failed)?;
    let why = match root.stat(&RelPath::root()).map_err(failed)? {
        Some(stat) if stat.uid != user::effective() => "it belongs to somebody else",
        Some(stat) if stat.mode & 0o022 != 0 => "others can write to it",
        Some(_) => return Ok(root),
        None => "it is not there",
    };
    Err(Error::NotSafe {
        path: real,
        why,
        mode: "700",
    })
}

/// Reads a file of the user's own, and what the very file that was read says of itself; `None` when
/// there is none.
pub(super) fn read(root: &Root, name: &str) -> Result<Option<(Vec<u8>, Stat)>, Error> {
    let path = root.path().join(name);
    let failed = |source| Error::File {
        path: path.clone(),
        source,
    };
    let file = RelPath::own(name);
    let Some(seen) = root.stat(&file).map_err(failed)? else {
        return Ok(None);
    };
    let not_safe = |why| Error::NotSafe {
        path: path.clone(),
        why,
        mode: "600",
    };
    if seen.kind != Type::File {
        return Err(not_safe("it is no regular file"));
    }
    if seen.size > LIMIT {
        return Err(not_safe("it is too large"));
    }
    let mut bytes = Vec::new();
    let stat = root
        .read_into(&file, seen.size, &mut bytes)
        .map_err(failed)?;
    if stat.uid == user::effective() {
        Ok(Some((bytes, stat)))
    } else {
        Err(not_safe("it belongs to somebody else"))
    }
}

/// Writes a file that only its owner can read.
pub(super) fn write(root: &Root, name: &str, content: &impl Serialize) -> Result<(), Error> {
    let bytes = serde_json::to_vec_pretty(content).expect("because plain data always renders");
    let points = (crate::records::files::FILE, crate::records::files::DIR);
    write_durably(root, &RelPath::own(name), &bytes, 0o600, points).map_err(|source| Error::File {
        path: root.path().join(name),
        source,
    })
}
