//! The errors of git, for people: one variant for each operation that can fail.
//!
//! The kind, which determines the exit code, is in `error/fault.rs`; the hints are in `advice.rs`.
//! Messages name objects, files and references; untrusted bytes in them are escaped.

use std::{io, path::PathBuf};

use super::BrokenRef;
use base::{Digest, RelPath, path::UnsafePath, process};
use model::GitId;

mod fault;

/// An underlying error: from gix, the file system or a child process.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error of git.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no repository at or above the directory.
    #[error("{} is {}", dir.display(), if *named { "named by GIT_DIR, and no git repository" } else { "not inside a git repository" })]
    NoRepository {
        /// The directory where the search began.
        dir: PathBuf,
        /// True when `GIT_DIR` names it.
        named: bool,
    },
    /// The repository has no work tree.
    #[error("the repository {} is bare: it has no work tree", dir.display())]
    Bare {
        /// The repository.
        dir: PathBuf,
    },
    /// The references are stored in a format that gix does not read.
    #[error("the repository keeps its references in the format {0:?}, which is not supported")]
    RefStorage(String),
    /// The repository has an unknown, newer format.
    #[error("the repository has the format {0}, and only 0 and 1 are known here")]
    Format(i64),
    /// The repository has an unknown extension.
    #[error(
        "unknown repository extension {0:?}: what it changes of objects, references or index is not known here"
    )]
    Extension(String),
    /// The repository belongs to another user and is not listed in `safe.directory`.
    #[error("the repository {} belongs to another user", dir.display())]
    Owner {
        /// The work tree.
        dir: PathBuf,
    },
    /// HEAD names a branch without any commit.
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
        /// Its target.
        target: String,
    },
    /// The branch is a symbolic reference to another one.
    #[error(
        "the branch {branch} is only a symbolic name of {target}, and no operation moves a branch through another name"
    )]
    SymbolicBranch {
        /// The branch's full name.
        branch: String,
        /// Its target.
        target: String,
    },
    /// A merge, rebase or the like is unfinished.
    #[error("a {what} is in progress")]
    InProgress {
        /// The kind of operation.
        what: &'static str,
        /// The git command that aborts it.
        abort: &'static [&'static str],
    },
    /// A lock file of git exists.
    #[error("{} exists{}: git is running here, or was killed", file.display(), age(*age_secs))]
    GitLocked {
        /// The lock file.
        file: PathBuf,
        /// Its age, if known.
        age_secs: Option<u64>,
    },
    /// git is making a commit, and one of its hooks called this process.
    #[error(
        "git is making a commit here: this was called by its hook {hook}, and must not move the branch below it"
    )]
    CommitRuns {
        /// The hook, as far as known.
        hook: String,
    },
    /// The environment names an index other than the work tree's.
    #[error("GIT_INDEX_FILE names {}, and changes go into the index of the work tree", index.display())]
    OtherIndex {
        /// The index that it names.
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
    /// git has no valid name and address for the user.
    #[error("git does not know who you are: {said}")]
    Identity {
        /// git's output.
        said: String,
    },
    /// The environment holds a date that git cannot read.
    #[error("{variable} is no moment: {said}")]
    Date {
        /// The variable.
        variable: &'static str,
        /// git's output.
        said: String,
    },
    /// `GIT_CONFIG_PARAMETERS` is not in the format of `git -c`.
    #[error(
        "the settings of `git -c` cannot be read: GIT_CONFIG_PARAMETERS is not in git's format"
    )]
    Parameters,
    /// A commit or tag could not be signed.
    #[error("{what} cannot be signed with {key}: {why}")]
    Unsigned {
        /// `the commit` or `the tag`.
        what: &'static str,
        /// The key, or the setting that should name it.
        key: String,
        /// The reason, as given by the signing program.
        why: String,
        /// True when only a passphrase is missing.
        needs_person: bool,
    },
    /// An object is not in this repository.
    #[error("the git object {id} is missing here")]
    MissingObject {
        /// Its id.
        id: GitId,
    },
    /// A broken reference.
    #[error("{} is broken: {}", .0.name, .0.why)]
    BrokenRef(BrokenRef),
    /// An object's bytes do not match its id, or cannot be decoded.
    #[error("the git object {id} is damaged: {why}")]
    BadObject {
        /// Its id.
        id: GitId,
        /// The reason.
        why: String,
    },
    /// An intact object of an unexpected kind or size.
    #[error("the git object {0} is not what is looked for: {1}")]
    OtherObject(GitId, String),
    /// The system failed to read an object, so its integrity is unknown.
    #[error("the git object {id} cannot be read")]
    Unreadable {
        /// Its id.
        id: GitId,
        /// The reason.
        #[source]
        source: Cause,
    },
    /// A command of git failed.
    #[error("git cannot {what}: {output}")]
    Failed {
        /// What it was to do.
        what: &'static str,
        /// git's output.
        output: String,
    },
    /// A tag does not point to a commit.
    #[error("the tag object {id} does not lead to a commit: {why}")]
    BadTag {
        /// The tag object.
        id: GitId,
        /// Its actual target.
        why: String,
    },
    /// A tree or the index contains an unsafe path.
    #[error("{place} holds a path that is not safe")]
    BadPath {
        /// The commit or the index.
        place: String,
        /// The path and the rule that it breaks.
        #[source]
        source: UnsafePath,
    },
    /// More files than any real project has, or trees that repeat each other exponentially.
    #[error("the commit {} holds more than {limit} files and folders below {dir}", commit.short())]
    TooMany {
        /// The commit.
        commit: GitId,
        /// The folder that was listed.
        dir: RelPath,
        /// The limit.
        limit: usize,
    },
    /// An abbreviated commit id is ambiguous.
    #[error("{spec} is the beginning of several commit ids")]
    Ambiguous {
        /// The abbreviation.
        spec: String,
    },
    /// A path is not in the state that a planned change expects.
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
    /// A reference does not have the expected value.
    #[error("{name} is {} and not {} as it was when this was planned", or_absent(found.as_ref()), or_absent(expected.as_ref()))]
    RefChanged {
        /// The full name.
        name: String,
        /// The expected value.
        expected: Option<GitId>,
        /// The actual value.
        found: Option<GitId>,
    },
    /// The branch moved, and a path that the operation depends on changed.
    #[error("{branch} moved meanwhile, and {path} was changed there: run it again")]
    MovedUnder {
        /// The branch's full name.
        branch: String,
        /// The first such path.
        path: RelPath,
    },
    /// HEAD was switched to another branch.
    #[error("HEAD is not on {branch} any more, as it was when this was planned")]
    HeadMoved {
        /// The branch's full name.
        branch: String,
    },
    /// One reference's name is a folder of another's.
    #[error("{name} cannot exist beside {other}")]
    RefClash {
        /// The new reference.
        name: String,
        /// The conflicting one.
        other: String,
    },
    /// A name is not valid for a shared reference.
    #[error("{name:?} cannot be published: {why}")]
    RefName {
        /// The name.
        name: String,
        /// The reason.
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
    /// A path has a conversion that git performs without a program, but snapback does not support.
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
        /// The reason.
        #[source]
        source: Cause,
    },
    /// The content of a Git LFS file is missing.
    #[error("the Git LFS object {oid} of {path} is missing here")]
    MissingLfs {
        /// The path.
        path: RelPath,
        /// The Git LFS object.
        oid: Digest,
    },
    /// The last reference has moved: the publication cannot be undone.
    #[error("{name} has already been published")]
    AlreadyPublished {
        /// The last reference, or the index.
        name: String,
    },
    /// The value was not made by `prepare_publication`.
    #[error("the prepared publication cannot be read: {0}")]
    Prepared(String),
    /// `git push` failed.
    #[error("git push to {remote} failed: {output}")]
    Push {
        /// The remote.
        remote: String,
        /// git's output.
        output: String,
    },
    /// There is no remote.
    #[error("no remote is configured here")]
    NoRemote,
    /// There are several remotes, and no setting selects one.
    #[error("which remote? The branch follows none, and there are {}", remotes.join(", "))]
    WhichRemote {
        /// Their names.
        remotes: Vec<String>,
    },
    /// The branch's upstream has another name, so git's own push refuses.
    #[error(
        "the branch {branch} follows {upstream} of {remote}, and nothing says to which of the two names it is pushed"
    )]
    OtherName {
        /// The local branch.
        branch: String,
        /// Its upstream branch.
        upstream: String,
        /// The remote.
        remote: String,
    },
    /// `git ls-remote` failed.
    #[error("{remote} cannot be asked: {output}")]
    Asked {
        /// The remote.
        remote: String,
        /// git's output.
        output: String,
    },
    /// `git fetch` failed.
    #[error("git fetch from {remote} failed: {output}")]
    Fetch {
        /// The remote.
        remote: String,
        /// git's output.
        output: String,
    },
    /// A user's hook refused.
    #[error("the {hook} hook refused: {output}")]
    HookRefused {
        /// The hook.
        hook: &'static str,
        /// Its output.
        output: String,
    },
    /// `git merge-file` failed.
    #[error("git merge-file failed: {output}")]
    MergeFile {
        /// git's output.
        output: String,
    },
    /// The git program could not be run, or was stopped.
    #[error("running the git program failed")]
    Program(#[source] process::Error),
    /// An operation of gix failed.
    #[error("{doing} failed")]
    Git {
        /// The operation.
        doing: &'static str,
        /// The reason.
        #[source]
        source: Cause,
    },
    /// A file could not be read or written.
    #[error("{doing} {} failed", path.display())]
    File {
        /// The operation.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Data could not be forced to disk; whether it is durable is unknown.
    #[error("forcing {} to the disk failed, so it may be lost at a power cut", path.display())]
    Sync {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

/// Formats an age as ` (3 minutes old)`, or nothing.
fn age(secs: Option<u64>) -> String {
    match secs {
        None => String::new(),
        Some(secs @ 0..120) => format!(" ({secs} s old)"),
        Some(secs @ 120..7200) => format!(" ({} minutes old)", secs / 60),
        Some(secs) => format!(" ({} hours old)", secs / 3600),
    }
}

/// Returns the short id, or `absent`.
fn or_absent(id: Option<&GitId>) -> &str {
    id.map_or("absent", GitId::short)
}

/// Adds the name of the operation to an error of gix.
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
