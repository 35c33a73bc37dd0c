//! Adoption: manifests for the tags of a repository, in one operation and one commit.

use std::time::Instant;

use super::{App, change::millis};
use crate::{
    base::{Failure, TaskId},
    draft,
    journal::{Log, history},
    model::{Report, Settings, overview::AdoptionLine, signature::Signing},
    release::adopt,
};

impl App {
    /// Makes manifests for tags that have none; no task = all. Every tag is in the list, adopted
    /// or with the reason why not. Without a configuration file, tasks are found from the tags:
    /// a folder of the same name makes a task, and the configuration is written.
    pub fn adopt(&self, tasks: &[TaskId], dry_run: bool, signing: &Signing) -> Result<(Vec<AdoptionLine>, Option<Report>), Failure> {
        let begun = Instant::now();
        let lock = (!dry_run).then(|| self.lock()).transpose()?;
        self.ground.git.check_ready()?;
        if lock.is_some() {
            self.refuse_unfinished()?;
        }
        let found = self.found_tasks()?;
        let ground = match &found {
            Some((settings, _)) => crate::ground::Ground { settings: std::sync::Arc::new(settings.clone()), ..self.ground.clone() },
            None => self.ground.clone(),
        };
        let wanted = |id: &TaskId| tasks.is_empty() || tasks.contains(id);
        let adoption = adopt::find(&ground, &wanted)?;
        let lines = adoption.lines.clone();
        if dry_run || adoption.manifests.is_empty() {
            return Ok((lines, None));
        }
        let mut draft = adopt::draft(&ground, &adoption, found.map(|(_, text)| text))?;
        draft.sign_as(signing);
        crate::base::cancel::check()?;
        let id = history::next_id(&*self.ground.state)?;
        let written = draft::write::write(&ground, id, draft, |_| Ok(()))?;
        let log = Log::begin(self.ground.state.clone(), &written.operation)?;
        let mut report = self.empty_report(&written.operation, begun);
        report.commit = written.commit;
        self.run_steps((log, begun), &written.operation, &mut report, None, |runner| runner.run())?;
        report.duration_ms = millis(begun);
        self.keep_report(&report);
        Ok((lines, Some(report)))
    }

    /// Settings with the tasks that the tags speak of, and the configuration's text; `None` when
    /// there is a configuration or there are tasks already.
    fn found_tasks(&self) -> Result<Option<(Settings, String)>, Failure> {
        let settings = &self.ground.settings;
        if settings.from_file || !settings.tasks.is_empty() {
            return Ok(None);
        }
        let Some(text) = adopt::configuration(&self.ground)? else { return Ok(None) };
        let settings = crate::config::settings_of(self.work_tree(), &text)?;
        Ok(Some((settings, text)))
    }
}
