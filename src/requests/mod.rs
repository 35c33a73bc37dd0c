//! Row 13, requests: the change that each of them asks for, carried out.
//!
//! Whoever gave a command may not look any more when it gets stuck, and nothing else can be changed
//! before somebody does: so a person is called.

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

/// What a request would do. Reads only.
///
/// # Errors
/// When it cannot be done, or may not.
pub fn plan(site: &RepoSite, request: &Request) -> Result<Plan, Failure> {
    as_change(request, |change| Operator::new(site).plan(change))
}

/// The same of a request that is likely to be carried out: what has to be read of large files is
/// kept, where nobody sees it before it is.
///
/// # Errors
/// When it cannot be done, or may not.
pub fn plan_to_carry_out(site: &RepoSite, request: &Request) -> Result<Plan, Failure> {
    as_change(request, |change| {
        Operator::new(site).plan_to_execute(change)
    })
}

/// Does what is asked for, with a plan that is made once, under the lock, and shown to `see` just
/// before; an error from it stops everything.
///
/// # Errors
/// Those of [`Operator::execute`].
pub fn carry_out(
    site: &RepoSite,
    request: &Request,
    see: impl FnOnce(&Plan) -> Result<(), Failure>,
) -> Result<Report, Failure> {
    let done = as_change(request, |change| Operator::new(site).execute(change, see));
    Alerts::new(site).calling(done)
}

/// Finishes the unfinished operation.
///
/// # Errors
/// Those of [`Operator::resume`].
pub fn resume(site: &RepoSite) -> Result<Report, Failure> {
    Alerts::new(site).calling(Operator::new(site).resume())
}

/// Takes the unfinished operation back.
///
/// # Errors
/// Those of [`Operator::abort`].
pub fn abort(site: &RepoSite) -> Result<Report, Failure> {
    Alerts::new(site).calling(Operator::new(site).abort())
}

/// The change that a request asks for.
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

/// An adoption as a change.
pub fn adoption(wanted: &Adopt) -> AdoptTags<'_> {
    AdoptTags {
        wanted,
        settings_of: config::settings_of,
    }
}
