//! Remarks about a comparison that change nothing: files restored with other line ends, and shared
//! files that differ from what the release expects.

use super::{Comparison, RestoredFiles, TreeDifference};
use crate::{
    base::{Failure, RelPath},
    catalog::{self, manifests::Found, releases},
    git::{Attributes, Converter},
    model::{GitId, TaskSpec, manifest::FileRole},
};

impl Comparison<'_> {
    /// Returns the files written with other line ends than they had at release: git normalized
    /// them, or another `.gitattributes` is in force by now.
    pub(super) fn other_line_ends(
        &self,
        wanted: &RestoredFiles<'_>,
        converter: &Converter,
        compared: &TreeDifference,
    ) -> Result<Vec<RelPath>, Failure> {
        let Found { manifest, tag, .. } = self.target;
        let then = self.site.git.converter(Attributes::Commit(&tag.commit))?;
        let mut found = Vec::new();
        let written = compared
            .files
            .iter()
            .filter(|file| file.after.as_ref().is_some_and(|record| !record.is_link()));
        for file in written.filter_map(|file| wanted.get(&file.path)) {
            let path = file.path();
            let may_differ = !converter.is_plain(path)? || !then.is_plain(path)?;
            let differs = |blob: &GitId| -> Result<bool, Failure> {
                let bytes = self.site.git.recall_or_read(blob)?;
                let made = |by: &Converter| by.to_worktree(path, bytes.to_vec());
                Ok(made(converter)? != made(&then)?)
            };
            let other_rules = match file.blob() {
                Some(blob) if may_differ => differs(blob)?,
                _ => false,
            };
            if other_rules || manifest.subject.line_ends.contains(path) {
                found.push(path.clone());
            }
        }
        Ok(found)
    }

    /// Finds shared files that differ from what the target expects.
    pub(super) fn find_shared_changes(&self, compared: &mut TreeDifference) -> Result<(), Failure> {
        if self.with_shared {
            return Ok(());
        }
        let head = self.site.git.head_commit()?;
        let Found { manifest, .. } = self.target;
        for file in manifest
            .files
            .iter()
            .filter(|file| file.role == FileRole::Shared)
        {
            let now = head
                .as_ref()
                .map(|head| self.site.git.entry(head, file.path()))
                .transpose()?
                .flatten();
            if now.as_ref().map(|entry| &entry.id) != file.blob() {
                let short = |id: Option<&GitId>| {
                    id.map_or_else(|| "no file".into(), |id| format!("@{}", id.short()))
                };
                let users = self.users(file.path());
                let expects = short(file.blob());
                let has = short(now.as_ref().map(|entry| &entry.id));
                compared.drift.push(format!(
                    "{} {} expects {} {expects}, HEAD has {has}{users}",
                    self.task.id,
                    manifest.subject.version,
                    file.path()
                ));
            }
        }
        Ok(())
    }

    /// Returns the other tasks whose newest releases list a shared file, as text.
    fn users(&self, path: &RelPath) -> String {
        let others = self
            .site
            .settings
            .tasks
            .iter()
            .filter(|task| task.id != self.task.id);
        let newest =
            |task: &TaskSpec| releases::of_task(&self.site.git, &self.site.settings, &task.id).ok();
        let uses = |task: &&TaskSpec| {
            let releases = newest(task).unwrap_or_default();
            let manifest = releases
                .of(&task.id)
                .next_back()
                .and_then(|release| catalog::manifests::load(self.site, release).ok());
            manifest.is_some_and(|found| found.manifest.file(path).is_some())
        };
        let names: Vec<String> = others
            .filter(uses)
            .take(5)
            .map(|task| task.id.to_string())
            .collect();
        if names.is_empty() {
            String::new()
        } else {
            format!("; {} use it too", names.join(", "))
        }
    }
}
