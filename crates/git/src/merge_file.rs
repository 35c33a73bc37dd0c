//! git's own three-way merge, for texts that are not merged in another way.

use std::path::Path;

use super::{Error, child, program::printed};
use base::process::Exit;

/// Merges three texts line by line into our side; returns true if no conflict remains.
///
/// # Errors
/// If git cannot be run or cannot read the files; our side is then unchanged.
pub fn merge_file(
    dir: &Path,
    [base, ours, theirs]: [&Path; 3],
    marker: u16,
) -> Result<bool, Error> {
    let size = format!("--marker-size={marker}");
    let command = child::command("git", dir).args([
        "merge-file",
        "--quiet",
        &size,
        "-L",
        "ours",
        "-L",
        "base",
        "-L",
        "theirs",
        "--",
    ]);
    let ended = command
        .args([ours, base, theirs])
        .run()
        .map_err(Error::Program)?;
    match ended.status {
        Exit::Code(0) => Ok(true),
        // The number of conflicts; larger codes are errors.
        Exit::Code(1..=127) => Ok(false),
        _ => Err(Error::MergeFile {
            output: printed(&ended),
        }),
    }
}
