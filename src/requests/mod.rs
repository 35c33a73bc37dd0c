//! Row 13, requests: carries out the change that each one asks for.
//!
//! When a command gets stuck, its caller may no longer be watching, and nothing else can be changed
//! until somebody intervenes: so an alert is raised.

use crate::{
    alert::Alerts,
    base::Failure,
    config,
    guard::AwaitedRollback,
    model::{Plan, Report, Request, operation::OpKind, request::Adopt},
    operate::{Change, Operator},
    release::adopt::AdoptTags,
    rollback::Reversal,
    setup::FirstFiles,
    site::RepoSite,
};

/// Plans a request. Reads only.
///
/// # Errors
/// Fails when it is impossible or not allowed.
pub fn plan(site: &RepoSite, request: &Request) -> Result<Plan, Failure> {
    as_change(request, |change| Operator::new(site).plan(change))
}

/// Like [`plan`], for a request that will probably be carried out: large files that have to be read
/// are stored already, invisible until then.
///
/// # Errors
/// Fails when it is impossible or not allowed.
pub fn plan_to_carry_out(site: &RepoSite, request: &Request) -> Result<Plan, Failure> {
    as_change(request, |change| {
        Operator::new(site).plan_to_execute(change)
    })
}

/// Carries out a request. The plan is made once, under the lock, and passed to `see` before
/// execution; an error from `see` stops everything.
///
/// # Errors
/// Fails as [`Operator::execute`] does.
pub fn carry_out(
    site: &RepoSite,
    request: &Request,
    see: impl FnOnce(&Plan) -> Result<(), Failure>,
) -> Result<Report, Failure> {
    let done = as_change(request, |change| Operator::new(site).execute(change, see));
    Alerts::new(site).calling(done)
}

/// Completes the unfinished operation.
///
/// # Errors
/// Fails as [`Operator::resume`] does.
pub fn resume(site: &RepoSite) -> Result<Report, Failure> {
    Alerts::new(site).calling(Operator::new(site).resume())
}

/// Reverses the unfinished operation.
///
/// # Errors
/// Fails as [`Operator::abort`] does.
pub fn abort(site: &RepoSite) -> Result<Report, Failure> {
    Alerts::new(site).calling(Operator::new(site).abort())
}

/// Calls `act` with the change that a request asks for.
fn as_change<T>(request: &Request, act: impl FnOnce(&dyn Change) -> T) -> T {
    let reversal = |wanted, kind| Reversal { wanted, kind };
    match request {
        Request::CreateSnapshot(wanted) => act(wanted),
        Request::Rollback(wanted) => match wanted.confirm_within {
            Some(within) => act(&AwaitedRollback::new(wanted, within)),
            None => act(wanted),
        },
        Request::Undo(wanted) => act(&reversal(wanted, OpKind::Undo)),
        Request::Redo(wanted) => act(&reversal(wanted, OpKind::Redo)),
        Request::Adopt(wanted) => act(&adoption(wanted)),
        Request::SyncRegistry(wanted) => act(wanted),
        Request::Init(files) => act(&FirstFiles(files)),
        Request::RestoreKept(wanted) => act(wanted),
    }
}

/// Returns an adoption as a change.
pub fn adoption(wanted: &Adopt) -> AdoptTags<'_> {
    AdoptTags {
        wanted,
        found_settings: |site, tagged| {
            let found = config::found_settings(site, tagged)?;
            Ok(found.map(|found| (found.settings, found.text)))
        },
    }
}
