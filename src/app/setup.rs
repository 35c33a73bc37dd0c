//! The initial files, the registry's agreement with the configurations, manifests for old tags.

use std::path::Path;

use super::App;
use crate::{
    base::{Failure, Hint},
    catalog::registry,
    config,
    model::{
        Plan, Report, Request, TaskId,
        operation::OpKind,
        overview::{AdoptionLine, DriftLine, InitFile, InitPlan},
        request::{Adopt, SyncFrom},
        signature::Signing,
    },
    requests,
    setup::registry_sync,
    site::Options,
};

impl App {
    /// Returns what `init` would do in the repository that contains a folder.
    pub fn init_files(dir: &Path) -> Result<InitPlan, Failure> {
        let options = Options {
            dry_run: true,
            ..Options::default()
        };
        config::init_files_of(&Self::open(dir, options)?.site)
    }

    /// Reverses an interrupted `init`; returns true if there was one.
    pub fn settle_init(dir: &Path, options: Options) -> Result<bool, Failure> {
        let app = Self::open(dir, options)?;
        let unfinished = app.unfinished()?;
        let is_init = unfinished.is_some_and(|line| line.kind == OpKind::Init);
        if is_init {
            app.abort()?;
        }
        Ok(is_init)
    }

    /// Writes the files, all or none. Fails if a file has changed since the files were shown.
    pub fn init(dir: &Path, options: Options, files: &[InitFile]) -> Result<Report, Failure> {
        Self::open(dir, options)?.apply_seen(&Request::Init(files.to_vec()), |_| Ok(()))
    }

    /// Returns what an adoption would do: every tag, adopted or with the reason why not. Without a
    /// configuration file, tasks are found by the tags: a folder of the same name makes a task.
    pub fn adoptable(&self, tasks: &[TaskId]) -> Result<Vec<AdoptionLine>, Failure> {
        let wanted = Adopt {
            tasks: tasks.to_vec(),
            signing: Signing::default(),
        };
        requests::adoption(&wanted).lines(&self.site)
    }

    /// Returns the tasks whose registry entry and configuration differ.
    pub fn drift(&self) -> Result<Vec<DriftLine>, Failure> {
        registry_sync::drift(&self.site)
    }

    /// Returns what can be done about a registry that cannot be read; nothing when it can.
    pub fn registry_hints(&self) -> Vec<Hint> {
        let seen = registry::seen(&*self.site.tree, &self.site.settings);
        seen.trouble
            .map(|failure| failure.hints())
            .unwrap_or_default()
    }

    /// Plans the repair of an unreadable registry; `None` when it is readable. Keeps every entry of
    /// both sides of a merge; the configurations determine the versions.
    pub fn plan_mending(&self) -> Result<Option<Plan>, Failure> {
        registry_sync::plan_mending(&self.site)
    }

    /// Repairs an unreadable registry. The change is not committed; `undo` reverses it.
    pub fn mend_registry(&self) -> Result<Report, Failure> {
        self.calling(registry_sync::mend(&self.site))
    }

    /// Makes registry and configurations agree, one operation per task; no task = all that differ.
    /// The change is not committed; `undo` reverses it.
    pub fn sync_registry(&self, tasks: &[TaskId], from: SyncFrom) -> Result<Report, Failure> {
        self.calling(registry_sync::sync(&self.site, tasks, from))
    }
}
