//! snapback rolls any task of a repository back, exactly and verified, to any released version.
//!
//! A *task* is a folder (or a set of globs) of a git repository with a version of its own. A
//! *release* is a tag `T01-v1.2.0` on a commit, a *manifest* that lists every file with its
//! SHA-256, and a dependency list; large files are in a content-addressed *store*. A *rollback*
//! returns one task, and only that task, to a release. It moves forward in git's history and can
//! itself be undone. Start at [`app::App`].
//!
//! # Overview
//!
//! ```text
//!   choose paths        describe                    keep bytes
//!   task ───────────> Manifest / FileRecord ──> git objects | store
//!                            │
//!                            v
//!   Draft (pure) ─> Plan shown ─> Operation journalled ─> steps ─> Report ─> undo
//! ```
//!
//! 1. **Reading comes first.** An engine ([`release`], [`rollback`]) only reads and creates a
//!    [`draft::Draft`]; its [`model::Plan`] is shown to the user. Under the lock, the plan is made
//!    again and must be unchanged.
//! 2. **Bytes before intent.** `draft::write` makes all required bytes durable, in git and in the
//!    store, where they are not yet visible. They include everything to be overwritten or deleted.
//! 3. **One way to make changes.** The resulting [`model::Operation`] is plain data; [`operate`]
//!    records it in the [`journal`] and runs its [`steps`]. After a failure the steps are reversed;
//!    after a crash the next run completes or reverses them from the plan alone.
//! 4. **One commit point.** References and the index move last, in one step that is reversed or
//!    completed after a crash. Undo is an ordinary operation with before and after exchanged.
//! 5. **Engines never print.** They emit [`model::Event`]s and return plans and reports.
//!
//! # The house
//!
//! A module imports only from rows above its own; `tests/tidy/rooms.rs` checks this. The first
//! three rows, except [`records`] and [`stat_cache`], are crates below `crates/`, whose boundaries
//! Cargo enforces.
//!
//! | row | rooms |
//! |---|---|
//! | 0 | [`base`]: error kinds, digests, safe paths, the file-system port, lock, processes |
//! | 1 | [`model`]: plain data and wire formats; [`policy`]: pure decisions |
//! | 2 | [`git`], [`store`], [`records`]: folders of small text files; [`stat_cache`]: the contents of files when last read |
//! | 3 | [`deps`], [`journal`], [`audit`], [`consent`], [`keys`] |
//! | 4 | [`site`] (the opened ports), [`registry`] |
//! | 5 | [`catalog`]: the releases, manifests and current files |
//! | 6 | [`verdict`]: judgements on versions; [`verify`]: verification; [`materialise`]: writing files into a folder |
//! | 7 | [`draft`]: operations before they are recorded; [`steps`]: the actions of operations; [`source`]: which files are kept |
//! | 8 | [`operate`]: the only way to make changes |
//! | 9 | [`rollback`] and undo; [`alert`]: alerts to people; [`backup`]: folders in the store |
//! | 10 | [`drill`]: rollback drills; [`hooks`]: code run by git's own commands; [`capsule`]: a version in one file |
//! | 11 | [`release`]; [`setup`]: the files that tasks share; [`guard`]: automatic rollbacks; [`push`]; [`overview`] |
//! | 12 | [`config`] |
//! | 13 | [`requests`]: the change behind each request; [`health`] |
//! | 14 | [`app`] |
//! | 16 | [`cli`] |
//!
//! Releases, rollbacks and undos are three views of the same thing, and recovery after a crash must
//! work in code that knows none of them. Their common parts are therefore in rooms of earlier rows:
//! engines create drafts, and [`operate`] executes them.
//!
//! The store differs from its design page in four points. An object is named by the SHA-256 of its
//! bytes, not of its list of chunks, so that manifests stay valid when the chunker changes. The
//! commit log is one synced file per record, each listing everything in the store: no torn tails,
//! nothing to replay. Indexes are read, not mapped, because a read error in a mapped file kills the
//! process. Checksums of stored bytes are CRC-32, because a crate for it is already in use.
//!
//! Unlike on its design page, the audit log is not an event sink: a line that must not be lost is
//! written by the journal, as the last action of an operation. The log consists of segments under
//! `audit/`, so that finding its end stays cheap at any length.
//!
//! To get to know the product, read [`operate`], [`rollback`], [`journal`] and its `status`,
//! [`steps::files`], [`verify`], and `cli/commands/rollback.rs`.

pub mod alert;
pub mod app;
pub mod audit;
pub mod backup;
pub mod capsule;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod consent;
pub mod deps;
pub mod draft;
pub mod drill;
pub mod guard;
pub mod health;
pub mod hooks;
pub mod journal;
pub mod keys;
pub mod materialise;
pub mod operate;
pub mod overview;
pub mod push;
pub mod records;
pub mod registry;
pub mod release;
pub mod requests;
pub mod rollback;
pub mod setup;
pub mod site;
pub mod source;
pub mod stat_cache;
pub mod steps;
pub mod verdict;
pub mod verify;

pub use ::{base, git, model, store};
pub use model::policy;
