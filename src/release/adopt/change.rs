//! An adoption as a change for the operator. Without a configuration file, tasks are derived from
//! the tags: a folder of the same name makes a task, and the configuration is written.

use super::{Adoption, find};
use crate::{
    base::Failure,
    draft::Draft,
    model::{Settings, TaskId, overview::AdoptionLine, request::Adopt},
    operate::Change,
    site::RepoSite,
};

/// Finds the tasks of a repository without settings, only those that tags name when that is true;
/// returns the settings and their text.
pub type FoundSettings = fn(&RepoSite, bool) -> Result<Option<(Settings, String)>, Failure>;

/// A requested adoption.
pub struct AdoptTags<'a> {
    /// The request.
    pub wanted: &'a Adopt,
    /// Derives the settings from the tags.
    pub found_settings: FoundSettings,
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
        let (site, text) = match (self.found_settings)(site, true)? {
            Some((settings, text)) => (site.with_settings(settings), Some(text)),
            None => (site.clone(), None),
        };
        let tasks = &self.wanted.tasks;
        let wanted = |id: &TaskId| tasks.is_empty() || tasks.contains(id);
        Ok((find(&site, &wanted)?, site, text))
    }
}
