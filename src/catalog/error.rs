//! Errors about missing or invalid parts of a repository, with hints.

use super::Release;
use crate::{
    base::{Fault, Hint, Kind, LinkOnTheWay, RelPath},
    git::BrokenRef,
    model::{Advice, GitId, TagName, TaskId, Version},
};

/// A part of the repository that is missing or invalid.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No task has this id.
    #[error("there is no task {task:?}")]
    UnknownTask {
        /// The text typed.
        task: String,
        /// Similar ids.
        near: Vec<String>,
    },
    /// The task has no such release.
    #[error("{task} has no version {version}")]
    UnknownVersion {
        /// The task.
        task: TaskId,
        /// The text typed.
        version: String,
        /// Similar versions, then the newest ones.
        near: Vec<String>,
    },
    /// The release has a tag but no manifest.
    #[error("{task} {version} has no manifest: its tag is older than snapback here")]
    NoManifest {
        /// The task.
        task: TaskId,
        /// The version.
        version: Version,
    },
    /// The manifest would be larger than any that is read.
    #[error("the manifest of {task} {version} would have {what}")]
    ManifestTooLarge {
        /// The task.
        task: TaskId,
        /// The version.
        version: Version,
        /// What it would have too much of.
        what: String,
    },
    /// The manifest is not the one named by the tag.
    #[error(
        "the manifest of {task} {version} was changed: its tag names {expected}, the file is {found}"
    )]
    ManifestChanged {
        /// The task.
        task: TaskId,
        /// The version.
        version: Version,
        /// The digest in the tag.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// The branch has the manifest of a different release with the same number.
    #[error("{0}")]
    NumberTaken(Box<NumberTaken>),
    /// The tag was moved: its commit is not the one in the manifest.
    #[error("the tag {tag} points to {found}, its manifest was made for {expected}")]
    TagMoved {
        /// The tag.
        tag: String,
        /// The commit in the manifest.
        expected: String,
        /// The commit of the tag.
        found: String,
    },
    /// The tag was moved: the second reference still names the released object.
    #[error("the tag {tag} was moved: {kept} still names {names}")]
    TagReplaced {
        /// The tag.
        tag: String,
        /// The second reference.
        kept: String,
        /// The object it names.
        names: GitId,
    },
    /// The release's tag is broken, and there is no second reference.
    #[error("the tag of {task} {version} is broken: {}: {}", broken.name, broken.why)]
    TagBroken {
        /// The task.
        task: TaskId,
        /// The version.
        version: Version,
        /// The reference.
        broken: Box<BrokenRef>,
    },
    /// A file of the tree cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: RelPath,
        /// The system's error.
        source: std::io::Error,
    },
    /// The registry or a task's configuration is a symbolic link.
    #[error("{0} is a symbolic link, and snapback changes no file through a link")]
    Linked(RelPath),
    /// This user cannot change the names in a folder.
    #[error("cannot write into {folder}")]
    Unwritable {
        /// The folder.
        folder: RelPath,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file or folder has an attribute that forbids all changes.
    #[error("{0} is immutable or append-only (chattr), so it cannot be changed")]
    Fixed(RelPath),
    /// No local commit holds the manifest named by the tag.
    #[error("no commit that is here holds the manifest of {task} {version}, which its tag names")]
    ManifestAway {
        /// The task.
        task: TaskId,
        /// The version.
        version: Version,
    },
    /// A file kept changing while it was read.
    #[error("{0} is being written: it changed three times while it was read")]
    Unsteady(RelPath),
    /// A device, FIFO, socket or nested repository is where a file of the task should be.
    #[error("{path} is {what}, which cannot be released or restored")]
    NotAFile {
        /// The path.
        path: RelPath,
        /// Its kind.
        what: &'static str,
    },
}

/// The manifest of a different release with a taken number: its author lost a race for the number.
#[derive(Debug)]
pub struct NumberTaken {
    /// The tag that owns the number.
    pub tag: String,
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The commit of the other release.
    pub commit: String,
    /// The path of its manifest.
    pub path: RelPath,
    /// A commit that has the tag's own manifest.
    pub source: Option<GitId>,
}

impl std::fmt::Display for NumberTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            tag,
            task,
            version,
            commit,
            ..
        } = self;
        let commit = commit.get(..7).unwrap_or(commit);
        write!(
            f,
            "this branch has a manifest of {task} {version} that is of another release, made of {commit}: the tag {tag} is not its tag"
        )
    }
}

impl NumberTaken {
    /// Returns how to get the tag's manifest into the branch, and a new number for its own release.
    fn hints(&self) -> Vec<Hint> {
        let path = self.path.to_string();
        let take = |source: &GitId| {
            Hint::run(
                "take the manifest of the tag into this branch, and commit it",
                &["git", "checkout", source.as_str(), "--", &path],
            )
        };
        let why = "then release what this branch has under a number of its own";
        let release = Advice::ReleaseNext {
            task: self.task.clone(),
        }
        .because(why);
        self.source.iter().map(take).chain([release]).collect()
    }
}

impl Error {
    /// Builds the error for a release whose second reference and tag differ.
    pub fn tag_replaced(release: &Release, names: GitId) -> Self {
        Self::TagReplaced {
            tag: release.tag.clone(),
            kept: TagName::keep_reference(&release.task, &release.version),
            names,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::UnknownTask { .. } | Self::UnknownVersion { .. } => Kind::NotFound,
            Self::NoManifest { .. }
            | Self::ManifestTooLarge { .. }
            | Self::NotAFile { .. }
            | Self::Linked(_)
            | Self::Fixed(_) => Kind::Refused,
            Self::ManifestChanged { .. }
            | Self::TagMoved { .. }
            | Self::TagReplaced { .. }
            | Self::TagBroken { .. } => Kind::Bad,
            Self::NumberTaken(_) => Kind::Conflict,
            Self::Read { source, .. } | Self::Unwritable { source, .. }
                if is_link_on_the_way(source) =>
            {
                Kind::Refused
            }
            Self::Read { .. }
            | Self::Unwritable { .. }
            | Self::Unsteady(_)
            | Self::ManifestAway { .. } => Kind::Missing,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::UnknownTask { .. } | Self::UnknownVersion { .. } => self.hints_on_names(),
            Self::NoManifest { .. } | Self::ManifestAway { .. } | Self::ManifestChanged { .. } => {
                self.hints_on_manifests()
            }
            Self::TagBroken { .. }
            | Self::NumberTaken(_)
            | Self::TagMoved { .. }
            | Self::TagReplaced { .. } => self.hints_on_tags(),
            Self::ManifestTooLarge { .. } => vec![Hint::say(
                "leave files out with `exclude`, or make several tasks of it",
            )],
            Self::Fixed(path) => vec![Hint::run(
                "take the attribute away",
                &["chattr", "-i", "-a", &path.to_string()],
            )],
            Self::Linked(path) => vec![Hint::say(format!(
                "put the file itself at {path}, in place of the link"
            ))],
            Self::Unsteady(_) => vec![Hint::say(
                "stop the task, or set its `stop` command, and try again",
            )],
            Self::NotAFile { path, .. } => {
                vec![Hint::say(format!("add {path} to the task's `exclude`"))]
            }
            Self::Unwritable { folder, .. } => {
                vec![Hint::run(
                    "see who owns it, and run snapback as that user",
                    &["ls", "-ld", &folder.to_string()],
                )]
            }
            Self::Read { path, source } if is_link_on_the_way(source) => vec![Hint::say(format!(
                "no symbolic link is followed on the way to {path}: move it away, or put the real folder in its place"
            ))],
            Self::Read { path, .. } => vec![Hint::say(format!(
                "see who may read {path}, and that its disk is well"
            ))],
        }
    }
}

impl Error {
    /// Returns hints for an unknown task or version.
    fn hints_on_names(&self) -> Vec<Hint> {
        match self {
            Self::UnknownTask { near, .. } if near.is_empty() => {
                vec![Advice::SeeStatus.because("see all tasks")]
            }
            Self::UnknownTask { near, .. } => {
                vec![Hint::say(format!("did you mean {}?", near.join(", ")))]
            }
            Self::UnknownVersion { task, near, .. } if near.is_empty() => vec![
                Advice::Release { task: task.clone() }.because("make its first release"),
                Hint::run(
                    "or, if it was released elsewhere, fetch its tags",
                    &["git", "fetch", "--tags"],
                ),
            ],
            Self::UnknownVersion { task, near, .. } => vec![
                Hint::say(format!("did you mean {}?", near.join(", "))),
                Advice::ListVersions { task: task.clone() }.because("see its releases"),
            ],
            _ => Vec::new(),
        }
    }

    /// Returns hints for a missing or changed manifest.
    fn hints_on_manifests(&self) -> Vec<Hint> {
        match self {
            Self::NoManifest { task, .. } => {
                vec![Advice::Adopt { task: task.clone() }.because("make manifests for its tags")]
            }
            Self::ManifestAway { .. } => vec![
                Hint::run(
                    "fetch the branches: a manifest lies in the commit after its tag's",
                    &[
                        "git",
                        "fetch",
                        "origin",
                        "+refs/heads/*:refs/remotes/origin/*",
                    ],
                ),
                Hint::run(
                    "and the tags of later releases, whose commits have it too",
                    &["git", "fetch", "--tags"],
                ),
            ],
            Self::ManifestChanged { task, version, .. } => {
                let pattern = format!("*snapshot-{task}-v{version}.yaml");
                vec![
                    Hint::run("see who changed it", &["git", "log", "-p", "--", &pattern]),
                    Hint::run(
                        "or whether it is changed in the work tree only",
                        &["git", "status", "--", &pattern],
                    ),
                ]
            }
            _ => Vec::new(),
        }
    }

    /// Returns hints for a broken or moved tag, or a taken number.
    fn hints_on_tags(&self) -> Vec<Hint> {
        match self {
            Self::TagBroken { broken, .. } => broken.hints(),
            Self::NumberTaken(taken) => taken.hints(),
            Self::TagMoved { tag, expected, .. } => vec![
                Hint::run(
                    "see who made the tag that is there now",
                    &["git", "show", "--no-patch", tag],
                ),
                Hint::run(
                    "put it back on the commit that was released",
                    &["git", "update-ref", &format!("refs/tags/{tag}"), expected],
                ),
            ],
            Self::TagReplaced { tag, kept, .. } => {
                let tag_ref = format!("refs/tags/{tag}");
                vec![
                    Hint::run(
                        "see who made the tag that is there now",
                        &["git", "show", "--no-patch", tag],
                    ),
                    Hint::run(
                        "bring the release back",
                        &["git", "update-ref", &tag_ref, kept],
                    ),
                    Hint::run(
                        "or, if the new tag is the right one",
                        &["git", "update-ref", kept, &tag_ref],
                    ),
                ]
            }
            _ => Vec::new(),
        }
    }
}

/// Returns true when a symbolic link is in place of a folder.
fn is_link_on_the_way(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<LinkOnTheWay>())
}
