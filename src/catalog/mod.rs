//! Row 5, the inventory: the releases of a task, their manifests, and the task's current files.
//!
//! Reads only. Engines compare the catalog's findings with the wanted state; nothing here decides
//! or changes anything. Read [`capture`] next: it turns a path of the tree into a restorable
//! [`FileRecord`](crate::model::FileRecord).

pub mod absent;
pub mod affected_tasks;
pub mod capture;
pub mod databases;
pub mod demands;
mod error;
pub mod grown;
mod holds;
pub mod left_out;
pub mod locks;
pub mod lost;
pub mod manifests;
pub mod merge_lines;
pub mod missing_tags;
pub mod one_way;
pub mod registry;
pub mod releases;
mod renamed;
pub mod rewritten;
pub mod scope;
pub mod tag_meaning;
pub mod tasks;
pub mod untagged;
pub mod verdict;
pub mod version_place;

pub use error::{Error, NumberTaken};
pub use holds::holds;
pub use missing_tags::{MissingTags, fetch_tags};
pub use releases::Release;
pub use scope::Scope;
