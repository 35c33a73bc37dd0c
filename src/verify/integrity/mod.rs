//! Level 1, integrity: a release is stored as it was made, every path of its manifest has its type,
//! mode, size and digest in the work tree, and there is nothing extra among the task's own paths.
//! One file per check; nothing is repaired.

mod checkout;
mod commit;
mod copy;
mod databases;
mod extra;
mod files;
mod kept;
mod line_ends;
mod manifest;
mod meanwhile;
mod paths;
mod signature;
mod sums;
mod tag;
mod texts;

pub use checkout::{Checkout, is_other};
pub use commit::{CommitCheck, refuse_other_commit};
pub use copy::CopyCheck;
pub use databases::DatabasesCheck;
pub use extra::ExtraFilesCheck;
pub use files::{FilesCheck, FilesNow};
pub use kept::KeptBytesCheck;
pub use line_ends::LineEndsCheck;
pub use manifest::ManifestCheck;
pub use meanwhile::MeanwhileCheck;
pub use paths::Paths;
pub use signature::{SignatureCheck, has_signature, signature};
pub use sums::SumsCheck;
pub use tag::TagCheck;
pub use texts::{OTHER_VERSION, TextsCheck};
