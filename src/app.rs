//! Row 8, the opened ports and one method per use case.

#![expect(unused_variables, reason = "the command line is written against this surface before the engines are merged")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    base::{Clock, Failure, Fault, Kind, RelPath, TaskId},
    model::{
        Operation, Plan, Report, Request, Settings, Verdict, Verification, Version,
        event::{Quiet, Sink},
        overview::{
            AdoptionLine, Difference, DoctorLine, DriftLine, HistoryLine, InitFile, OperationLine, ReleaseDetail, ReleaseLine, TaskLine,
        },
    },
};

#[derive(Debug, thiserror::Error)]
#[error("the engines are not merged into this checkout")]
struct NotBuilt;

impl Fault for NotBuilt {
    fn kind(&self) -> Kind {
        Kind::Bug
    }
}

/// How to open.
pub struct Options {
    /// The clock.
    pub clock: Clock,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// How long to wait for the lock.
    pub lock_wait: Duration,
    /// The subcommand.
    pub command: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Clock::System, sink: Arc::new(Quiet), config: None, lock_wait: Duration::ZERO, command: String::new() }
    }
}

/// Which side is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFrom {
    /// The configs.
    Config,
    /// The registry.
    Registry,
}

/// The opened repository.
pub struct App {
    settings: Settings,
}

#[expect(missing_docs, reason = "replaced at the merge")]
impl App {
    pub fn open(dir: &Path, options: Options) -> Result<App, Failure> {
        Err(NotBuilt.into())
    }
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    pub fn work_tree(&self) -> &Path {
        Path::new(".")
    }
    pub fn task_here(&self) -> Option<TaskId> {
        None
    }
    pub fn find_task(&self, text: &str) -> Result<TaskId, Failure> {
        Err(NotBuilt.into())
    }
    pub fn resolve_version(&self, task: &TaskId, text: &str) -> Result<Version, Failure> {
        Err(NotBuilt.into())
    }
    pub fn plan(&self, request: &Request) -> Result<Plan, Failure> {
        Err(NotBuilt.into())
    }
    pub fn apply(&self, request: &Request, shown: Option<&Plan>) -> Result<Report, Failure> {
        Err(NotBuilt.into())
    }
    pub fn push(&self, report: &Report, remote: &str) -> Result<(), Failure> {
        Err(NotBuilt.into())
    }
    pub fn operations(&self) -> Result<Vec<OperationLine>, Failure> {
        Err(NotBuilt.into())
    }
    pub fn operation(&self, text: &str) -> Result<(OperationLine, Operation, Option<Report>), Failure> {
        Err(NotBuilt.into())
    }
    pub fn unfinished(&self) -> Result<Option<OperationLine>, Failure> {
        Err(NotBuilt.into())
    }
    pub fn resume(&self) -> Result<Report, Failure> {
        Err(NotBuilt.into())
    }
    pub fn abort(&self) -> Result<Report, Failure> {
        Err(NotBuilt.into())
    }
    pub fn verify_snapshot(&self, task: &TaskId, version: &Version, deep: bool) -> Result<Verification, Failure> {
        Err(NotBuilt.into())
    }
    pub fn verify_rollback(&self, task: &TaskId, expected: Option<&Version>) -> Result<Verification, Failure> {
        Err(NotBuilt.into())
    }
    pub fn status(&self, tasks: &[TaskId]) -> Result<Vec<TaskLine>, Failure> {
        Err(NotBuilt.into())
    }
    pub fn releases(&self, task: &TaskId) -> Result<Vec<ReleaseLine>, Failure> {
        Err(NotBuilt.into())
    }
    pub fn release_names(&self, task: &TaskId) -> Result<Vec<(Version, String)>, Failure> {
        Err(NotBuilt.into())
    }
    pub fn history(&self, task: Option<&TaskId>) -> Result<Vec<HistoryLine>, Failure> {
        Err(NotBuilt.into())
    }
    pub fn show(&self, task: &TaskId, version: &Version) -> Result<ReleaseDetail, Failure> {
        Err(NotBuilt.into())
    }
    pub fn diff(&self, task: &TaskId, before: Option<&Version>, after: Option<&Version>) -> Result<Difference, Failure> {
        Err(NotBuilt.into())
    }
    pub fn cat(&self, task: &TaskId, version: &Version, path: &RelPath, out: &mut dyn Write) -> Result<(), Failure> {
        Err(NotBuilt.into())
    }
    pub fn export(&self, task: &TaskId, version: &Version, into: &Path) -> Result<usize, Failure> {
        Err(NotBuilt.into())
    }
    pub fn run_in_preview(&self, task: &TaskId, version: &Version, command: &str) -> Result<i32, Failure> {
        Err(NotBuilt.into())
    }
    pub fn mark(&self, task: &TaskId, version: &Version, verdict: Verdict, reason: &str) -> Result<(), Failure> {
        Err(NotBuilt.into())
    }
    pub fn adopt(&self, tasks: &[TaskId], dry_run: bool) -> Result<(Vec<AdoptionLine>, Option<Report>), Failure> {
        Err(NotBuilt.into())
    }
    pub fn drift(&self) -> Result<Vec<DriftLine>, Failure> {
        Err(NotBuilt.into())
    }
    pub fn sync_registry(&self, tasks: &[TaskId], from: SyncFrom) -> Result<Report, Failure> {
        Err(NotBuilt.into())
    }
    pub fn init_files(dir: &Path) -> Result<Vec<InitFile>, Failure> {
        Err(NotBuilt.into())
    }
    pub fn init(dir: &Path, files: &[InitFile]) -> Result<(), Failure> {
        Err(NotBuilt.into())
    }
    pub fn doctor(dir: &Path) -> Vec<DoctorLine> {
        Vec::new()
    }
}
