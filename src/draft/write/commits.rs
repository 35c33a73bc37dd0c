//! Writes the commits and the tag of an operation, and returns the references to move.
//!
//! No reference moves here: the objects are invisible until the operation publishes them.

use std::{cell::RefCell, collections::BTreeMap};

use super::super::{Back, CommitDraft, Draft, tree};
use super::{Writing, bytes::put_file};
use crate::{
    base::{Digest, Failure, RelPath},
    catalog::manifests::MANIFEST_TRAILER,
    git::{self, Attributes},
    model::{
        FileRecord, GitId, GitMode, Manifest, ObjectId, OpId, PathChange, TagName,
        operation::{OpKind, Person, Publication, RefChange, TreeChange, TreeEntry},
        settings::MarkerKind,
        signature::Signing,
        tag,
    },
    site::RepoSite,
    store::Lease,
};

/// Writes commits and tag of one operation.
pub(super) struct CommitWriter<'a> {
    site: &'a RepoSite,
    who: &'a Person,
    id: &'a OpId,
    draft: &'a Draft,
    wanted: &'a CommitDraft,
    objects: &'a BTreeMap<RelPath, ObjectId>,
    sign: RefCell<git::Sign>,
    /// Why a rollback or undo proceeds unsigned.
    pub(super) unsigned: RefCell<Option<String>>,
    /// Protect stored objects until the operation is begun.
    pub(super) leases: RefCell<Vec<Lease>>,
}

/// The commit of a release's manifest.
struct ManifestCommit {
    /// The new tip of the branch.
    tip: GitId,
    /// The tag lines that vouch for the manifest.
    trailers: String,
    /// The change that puts the manifest into the work tree.
    change: Option<PathChange>,
}

impl<'a> CommitWriter<'a> {
    /// Returns a writer; writes nothing yet.
    pub(super) fn new(
        writing: Writing<'a>,
        wanted: &'a CommitDraft,
        objects: &'a BTreeMap<RelPath, ObjectId>,
    ) -> Self {
        let Writing {
            site,
            id,
            draft,
            who,
        } = writing;
        // A signed release may wait for a passphrase; a rollback may not.
        let ask = !is_way_back(draft.plan.kind) || site.asks;
        let sign = RefCell::new(git::Sign {
            wanted: wanted.signing.clone(),
            ask,
        });
        Self {
            site,
            who,
            id,
            draft,
            wanted,
            objects,
            sign,
            unsigned: RefCell::default(),
            leases: RefCell::default(),
        }
    }

    /// Writes a commit or tag, signed as configured. A rollback or undo that cannot be signed
    /// proceeds unsigned, with a note; anything else fails.
    fn signed(
        &self,
        write: impl Fn(git::Sign) -> Result<GitId, git::Error>,
    ) -> Result<GitId, Failure> {
        let sign = self.sign.borrow().clone();
        match write(sign.clone()) {
            Err(error @ git::Error::Unsigned { .. }) if is_way_back(self.draft.plan.kind) => {
                let said = format!("goes on unsigned: {error}");
                self.site.warn(said.clone());
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

    /// Writes them and returns the references to move. A release makes two commits: one with its
    /// files, which the tag names, and one with its manifest, which names the first.
    pub(super) fn write(
        &self,
        publication: &mut Publication,
    ) -> Result<(GitId, Option<PathChange>), Failure> {
        let wanted = self.wanted;
        publication.tree.clone_from(&wanted.tree);
        let commit = self.commit(&wanted.head.commit, &wanted.tree, &wanted.message)?;
        let written = match &wanted.manifest {
            Some(manifest) => self.write_manifest(manifest, &commit, publication)?,
            None => ManifestCommit {
                tip: commit.clone(),
                trailers: String::new(),
                change: None,
            },
        };
        if let Some((name, text)) = &wanted.tag {
            publication
                .refs
                .extend(self.tag((name, text), &written.trailers, &commit)?);
        }
        let safety = format!("refs/snapback/safety/{}", self.id);
        // A release's tag does not reach its manifest, which is one commit later.
        let base = if wanted.manifest.is_some() {
            &written.tip
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
            after: written.tip,
        });
        Ok((commit, written.change))
    }

    /// Commits the manifest of a release on top of the release's own commit.
    fn write_manifest(
        &self,
        manifest: &Manifest,
        commit: &GitId,
        publication: &mut Publication,
    ) -> Result<ManifestCommit, Failure> {
        let git = &self.site.git;
        let text = manifest.render_written(commit, self.objects);
        // By this size it was refused or not, before anything was written.
        debug_assert_eq!(text.len(), manifest.written_size(Some(commit)).0);
        let subject = &manifest.subject;
        let path_of = |version| self.site.settings.manifest_path(&subject.task, version);
        let path = path_of(&subject.version);
        let previous = subject.previous.as_ref().map(path_of);
        let previous = previous.map(|path| git.entry(commit, &path)).transpose()?;
        let like = previous.flatten().map(|entry| entry.id);
        let like = like.as_ref().map(|id| (id, Manifest::FILE_BEGINS));
        let (id, digest) = rayon::join(
            || git.write_kept_blob(text.clone().into_bytes(), like),
            || Digest::of(text.as_bytes()),
        );
        let entry = TreeEntry {
            mode: GitMode::File,
            id: id?,
        };
        let add = TreeChange {
            path: path.clone(),
            before: git.entry(commit, &path)?,
            after: Some(entry),
        };
        let tip = self.commit(
            commit,
            std::slice::from_ref(&add),
            &format!("manifest({}): v{}", subject.task, subject.version),
        )?;
        let mut trailers = format!("{MANIFEST_TRAILER}{digest}\n");
        if self.wanted.is_signed {
            trailers.push_str(&self.site.keys().sign(text.as_bytes())?.trailer());
        }
        publication.tree.push(add.clone());
        publication.index.push(TreeChange {
            before: self.in_index(&path)?,
            ..add
        });
        let change = Some(self.manifest_change(path, text)?);
        Ok(ManifestCommit {
            tip,
            trailers,
            change,
        })
    }

    /// Writes one commit.
    fn commit(&self, parent: &GitId, tree: &[TreeChange], message: &str) -> Result<GitId, Failure> {
        let git = &self.site.git;
        let tree = git.write_tree(parent, tree)?;
        let (parents, message, who, at) = (
            vec![parent.clone()],
            message.into(),
            self.who.clone(),
            self.site.clock.now(),
        );
        let draft = git::NewCommit {
            tree,
            parents,
            message,
            who,
            at,
            sign: git::Sign::default(),
        };
        self.signed(|sign| {
            git.write_commit(&git::NewCommit {
                sign,
                ..draft.clone()
            })
        })
    }

    /// Writes the tag and, for a release, the second reference that keeps it.
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
        let anchor = self.audit_anchor();
        let message = format!(
            "{text}\n\nSnapback-Task: {}\nSnapback-Version: {version}\n{trailers}{anchor}",
            name.task()
        );
        let full_name = self.site.settings.tag(name);
        let draft = git::NewTag {
            name: full_name.clone(),
            target: target.clone(),
            message,
            at: self.site.clock.now(),
            sign: git::Sign::default(),
        };
        let after = self.signed(|sign| {
            self.site.git.write_tag(&git::NewTag {
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
        let as_ref = matches!(name, TagName::Marker { .. })
            && self.site.settings.rollback.marker == MarkerKind::Ref;
        refs.push(RefChange {
            name: if as_ref {
                tag::marker_reference(&full_name)
            } else {
                tag::reference(&full_name)
            },
            before: None,
            after,
        });
        Ok(refs)
    }

    /// Returns the tag line that names the newest audit line; empty when there is none.
    fn audit_anchor(&self) -> String {
        // Neither a release nor a rollback is refused because the log is unreadable.
        let anchor = self.site.audit().head().unwrap_or_else(|error| {
            self.site.warn(format!(
                "the tag names no line of the audit log: {}",
                Failure::from(error)
            ));
            None
        });
        anchor.map(|head| head.trailer()).unwrap_or_default()
    }

    /// Writes a commit that protects objects from git's collection: HEAD, a release's manifest when
    /// the branch is reset, and content that was only in the index.
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
            let before = self.site.git.entry(head, &change.path)?;
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

    /// Returns the index entry of a path.
    fn in_index(&self, path: &RelPath) -> Result<Option<TreeEntry>, Failure> {
        Ok(self
            .site
            .git
            .scan(std::slice::from_ref(path))?
            .tracked
            .into_iter()
            .find(|tracked| tracked.path == *path)
            .and_then(|tracked| tracked.index))
    }

    /// Builds the change that puts the manifest into the work tree.
    fn manifest_change(&self, path: RelPath, text: String) -> Result<PathChange, Failure> {
        let files = &*self.site.tree;
        let session = self.site.store.begin();
        let converter = self.site.git.converter(Attributes::WorkTree)?;
        let after = tree::new_file(self.site, &converter, &path, text.into_bytes())?;
        let before = tree::existing(files, &self.site.git, &path, None)?;
        let put = |record: FileRecord| put_file(self.site, &session, &record);
        let (before, after) = (before.map(put).transpose()?, put(after)?);
        self.leases.borrow_mut().push(session.commit()?);
        Ok(PathChange {
            path,
            before,
            after: Some(after),
        })
    }
}

/// Returns true for emergency operations, which must not fail because of a signature.
fn is_way_back(kind: OpKind) -> bool {
    matches!(kind, OpKind::Rollback | OpKind::Undo | OpKind::Redo)
}

/// Returns the reflog message.
pub(super) fn log_message(draft: &Draft) -> String {
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

/// Returns the moves of a branch that returns; a safety reference keeps what it leaves.
pub(super) fn back_refs(back: &Back, id: &OpId) -> Vec<RefChange> {
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
