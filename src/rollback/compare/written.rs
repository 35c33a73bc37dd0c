//! Finds what must be written to restore the release's files: in the work tree, in the commit and
//! in the index. Files that are as released according to git's index or snapback's own stat cache
//! are not read.

use rayon::prelude::*;

use super::{Comparison, RestoredFiles, TreeDifference, note};
use crate::{
    base::{Failure, Sorted, cancel},
    catalog::capture,
    draft::tree,
    git::{Converter, Tracked, WorkState},
    model::{
        FileRecord, PathChange,
        manifest::{FileRole, ManifestFile},
        operation::{TreeChange, TreeEntry},
    },
};

/// How files of the target are converted for the work tree.
pub(super) struct CheckoutRules<'a> {
    pub(super) converter: &'a Converter,
    /// False when other rules will be in force: the same blob may then yield other bytes.
    pub(super) same_rules: bool,
}

impl Comparison<'_> {
    /// Finds what must be written.
    pub(super) fn restore(
        &self,
        wanted: &RestoredFiles<'_>,
        tracked: &Sorted<'_, &Tracked>,
        reader: &CheckoutRules<'_>,
        compared: &mut TreeDifference,
    ) -> Result<(), Failure> {
        let files = wanted
            .values()
            .map(|file| (*file, tracked.get(file.path()).copied()));
        // Rules that are as released need no word in the plan.
        let is_same_rules = |(file, tracked): &(&ManifestFile, Option<&Tracked>)| {
            self.scope.holds_ignore_rules(file.path()) && is_unchanged(file, *tracked)
        };
        let files: Vec<(&ManifestFile, Option<&Tracked>)> = files
            .filter(|found| is_same_rules(found) || !self.protects(found.0.path(), compared))
            .collect();
        let bytes = files.len() as u64;
        // Boxed, because nearly all are `None` and the list is as long as the release.
        let results: Vec<Option<Box<PathChange>>> =
            self.site.work("comparing", bytes, false, || {
                let one = |(file, tracked): &(&ManifestFile, Option<&Tracked>)| {
                    cancel::check()?;
                    let result = self.restore_one(file, *tracked, reader);
                    self.site.progress(1);
                    result.map(|draft| draft.map(Box::new))
                };
                files.par_iter().map(one).collect::<Result<_, Failure>>()
            })?;
        for ((file, tracked), draft) in files.into_iter().zip(results) {
            self.note_in_git(file, tracked, draft.as_deref(), compared);
            match draft {
                Some(draft) => compared.files.push(*draft),
                None => compared.unchanged += 1,
            }
        }
        Ok(())
    }

    /// Returns the change of one file; `None` when it is as released.
    fn restore_one(
        &self,
        file: &ManifestFile,
        tracked: Option<&Tracked>,
        reader: &CheckoutRules<'_>,
    ) -> Result<Option<PathChange>, Failure> {
        if reader.same_rules && is_unchanged(file, tracked) {
            return Ok(None);
        }
        let is_large = file.role == FileRole::Large;
        let is_as_released = |now: &FileRecord| tree::is_as_released(self.site, file, now);
        if is_large
            && let Some(known) = capture::known_record(self.site, file.path())?
            && is_as_released(&known)?
        {
            return Ok(None);
        }
        let before = self.before(file, tracked)?;
        if is_large
            && let Some(now) = &before
            && is_as_released(now)?
        {
            return Ok(None);
        }
        let after = tree::restored_over(self.site, reader.converter, file, before.as_ref())?;
        if before.as_ref().is_some_and(|before| before.same(&after)) {
            return Ok(None);
        }
        Ok(Some(PathChange {
            path: file.path().clone(),
            before,
            after: Some(after),
        }))
    }

    /// Records what is at the path of a file now.
    fn before(
        &self,
        file: &ManifestFile,
        tracked: Option<&Tracked>,
    ) -> Result<Option<FileRecord>, Failure> {
        let known = tracked
            .and_then(|tracked| tracked.index.as_ref())
            .map(|entry| &entry.id);
        let is_large = file.role == FileRole::Large;
        let kept = is_large.then_some(file.object());
        tree::replaced(self.site, file.path(), known, kept)
    }

    /// Notes the changes of commit and index for a restored file.
    fn note_in_git(
        &self,
        file: &ManifestFile,
        tracked: Option<&Tracked>,
        draft: Option<&PathChange>,
        compared: &mut TreeDifference,
    ) {
        let (head, index) = tracked.map_or((None, None), |tracked| {
            (tracked.head.as_ref(), tracked.index.as_ref())
        });
        let same = |entry: &TreeEntry| file.is_entry(entry);
        if draft.is_none() && head.is_some_and(same) && index.is_some_and(same) {
            compared.stale.extend(stale_entry(file, tracked));
            return;
        }
        let (head, index) = (head.cloned(), index.cloned());
        if let Some(before) = draft.and_then(|draft| draft.before.as_ref()) {
            let is_clean = tracked.is_some_and(|tracked| tracked.state == WorkState::Clean);
            let is_in_head = is_clean && head == index;
            let committed = head.as_ref().map(|entry| &entry.id);
            if file.role != FileRole::Large
                && !is_in_head
                && (committed.is_none() || before.location.blob() != committed)
            {
                compared.uncommitted.insert(file.path().clone());
            }
            // It must be durable before the replacement.
            compared
                .unsynced
                .extend(index.as_ref().map(|entry| entry.id.clone()));
        }
        let after = file.entry();
        note(&mut compared.tree, file.path(), head, after.clone());
        if draft.is_some() && index.is_some() && index == after {
            // Other bytes of the same blob: git must learn their size, or it reports an edit.
            compared.index.push(TreeChange {
                path: file.path().clone(),
                before: index,
                after,
            });
        } else {
            note(&mut compared.index, file.path(), index, after);
        }
    }
}

/// True for a file that is as released by git's index, which the work tree's file equals.
fn is_unchanged(file: &ManifestFile, tracked: Option<&Tracked>) -> bool {
    let clean = tracked
        .filter(|tracked| tracked.state == WorkState::Clean)
        .and_then(|tracked| tracked.index.as_ref());
    clean.is_some_and(|entry| file.is_entry(entry))
}

/// Returns the index entry of a file that is as released, if git would have to read the file to
/// know.
fn stale_entry(file: &ManifestFile, tracked: Option<&Tracked>) -> Option<TreeChange> {
    let entry = tracked
        .filter(|tracked| tracked.state == WorkState::Maybe)
        .and_then(|tracked| tracked.index.clone())?;
    Some(TreeChange {
        path: file.path().clone(),
        before: Some(entry.clone()),
        after: Some(entry),
    })
}
