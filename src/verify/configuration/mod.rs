//! Level 2, configuration: tag, manifest, registry and configuration name the same version, and
//! lock files are as recorded. One file per check.

mod lock_files;
mod versions;

pub use lock_files::LockFilesCheck;
pub use versions::VersionsCheck;
