//! Records which objects are needed, and by whom. There may be millions; each takes few bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{base::RelPath, model::ObjectId};

/// The user of some objects.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// The task, or another group.
    group: String,
    /// The user in words.
    name: String,
}

impl Who {
    /// Creates a user of a group.
    pub fn new(group: &str, name: String) -> Arc<Self> {
        Arc::new(Self {
            group: group.into(),
            name,
        })
    }
}

/// An object that is needed, with its user.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Need {
    object: ObjectId,
    who: Arc<Who>,
    /// The path that it has in the work tree.
    path: Option<RelPath>,
}

/// The objects that are needed, and by whom.
#[derive(Debug, Default)]
pub struct Needed(Vec<Need>);

impl Needed {
    /// Adds an object and its user.
    pub fn add(&mut self, object: ObjectId, who: &Arc<Who>, path: Option<RelPath>) {
        self.0.push(Need {
            object,
            who: who.clone(),
            path,
        });
    }

    /// Returns everything that was added, sorted for look-ups.
    pub fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup();
        self
    }

    /// Returns the objects.
    pub fn objects(&self) -> BTreeSet<ObjectId> {
        self.0.iter().map(|need| need.object).collect()
    }

    /// Returns the objects by group, in each group once.
    pub fn groups(&self) -> Vec<(String, Vec<ObjectId>)> {
        let mut groups: BTreeMap<&str, Vec<ObjectId>> = BTreeMap::new();
        for need in &self.0 {
            let objects = groups.entry(&need.who.group).or_default();
            if objects.last() != Some(&need.object) {
                objects.push(need.object);
            }
        }
        groups
            .into_iter()
            .map(|(name, objects)| (name.to_string(), objects))
            .collect()
    }

    /// Returns the users of some of the objects, in words.
    pub fn names<'a>(
        &self,
        ids: impl Iterator<Item = &'a ObjectId>,
    ) -> BTreeMap<ObjectId, Vec<String>> {
        let words = |need: &Need| match &need.path {
            Some(path) => format!("{} {path}", need.who.name),
            None => need.who.name.clone(),
        };
        let names = |id: &ObjectId| self.of(id).map(words).collect::<BTreeSet<_>>();
        ids.map(|id| (*id, Vec::from_iter(names(id))))
            .filter(|(_, names)| !names.is_empty())
            .collect()
    }

    /// Returns where an object's bytes may lie in the work tree.
    pub fn paths(&self, id: &ObjectId) -> impl Iterator<Item = &RelPath> {
        self.of(id).filter_map(|need| need.path.as_ref())
    }

    /// Returns the needs of an object.
    fn of(&self, id: &ObjectId) -> impl Iterator<Item = &Need> {
        let from = self.0.partition_point(|need| need.object < *id);
        self.0[from..]
            .iter()
            .take_while(move |need| need.object == *id)
    }
}
