//! Row 7, an operation before it is written down: everything that is known without changing a byte.
//!
//! Engines make a [`Draft`] by reading. Its [`Plan`] is what a person sees; under the lock the
//! draft is made again, and only if its plan is still the one that was shown does
//! [`write`](write::write) put the bytes into git and the store and turn it into an
//! [`Operation`](crate::model::Operation).

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
    /// The git form of a file of the work tree, which must hash to this id.
    FromTree(RelPath, GitId),
    /// A Git LFS file: its bytes go to the LFS folder, its pointer into a blob.
    Lfs(RelPath, GitId),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A commit to be made on top of HEAD.
#[derive(Debug, Clone)]
pub struct CommitDraft {
    /// Where the branch is.
    pub head: Head,
    /// How its tree changes.
    pub tree: Vec<TreeChange>,
    /// The commit message.
    pub message: String,
    /// An annotated tag on the commit: its name and the text before the trailers.
    pub tag: Option<(TagName, String)>,
    /// Whether and how commits and tag are signed.
    pub signing: Signing,
    /// True when the manifest is signed with the user's own key.
    pub is_signed: bool,
    /// The manifest of a release, its commit still to be filled in.
    pub manifest: Option<Manifest>,
}

/// A branch that goes back over commits which nobody else has.
#[derive(Debug, Clone)]
pub struct Back {
    /// Where the branch is.
    pub head: Head,
    /// The commit that it goes back to.
    pub to: GitId,
}

/// An operation before it is written down.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What a person sees; holds kind, task, versions.
    pub plan: Plan,
    /// The user's reason.
    pub message: String,
    /// The operation that this one takes back.
    pub undoes: Option<OpId>,
    /// Changes of the work tree, sorted by path. What is kept nowhere yet is put into the store
    /// when the draft is written.
    pub files: Vec<PathChange>,
    /// Large files of a release: path and digest; they go into the store as they are.
    pub large: Vec<(RelPath, crate::base::Digest)>,
    /// Blobs that git does not have yet.
    pub blobs: Vec<NewBlob>,
    /// Blobs that git has but that may not be durable.
    pub unsynced: Vec<GitId>,
    /// The commit; `None` when none is wanted.
    pub commit: Option<CommitDraft>,
    /// The branch that goes back, in place of a commit.
    pub back: Option<Back>,
    /// How the index changes.
    pub index: Vec<TreeChange>,
    /// The registry entry.
    pub registry: Option<RegistryChange>,
    /// What is done, in order; see [`steps`] for what is filled in later.
    pub steps: Vec<Step>,
    /// What must be installed, `name==version`, in the environment that is built; `None` where none
    /// is.
    pub packages: Option<Vec<String>>,
    /// What sources say, to spare the next release reading them.
    pub facts: Option<NewFacts>,
}

impl Draft {
    /// The same with its commit and tag signed so.
    pub fn sign_as(&mut self, signing: &Signing) {
        if let Some(commit) = &mut self.commit {
            commit.signing = signing.clone();
        }
    }

    /// A draft that does nothing yet.
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
