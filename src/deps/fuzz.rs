//! Lock file readers as functions of a text, only for the fuzz targets in `fuzz/`.
//!
//! Built only with the feature `fuzz`. Requirements files are read without their
//! includes, which need a work tree.

use super::{cargo, node, python_lock::PythonLockFormat, requirements};

/// Returns the packages of a lock file with this name, or why it cannot be parsed.
pub fn lock_file(name: &str, text: &str) -> Result<Vec<String>, String> {
    if let Some(reader) = node::reader(name) {
        return reader(text);
    }
    match PythonLockFormat::of(name) {
        Some(
            PythonLockFormat::Pins
            | PythonLockFormat::Requirements
            | PythonLockFormat::OtherRequirements,
        ) => Ok(requirements::packages_of(text)),
        Some(format) => format.packages(text),
        None => cargo::packages(text),
    }
}
