//! Row 7, drafts: an operation before it is recorded, built without changing a byte.
//!
//! Engines make a [`Draft`] by reading only. The user sees its [`Plan`]. Under the lock the draft
//! is made again, and only if its plan still equals the one shown does [`write`](write::write) put
//! the bytes into git and the store and turn the draft into an
//! [`Operation`](crate::model::Operation).

pub mod beside;
pub mod lines;
pub mod registry;
pub mod steps;
pub mod tree;
pub mod write;

use crate::{
    base::RelPath,
    deps::facts::NewFacts,
    git::Head,
    model::{
        GitId, Manifest, OpId, PathChange, Plan, TagName,
        operation::{RegistryChange, Step, TreeChange},
        signature::Signing,
    },
};

/// A blob that git does not have yet.
#[derive(Debug, Clone)]
pub enum NewBlob {
    /// The git form of a work-tree file, which must hash to this id.
    FromTree(RelPath, GitId),
    /// A Git LFS file: its bytes go to the LFS folder, its pointer into a blob.
    Lfs(RelPath, GitId),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A commit to be created on top of HEAD.
#[derive(Debug, Clone)]
pub struct CommitDraft {
    /// Where the branch is.
    pub head: Head,
    /// The changes of its tree.
    pub tree: Vec<TreeChange>,
    /// The commit message.
    pub message: String,
    /// An annotated tag on the commit: its name and the text before the trailers.
    pub tag: Option<(TagName, String)>,
    /// Whether and how commits and tag are signed.
    pub signing: Signing,
    /// True when the manifest is signed with the user's own key.
    pub is_signed: bool,
    /// The manifest of a release, whose commit is filled in later.
    pub manifest: Option<Manifest>,
}

/// A branch that returns to an earlier commit, dropping commits that nobody else has.
#[derive(Debug, Clone)]
pub struct Back {
    /// Where the branch is.
    pub head: Head,
    /// The commit to return to.
    pub to: GitId,
}

/// An operation before it is written down.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The plan for the user; holds kind, task and versions.
    pub plan: Plan,
    /// The user's reason.
    pub message: String,
    /// The operation that this one undoes.
    pub undoes: Option<OpId>,
    /// Changes of the work tree, sorted by path. Bytes not stored anywhere yet are put into the
    /// store when the draft is written.
    pub files: Vec<PathChange>,
    /// Large files of a release: path and digest; they are stored unchanged.
    pub large: Vec<(RelPath, crate::base::Digest)>,
    /// Blobs that git does not have yet.
    pub blobs: Vec<NewBlob>,
    /// Blobs that git has but that may not be durable.
    pub unsynced: Vec<GitId>,
    /// The commit; `None` without one.
    pub commit: Option<CommitDraft>,
    /// The branch that returns to an earlier commit, instead of a commit.
    pub back: Option<Back>,
    /// The changes of the index.
    pub index: Vec<TreeChange>,
    /// The registry entry.
    pub registry: Option<RegistryChange>,
    /// The steps, in order; see [`steps`] for values that are filled in later.
    pub steps: Vec<Step>,
    /// Packages to install in the new environment, as `name==version`; `None` when none is built.
    pub packages: Option<Vec<String>>,
    /// Facts from sources, which save the next release from reading them.
    pub facts: Option<NewFacts>,
}

impl Draft {
    /// Sets how its commit and tag are signed.
    pub fn sign_as(&mut self, signing: &Signing) {
        if let Some(commit) = &mut self.commit {
            commit.signing = signing.clone();
        }
    }

    /// Returns a draft that does nothing yet.
    pub fn new(plan: Plan, message: &str) -> Self {
        Self {
            plan,
            message: message.into(),
            undoes: None,
            files: Vec::new(),
            large: Vec::new(),
            blobs: Vec::new(),
            unsynced: Vec::new(),
            commit: None,
            back: None,
            index: Vec::new(),
            registry: None,
            steps: Vec::new(),
            packages: None,
            facts: None,
        }
    }
}
