//! Row 14, the front door: one method per use case, each a few lines that delegate to an engine.
//!
//! Everything a program can do with snapback is here; the command line only adds words. Nothing
//! here decides, reads or writes anything by itself. Read [`App::apply`] next.

mod alerts;
mod capsule;
mod drill;
mod guard;
mod hooks;
mod kept;
mod left;
mod operations;
mod overview;
mod push;
mod setup;
mod store;
mod trust;

use std::path::Path;

use crate::{
    base::Failure,
    catalog::{MissingTags, missing_tags, tasks},
    config,
    model::{Settings, TaskId, Version},
    rollback,
    site::{self, RepoSite},
};

pub use crate::site::Options;

/// An opened repository.
///
/// ```
/// use snapback::{app::{App, Options}, model::{Request, request::CreateSnapshot}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// # std::fs::create_dir_all(path.join("tasks/T01"))?;
/// # std::fs::write(path.join("tasks/T01/config.yaml"), "version: 1.0.0\n")?;
/// # for line in ["init -q -b main", "config user.name A", "config user.email a@example.org",
/// #     "add .", "commit -qm begin"] {
/// #     let mut git = std::process::Command::new("git");
/// #     assert!(git.args(line.split(' ')).current_dir(path).status()?.success());
/// # }
/// # let fail = |failure: snapback::base::Failure| failure.to_string();
/// let app = App::open(path, Options::default()).map_err(fail)?;
/// let request = Request::CreateSnapshot(CreateSnapshot {
///     task: app.find_task("T01").map_err(fail)?,
///     version: None,
///     message: "first".into(),
///     run_hooks: true,
///     allow_failing: false,
///     signing: snapback::model::signature::Signing::default(),
///     elsewhere: std::collections::BTreeMap::new(),
/// });
/// let plan = app.plan(&request).map_err(fail)?;
/// let report = app.apply(&request, Some(&plan)).map_err(fail)?;
/// assert_eq!(report.tag.as_deref(), Some("T01-v1.0.0"));
/// # Ok(())
/// # }
/// ```
pub struct App {
    site: RepoSite,
}

impl App {
    /// Opens the repository that contains a folder, and its settings.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Failure> {
        let site = config::open(dir, options)?;
        Ok(Self { site })
    }

    /// Returns the settings in effect.
    pub fn settings(&self) -> &Settings {
        &self.site.settings
    }

    /// Returns the root of the work tree.
    pub fn work_tree(&self) -> &Path {
        self.site.git.work_tree()
    }

    /// Refuses to change another user's repository or state folder.
    ///
    /// # Errors
    /// Fails when either belongs to another user.
    pub fn check_owner(&self) -> Result<(), Failure> {
        self.site.check_owner()
    }

    /// Returns the error for another user's state folder that this user may not read.
    pub fn closed_state(&self) -> Option<site::owners::Error> {
        self.site.closed_state()
    }

    /// Returns the name of this host.
    pub fn host(&self) -> &str {
        &self.site.host
    }

    /// Returns the task whose folder contains the opened folder.
    pub fn task_here(&self) -> Option<TaskId> {
        tasks::here(&self.site)
    }

    /// Resolves a version as the user typed it.
    pub fn resolve_version(&self, task: &TaskId, typed: &str) -> Result<Version, Failure> {
        rollback::resolve(&self.site, task, typed)
    }

    /// Adds to a permission failure who owns the files concerned, and to a failure about a missing
    /// release the tags that are not here.
    pub fn explain(&self, failure: Failure) -> Failure {
        rollback::explain::explain(&self.site, failure)
    }

    /// Returns the releases that have a manifest in HEAD but no tag in this clone, of one task if
    /// named.
    ///
    /// # Errors
    /// Fails when HEAD or the tags cannot be read.
    pub fn missing_tags(&self, task: Option<&TaskId>) -> Result<MissingTags, Failure> {
        missing_tags::missing(&self.site, task)
    }

    /// Finds a task by the text that the user typed.
    pub fn find_task(&self, typed: &str) -> Result<TaskId, Failure> {
        tasks::find(&self.site, typed)
    }
}

#[cfg(test)]
mod tests {
    use super::App;

    #[test]
    fn threads_share_an_opened_repository() {
        fn shared<T: Send + Sync>() {}
        shared::<App>();
    }
}
