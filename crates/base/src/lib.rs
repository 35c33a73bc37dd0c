//! Row 0, the ground layer: building blocks that know nothing of tasks or releases.
//!
//! Error kinds and exit codes, digests, safe paths, the file-system port, the kernel lock, the
//! clock and child processes. Each room names its own sync points for the port. Nothing here may
//! use a term of the domain, and nothing above may touch files, processes or time except through
//! it. Read [`fs`] next: every durable change in snapback goes through that trait.

pub mod aligned;
pub mod bulk;
pub mod cancel;
pub mod clock;
pub mod cut;
pub mod digest;
pub mod due;
pub mod encoding;
pub mod failure;
pub mod footprint;
pub mod fs;
pub mod glob;
pub mod http;
pub mod lock;
pub mod look;
mod mounts;
pub mod open_files;
pub mod output;
pub mod owner;
pub mod path;
pub mod process;
pub mod random;
pub mod reach;
pub mod root;
pub mod secret;
pub mod secret_source;
pub mod sorted;
pub mod sqlite;
pub mod text;
pub mod times;
pub mod user;
pub mod waiting;
pub mod wire;
pub mod witness;
pub mod yaml;

pub use clock::{Clock, zone};
pub use digest::{Digest, Hasher, Hashing};
pub use due::Due;
pub use failure::{Act, Failure, Fault, Hint, Kind};
pub use fs::{Fs, Input, LinkOnTheWay, Output, Stat, SyncPoint, Type};
pub use glob::Globs;
pub use path::RelPath;
pub use random::random;
pub use root::Root;
pub use secret_source::{Secret, SecretSource};
pub use sorted::Sorted;
pub use waiting::{at_once, few_at_once};
pub use witness::Witness;
