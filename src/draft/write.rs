//! Turns a draft into an operation: first makes every byte it needs durable in the store and in
//! git, invisibly; then the operation is plain data.
//!
//! `bytes` saves file contents, `commits` writes commits and tag, `steps` builds the steps.

mod bytes;
mod commits;
mod steps;

use super::Draft;
use crate::{
    base::{Failure, Fault, Hint, Kind, RelPath, text},
    git,
    model::{
        GitId, OpId, Operation,
        operation::{About, OPERATION_SCHEMA, Person, Publication},
    },
    site::RepoSite,
    store::Lease,
};
pub use bytes::write_blobs;
use bytes::{put_files, put_large};
use commits::{CommitWriter, back_refs, log_message};
use steps::steps;

/// Errors that stop a draft from being written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file changed after the plan was made.
    #[error("{0} changed while its bytes were saved")]
    Changed(RelPath),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }

    fn hints(&self) -> Vec<Hint> {
        vec![Hint::say(
            "nothing was changed; run the command again when the file is no longer written to",
        )]
    }
}

/// The result of writing a draft.
pub struct WrittenDraft {
    /// The operation, ready to begin.
    pub operation: Operation,
    /// The commit it will publish; for a release, the release's own.
    pub commit: Option<GitId>,
    /// The growth of the store, in bytes.
    pub saved: u64,
    /// Protects the stored objects until the operation that names them is begun.
    pub leases: Vec<Lease>,
}

/// A draft being written: under which operation id, and by whom.
#[derive(Clone, Copy)]
struct Writing<'a> {
    site: &'a RepoSite,
    id: &'a OpId,
    draft: &'a Draft,
    who: &'a Person,
}

/// Makes durable everything the operation needs, and builds the operation; `finish` may add to it,
/// even git objects, before they become durable.
pub fn write(
    site: &RepoSite,
    id: OpId,
    mut draft: Draft,
    finish: impl FnOnce(&mut Operation) -> Result<(), Failure>,
) -> Result<WrittenDraft, Failure> {
    let who = person(site, &draft)?;
    let session = site.put_session();
    write_blobs(site, &draft)?;
    let objects = put_large(site, &session, &draft)?;
    let total = bytes_of_files(&draft);
    let mut changes = site.work("saving", total, true, || put_files(site, &session, &draft))?;
    let saved = session.grown();
    let mut leases = vec![session.commit()?];
    say_saved(site, draft.files.len(), saved);
    let writing = Writing {
        site,
        id: &id,
        draft: &draft,
        who: &who,
    };
    let mut publication = Publication {
        log_message: log_message(&draft),
        index: draft.index.clone(),
        ..Publication::default()
    };
    let (mut commit, mut unsigned) = (None, None);
    if let Some(wanted) = &draft.commit {
        let writer = CommitWriter::new(writing, wanted, &objects);
        let (made, manifest) = writer.write(&mut publication)?;
        unsigned = writer.unsigned.take();
        site.git.check_publication(&publication)?;
        leases.append(&mut writer.leases.take());
        commit = Some(made);
        changes.extend(manifest);
        changes.sort_by(|a, b| a.path.cmp(&b.path));
    }
    if let Some(back) = &draft.back {
        publication.refs = back_refs(back, &id);
        site.git.check_publication(&publication)?;
    }
    if let Some(facts) = &draft.facts {
        facts.save(&*site.state, &draft.plan.task);
    }
    let steps = steps(writing, changes, publication)?;
    let unsynced = std::mem::take(&mut draft.unsynced);
    let about = about(site, draft, id, who, unsigned);
    let mut operation = Operation {
        schema: OPERATION_SCHEMA.into(),
        about,
        on_verify_fail: crate::model::settings::OnVerifyFail::default(),
        without_commands: site.without_commands,
        steps,
    };
    finish(&mut operation)?;
    site.git.require_synced(&unsynced)?;
    if operation.publication().is_none() {
        // Nothing stages them with the operation.
        site.git.sync_objects(&[])?;
    }
    Ok(WrittenDraft {
        operation,
        commit,
        saved,
        leases,
    })
}

/// Returns the total size of a draft's files, before and after.
fn bytes_of_files(draft: &Draft) -> u64 {
    draft
        .files
        .iter()
        .flat_map(|file| [&file.before, &file.after])
        .flatten()
        .map(|record| record.size)
        .sum()
}

/// Builds the operation's description of itself.
fn about(site: &RepoSite, draft: Draft, id: OpId, who: Person, unsigned: Option<String>) -> About {
    let plan = draft.plan;
    About {
        id,
        kind: plan.kind,
        task: (!plan.kind.is_of_no_task()).then_some(plan.task),
        from: plan.from,
        to: plan.to,
        message: draft.message,
        who,
        host: site.host.clone(),
        worktree: site.git.work_tree().to_string_lossy().into_owned(),
        at: site.clock.now(),
        unsigned,
        undoes: draft.undoes,
        registry: draft.registry,
    }
}

/// Reports how much was saved.
fn say_saved(site: &RepoSite, paths: usize, grown: u64) {
    if paths > 0 {
        site.say(
            "saved",
            format!(
                "{}, {} new in the store",
                text::count(paths, "path"),
                text::size(grown)
            ),
        );
    }
}

/// Returns the author; without a git identity, and if no commit needs one, the system user.
fn person(site: &RepoSite, draft: &Draft) -> Result<Person, git::Error> {
    match site.person() {
        Err(_) if draft.commit.is_none() => {
            let (uid, user) = crate::base::user::current();
            let name = user.unwrap_or_else(|| format!("uid {uid}"));
            Ok(Person {
                email: format!("{name}@{}", site.host),
                name,
            })
        }
        known => known,
    }
}
