//! Errors that stop a release: one variant per reason, each with exit code and hints.

use super::line;
use crate::{
    base::{Fault, Hint, Kind, RelPath, text},
    model::{Advice, NoNextVersion, TaskId, Version, version::NotAVersion},
    policy::portable::PortabilityTrouble,
    registry::version_hints,
};

/// The reason why a release is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tag exists with different content.
    #[error("{tag} exists already, at {at}; a released version is never changed")]
    TagExists {
        /// The tag.
        tag: String,
        /// Its commit, abbreviated.
        at: String,
        /// The task.
        task: TaskId,
    },
    /// A remote has a different release of this number.
    #[error("{tag} is released here, and {place}: one number, two contents")]
    Twice {
        /// The tag.
        tag: String,
        /// The place of the other one.
        place: String,
    },
    /// The version was released; only its tag is missing here.
    #[error("{0}")]
    Untagged(Box<line::Untagged>),
    /// The derived number equals, or exceeds, a release that is not in the branch.
    #[error("{0}")]
    Beside(Box<line::OtherRelease>),
    /// Two tasks could have a tag of this name.
    #[error("the tag {tag} of {task} could as well be one of {other}")]
    Ambiguous {
        /// The tag.
        tag: String,
        /// The task.
        task: TaskId,
        /// The other one.
        other: TaskId,
    },
    /// A branch has the tag's name.
    #[error("a branch is called {0}, which the tag would be called too")]
    BranchHasItsName(String),
    /// An uncommitted file has the manifest's name.
    #[error("{0} is there and not committed; the release would write its manifest over it")]
    ManifestInTheWay(RelPath),
    /// There is nothing to release.
    #[error("{0} has no files: nothing matches its paths")]
    NoFiles(TaskId),
    /// The configuration has no version field.
    #[error("{path} of {task} has no `{key}`, so the release could not be recognised from it")]
    ConfigWithoutVersion {
        /// The task.
        task: TaskId,
        /// Its configuration.
        path: String,
        /// The missing field.
        key: String,
        /// How to add it, in the syntax of the format.
        add: String,
        /// True when the file declares that its version is generated elsewhere.
        dynamic: bool,
    },
    /// The files equal those of a held version.
    #[error("these are the files of {task} {held}, which is held")]
    Held {
        /// The task.
        task: TaskId,
        /// The held version.
        held: Version,
    },
    /// Large files of the active release are neither here nor in the store, so a release would lack
    /// them.
    #[error("{}", not_here(version, paths))]
    NotHere {
        /// The task.
        task: TaskId,
        /// The active version.
        version: Version,
        /// The files.
        paths: Vec<RelPath>,
    },
    /// Some file names cannot be written on every system.
    #[error("{}", not_portable(.0))]
    NotPortable(Vec<PortabilityTrouble>),
    /// A new file holds secrets by its name, and git does not ignore it.
    #[error("{0} holds secrets by its name, and git neither ignores nor tracks it")]
    Secrets(RelPath),
    /// The newest version cannot be incremented.
    #[error("no version can be counted: {0}")]
    NoNextVersion(#[from] NoNextVersion),
    /// The version is not one of the task's scheme.
    #[error("{0}")]
    NotOfScheme(#[from] NotAVersion),
    /// Names with this version are too long for a file system.
    #[error("{1} is too long: the tags and manifests of {0} could have no file of that name")]
    TooLong(TaskId, Version),
}

/// Returns `2 names cannot be written on every system: …`.
pub(super) fn not_portable(troubles: &[PortabilityTrouble]) -> String {
    let mut list = troubles
        .iter()
        .take(5)
        .map(|found| format!("{} ({})", found.path, found.why))
        .collect::<Vec<_>>()
        .join(", ");
    if troubles.len() > 5 {
        list.push_str(", …");
    }
    format!(
        "{} cannot be written on every system: {list}",
        text::count(troubles.len(), "name")
    )
}

/// Returns `tasks/T01/m.db of 1.1.0 is neither in the work tree nor in the store of this clone, …`.
fn not_here(version: &Version, paths: &[RelPath]) -> String {
    let mut names: Vec<String> = paths.iter().take(3).map(ToString::to_string).collect();
    if paths.len() > names.len() {
        names.push(format!("{} more", paths.len() - names.len()));
    }
    let (is, them) = if paths.len() == 1 {
        ("is", "it")
    } else {
        ("are", "them")
    };
    let names = names.join(", ");
    format!(
        "{names} of {version} {is} neither in the work tree nor in the store of this clone, and a release would be without {them}"
    )
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::TagExists { .. }
            | Self::Twice { .. }
            | Self::Untagged(_)
            | Self::Beside(_)
            | Self::BranchHasItsName(_) => Kind::Conflict,
            Self::NoNextVersion(_) | Self::NotOfScheme(_) | Self::TooLong(..) => Kind::Usage,
            Self::Ambiguous { .. }
            | Self::ManifestInTheWay(_)
            | Self::NoFiles(_)
            | Self::ConfigWithoutVersion { .. }
            | Self::Held { .. }
            | Self::Secrets(_)
            | Self::NotPortable(_) => Kind::Refused,
            Self::NotHere { .. } => Kind::Missing,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::TagExists { .. }
            | Self::Twice { .. }
            | Self::Ambiguous { .. }
            | Self::BranchHasItsName(_)
            | Self::NoNextVersion(_)
            | Self::NotOfScheme(_)
            | Self::TooLong(..) => self.of_the_number(),
            Self::Untagged(found) => found.hints(),
            Self::Beside(found) => found.hints(),
            Self::ManifestInTheWay(path) => vec![Hint::say(format!(
                "move {path} away, or commit it, and try again"
            ))],
            Self::NoFiles(_) => vec![Hint::say(
                "check `path` and `exclude` of the task in snapback.yaml, and .gitignore",
            )],
            Self::Held { task, held } => if_it_is_good(task, held),
            Self::Secrets(path) => vec![
                Hint::say(format!("add a line for {path} to .gitignore")),
                Hint::run(
                    "or take it into the release all the same",
                    &["git", "add", "--", &path.to_text()],
                ),
            ],
            Self::NotHere { task, version, .. } => bring_it_here(task, version),
            Self::NotPortable(_) => {
                vec![Hint::say(
                    "rename them, name them in the task's `exclude`, or set `releases: {portable: false}` in snapback.yaml",
                )]
            }
            Self::ConfigWithoutVersion { add, dynamic, .. } => version_hints(add, *dynamic),
        }
    }
}

impl Error {
    /// Returns hints for a release that cannot have its number.
    fn of_the_number(&self) -> Vec<Hint> {
        match self {
            Self::TagExists { task, .. } => vec![
                Advice::ReleaseNext { task: task.clone() }.because("take the next version"),
                Advice::ListVersions { task: task.clone() }.because("see what is released"),
            ],
            Self::Twice { tag, .. } => vec![
                Advice::UndoThis { what: tag.clone() }
                    .because("take the one that was made here back"),
                Hint::run(
                    "then bring the other one here, and release the next version",
                    &["git", "fetch", "--tags"],
                ),
            ],
            Self::Ambiguous { task, other, .. } => vec![Hint::say(format!(
                "give {task} or {other} another id: rename its folder, or name it below `tasks` in snapback.yaml; or choose another version"
            ))],
            Self::BranchHasItsName(name) => vec![Hint::run(
                "rename the branch",
                &["git", "branch", "-m", name, &format!("{name}-work")],
            )],
            Self::NoNextVersion(NoNextVersion::Largest(_)) => vec![Hint::say(
                "raise another number with --bump, or name the version",
            )],
            Self::NoNextVersion(NoNextVersion::NotOfDates(..)) => vec![Hint::say(
                "without --bump the date of today is taken; --bump patch counts on the last date",
            )],
            Self::NotOfScheme(_) => vec![Hint::say(
                "`scheme` of the task in snapback.yaml says what its versions are: semver, pep440 or calver",
            )],
            Self::TooLong(..) => vec![Hint::say("take a shorter version, or a shorter id")],
            _ => Vec::new(),
        }
    }
}

/// Returns hints for files of a held version.
fn if_it_is_good(task: &TaskId, held: &Version) -> Vec<Hint> {
    vec![
        Advice::ListVerdicts { task: task.clone() }.because("see why"),
        Advice::LiftHold {
            version: held.to_string(),
            task: task.clone(),
        }
        .because("if it is good after all, lift the hold"),
    ]
}

/// Returns hints for a version whose large files are elsewhere.
fn bring_it_here(task: &TaskId, version: &Version) -> Vec<Hint> {
    vec![
        crate::site::bytes::copy_store(),
        Advice::RollBackTo {
            task: task.clone(),
            to: version.to_string(),
        }
        .because("then bring what is missing"),
        Hint::say("or name it in the task's `exclude`, when no release needs it any more"),
    ]
}
