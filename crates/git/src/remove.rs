//! Permanently removes the references of withdrawn releases and of pruned operations; nothing else
//! is ever deleted here.

use std::{collections::BTreeSet, path::PathBuf};

use super::{Error, Repo, disk, publish::sync_existing};
use model::operation::{NamedRef, RefChange};

impl Repo {
    /// Removes references that have these values, durably; one with another value is kept. May be
    /// repeated after a crash at any point, with the same file of its own for each.
    pub fn remove_refs(&self, refs: &[(NamedRef, PathBuf)]) -> Result<(), Error> {
        let (mut touched, mut packed) = (BTreeSet::new(), Vec::new());
        let gone = |named: &NamedRef| RefChange {
            name: named.name.clone(),
            before: None,
            after: named.value.clone(),
        };
        let changes: Vec<RefChange> = refs.iter().map(|(named, _)| gone(named)).collect();
        for (change, (_, staged)) in changes.iter().zip(refs) {
            self.check_removable(&change.name)?;
            disk::create_dirs(staged.parent().unwrap_or(staged))?;
            let (folders, is_packed) = self.take_back_file(change, staged)?;
            touched.extend(folders);
            packed.extend(is_packed.then_some(change));
        }
        if let (false, Some((_, staged))) = (packed.is_empty(), refs.first()) {
            self.delete_packed(&packed, staged)?;
        }
        sync_existing(touched)
    }

    /// Refuses names other than those of releases and operations.
    fn check_removable(&self, name: &str) -> Result<(), Error> {
        let own = ["refs/tags/", "refs/snapback/keep/", "refs/snapback/safety/"];
        let is_ours = own.iter().any(|own| name.starts_with(own))
            && gix::validate::reference::name(name.into()).is_ok();
        if is_ours {
            Ok(())
        } else {
            Err(Error::RefName {
                name: name.to_string(),
                why: "it is no name of a release or an operation",
            })
        }
    }
}
