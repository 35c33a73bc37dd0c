//! Subjects of manifests. Engines choose the paths; this module only defines the names.

use std::{fmt, str::FromStr};

use base::RelPath;
use serde::{Deserialize, Serialize};

use crate::{AsWritten, GitId, TaskId, Version};

/// The subject of a manifest; its text is that of the second format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// A version of a task, which only the first format describes.
    #[serde(skip)]
    TaskVersion(TaskVersion),
    /// Folders stored under a name.
    Folder {
        /// The name.
        name: SubjectName,
    },
    /// An agent's conversation at one moment.
    Session {
        /// The agent's home.
        home: SubjectName,
        /// The conversation's id, as given by its tool.
        session: SessionId,
        /// The snapshot.
        snapshot: SubjectName,
    },
    /// The configuration of a workflow with everything it needs.
    Closure {
        /// The conversation that it belongs to.
        session: SessionId,
        /// The workflow's own file.
        workflow: RelPath,
    },
    /// The state of a cluster: a copy of its database.
    Cluster {
        /// The cluster.
        name: SubjectName,
        /// Its epoch; a restore begins a new one.
        epoch: u64,
    },
}

impl Subject {
    /// Returns its kind, for display.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TaskVersion(_) => "a version of a task",
            Self::Folder { .. } => "a folder",
            Self::Session { .. } => "a session",
            Self::Closure { .. } => "a configuration",
            Self::Cluster { .. } => "the state of a cluster",
        }
    }
}

/// A version of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskVersion {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The name of its tag.
    pub tag: String,
    /// The commit that holds the files (an abbreviation in hand-written manifests).
    pub commit: AsWritten<GitId>,
    /// The previously active version.
    pub previous: Option<Version>,
    /// True when the manifest was created later for an existing tag.
    pub adopted: bool,
    /// Files whose line ends in the work tree differed from those that git checks out.
    pub line_ends: Vec<RelPath>,
}

impl TaskVersion {
    /// True when it is the given version of the given task.
    pub fn is(&self, task: &TaskId, version: &Version) -> bool {
        (&self.task, &self.version) == (task, version)
    }
}

/// A name that is safe in a path: 1 to 64 of `[A-Za-z0-9._-]`, beginning with a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SubjectName(String);

/// The id that a tool gives a conversation: 1 to 200 characters, no control characters. It is not a
/// path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SessionId(String);

/// The error for a text that is not a name.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no name: 1 to 64 letters, digits, dots, dashes and underscores")]
pub struct NotAName(pub String);

/// The error for a text that is not the id of a conversation.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no id of a session: 1 to 200 characters, no control characters")]
pub struct NotASessionId(pub String);

impl FromStr for SubjectName {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let fits = (1..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
            && !text.contains("..");
        if fits {
            Ok(Self(text.to_string()))
        } else {
            Err(NotAName(text.to_string()))
        }
    }
}

impl FromStr for SessionId {
    type Err = NotASessionId;
    fn from_str(text: &str) -> Result<Self, NotASessionId> {
        let fits = (1..=200).contains(&text.chars().count()) && !text.contains(char::is_control);
        if fits {
            Ok(Self(text.to_string()))
        } else {
            Err(NotASessionId(text.to_string()))
        }
    }
}

impl TryFrom<String> for SubjectName {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl TryFrom<String> for SessionId {
    type Error = NotASessionId;
    fn try_from(text: String) -> Result<Self, NotASessionId> {
        text.parse()
    }
}

impl From<SubjectName> for String {
    fn from(name: SubjectName) -> Self {
        name.0
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths_and_ids_of_sessions_are_one_line() {
        for good in ["a", "plugins", "2026-11-30T01.30_x"] {
            assert!(good.parse::<SubjectName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".a",
            "-a",
            "a/b",
            "..",
            "a..b",
            "a b",
            "é",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(bad.parse::<SubjectName>().is_err(), "{bad}");
        }
        for good in ["agent:main:telegram:1", "a/b", "会话", &"é".repeat(200)] {
            assert!(good.parse::<SessionId>().is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "\u{7f}", &"x".repeat(201)] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }
}
