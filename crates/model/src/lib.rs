//! Row 1, plain data with public fields: the concepts of snapback, and their wire formats.
//!
//! The only room that derives `Serialize` for formats. No I/O: it converts from and to bytes. Read
//! [`manifest`] (what a release is), then [`operation`] (how changes are made).

pub mod advice;
pub mod alert;
pub mod answer;
pub mod as_written;
pub mod audit;
pub mod backup;
pub mod capsule;
pub mod confirm;
pub mod dependencies;
pub mod drill;
pub mod event;
pub mod file_record;
pub mod git_mode;
pub mod guard;
pub mod health;
pub mod hooks;
pub mod ids;
pub mod kept;
pub mod left;
pub mod left_out;
mod link_target;
pub mod manifest;
pub mod operation;
pub mod overview;
pub mod plan;
pub mod policy;
pub mod prune;
pub mod recovery;
pub mod report;
pub mod request;
pub mod root_name;
pub mod settings;
pub mod signature;
pub mod store;
pub mod tag;
pub mod trust;
pub mod verdict;
pub mod verification;
pub mod version;

pub use advice::Advice;
pub use answer::Answer;
pub use as_written::AsWritten;
pub use dependencies::DependencyList;
pub use event::{Event, Sink};
pub use file_record::{FileKind, FileRecord, Location};
pub use git_mode::GitMode;
pub use ids::{GitId, ObjectId, OpId, TaskId};
pub use left::StateAfterFailure;
pub use left_out::IgnoredFiles;
pub use manifest::{AnyManifest, Manifest, Subject};
pub use operation::{Operation, PathChange};
pub use plan::Plan;
pub use report::Report;
pub use request::Request;
pub use root_name::RootName;
pub use settings::{Settings, TaskSpec};
pub use tag::TagName;
pub use verdict::{Verdict, VerdictRecord};
pub use verification::{CheckResult, Status, Verification};
pub use version::Version;
