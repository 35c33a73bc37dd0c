//! Explains what is missing: the owners of files that cause a permission failure, and the tags that
//! this clone lacks.

use super::Error;
use crate::{
    base::Failure,
    catalog::{self, missing_tags, registry, tasks},
    model::Version,
    site::RepoSite,
};

/// Which of a task's releases was requested.
enum ReleaseWanted {
    /// A specific one.
    This(Version),
    /// Any.
    Any,
    /// One before the active version, and after this one if given.
    After(Option<Version>),
}

/// Adds to a permission failure who owns the files concerned, and to a failure about a missing
/// release the tags that are not here.
pub fn explain(site: &RepoSite, failure: Failure) -> Failure {
    site.explain_permissions(by_tags(site, failure))
}

/// Replaces the failure about a missing release, if only its tag is missing in this clone.
fn by_tags(site: &RepoSite, failure: Failure) -> Failure {
    let (task, wanted) = match (failure.find::<catalog::Error>(), failure.find::<Error>()) {
        (
            Some(catalog::Error::UnknownVersion {
                task,
                version,
                near,
            }),
            _,
        ) => match version.parse::<Version>() {
            Ok(version) if !near.is_empty() => (task, ReleaseWanted::This(version)),
            _ => (task, ReleaseWanted::Any),
        },
        (_, Some(Error::NoSuchVersion { task, .. })) => (task, ReleaseWanted::Any),
        (_, Some(Error::NoGoodVersion { task, why, .. })) => {
            (task, ReleaseWanted::After(why.named().cloned()))
        }
        _ => return failure,
    };
    let Ok(missing) = missing_tags::missing(site, Some(task)) else {
        return failure;
    };
    let active = || {
        tasks::spec(site, task)
            .ok()
            .and_then(|spec| registry::active(site, spec).version)
    };
    let versions: Vec<Version> = match wanted {
        ReleaseWanted::This(version) => missing
            .of(task)
            .filter(|missing| **missing == version)
            .cloned()
            .collect(),
        ReleaseWanted::Any => missing.of(task).cloned().collect(),
        ReleaseWanted::After(named) => {
            let older = missing.older(task, active().as_ref()).into_iter();
            older
                .filter(|version| named.as_ref().is_none_or(|named| version > named))
                .collect()
        }
    };
    if versions.is_empty() {
        failure
    } else {
        Error::TagsNotHere {
            task: task.clone(),
            versions,
        }
        .into()
    }
}
