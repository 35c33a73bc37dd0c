//! Checks whether a draft can be shown and executed, before any change, so that nothing has to be
//! reversed for a foreseeable reason.

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
    /// Checks the conditions for showing a draft: writable places, and the requirements of its own
    /// verification. Also lists its commands.
    pub fn check_draft(&self, draft: &mut Draft, on_fail: OnVerifyFail) -> Result<(), Failure> {
        commands::name(self.site, draft);
        self.check_places(draft)?;
        self.check_space(draft)?;
        self.check_variables(draft, on_fail)
    }

    /// Checks the further conditions for executing it: consent to its commands, and an identity for
    /// its commit.
    pub fn check_doable(&self, draft: &Draft) -> Result<(), Failure> {
        site::consent::require(draft.plan.commands.clone())?;
        if draft.commit.is_some() && !draft.plan.nothing_to_do {
            self.site.git.identity()?;
            self.site.git.committer()?;
        }
        Ok(())
    }

    /// Refuses unset variables that the settings require; they would reverse a rollback after it
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

    /// Refuses files and folders with an attribute that forbids changes.
    fn refuse_fixed(&self, paths: &[&RelPath]) -> Result<(), Failure> {
        let fixed = self.site.tree.are_fixed(paths);
        for (path, fixed) in paths.iter().zip(fixed) {
            let path = (*path).clone();
            match fixed {
                Ok(false) => {}
                Ok(true) => return Err(catalog::Error::Fixed(path).into()),
                Err(source) => return Err(catalog::Error::Read { path, source }.into()),
            }
        }
        Ok(())
    }

    /// Checks that everything the draft changes can be changed: its folders are writable, no user
    /// file has the name of a staging folder, no path is a mount point, and no file is immutable.
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
                if is_free && files::is_taken(tree, place)? {
                    return Err(Error::StageTaken(stage).into());
                }
                folders.insert(place.clone());
            }
        }
        for folder in folders {
            // A missing folder is created in its nearest existing ancestor.
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
            if !nearest.is_root() {
                self.refuse_fixed(&[&nearest])?;
            }
        }
        let there = draft.files.iter().filter(|file| file.before.is_some());
        let there: Vec<&RelPath> = there.map(|file| &file.path).collect();
        self.refuse_fixed(&there)
    }
}
