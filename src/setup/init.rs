//! Creates the first files of a repository, as a change for the operator: all or none.

use crate::{
    base::{Failure, fs::read_limited},
    draft::{Draft, steps, tree},
    model::{FileRecord, PathChange, Plan, operation::OpKind, overview::InitFile},
    operate::{self, Change},
    site::RepoSite,
};

/// The first files, as shown to the user. It is an error if one has changed since.
pub struct FirstFiles<'a>(pub &'a [InitFile]);

impl Change for FirstFiles<'_> {
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure> {
        site.refuse_flaws()?;
        let no_task = "none".parse().expect("because it is a legal id");
        let mut draft = Draft::new(Plan::new(OpKind::Init, &no_task), "init");
        let tree = &*site.tree;
        for file in self.0 {
            let failed = |source| crate::site::Error::State {
                path: site.git.work_tree().join(file.path.as_os()),
                source,
            };
            let stat = tree.stat(&file.path).map_err(failed)?;
            let now = stat
                .map(|_| read_limited(tree, &file.path, 64 << 20))
                .transpose()
                .map_err(failed)?;
            if now.as_deref() != file.before.as_ref().map(String::as_bytes) {
                return Err(operate::Error::PlanOutOfDate.into());
            }
            let before = tree::existing(tree, &site.git, &file.path, None)?;
            let mode = before
                .as_ref()
                .map_or(0o666 & !site.umask, |record| record.mode);
            let bytes = file.after.clone().into_bytes();
            let after = Some(FileRecord::with_bytes(file.path.clone(), mode, bytes));
            draft.files.push(PathChange {
                path: file.path.clone(),
                before,
                after,
            });
        }
        draft.files.sort_by(|a, b| a.path.cmp(&b.path));
        draft.steps = vec![steps::FILES];
        Ok(draft)
    }
}
