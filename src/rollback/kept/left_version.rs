//! The version that an operation left, to tell foreign edits from files as released.

use std::{collections::HashMap, sync::Arc};

use crate::{
    base::RelPath,
    catalog::{manifests, tasks},
    draft::tree,
    git::{Attributes, Converter},
    model::{FileKind, FileRecord, Operation},
    site::{ReadRelease, RepoSite},
};

/// The version that an operation left, as far as it is stored.
pub(super) struct LeftVersion<'a> {
    site: &'a RepoSite,
    found: Arc<ReadRelease>,
    places: HashMap<RelPath, usize>,
    converter: Converter,
}

impl<'a> LeftVersion<'a> {
    /// Returns the version that an operation left; `None` without one, or when it cannot be read.
    pub(super) fn of(site: &'a RepoSite, operation: &Operation) -> Option<Self> {
        let (task, version) = (
            operation.about.task.as_ref()?,
            operation.about.from.as_ref()?,
        );
        let releases = tasks::release_of(site, task, version).ok()?;
        let found = manifests::load(site, releases.find(task, version).ok()?).ok()?;
        let converter = site
            .git
            .converter(Attributes::Commit(&found.tag.commit))
            .ok()?;
        let places = found
            .manifest
            .files
            .iter()
            .enumerate()
            .map(|(at, file)| (file.path().clone(), at))
            .collect();
        Some(Self {
            site,
            found,
            places,
            converter,
        })
    }

    /// Returns true when the version has this file in exactly this state.
    pub(super) fn has(&self, path: &RelPath, state: &FileRecord) -> bool {
        let Some(file) = self
            .places
            .get(path)
            .map(|at| &self.found.manifest.files[*at])
        else {
            return false;
        };
        let is_executable = file
            .kind()
            .is_none_or(|kind| state.is_link() || kind == FileKind::of_mode(state.mode));
        if state.is_link() != file.is_link() || self.site.git.trusts_file_mode() && !is_executable {
            return false;
        }
        let is_blob = state
            .location
            .blob()
            .is_some_and(|id| file.blob() == Some(id));
        let is_plain = self.converter.is_plain(path).unwrap_or(false);
        is_blob
            || file.digest() == Some(state.digest)
            || !is_plain
                && tree::restored(self.site, &self.converter, file)
                    .is_ok_and(|restored| restored.digest == state.digest)
    }
}
