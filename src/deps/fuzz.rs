//! The readers of lock files as functions of a text, for the fuzz targets in `fuzz/` and nobody
//! else.
//!
//! Built only when cargo-fuzz sets `cfg(fuzzing)`. Requirement files are read without those
//! that they include, which need a work tree.

use super::{cargo, node, python_lock::Format, requirements};

/// The packages of a lock file of this name, or why it is not understood.
pub fn lock_file(name: &str, text: &str) -> Result<Vec<String>, String> {
    if let Some(reader) = node::reader(name) {
        return reader(text);
    }
    match Format::of(name) {
        Some(Format::Pins | Format::Requirements | Format::OtherRequirements) => {
            Ok(requirements::packages_of(text))
        }
        Some(format) => format.packages(text),
        None => cargo::packages(text),
    }
}
