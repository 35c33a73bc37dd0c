//! The subcommands, one file each: arguments, one or two calls of `App`, one [`Reply`].
//!
//! To add one, write its file, and add its `mod` line and its entry in the list below. The
//! command's name is the module's name with dashes. Every file gives an example in its help, which
//! a test parses.

mod adopt;
mod alert;
mod audit;
mod capsule;
mod completions;
mod confirm;
mod create_snapshot;
mod demo;
mod diff;
mod disaster_recovery;
mod doctor;
mod drill;
mod guard;
mod health;
mod history;
mod hold;
mod hooks;
mod init;
mod keys;
mod list;
mod man;
mod mark;
mod op;
mod pin;
mod preview;
mod redo;
mod registry;
mod rollback;
mod schema;
mod show;
mod status;
mod store;
mod trust;
mod undo;
mod verdicts;
mod verify_rollback;
mod verify_snapshot;

pub use confirm::{say_overdue, settle_overdue, supervise_all};

use clap::Subcommand;

use super::{reply::Reply, session::Session};
use crate::base::Failure;

/// The interface of every subcommand.
pub trait Run {
    /// Returns true when it changes the repository; such a command is refused inside hooks.
    fn changes(&self) -> bool {
        false
    }

    /// Returns true when it makes visible changes; after a failure it reports what was changed.
    fn writes(&self) -> bool {
        self.changes()
    }

    /// Runs the subcommand.
    fn run(&self, session: &Session) -> Result<Reply, Failure>;
}

/// Generates the enum of all subcommands from the list.
macro_rules! commands {
    ($($module:ident: $variant:ident),* $(,)?) => {
        /// A subcommand with its arguments.
        #[derive(Debug, Subcommand)]
        #[expect(missing_docs, reason = "each command's arguments carry its description")]
        pub enum Command { $($variant($module::Args)),* }

        impl Command {
            /// Returns its name on the command line.
            pub fn name(&self) -> String {
                match self { $(Self::$variant(_) => stringify!($module).replace('_', "-")),* }
            }

            /// See [`Run::changes`].
            pub fn changes(&self) -> bool {
                match self { $(Self::$variant(args) => args.changes()),* }
            }

            /// See [`Run::writes`].
            pub fn writes(&self) -> bool {
                match self { $(Self::$variant(args) => args.writes()),* }
            }

            /// See [`Run::run`].
            pub fn run(&self, session: &Session) -> Result<Reply, Failure> {
                match self { $(Self::$variant(args) => args.run(session)),* }
            }
        }
    };
}

commands! {
    init: Init,
    demo: Demo,
    create_snapshot: CreateSnapshot,
    rollback: Rollback,
    confirm: Confirm,
    undo: Undo,
    redo: Redo,
    disaster_recovery: DisasterRecovery,
    status: Status,
    health: Health,
    drill: Drill,
    list: List,
    history: History,
    show: Show,
    diff: Diff,
    preview: Preview,
    verify_snapshot: VerifySnapshot,
    verify_rollback: VerifyRollback,
    mark: Mark,
    hold: Hold,
    pin: Pin,
    verdicts: Verdicts,
    op: Op,
    adopt: Adopt,
    registry: Registry,
    hooks: Hooks,
    audit: Audit,
    alert: Alert,
    guard: Guard,
    store: Store,
    capsule: Capsule,
    trust: Trust,
    keys: Keys,
    doctor: Doctor,
    completions: Completions,
    man: Man,
    schema: Schema,
}
