//! The forms of tags that the tasks of a repository have, to find whose tag a name is.

use std::collections::{BTreeMap, BTreeSet};

use base::RelPath;

use crate::{Scheme, TagForm, TagName, TaskId, TaskSpec, tag_form::TagOwner};

/// The forms in use. The default form is read for every task too: its older releases may have it.
#[derive(Debug, Clone, Default)]
pub struct TagForms {
    /// The form of tasks that say nothing.
    usual: TagForm,
    /// The other forms in use.
    others: Vec<OtherForm>,
}

/// A form, and the tasks that have it.
#[derive(Debug, Clone)]
struct OtherForm {
    form: TagForm,
    /// The task, when only one can have the form.
    only: Option<TaskId>,
    /// The tasks by id and by folder.
    ids: BTreeSet<TaskId>,
    folders: BTreeMap<String, TaskId>,
}

impl TagForms {
    /// Gathers the forms of tasks; `usual` is the form of those that say nothing.
    pub fn of(usual: TagForm, tasks: &[TaskSpec]) -> Self {
        let mut others: BTreeMap<&TagForm, OtherForm> = BTreeMap::new();
        for task in tasks.iter().filter(|task| task.tag != *TagForm::usual()) {
            let other = others.entry(&task.tag).or_insert_with(|| OtherForm {
                form: task.tag.clone(),
                only: task.tag.is_of_one_task().then(|| task.id.clone()),
                ids: BTreeSet::new(),
                folders: BTreeMap::new(),
            });
            other.ids.insert(task.id.clone());
            other.folders.insert(folder(&task.dir), task.id.clone());
        }
        let others = others.into_values().collect();
        Self { usual, others }
    }

    /// The form of tasks that say nothing.
    pub fn usual(&self) -> &TagForm {
        &self.usual
    }

    /// Returns each meaning of a name; `scheme` knows the tasks. Forms of their own come first.
    pub fn readings(&self, name: &str, scheme: &dyn Fn(&TaskId) -> Option<Scheme>) -> Vec<TagName> {
        let mut found = self.of_any_scheme(name, &|id| scheme(id).is_some());
        found.retain(|reading| scheme(reading.task()).is_some_and(|own| reading.is_of(own)));
        found
    }

    /// Like [`TagForms::readings`], whatever scheme the versions are of.
    pub(super) fn of_any_scheme(
        &self,
        name: &str,
        is_task: &dyn Fn(&TaskId) -> bool,
    ) -> Vec<TagName> {
        let mut found: Vec<TagName> = Vec::new();
        for other in &self.others {
            found.extend(other.form.readings(name, &|owner| other.find(owner)));
        }
        for reading in TagName::of_any_scheme(name, is_task) {
            if !found.contains(&reading) {
                found.push(reading);
            }
        }
        found
    }
}

impl OtherForm {
    /// Finds the task of this form that a name names.
    fn find(&self, owner: TagOwner<'_>) -> Option<TaskId> {
        match owner {
            TagOwner::OfForm => self.only.clone(),
            TagOwner::Folder(folder) => self.folders.get(folder).cloned(),
            TagOwner::Id(id) => {
                let id = TaskId::exactly(id)?;
                self.ids.contains(&id).then_some(id)
            }
        }
    }
}

/// Returns a folder as a form names it.
fn folder(dir: &RelPath) -> String {
    if dir.is_root() {
        String::new()
    } else {
        dir.to_text()
    }
}
