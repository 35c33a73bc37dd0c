//! Adoption: manifests for the tags of a repository, in one operation and one commit.

use super::App;
use crate::{
    base::Failure,
    draft::Draft,
    model::{Settings, TaskId, overview::AdoptionLine, request::Adopt},
    release::adopt::{self, Adoption},
    site::{self, RepoSite},
};

impl App {
    /// What an adoption would do: every tag, adopted or with the reason why not. Without a
    /// configuration file, tasks are found from the tags: a folder of the same name makes a task.
    pub fn adoptable(&self, tasks: &[TaskId]) -> Result<Vec<AdoptionLine>, Failure> {
        self.refuse_flaws()?;
        Ok(self.adoption(tasks)?.0.lines)
    }

    /// Describes an adoption. The configuration is written when it was found from the tags.
    pub(super) fn draft_of_adoption(&self, wanted: &Adopt) -> Result<Draft, Failure> {
        self.site.git.check_ready()?;
        let (adoption, site, configuration) = self.adoption(&wanted.tasks)?;
        let mut draft = adopt::draft(&site, &adoption, configuration)?;
        draft.sign_as(&wanted.signing);
        draft.plan.nothing_to_do = adoption.manifests.is_empty();
        Ok(draft)
    }

    /// What can be adopted, with which settings, and their text when they are new.
    fn adoption(&self, tasks: &[TaskId]) -> Result<(Adoption, RepoSite, Option<String>), Failure> {
        let (site, text) = match self.found_tasks()? {
            Some((settings, text)) => (self.site.with_settings(settings), Some(text)),
            None => (self.site.clone(), None),
        };
        let wanted = |id: &TaskId| tasks.is_empty() || tasks.contains(id);
        Ok((adopt::find(&site, &wanted)?, site, text))
    }

    /// Settings with the tasks that the tags speak of, and the configuration's text; `None` when
    /// there is a configuration or there are tasks already.
    fn found_tasks(&self) -> Result<Option<(Settings, String)>, Failure> {
        let settings = &self.site.settings;
        if settings.from_file || !settings.tasks.is_empty() {
            return Ok(None);
        }
        let Some(text) = adopt::configuration(&self.site)? else {
            return Ok(None);
        };
        let settings =
            crate::config::settings_of(self.work_tree(), &text).map_err(site::Error::Settings)?;
        Ok(Some((settings, text)))
    }
}
