//! Rollbacks by themselves: the guard, and rollbacks that wait to be confirmed.

use std::path::Path;

use super::App;
use crate::{
    base::{Failure, fs::FileLock},
    guard::{Guard, Look, Waiting},
    model::{
        TaskId,
        confirm::{Pending, Settled},
        guard::{Backtest, GuardState, TaskWatch},
    },
};

impl App {
    /// The tasks that have rules.
    pub fn guarded(&self) -> Vec<TaskId> {
        Guard::new(&self.site).guarded()
    }

    /// What the guard knows of a task; nothing is read or asked.
    ///
    /// # Errors
    /// When its memory cannot be read.
    pub fn guard_state(&self, task: &TaskId) -> Result<GuardState, Failure> {
        Guard::new(&self.site).state(task)
    }

    /// Keeps other running guards from this repository until dropped.
    ///
    /// # Errors
    /// When another one runs.
    pub fn lock_guard(&self) -> Result<FileLock, Failure> {
        Guard::new(&self.site).lock()
    }

    /// Refuses a look at tasks whose metrics nobody agreed to, before anything is made or sent.
    ///
    /// # Errors
    /// When there is no such task, or a command that its rules name may not run.
    pub fn check_watched(&self, tasks: &[TaskId]) -> Result<(), Failure> {
        Guard::new(&self.site).check_watched(tasks)
    }

    /// Looks at a task: reads its metrics, judges them, and puts it back when a rule says so.
    ///
    /// # Errors
    /// When its rules cannot be looked at.
    pub fn watch(&self, task: &TaskId, look: Look) -> Result<TaskWatch, Failure> {
        Guard::new(&self.site).watch(task, look)
    }

    /// Stops the guard from touching a task, by a person.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn freeze(&self, task: &TaskId, why: &str) -> Result<(), Failure> {
        Guard::new(&self.site).freeze(task, why)
    }

    /// Lets the guard touch a task again, with nothing counted against it; false when it was not
    /// frozen.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn thaw(&self, task: &TaskId, why: &str) -> Result<bool, Failure> {
        Guard::new(&self.site).thaw(task, why)
    }

    /// What a rule would have done with a log.
    ///
    /// # Errors
    /// When there is no such rule, or the log cannot be read.
    pub fn backtest(
        &self,
        task: &TaskId,
        rule: Option<&str>,
        log: &Path,
    ) -> Result<Vec<(String, Backtest)>, Failure> {
        Guard::new(&self.site).backtest(task, rule, log)
    }

    /// The rollbacks that wait to be confirmed.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn pending(&self) -> Result<Vec<Pending>, Failure> {
        Waiting::new(&self.site).pending()
    }

    /// Those of them whose time is over.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn overdue(&self) -> Result<Vec<Pending>, Failure> {
        Waiting::new(&self.site).overdue()
    }

    /// Confirms a rollback: it stays. Returns what waited.
    ///
    /// # Errors
    /// When nothing waits, or it is being taken back right now.
    pub fn confirm(&self, task: &TaskId) -> Result<Pending, Failure> {
        Waiting::new(&self.site).confirm(task)
    }

    /// Becomes the one who watches a task's rollback, until dropped; `None` when somebody does.
    ///
    /// # Errors
    /// When it cannot be locked.
    pub fn watch_confirmation(&self, task: &TaskId) -> Result<Option<FileLock>, Failure> {
        Waiting::new(&self.site).watch(task)
    }

    /// Takes back every rollback whose time is over, and says what became of each that waits.
    ///
    /// # Errors
    /// When a record cannot be read or written.
    pub fn settle_confirmations(&self) -> Result<Vec<(Pending, Settled)>, Failure> {
        Waiting::new(&self.site).settle_all()
    }
}
