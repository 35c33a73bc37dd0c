//! Automatic rollbacks: the guard, and rollbacks that wait for confirmation.

use std::path::Path;

use super::App;
use crate::{
    base::{Failure, fs::FileLock},
    guard::{Guard, Waiting, WatchOptions},
    model::{
        TaskId,
        confirm::{AwaitingConfirmation, Settled},
        guard::{Backtest, GuardState, TaskWatch},
    },
};

impl App {
    /// Returns the tasks that have rules.
    pub fn guarded(&self) -> Vec<TaskId> {
        Guard::new(&self.site).guarded()
    }

    /// Returns the guard's state for a task; reads no metric and runs no command.
    ///
    /// # Errors
    /// Fails when the guard's records cannot be read.
    pub fn guard_state(&self, task: &TaskId) -> Result<GuardState, Failure> {
        Guard::new(&self.site).state(task)
    }

    /// Keeps other running guards away from this repository until dropped.
    ///
    /// # Errors
    /// Fails when another guard is running.
    pub fn lock_guard(&self) -> Result<FileLock, Failure> {
        Guard::new(&self.site).lock()
    }

    /// Refuses to watch tasks whose metric commands nobody agreed to, before any change or message.
    ///
    /// # Errors
    /// Fails when a task does not exist, or a command named by its rules may not run.
    pub fn check_watched(&self, tasks: &[TaskId]) -> Result<(), Failure> {
        Guard::new(&self.site).check_watched(tasks)
    }

    /// Checks a task: reads its metrics, judges them, and rolls it back when a rule requires it.
    ///
    /// # Errors
    /// Fails when its rules cannot be checked.
    pub fn watch(&self, task: &TaskId, look: WatchOptions) -> Result<TaskWatch, Failure> {
        Guard::new(&self.site).watch(task, look)
    }

    /// Freezes a task on behalf of a person: the guard stops acting on it.
    ///
    /// # Errors
    /// Fails when this cannot be recorded.
    pub fn freeze(&self, task: &TaskId, why: &str) -> Result<(), Failure> {
        Guard::new(&self.site).freeze(task, why)
    }

    /// Thaws a task: the guard acts on it again, with all counts reset. Returns false if the task
    /// was not frozen.
    ///
    /// # Errors
    /// Fails when this cannot be recorded.
    pub fn thaw(&self, task: &TaskId, why: &str) -> Result<bool, Failure> {
        Guard::new(&self.site).thaw(task, why)
    }

    /// Returns what a rule would have done with a log.
    ///
    /// # Errors
    /// Fails when the rule does not exist, or the log cannot be read.
    pub fn backtest(
        &self,
        task: &TaskId,
        rule: Option<&str>,
        log: &Path,
    ) -> Result<Vec<(String, Backtest)>, Failure> {
        Guard::new(&self.site).backtest(task, rule, log)
    }

    /// Returns the rollbacks that wait for confirmation.
    ///
    /// # Errors
    /// Fails when a record cannot be read.
    pub fn pending(&self) -> Result<Vec<AwaitingConfirmation>, Failure> {
        Waiting::new(&self.site).pending()
    }

    /// Returns the waiting rollbacks whose time is over.
    ///
    /// # Errors
    /// Fails when a record cannot be read.
    pub fn overdue(&self) -> Result<Vec<AwaitingConfirmation>, Failure> {
        Waiting::new(&self.site).overdue()
    }

    /// Confirms a rollback, so that it stays. Returns the record of the waiting rollback.
    ///
    /// # Errors
    /// Fails when no rollback waits, or it is being undone right now.
    pub fn confirm(&self, task: &TaskId) -> Result<AwaitingConfirmation, Failure> {
        Waiting::new(&self.site).confirm(task)
    }

    /// Makes the caller the only watcher of a task's rollback until dropped; `None` if it has one.
    ///
    /// # Errors
    /// Fails when the lock cannot be taken.
    pub fn watch_confirmation(&self, task: &TaskId) -> Result<Option<FileLock>, Failure> {
        Waiting::new(&self.site).watch(task)
    }

    /// Undoes every rollback whose time is over, and returns the result for each waiting rollback.
    ///
    /// # Errors
    /// Fails when a record cannot be read or written.
    pub fn settle_confirmations(&self) -> Result<Vec<(AwaitingConfirmation, Settled)>, Failure> {
        Waiting::new(&self.site).settle_all()
    }
}
