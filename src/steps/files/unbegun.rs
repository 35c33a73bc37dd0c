//! What an operation left in the staging folders whose journal says that it never began.
//!
//! After a crash these are the new files that its plan names. A journal that was cut short by
//! something else may hide that files were swapped: then what lies here is somebody's, and the only
//! copy. So whatever is not as planned is moved to the state folder, and never removed.

use std::io::{self, Read};

use super::{
    STAGED_FILE, TREE_DIR,
    error::{failed, unwritten},
    stage::all_stages,
};
use crate::{
    base::{Digest, Failure, Fs, RelPath, Type, fs::create_dir_all},
    materialise::journaled::Staging,
    model::{FileRecord, OpId, Operation},
};

/// Where files are moved to, below the state folder.
pub const ASIDE: &str = "aside";

/// Moves the staged files of an operation that are not as planned below the state folder. Returns
/// how many were moved.
///
/// # Errors
/// Fails when one cannot be read, written or removed; it is then still where it was.
pub fn set_aside(
    (tree, state): (&dyn Fs, &dyn Fs),
    op: &OpId,
    plan: Option<&Operation>,
) -> Result<usize, Failure> {
    let planned: Vec<Option<&FileRecord>> = plan
        .iter()
        .flat_map(|plan| plan.path_changes())
        .map(|change| change.after.as_ref())
        .collect();
    let mut moved = 0;
    for stage in all_stages(tree)? {
        let staging = Staging::at(tree, stage, Some(op));
        for (path, number) in staging.files().map_err(unwritten)? {
            let Some(number) = number else { continue };
            let wanted = planned.get(number).copied().flatten();
            if !is_as_planned(tree, &path, wanted)? {
                move_to(state, tree, &path)?;
                moved += 1;
            }
        }
    }
    Ok(moved)
}

/// Returns true when a staged file has the bytes that were planned.
fn is_as_planned(
    tree: &dyn Fs,
    path: &RelPath,
    wanted: Option<&FileRecord>,
) -> Result<bool, Failure> {
    let Some(wanted) = wanted else {
        return Ok(false);
    };
    let digest = open(tree, path).and_then(|mut file| Digest::of_reader(&mut file));
    Ok(digest.map_err(failed("read", path))?.0 == wanted.digest)
}

/// Opens the bytes of a file, or the target of a link.
fn open(tree: &dyn Fs, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
    let stat = tree.stat(path)?.ok_or(io::ErrorKind::NotFound)?;
    if stat.kind == Type::Symlink {
        Ok(Box::new(io::Cursor::new(tree.read_link(path)?)))
    } else {
        tree.open(path)
    }
}

/// Copies a file below the state folder, durably, and removes it.
fn move_to(state: &dyn Fs, tree: &dyn Fs, path: &RelPath) -> Result<(), Failure> {
    let folder = RelPath::own(ASIDE);
    create_dir_all(state, &folder, 0o700).map_err(failed("make", &folder))?;
    let to = folder.join(path.name());
    // Half of it, from a command that was killed.
    if state.stat(&to).map_err(failed("look at", &to))?.is_some() {
        state.remove_file(&to).map_err(failed("remove", &to))?;
    }
    let copy = || -> io::Result<()> {
        let mut file = state.create(&to, 0o600)?;
        io::copy(&mut open(tree, path)?, &mut file)?;
        file.sync(STAGED_FILE)?;
        state.sync_dir(&folder, TREE_DIR)?;
        state.sync_dir(&RelPath::root(), TREE_DIR)
    };
    copy().map_err(failed("move aside", path))?;
    tree.remove_file(path).map_err(failed("remove", path))?;
    Ok(())
}
