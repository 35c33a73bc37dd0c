//! snapback puts any task of a repository back, exactly and verified, to any version it released.
//!
//! A *task* is a folder (or a set of globs) of a git repository with a version of its own. A
//! *release* is a tag `T01-v1.2.0` on a commit, a *manifest* that lists every file with its
//! SHA-256, and a dependency list; large files lie in a content-addressed *store*. A *rollback*
//! brings one task, and only that task, back to a release, goes forward in git's history, and can
//! itself be undone. Start at [`app::App`].
//!
//! # The whole idea
//!
//! ```text
//!   choose paths        describe                    keep bytes
//!   task ───────────> Manifest / FileRecord ──> git objects | store
//!                            │
//!                            v
//!   Draft (pure) ─> Plan shown ─> Operation journalled ─> steps ─> Report ─> undo
//! ```
//!
//! 1. **Reading comes first.** An engine ([`release`], [`rollback`]) only reads and makes a
//!    [`draft::Draft`]; its [`model::Plan`] is what a person sees. Under the lock it is made again
//!    and must still be the same.
//! 2. **Bytes before intent.** `draft::write` makes every byte that will be needed durable, in git
//!    and in the store, where nobody can see it. What is overwritten or deleted is among them.
//! 3. **One way to change the world.** The resulting [`model::Operation`] is plain data;
//!    [`operate`] writes it down in the [`journal`] and runs its [`steps`]. A failure unwinds them,
//!    a crash is finished or unwound by the next run from the plan alone.
//! 4. **One commit point.** References and index move last, in one step that is taken back or
//!    finished after a crash. Undo is an operation like any other, with before and after exchanged.
//! 5. **Engines never print.** They emit [`model::Event`]s and return plans and reports.
//!
//! # The house
//!
//! A module imports only from rows above its own; `tests/tidy/rooms.rs` checks it.
//! The first three rows, but for [`records`] and
//! [`stat_cache`], are crates below `crates/`, whose walls Cargo keeps.
//!
//! | row | rooms |
//! |---|---|
//! | 0 | [`base`]: error kinds, digests, safe paths, the file-system port, lock, processes |
//! | 1 | [`model`]: plain data and wire formats; [`policy`]: pure decisions |
//! | 2 | [`git`], [`store`], [`records`]: folders of small texts, [`stat_cache`]: what files held when they were last read |
//! | 3 | [`deps`], [`journal`], [`audit`], [`consent`], [`keys`] |
//! | 4 | [`site`] (the opened ports), [`registry`] |
//! | 5 | [`catalog`]: what there is: releases, manifests, files now |
//! | 6 | [`verdict`]: what was said of it; [`verify`]: proving it; [`materialise`]: described files put into a folder |
//! | 7 | [`draft`]: operations before they are written down; [`steps`]: what operations do; [`source`]: which files are kept |
//! | 8 | [`operate`]: the one way in which anything changes |
//! | 9 | [`rollback`] and undo; [`alert`]: people called; [`backup`]: folders in the store |
//! | 10 | [`drill`]: rollbacks rehearsed; [`hooks`]: what runs in git's own commands; [`capsule`]: one file a version |
//! | 11 | [`release`]; [`setup`]: the files that tasks share; [`guard`]: rollbacks by themselves; [`push`]; [`overview`] |
//! | 12 | [`config`] |
//! | 13 | [`requests`]: which change each is; [`health`] |
//! | 14 | [`app`] |
//! | 16 | [`cli`] |
//!
//! Releases, rollbacks and undos are the same thing seen from three sides, and a crash has to be
//! finished by code that knows none of the three. So what they share lies in rooms below them:
//! engines make drafts, and [`operate`] carries them out.
//!
//! The store differs from its design page in four points. An object is named by the SHA-256 of its
//! bytes, not of its list of chunks, so that manifests stay right when the chunker changes. The
//! commit log is one synced file a record, each with everything the store holds: no torn tails,
//! nothing to replay. Indexes are read, not mapped: a read error of a mapped file kills the
//! process. And checksums of stored bytes are CRC-32, of which there is a crate that is in use
//! already.
//!
//! The audit log is no sink of events, as the design page has it: a line that must not be lost is
//! written by the journal, as the last thing before an operation is over. It lies in segments
//! under `audit/`, so that finding its end stays cheap however long it grows.
//!
//! To know the product, read [`operate`], [`rollback`], [`journal`] and its `status`,
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
