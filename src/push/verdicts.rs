//! Pushes verdicts to others and fetches theirs.

use crate::{
    base::Failure,
    git::Hooks,
    model::TaskId,
    operate::{self, Operator},
    site::RepoSite,
    verdict::{
        self,
        refs::{self, PREFIX},
    },
};

/// Pushes the verdicts; returns how many there are, how many are new there, and the remote.
/// Conflicts are impossible, because each has its own name. Defaults to the remote of `git push`.
pub fn push(site: &RepoSite, remote: Option<&str>) -> Result<(usize, usize, String), Failure> {
    let remote = remote_or_default(site, remote)?;
    let _lock = site.lock()?;
    refs::publish(&site.git, None, &verdict::own(&*site.state)?)?;
    let names = refs::names(&site.git, None)?;
    let all = [format!("{PREFIX}*:{PREFIX}*")];
    let new = if names.is_empty() {
        0
    } else {
        site.git.push(&remote, &all, Hooks::Skip)?
    };
    Ok((names.len(), new, remote))
}

/// Fetches the verdicts of others; returns how many are new, and the remote. An existing name never
/// changes its content. Defaults to the remote that [`push`] uses.
pub fn fetch(site: &RepoSite, remote: Option<&str>) -> Result<(usize, String), Failure> {
    let remote = remote_or_default(site, remote)?;
    let _lock = site.lock()?;
    let before = refs::names(&site.git, None)?.len();
    let what = operate::action_about("verdicts fetch", &crate::base::secret::clean_text(&remote));
    Operator::new(site).audited(what, "", || {
        Ok(site.git.fetch(&remote, &[format!("{PREFIX}*:{PREFIX}*")])?)
    })?;
    Ok((
        refs::names(&site.git, None)?.len().saturating_sub(before),
        remote,
    ))
}

/// Returns the named remote, or the default one for pushes.
pub fn remote_or_default(site: &RepoSite, named: Option<&str>) -> Result<String, Failure> {
    named.map_or_else(
        || Ok(site.git.push_remote()?),
        |named| Ok(named.to_string()),
    )
}

/// Returns the references of verdicts on a task's versions; creates those that are only in the log.
pub(super) fn to_share(site: &RepoSite, task: &TaskId) -> Result<Vec<String>, Failure> {
    let _lock = site.lock()?;
    let own = verdict::own(&*site.state)?;
    if let Err(failure) = refs::publish(&site.git, Some(task), &own) {
        site.warn(refs::not_shared(&failure));
    }
    refs::names(&site.git, Some(task))
}
