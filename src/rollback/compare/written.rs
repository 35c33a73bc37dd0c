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
            .copied()
            .filter(|file| !self.protects(file.path(), compared));
        let files: Vec<(&ManifestFile, Option<&Tracked>)> = files
            .map(|file| (file, tracked.get(file.path()).copied()))
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
        let clean = tracked
            .filter(|tracked| tracked.state == WorkState::Clean)
            .and_then(|tracked| tracked.index.as_ref());
        if reader.same_rules && clean.is_some_and(|entry| file.is_entry(entry)) {
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
            note_replaced(file, before, (head.as_ref(), index.as_ref()), compared);
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

/// Notes whether replaced content was committed, and which blob must be durable before the
/// replacement.
fn note_replaced(
    file: &ManifestFile,
    before: &FileRecord,
    (head, index): (Option<&TreeEntry>, Option<&TreeEntry>),
    compared: &mut TreeDifference,
) {
    let committed = head.is_some_and(|entry| before.location.blob() == Some(&entry.id));
    if file.role != FileRole::Large && !committed {
        compared.uncommitted.insert(file.path().clone());
    }
    compared
        .unsynced
        .extend(index.map(|entry| entry.id.clone()));
}
