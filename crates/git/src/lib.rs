//! Row 2, access to git: the only room that uses gix or runs the git program.
//!
//! [`Repo`] reads commits, references, the index and the work tree, and writes objects through gix;
//! nothing here ever writes a file of the work tree, runs a filter program or fetches a missing
//! object. What gix lacks is done here: objects are synced ([`Repo::sync_objects`]), and references
//! and index are moved by a protocol whose state can be explained after a kill at any point
//! ([`Repo::publish`]). Read `repo.rs`, `scan.rs` and `publish.rs` in that order.

mod advice;
mod ancestry;
mod attributes;
pub mod child;
mod convert;
mod delta;
mod disk;
mod error;
mod extensions;
mod files;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod gather;
mod hooks;
mod ident;
mod identity;
mod index;
mod index_file;
mod kept;
mod lfs;
mod locks;
mod lookup;
mod merge_file;
mod objects;
mod on_top;
mod pack;
mod parameters;
mod pending;
mod program;
mod publish;
#[cfg(test)]
mod publish_tests;
mod ready;
mod recall;
mod ref_values;
mod reflog;
mod refs;
mod remote;
mod remove;
mod repo;
mod running;
mod scan;
#[cfg(test)]
mod scan_tests;
mod signature;
mod signing;
mod stat;
mod sync;
#[cfg(test)]
mod testing;
mod tree;
#[cfg(test)]
mod tree_tests;
mod walk;

pub use convert::{Attributes, Converter, RuleChanges, Worktree, rules_gone};
pub use error::Error;
pub use hooks::{HooksFolder, SaidBy, StagedChange};
pub use merge_file::merge_file;
pub use objects::{CommitInfo, NewCommit, NewTag};
pub use on_top::{Untouched, put_on_top_of};
pub use program::Hooks;
pub use publish::Barrier;
pub use refs::{BrokenRef, PeeledTag, TagRef, Tags};
pub use remote::{PushTarget, branch_name};
pub use repo::{Head, Repo};
pub use scan::{Scan, Tracked, WorkState};
pub use signing::Sign;
pub use tree::MAX_ENTRIES;
