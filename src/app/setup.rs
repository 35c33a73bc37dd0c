//! The first files, the registry beside the configurations, and manifests for old tags.

use std::path::Path;

use super::App;
use crate::{
    base::Failure,
    config,
    model::{
        Plan, Report, Request, TaskId,
        operation::OpKind,
        overview::{AdoptionLine, DriftLine, InitFile},
        request::{Adopt, SyncFrom},
        signature::Signing,
    },
    requests,
    setup::registry_sync,
    site::Options,
};

impl App {
    /// The files that `init` would write into the repository that holds a folder, and patterns of
    /// databases and data in the tasks' folders that no release keeps by the settings that are
    /// there.
    pub fn init_files(dir: &Path) -> Result<(Vec<InitFile>, Vec<String>), Failure> {
        let options = Options {
            dry_run: true,
            ..Options::default()
        };
        config::init_files_of(&Self::open(dir, options)?.site)
    }

    /// Puts back what an `init` left that was interrupted; true when there was one.
    pub fn settle_init(dir: &Path, options: Options) -> Result<bool, Failure> {
        let app = Self::open(dir, options)?;
        let unfinished = app.unfinished()?;
        let is_init = unfinished.is_some_and(|line| line.kind == OpKind::Init);
        if is_init {
            app.abort()?;
        }
        Ok(is_init)
    }

    /// Writes them, all or none. A file that is not as it was when they were shown is an error.
    pub fn init(dir: &Path, options: Options, files: &[InitFile]) -> Result<Report, Failure> {
        Self::open(dir, options)?.apply_seen(&Request::Init(files.to_vec()), |_| Ok(()))
    }

    /// What an adoption would do: every tag, adopted or with the reason why not. Without a
    /// configuration file, tasks are found from the tags: a folder of the same name makes a task.
    pub fn adoptable(&self, tasks: &[TaskId]) -> Result<Vec<AdoptionLine>, Failure> {
        let wanted = Adopt {
            tasks: tasks.to_vec(),
            signing: Signing::default(),
        };
        requests::adoption(&wanted).lines(&self.site)
    }

    /// The tasks whose registry entry and configuration differ.
    pub fn drift(&self) -> Result<Vec<DriftLine>, Failure> {
        registry_sync::drift(&self.site)
    }

    /// What a registry that cannot be read would become; `None` when it can be read. Every entry of
    /// either side of a merge is kept, and the configurations say the versions.
    pub fn plan_mending(&self) -> Result<Option<Plan>, Failure> {
        registry_sync::plan_mending(&self.site)
    }

    /// Does that. The change is not committed; `undo` takes it back.
    pub fn mend_registry(&self) -> Result<Report, Failure> {
        self.calling(registry_sync::mend(&self.site))
    }

    /// Makes them agree, one operation a task; no task = all that differ. The change is not
    /// committed; `undo` takes it back.
    pub fn sync_registry(&self, tasks: &[TaskId], from: SyncFrom) -> Result<Report, Failure> {
        self.calling(registry_sync::sync(&self.site, tasks, from))
    }
}
