//! Turns a draft into an operation: first every byte it needs is made durable in the store and in
//! git, invisible to anybody; then the operation is plain data.

use std::{cell::RefCell, collections::BTreeMap};

use super::{Draft, Keep, Kept, NewBlob, StepDraft};
use crate::{
    base::{Digest, Failure, Fault, GitId, Hint, Kind, OpId, RelPath, cancel::Stoppable, text},
    catalog::{self, capture, manifests::MANIFEST_TRAILER},
    deps,
    git::{self, Attributes},
    ground::Ground,
    model::{
        FileState, Manifest, Operation, PathChange, Source, TagName, Verdict, VerdictRecord,
        manifest::Role,
        operation::{
            About, CommandRole, EnvironmentChange, OPERATION_SCHEMA, OpKind, Person, Publication,
            RefChange, Step, TreeChange, TreeEntry,
        },
        signature::Signing,
    },
    store::{Lease, Session},
};

/// What stops a draft from being written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file changed between the plan and now.
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

/// What writing a draft made.
pub struct Written {
    /// The operation, ready to be begun.
    pub operation: Operation,
    /// The commit it will publish, the release's own for a release.
    pub commit: Option<GitId>,
    /// How many bytes the store grew by.
    pub saved: u64,
    /// Keeps the stored objects until the operation that names them is begun.
    pub leases: Vec<Lease>,
}

/// Makes everything durable that the operation needs, and the operation; `finish` may add to it,
/// git objects too, before they become durable.
pub fn write(
    ground: &Ground,
    id: OpId,
    draft: Draft,
    finish: impl FnOnce(&mut Operation) -> Result<(), Failure>,
) -> Result<Written, Failure> {
    let who = person(ground, &draft)?;
    let mut saved = 0;
    let session = ground.store.begin()?;
    write_blobs(ground, &draft)?;
    let objects = put_large(ground, &*session, &draft, &mut saved)?;
    let total: u64 = draft
        .files
        .iter()
        .flat_map(|file| [&file.before, &file.after])
        .flatten()
        .map(|kept| kept.state.size)
        .sum();
    let mut changes = ground.work("saving", total, true, || {
        put_files(ground, &*session, &draft, &mut saved)
    })?;
    let mut leases = vec![session.commit()?];
    say_saved(ground, draft.files.len(), saved);
    let mut publication = Publication {
        log_message: log_message(&draft),
        index: draft.index.clone(),
        ..Publication::default()
    };
    let (mut commit, mut unsigned) = (None, None);
    if let Some(wanted) = &draft.commit {
        let writer = CommitWriter::new(ground, &who, &id, &draft, wanted);
        let (made, manifest) = writer.write(wanted, &objects, &mut publication)?;
        unsigned = writer.unsigned.take();
        ground.git.check_publication(&publication)?;
        leases.append(&mut writer.leases.take());
        commit = Some(made);
        changes.extend(manifest);
        changes.sort_by(|a, b| a.path.cmp(&b.path));
    }
    if let Some(back) = &draft.back {
        publication.refs = back_refs(back, &id);
        ground.git.check_publication(&publication)?;
    }
    if let Some(facts) = &draft.facts {
        facts.save(&*ground.state, &draft.plan.task);
    }
    let steps = steps(ground, &draft, &id, &who, changes, publication)?;
    let (plan, unsynced) = (draft.plan, draft.unsynced);
    let about = About {
        id,
        kind: plan.kind,
        task: (!plan.kind.is_of_no_task()).then_some(plan.task),
        from: plan.from,
        to: plan.to,
        message: draft.message,
        who,
        host: ground.host.clone(),
        worktree: ground.git.work_tree().to_string_lossy().into_owned(),
        at: ground.clock.now(),
        unsigned,
        undoes: draft.undoes,
        registry: draft.registry,
    };
    let mut operation = Operation {
        schema: OPERATION_SCHEMA.into(),
        about,
        on_verify_fail: crate::model::settings::OnVerifyFail::default(),
        without_commands: ground.without_commands,
        steps,
    };
    finish(&mut operation)?;
    ground.git.sync_objects(&unsynced)?;
    Ok(Written {
        operation,
        commit,
        saved,
        leases,
    })
}

/// Says how much was saved.
fn say_saved(ground: &Ground, paths: usize, grown: u64) {
    if paths > 0 {
        ground.say(
            "saved",
            format!(
                "{}, {} new in the store",
                text::count(paths, "path"),
                text::size(grown)
            ),
        );
    }
}

/// Puts the large files of a release into the store.
fn put_large(
    ground: &Ground,
    session: &dyn Session,
    draft: &Draft,
    saved: &mut u64,
) -> Result<BTreeMap<RelPath, crate::base::ObjectId>, Failure> {
    let mut objects = BTreeMap::new();
    for (path, digest) in &draft.large {
        let read = |source| crate::catalog::Error::Read {
            path: path.clone(),
            source,
        };
        let stored = session.put(&mut Stoppable(ground.tree.open(path).map_err(read)?))?;
        if stored.digest != *digest {
            return Err(Error::Changed(path.clone()).into());
        }
        *saved += stored.grown;
        objects.insert(path.clone(), stored.id);
    }
    Ok(objects)
}

/// Who does it; where git knows no name and none goes into a commit, the user of this machine.
fn person(ground: &Ground, draft: &Draft) -> Result<Person, git::Error> {
    match ground.git.identity() {
        Err(_) if draft.commit.is_none() => {
            let (uid, user) = crate::base::user::current();
            let name = user.unwrap_or_else(|| format!("uid {uid}"));
            Ok(Person {
                email: format!("{name}@{}", ground.host),
                name,
            })
        }
        known => known,
    }
}

/// Saves the bytes that the change of files needs, and fills in where they are.
fn put_files(
    ground: &Ground,
    session: &dyn Session,
    draft: &Draft,
    saved: &mut u64,
) -> Result<Vec<PathChange>, Failure> {
    let mut changes = Vec::with_capacity(draft.files.len());
    for file in &draft.files {
        let mut put = |kept: Option<&Kept>| {
            kept.map(|kept| put_state(ground, session, &file.path, kept, saved))
                .transpose()
        };
        let before = file.before.clone().map(|kept| match kept.state.source {
            // Without a commit no safety reference keeps a blob that only the index or a moving
            // branch names.
            Source::Blob(_) if draft.commit.is_none() => Kept {
                keep: Keep::FromTree,
                ..kept
            },
            _ => kept,
        });
        let (before, after) = (put(before.as_ref())?, put(file.after.as_ref())?);
        changes.push(PathChange {
            path: file.path.clone(),
            before,
            after,
        });
    }
    Ok(changes)
}

/// Saves the bytes of one state.
fn put_state(
    ground: &Ground,
    session: &dyn Session,
    path: &RelPath,
    kept: &Kept,
    saved: &mut u64,
) -> Result<FileState, Failure> {
    let state = &kept.state;
    let stored = match &kept.keep {
        Keep::Already => return Ok(state.clone()),
        Keep::Bytes(bytes) => {
            let blob = ground
                .git
                .recall_id(bytes)
                .unwrap_or_else(|| ground.git.blob_id(bytes));
            // What goes into the commit too need not be kept a second time.
            if ground.git.sees_object(&blob) {
                return Ok(FileState {
                    source: Source::Blob(blob),
                    ..state.clone()
                });
            }
            session.put(&mut &bytes[..])?
        }
        Keep::FromTree => {
            let read = |source| crate::catalog::Error::Read {
                path: path.clone(),
                source,
            };
            if state.link {
                session.put(&mut &ground.tree.read_link(path).map_err(read)?[..])?
            } else {
                session.put(&mut Stoppable(ground.tree.open(path).map_err(read)?))?
            }
        }
    };
    if stored.digest != state.digest {
        return Err(Error::Changed(path.clone()).into());
    }
    *saved += stored.grown;
    ground.progress(state.size);
    Ok(FileState {
        source: Source::Object(stored.id),
        ..state.clone()
    })
}

/// Writes the blobs that git does not have yet.
pub fn write_blobs(ground: &Ground, draft: &Draft) -> Result<(), Failure> {
    use rayon::prelude::*;
    if draft.blobs.is_empty() {
        return Ok(());
    }
    let gone = git::rules_gone(
        draft
            .index
            .iter()
            .map(|change| (&change.path, change.after.as_ref())),
    );
    let converter = ground.git.converter(Attributes::After(&gone))?;
    draft.blobs.par_iter().try_for_each(|blob| {
        let (path, expected, bytes) = match blob {
            NewBlob::Bytes(bytes) => {
                return ground
                    .git
                    .write_blob(bytes)
                    .map(drop)
                    .map_err(Failure::from);
            }
            NewBlob::Lfs(path, id) => {
                let read = |source| crate::catalog::Error::Read {
                    path: path.clone(),
                    source,
                };
                let (oid, size) = ground
                    .git
                    .store_lfs(&mut ground.tree.open(path).map_err(read)?)?;
                (path, id, git::Repo::lfs_pointer(&oid, size))
            }
            NewBlob::FromTree(path, id) => {
                let now = capture::read(&*ground.tree, path)?
                    .ok_or_else(|| Error::Changed(path.clone()))?;
                let is_link = now.is_link();
                let bytes = super::tree::all_bytes(&*ground.tree, path, now)?;
                (
                    path,
                    id,
                    if is_link {
                        bytes
                    } else {
                        converter.to_git(path, bytes)?
                    },
                )
            }
        };
        if ground.git.write_blob(&bytes)? == *expected {
            Ok(())
        } else {
            Err(Error::Changed(path.clone()).into())
        }
    })
}

/// The moves of a branch that goes back; a reference of ours keeps what it leaves.
fn back_refs(back: &super::Back, id: &OpId) -> Vec<RefChange> {
    let left = back.head.commit.clone();
    vec![
        RefChange {
            name: format!("refs/snapback/safety/{id}"),
            before: None,
            after: left.clone(),
        },
        RefChange {
            name: back.head.branch.clone(),
            before: Some(left),
            after: back.to.clone(),
        },
    ]
}

/// The line for the reference logs.
fn log_message(draft: &Draft) -> String {
    if draft.back.is_some() {
        return format!(
            "snapback: {}({}): {}",
            draft.plan.kind.word(),
            draft.plan.task,
            draft.plan.about
        );
    }
    let first = draft
        .commit
        .as_ref()
        .and_then(|commit| commit.message.lines().next())
        .unwrap_or_default();
    format!("snapback: {first}")
}

/// True for what must not fail because of a signature: what goes back in an emergency.
fn is_way_back(kind: OpKind) -> bool {
    matches!(kind, OpKind::Rollback | OpKind::Undo | OpKind::Redo)
}

/// Writes commits and tag of one operation.
struct CommitWriter<'a> {
    ground: &'a Ground,
    who: &'a Person,
    id: &'a OpId,
    draft: &'a Draft,
    sign: RefCell<git::Sign>,
    unsigned: RefCell<Option<String>>,
    leases: RefCell<Vec<Lease>>,
}

impl<'a> CommitWriter<'a> {
    fn new(
        ground: &'a Ground,
        who: &'a Person,
        id: &'a OpId,
        draft: &'a Draft,
        wanted: &super::CommitDraft,
    ) -> Self {
        // A release that is to be signed may take its time to be; a way back may not.
        let ask = !is_way_back(draft.plan.kind) || ground.asks;
        let sign = RefCell::new(git::Sign {
            wanted: wanted.signing.clone(),
            ask,
        });
        Self {
            ground,
            who,
            id,
            draft,
            sign,
            unsigned: RefCell::default(),
            leases: RefCell::default(),
        }
    }

    /// Writes a commit or tag, signed as is wanted. A way back that cannot be signed is gone
    /// unsigned, and that is said; anything else is not made.
    fn signed(
        &self,
        write: impl Fn(git::Sign) -> Result<GitId, git::Error>,
    ) -> Result<GitId, Failure> {
        let sign = self.sign.borrow().clone();
        match write(sign.clone()) {
            Err(error @ git::Error::Unsigned { .. }) if is_way_back(self.draft.plan.kind) => {
                let said = format!("goes on unsigned: {error}");
                self.ground.warn(said.clone());
                self.unsigned.replace(Some(said));
                let never = git::Sign {
                    wanted: Signing::Never,
                    ..sign
                };
                self.sign.replace(never.clone());
                Ok(write(never)?)
            }
            written => Ok(written?),
        }
    }

    /// Writes them and says which references move. A release makes two commits: one with its
    /// files, which the tag names, and one with its manifest, which names the first.
    fn write(
        &self,
        wanted: &super::CommitDraft,
        objects: &BTreeMap<RelPath, crate::base::ObjectId>,
        publication: &mut Publication,
    ) -> Result<(GitId, Option<PathChange>), Failure> {
        let git = &self.ground.git;
        publication.tree.clone_from(&wanted.tree);
        let commit = self.commit(&wanted.head.commit, &wanted.tree, &wanted.message)?;
        let (mut tip, mut change, mut trailers) = (commit.clone(), None, String::new());
        if let Some(manifest) = &wanted.manifest {
            let text = finish_manifest(manifest, &commit, objects).render();
            let meta = &manifest.metadata;
            let path = self
                .ground
                .settings
                .manifest_path(&meta.task_id, &meta.version);
            let (id, digest) = rayon::join(
                || git.write_kept_blob(text.clone().into_bytes()),
                || Digest::of(text.as_bytes()),
            );
            let entry = TreeEntry {
                mode: "100644".into(),
                id: id?,
            };
            let add = TreeChange {
                path: path.clone(),
                before: git.entry(&commit, &path)?,
                after: Some(entry),
            };
            tip = self.commit(
                &commit,
                std::slice::from_ref(&add),
                &format!("manifest({}): v{}", meta.task_id, meta.version),
            )?;
            trailers = format!("{MANIFEST_TRAILER}{digest}\n");
            if wanted.is_signed {
                trailers.push_str(&self.ground.trust.keys().sign(text.as_bytes())?.trailer());
            }
            publication.tree.push(add.clone());
            publication.index.push(TreeChange {
                before: self.in_index(&path)?,
                ..add
            });
            change = Some(self.manifest_change(path, text)?);
        }
        if let Some((name, text)) = &wanted.tag {
            publication
                .refs
                .extend(self.tag((name, text), &trailers, &commit)?);
        }
        let safety = format!("refs/snapback/safety/{}", self.id);
        // The tag of a release does not reach its manifest, which is one commit later.
        let base = if wanted.manifest.is_some() {
            &tip
        } else {
            &wanted.head.commit
        };
        publication.refs.push(RefChange {
            name: safety,
            before: None,
            after: self.safety(base)?,
        });
        publication.refs.push(RefChange {
            name: wanted.head.branch.clone(),
            before: Some(wanted.head.commit.clone()),
            after: tip,
        });
        Ok((commit, change))
    }

    /// Writes one commit.
    fn commit(&self, parent: &GitId, tree: &[TreeChange], message: &str) -> Result<GitId, Failure> {
        let git = &self.ground.git;
        let tree = git.write_tree(parent, tree)?;
        let (parents, message, who, at) = (
            vec![parent.clone()],
            message.into(),
            self.who.clone(),
            self.ground.clock.now(),
        );
        let draft = git::CommitDraft {
            tree,
            parents,
            message,
            who,
            at,
            sign: git::Sign::default(),
        };
        self.signed(|sign| {
            git.write_commit(&git::CommitDraft {
                sign,
                ..draft.clone()
            })
        })
    }

    /// Writes the tag and, for a release, names the second reference that keeps it.
    fn tag(
        &self,
        (name, text): (&TagName, &str),
        trailers: &str,
        target: &GitId,
    ) -> Result<Vec<RefChange>, Failure> {
        let version = match name {
            TagName::Release { version, .. } => version,
            TagName::Marker { to, .. } => to,
        };
        // Neither a release nor going back is refused because the log cannot be read.
        let anchor = self.ground.audit().head().unwrap_or_else(|error| {
            self.ground.warn(format!(
                "the tag names no line of the audit log: {}",
                Failure::from(error)
            ));
            None
        });
        let anchor = anchor.map(|head| head.trailer()).unwrap_or_default();
        let message = format!(
            "{text}\n\nSnapback-Task: {}\nSnapback-Version: {version}\n{trailers}{anchor}",
            name.task()
        );
        let (name_of_tag, at, sign) = (
            name.to_string(),
            self.ground.clock.now(),
            git::Sign::default(),
        );
        let draft = git::TagDraft {
            name: name_of_tag,
            target: target.clone(),
            message,
            at,
            sign,
        };
        let after = self.signed(|sign| {
            self.ground.git.write_tag(&git::TagDraft {
                sign,
                ..draft.clone()
            })
        })?;
        let mut refs = Vec::new();
        if let TagName::Release { task, version } = name {
            refs.push(RefChange {
                name: TagName::keep_reference(task, version),
                before: None,
                after: after.clone(),
            });
        }
        refs.push(RefChange {
            name: name.reference(),
            before: None,
            after,
        });
        Ok(refs)
    }

    /// A commit that keeps alive what must not be lost from git: HEAD, the manifest of a release
    /// when the branch is reset, and what was only in the index.
    fn safety(&self, head: &GitId) -> Result<GitId, Failure> {
        let only_in_index = |change: &&TreeChange| {
            let committed = self
                .draft
                .commit
                .iter()
                .flat_map(|commit| &commit.tree)
                .any(|other| other.path == change.path && other.before == change.before);
            change.before.is_some() && !committed
        };
        let staged: Vec<TreeChange> = self
            .draft
            .index
            .iter()
            .filter(only_in_index)
            .cloned()
            .collect();
        let mut changes = Vec::new();
        for change in staged {
            let before = self.ground.git.entry(head, &change.path)?;
            if before != change.before {
                changes.push(TreeChange {
                    path: change.path,
                    before,
                    after: change.before,
                });
            }
        }
        if changes.is_empty() {
            return Ok(head.clone());
        }
        self.commit(
            head,
            &changes,
            "what was staged before a snapback operation",
        )
    }

    /// The index entry of a path.
    fn in_index(&self, path: &RelPath) -> Result<Option<TreeEntry>, Failure> {
        Ok(self
            .ground
            .git
            .scan(std::slice::from_ref(path))?
            .tracked
            .into_iter()
            .find(|tracked| tracked.path == *path)
            .and_then(|tracked| tracked.index))
    }

    /// The change of the work tree that puts the manifest there.
    fn manifest_change(&self, path: RelPath, text: String) -> Result<PathChange, Failure> {
        let tree = &*self.ground.tree;
        let session = self.ground.store.begin()?;
        let converter = self.ground.git.converter(Attributes::WorkTree)?;
        let after = super::tree::new_file(self.ground, &converter, &path, text.into_bytes())?;
        let before = super::tree::existing(tree, &self.ground.git, &path, None)?;
        let mut grown = 0;
        let mut put = |kept: Option<Kept>| {
            kept.map(|kept| put_state(self.ground, &*session, &path, &kept, &mut grown))
                .transpose()
        };
        let (before, after) = (put(before)?, put(Some(after))?);
        self.leases.borrow_mut().push(session.commit()?);
        Ok(PathChange {
            path,
            before,
            after,
        })
    }
}

/// Fills in what is known only now: the commit and the ids of the stored objects.
fn finish_manifest(
    manifest: &Manifest,
    commit: &GitId,
    objects: &BTreeMap<RelPath, crate::base::ObjectId>,
) -> Manifest {
    let mut manifest = manifest.clone();
    manifest.metadata.git_commit = commit.to_string();
    for file in manifest
        .files
        .iter_mut()
        .filter(|file| file.role == Role::Large)
    {
        file.object = objects.get(&file.path).copied();
    }
    manifest
}

/// The steps of the operation.
fn steps(
    ground: &Ground,
    draft: &Draft,
    id: &OpId,
    who: &Person,
    changes: Vec<PathChange>,
    publication: Publication,
) -> Result<Vec<Step>, Failure> {
    let task = &draft.plan.task;
    let verdict = |version: &crate::model::Version, verdict| {
        let record = catalog::verdict::verdict(ground, (task, version), verdict, &draft.message);
        Step::Verdicts(vec![VerdictRecord {
            who: format!("{} <{}>", who.name, who.email),
            op: Some(id.clone()),
            ..record
        }])
    };
    let (mut changes, mut publication) = (Some(changes), Some(publication));
    let step = |step: &StepDraft| -> Result<Step, Failure> {
        Ok(match step {
            StepDraft::Stop => Step::Command {
                role: CommandRole::Stop,
            },
            StepDraft::Start => Step::Command {
                role: CommandRole::Start,
            },
            StepDraft::Files => Step::Files(changes.take().unwrap_or_default()),
            StepDraft::Verify(version) => Step::Verify {
                version: version.clone(),
            },
            StepDraft::Ready(version) => Step::Ready {
                version: version.clone(),
            },
            StepDraft::Publish => Step::Publish(publication.take().unwrap_or_default()),
            StepDraft::RemoveRefs(refs) => Step::RemoveRefs(refs.clone()),
            StepDraft::Hold(version) => verdict(version, Verdict::Held),
            StepDraft::Release(version) => verdict(version, Verdict::Released),
            StepDraft::EnvironmentBack(change) => {
                Step::Environment(environment_back(ground, id, change)?)
            }
            StepDraft::Environment { venv, packages } => {
                ground.require_trust(task, &[crate::model::trust::Role::Environment])?;
                Step::Environment(build_environment(ground, id, venv, packages)?)
            }
        })
    };
    draft.steps.iter().map(step).collect()
}

/// A path beside the environment, for this operation.
fn beside(id: &OpId, venv: &RelPath, what: &str) -> RelPath {
    venv.parent()
        .join([venv.name(), format!(".{what}-{}", id.short()).as_bytes()].concat())
}

/// True when something stands at a path.
fn stands(ground: &Ground, path: &RelPath) -> Result<bool, Failure> {
    Ok(capture::stat(&*ground.tree, path)?.is_some())
}

/// Builds an environment beside the old one.
fn build_environment(
    ground: &Ground,
    id: &OpId,
    venv: &RelPath,
    packages: &[String],
) -> Result<EnvironmentChange, Failure> {
    let built = beside(id, venv, "built");
    deps::environment::build(
        ground.git.work_tree(),
        venv,
        &built,
        packages,
        &deps::environment::Local::default(),
    )?;
    let aside = stands(ground, venv)?.then(|| beside(id, venv, "kept"));
    Ok(EnvironmentChange {
        path: venv.clone(),
        aside,
        bring: Some(built),
    })
}

/// The inverse of a switch: what was put aside comes back.
fn environment_back(
    ground: &Ground,
    id: &OpId,
    change: &EnvironmentChange,
) -> Result<EnvironmentChange, Failure> {
    let aside = stands(ground, &change.path)?.then(|| beside(id, &change.path, "kept"));
    Ok(EnvironmentChange {
        path: change.path.clone(),
        aside,
        bring: change.aside.clone(),
    })
}
