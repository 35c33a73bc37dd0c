//! What can go wrong with git, for people: one variant an operation that failed.
//!
//! The kind that fixes the exit code is in `error/fault.rs`, the commands that help in `advice.rs`.
//! Messages name objects, files and references; foreign bytes in them are escaped.

use std::{io, path::PathBuf};

use super::BrokenRef;
use base::{Digest, RelPath, path::UnsafePath, process};
use model::GitId;

mod fault;

/// The error below one of ours: gix's, the file system's or a child process's.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong with git.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no repository at or above the directory.
    #[error("{} is {}", dir.display(), if *named { "named by GIT_DIR, and no git repository" } else { "not inside a git repository" })]
    NoRepository {
        /// Where the search began.
        dir: PathBuf,
        /// True when a variable says that it is here.
        named: bool,
    },
    /// The repository has no work tree.
    #[error("the repository {} is bare: it has no work tree", dir.display())]
    Bare {
        /// The repository.
        dir: PathBuf,
    },
    /// The references are stored in a format that the git library does not read.
    #[error("the repository keeps its references in the format {0:?}, which is not supported")]
    RefStorage(String),
    /// The repository has a format that is newer than what is known here.
    #[error("the repository has the format {0}, and only 0 and 1 are known here")]
    Format(i64),
    /// The repository has an extension whose meaning is not known here.
    #[error(
        "unknown repository extension {0:?}: what it changes of objects, references or index is not known here"
    )]
    Extension(String),
    /// The repository belongs to somebody else, and is not listed in `safe.directory`.
    #[error("the repository {} belongs to another user", dir.display())]
    Owner {
        /// The work tree.
        dir: PathBuf,
    },
    /// HEAD names a branch without commits.
    #[error("the branch {branch} has no commit yet")]
    Unborn {
        /// The branch's full name.
        branch: String,
    },
    /// HEAD is not on a branch.
    #[error("HEAD is detached: it is not on a branch")]
    Detached,
    /// HEAD is a symbolic link to the branch's file.
    #[error(
        "HEAD is a symbolic link to {target}, as git made it long ago, and not a file that names its branch"
    )]
    LinkedHead {
        /// Where it leads.
        target: String,
    },
    /// The branch is itself a name for another one.
    #[error(
        "the branch {branch} is only a symbolic name of {target}, and no operation moves a branch through another name"
    )]
    SymbolicBranch {
        /// The branch's full name.
        branch: String,
        /// What it names.
        target: String,
    },
    /// A merge, rebase or the like was begun and not ended.
    #[error("a {what} is in progress")]
    InProgress {
        /// What it is.
        what: &'static str,
        /// The git command that gives it up.
        abort: &'static [&'static str],
    },
    /// A lock file of git is there.
    #[error("{} exists{}: git is running here, or was killed", file.display(), age(*age_secs))]
    GitLocked {
        /// The lock file.
        file: PathBuf,
        /// How old it is, when that is known.
        age_secs: Option<u64>,
    },
    /// git is making a commit, and called this from one of its hooks.
    #[error(
        "git is making a commit here: this was called by its hook {hook}, and must not move the branch below it"
    )]
    CommitRuns {
        /// The hook, as far as it is known.
        hook: String,
    },
    /// The environment names another index than that of the work tree.
    #[error("GIT_INDEX_FILE names {}, and changes go into the index of the work tree", index.display())]
    OtherIndex {
        /// What it names.
        index: PathBuf,
    },
    /// The index holds a merge conflict.
    #[error("{path} has an unresolved merge conflict in the index")]
    Unmerged {
        /// The first such path.
        path: RelPath,
    },
    /// Parts of the tree are not checked out.
    #[error("the work tree is sparse: parts of it are not checked out")]
    Sparse,
    /// git says nobody's name, address and date, or refuses one of them.
    #[error("git does not know who you are: {said}")]
    Identity {
        /// What git said.
        said: String,
    },
    /// The environment names a moment that git cannot read.
    #[error("{variable} is no moment: {said}")]
    Date {
        /// The variable.
        variable: &'static str,
        /// What git said.
        said: String,
    },
    /// `GIT_CONFIG_PARAMETERS` is not what `git -c` writes.
    #[error(
        "the settings of `git -c` cannot be read: GIT_CONFIG_PARAMETERS is not in git's format"
    )]
    Parameters,
    /// A commit or tag is to be signed, and cannot be.
    #[error("{what} cannot be signed with {key}: {why}")]
    Unsigned {
        /// `the commit` or `the tag`.
        what: &'static str,
        /// The key, or what should name it.
        key: String,
        /// Why not, in the words of the program that signs.
        why: String,
        /// True when it only needs somebody who types a passphrase.
        needs_person: bool,
    },
    /// An object is not in this repository.
    #[error("the git object {id} is missing here")]
    MissingObject {
        /// Its id.
        id: GitId,
    },
    /// A reference leads nowhere.
    #[error("{} is broken: {}", .0.name, .0.why)]
    BrokenRef(BrokenRef),
    /// The bytes of an object do not have its id, or cannot be decoded.
    #[error("the git object {id} is damaged: {why}")]
    BadObject {
        /// Its id.
        id: GitId,
        /// What is wrong.
        why: String,
    },
    /// An object is whole, and of another kind or larger than what is looked for.
    #[error("the git object {0} is not what is looked for: {1}")]
    OtherObject(GitId, String),
    /// The system did not let an object be read, so nobody knows whether it is whole.
    #[error("the git object {id} cannot be read")]
    Unreadable {
        /// Its id.
        id: GitId,
        /// Why.
        #[source]
        source: Cause,
    },
    /// git cannot list what is reachable.
    #[error("git cannot list what its references and logs reach: {output}")]
    Listing {
        /// What it said.
        output: String,
    },
    /// A tag does not lead to a commit.
    #[error("the tag object {id} does not lead to a commit: {why}")]
    BadTag {
        /// The tag object.
        id: GitId,
        /// Where it leads.
        why: String,
    },
    /// A tree or the index holds a path that must never be written.
    #[error("{place} holds a path that is not safe")]
    BadPath {
        /// The commit or the index.
        place: String,
        /// The path and the rule.
        #[source]
        source: UnsafePath,
    },
    /// Trees that name each other over and over, or more files than anybody has.
    #[error("the commit {} holds more than {limit} files and folders below {dir}", commit.short())]
    TooMany {
        /// The commit.
        commit: GitId,
        /// The folder that was listed.
        dir: RelPath,
        /// The most that is read.
        limit: usize,
    },
    /// A commit's abbreviation fits several commits.
    #[error("{spec} is the beginning of several commit ids")]
    Ambiguous {
        /// What was typed.
        spec: String,
    },
    /// A path of a tree is not what the change expects.
    #[error("{path} changed in {place} since this was planned")]
    PathChanged {
        /// The path.
        path: RelPath,
        /// `the commit` or `the index`.
        place: &'static str,
    },
    /// The index file changed between prepare and publish.
    #[error("the git index changed since this was planned")]
    IndexChanged,
    /// A reference has not the value it must have.
    #[error("{name} is {} and not {} as it was when this was planned", or_absent(found.as_ref()), or_absent(expected.as_ref()))]
    RefChanged {
        /// The full name.
        name: String,
        /// The value it must have.
        expected: Option<GitId>,
        /// The value it has.
        found: Option<GitId>,
    },
    /// The branch moved, and not only beside what the operation is about.
    #[error("{branch} moved meanwhile, and {path} was changed there: run it again")]
    MovedUnder {
        /// The branch's full name.
        branch: String,
        /// The first path that somebody changed.
        path: RelPath,
    },
    /// HEAD went to another branch.
    #[error("HEAD is not on {branch} any more, as it was when this was planned")]
    HeadMoved {
        /// The branch's full name.
        branch: String,
    },
    /// A reference's name is a folder of another one's.
    #[error("{name} cannot exist beside {other}")]
    RefClash {
        /// The new reference.
        name: String,
        /// The one that is in the way.
        other: String,
    },
    /// A name is not one for a shared reference.
    #[error("{name:?} cannot be published: {why}")]
    RefName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A path has a filter driver; its programs are never run.
    #[error(
        "{path} has the filter {driver:?} in .gitattributes, and filter programs are never run"
    )]
    Filter {
        /// The path.
        path: RelPath,
        /// The driver's name.
        driver: String,
    },
    /// A path has a conversion that git does without a program, and snapback not.
    #[error(
        "{path} has `{attribute}` in .gitattributes, which git leaves to each system's iconv: nobody can say what would be written"
    )]
    Attribute {
        /// The path.
        path: RelPath,
        /// The attribute.
        attribute: String,
    },
    /// A path cannot be converted between work tree and git.
    #[error("{path} cannot be converted as .gitattributes ask")]
    Convert {
        /// The path.
        path: RelPath,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The bytes of a large file are not here.
    #[error("the Git LFS object {oid} of {path} is missing here")]
    MissingLfs {
        /// The path.
        path: RelPath,
        /// The object.
        oid: Digest,
    },
    /// The last reference has moved: there is nothing to take back any more.
    #[error("{name} has already been published")]
    AlreadyPublished {
        /// The last reference, or the index.
        name: String,
    },
    /// The value is not one that `prepare_publication` made.
    #[error("the prepared publication cannot be read: {0}")]
    Prepared(String),
    /// `git push` failed.
    #[error("git push to {remote} failed: {output}")]
    Push {
        /// The remote.
        remote: String,
        /// What git said.
        output: String,
    },
    /// There is no remote.
    #[error("no remote is configured here")]
    NoRemote,
    /// There are several remotes, and nothing says which one is meant.
    #[error("which remote? The branch follows none, and there are {}", remotes.join(", "))]
    WhichRemote {
        /// Their names.
        remotes: Vec<String>,
    },
    /// The branch follows one of another name, so git's own push refuses.
    #[error(
        "the branch {branch} follows {upstream} of {remote}, and nothing says to which of the two names it is pushed"
    )]
    OtherName {
        /// The branch here.
        branch: String,
        /// The one that it follows.
        upstream: String,
        /// The remote.
        remote: String,
    },
    /// `git ls-remote` failed.
    #[error("{remote} cannot be asked: {output}")]
    Asked {
        /// The remote.
        remote: String,
        /// What git said.
        output: String,
    },
    /// `git fetch` failed.
    #[error("git fetch from {remote} failed: {output}")]
    Fetch {
        /// The remote.
        remote: String,
        /// What git said.
        output: String,
    },
    /// A hook of the user said no.
    #[error("the {hook} hook refused: {output}")]
    HookRefused {
        /// Which.
        hook: &'static str,
        /// What it printed.
        output: String,
    },
    /// `git merge-file` failed.
    #[error("git merge-file failed: {output}")]
    MergeFile {
        /// What it said.
        output: String,
    },
    /// The git program could not be run, or was stopped.
    #[error("running the git program failed")]
    Program(#[source] process::Error),
    /// An operation of the git library failed.
    #[error("{doing} failed")]
    Git {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: Cause,
    },
    /// A file could not be read or written.
    #[error("{doing} {} failed", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Bytes could not be forced to the disk; whether they are durable is unknown.
    #[error("forcing {} to the disk failed, so it may be lost at a power cut", path.display())]
    Sync {
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// ` (3 minutes old)`, or nothing.
fn age(secs: Option<u64>) -> String {
    match secs {
        None => String::new(),
        Some(secs @ 0..120) => format!(" ({secs} s old)"),
        Some(secs @ 120..7200) => format!(" ({} minutes old)", secs / 60),
        Some(secs) => format!(" ({} hours old)", secs / 3600),
    }
}

/// A short id, or `absent`.
fn or_absent(id: Option<&GitId>) -> &str {
    id.map_or("absent", GitId::short)
}

/// Names what was being done when an error of the git library came up.
pub(super) trait During<T> {
    /// Wraps the error.
    fn during(self, doing: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<Cause>> During<T> for Result<T, E> {
    fn during(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|error| Error::Git {
            doing,
            source: error.into(),
        })
    }
}
