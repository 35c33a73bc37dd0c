//! Row 11, creates and repairs the files that all tasks share: the first settings, and a registry
//! that agrees with the configurations.

mod init;
pub mod registry_sync;

use crate::base::{Fault, Hint, Kind};

pub use init::FirstFiles;

/// Registry and configuration disagree and neither can be used, or there is nothing to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Refused
    }

    fn hints(&self) -> Vec<Hint> {
        Vec::new()
    }
}
