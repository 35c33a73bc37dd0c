//! Permanently removes the references of withdrawn releases; nothing else is ever deleted here.

use std::{collections::BTreeSet, path::Path};

use super::{Error, Repo, disk, publish::sync_existing};
use model::operation::{NamedRef, RefChange};

impl Repo {
    /// Removes references that have these values, durably; one with another value is kept. May be
    /// repeated after a crash at any point.
    pub fn remove_refs(&self, refs: &[NamedRef], scratch: &Path) -> Result<(), Error> {
        disk::create_dirs(scratch)?;
        let mut touched = BTreeSet::new();
        for (number, named) in refs.iter().enumerate() {
            let change = RefChange {
                name: named.name.clone(),
                before: None,
                after: named.value.clone(),
            };
            self.check_removable(&change.name)?;
            touched.extend(self.take_back(&change, &scratch.join(format!("remove-{number}")))?);
        }
        sync_existing(touched)
    }

    /// Refuses names other than those of releases.
    fn check_removable(&self, name: &str) -> Result<(), Error> {
        let is_ours = (name.starts_with("refs/tags/") || name.starts_with("refs/snapback/keep/"))
            && gix::validate::reference::name(name.into()).is_ok();
        if is_ours {
            Ok(())
        } else {
            Err(Error::RefName {
                name: name.to_string(),
                why: "it is no name of a release",
            })
        }
    }
}
