//! Whether a draft can be shown and done: looked at before anything is changed, so that nothing
//! has to be taken back for what could be known before.

use std::{collections::BTreeSet, ffi::OsStr};

use super::{Error, Operator, commands, operations};
use crate::{
    base::{Failure, RelPath, Type},
    catalog::{self, tasks},
    draft::Draft,
    model::{operation::Step, settings::OnVerifyFail},
    site,
    steps::files::{self, Places},
};

impl Operator<'_> {
    /// What a draft needs to be one that can be shown: places that can be changed, and what its own
    /// verification will ask for. Names its commands.
    pub fn check_draft(&self, draft: &mut Draft, on_fail: OnVerifyFail) -> Result<(), Failure> {
        commands::name(self.site, draft);
        self.check_places(draft)?;
        self.check_space(draft)?;
        self.check_variables(draft, on_fail)
    }

    /// What it needs to be done, beyond that: the owner's word on its commands, and a name for its
    /// commit.
    pub fn check_doable(&self, draft: &Draft) -> Result<(), Failure> {
        site::consent::require(draft.plan.commands.clone())?;
        if draft.commit.is_some() && !draft.plan.nothing_to_do {
            self.site.git.identity()?;
            self.site.git.committer()?;
        }
        Ok(())
    }

    /// Variables that the settings ask for and nobody set would turn a rollback back after it
    /// changed the files.
    fn check_variables(&self, draft: &Draft, on_fail: OnVerifyFail) -> Result<(), Failure> {
        let asks = draft
            .steps
            .iter()
            .any(|step| matches!(step, Step::Ready { .. }));
        if !asks || on_fail == OnVerifyFail::Keep {
            return Ok(());
        }
        let task = tasks::spec(self.site, &draft.plan.task)?;
        let environment = &self.site.environment;
        let is_unset = |name: &&String| environment.get(name).is_none_or(OsStr::is_empty);
        let names: Vec<String> = task
            .environment_variables
            .iter()
            .filter(is_unset)
            .cloned()
            .collect();
        if names.is_empty() {
            Ok(())
        } else {
            Err(Error::Unset {
                task: task.id.clone(),
                names,
            }
            .into())
        }
    }

    /// Refuses a file or folder that nobody may change while it has an attribute.
    fn refuse_fixed(&self, path: &RelPath) -> Result<(), Failure> {
        let fixed = !path.is_root()
            && self
                .site
                .tree
                .is_fixed(path)
                .map_err(|source| catalog::Error::Read {
                    path: path.clone(),
                    source,
                })?;
        if fixed {
            Err(catalog::Error::Fixed(path.clone()).into())
        } else {
            Ok(())
        }
    }

    /// Everything that a draft would change can be: its folders can be written to, nothing of the
    /// user's has the name of a staging folder, no path is a mount itself, and no file is fixed.
    fn check_places(&self, draft: &Draft) -> Result<(), Failure> {
        let tree = &*self.site.tree;
        let mut folders: BTreeSet<RelPath> =
            draft.files.iter().map(|file| file.path.parent()).collect();
        if !draft.files.is_empty() {
            let places = Places::of(tree, draft.files.iter().map(|file| &file.path))?;
            let is_free = operations::unfinished(self.site)?.is_none();
            for place in places.folders() {
                let stage = if place.is_root() {
                    RelPath::own(files::STAGE)
                } else {
                    place.join(files::STAGE)
                };
                if is_free && catalog::capture::stat(tree, &stage)?.is_some() {
                    return Err(Error::StageTaken(stage).into());
                }
                folders.insert(place.clone());
            }
        }
        for folder in folders {
            // A folder that is missing is made in the nearest one above it that is there.
            let there = |dir: &RelPath| {
                tree.stat(dir)
                    .is_ok_and(|stat| stat.is_some_and(|stat| stat.kind == Type::Dir))
            };
            let nearest = std::iter::once(folder.clone())
                .chain(folder.ancestors())
                .find(there)
                .unwrap_or_default();
            let failed = |source| catalog::Error::Unwritable {
                folder: nearest.clone(),
                source,
            };
            tree.check_writable(&nearest).map_err(failed)?;
            self.refuse_fixed(&nearest)?;
        }
        draft
            .files
            .iter()
            .filter(|file| file.before.is_some())
            .try_for_each(|file| self.refuse_fixed(&file.path))?;
        Ok(())
    }
}
