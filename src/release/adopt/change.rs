//! An adoption as a change for the operator. Without a configuration file, tasks are derived from
//! the tags: a folder of the same name makes a task, and the configuration is written.

use std::{path::Path, sync::Arc};

use super::{Adoption, configuration, find};
use crate::{
    base::{Failure, Fault},
    draft::Draft,
    model::{Settings, TaskId, overview::AdoptionLine, request::Adopt},
    operate::Change,
    site::{self, RepoSite},
};

/// Reads a text as the configuration of a work tree, and returns the settings.
pub type SettingsOf = fn(&Path, &str) -> Result<Settings, Arc<dyn Fault>>;

/// A requested adoption.
pub struct AdoptTags<'a> {
    /// The request.
    pub wanted: &'a Adopt,
    /// Parses a configuration derived from the tags.
    pub settings_of: SettingsOf,
}

impl Change for AdoptTags<'_> {
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure> {
        site.refuse_flaws()?;
        site.git.check_ready()?;
        let (adoption, site, configuration) = self.adoption(site)?;
        let mut draft = super::draft(&site, &adoption, configuration)?;
        draft.sign_as(&self.wanted.signing);
        draft.plan.nothing_to_do = adoption.manifests.is_empty();
        Ok(draft)
    }
}

impl AdoptTags<'_> {
    /// Returns every tag, adopted or with the reason why not.
    ///
    /// # Errors
    /// Fails when the settings contain a mistake, or the tags cannot be read.
    pub fn lines(&self, site: &RepoSite) -> Result<Vec<AdoptionLine>, Failure> {
        site.refuse_flaws()?;
        Ok(self.adoption(site)?.0.lines)
    }

    /// Returns what can be adopted, with which settings, and the settings' text when they are new.
    fn adoption(&self, site: &RepoSite) -> Result<(Adoption, RepoSite, Option<String>), Failure> {
        let (site, text) = match self.found_tasks(site)? {
            Some((settings, text)) => (site.with_settings(settings), Some(text)),
            None => (site.clone(), None),
        };
        let tasks = &self.wanted.tasks;
        let wanted = |id: &TaskId| tasks.is_empty() || tasks.contains(id);
        Ok((find(&site, &wanted)?, site, text))
    }

    /// Returns settings with the tasks that the tags name, and the configuration's text; `None`
    /// when a configuration or tasks exist already.
    fn found_tasks(&self, site: &RepoSite) -> Result<Option<(Settings, String)>, Failure> {
        if site.settings.from_file || !site.settings.tasks.is_empty() {
            return Ok(None);
        }
        let Some(text) = configuration(site)? else {
            return Ok(None);
        };
        let settings = (self.settings_of)(site.git.work_tree(), &text);
        Ok(Some((settings.map_err(site::Error::Settings)?, text)))
    }
}
