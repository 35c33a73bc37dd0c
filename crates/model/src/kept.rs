//! Foreign edits made during an operation, and what happened to them.

use serde::{Deserialize, Serialize};

use crate::{ObjectId, RootName, file_record::FileRecord, operation::wire};
use base::RelPath;

/// The outcome for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It was moved into the store; the operation's own file is in its place.
    #[default]
    Aside,
    /// It stays in place; the operation's own file was not restored there.
    Stays,
    /// The file had been deleted; the operation wrote it again.
    Rewritten,
}

/// One file, as recorded next to the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedEdit {
    /// The root that it is below.
    #[serde(default, skip_serializing_if = "RootName::is_work_tree")]
    pub root: RootName,
    /// Its path.
    pub path: RelPath,
    /// The outcome for it.
    #[serde(default)]
    pub what: Fate,
    /// The object with the bytes that were put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// Permission bits of the file that was put aside.
    #[serde(default)]
    pub mode: u32,
    /// True when a symbolic link was put aside; its bytes are its target.
    #[serde(default)]
    pub link: bool,
}

impl SavedEdit {
    /// Describes what happened to it.
    pub fn words(&self) -> String {
        let path = &self.path;
        match self.what {
            Fate::Aside => {
                format!("{path} was changed by somebody meanwhile: what they wrote is put aside")
            }
            Fate::Stays => {
                format!("{path} was changed by somebody meanwhile: it stays as they left it")
            }
            Fate::Rewritten => {
                format!("{path} was deleted by somebody meanwhile: it is there again")
            }
        }
    }
}

/// The reason why a file can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveReason {
    /// It was edited by others during the operation.
    Aside,
    /// A foreign file is in its place; this is the file from before the operation.
    Stays,
    /// The operation changed it; this is the file from before.
    Overwritten,
    /// The operation deleted it.
    Deleted,
}

impl SaveReason {
    /// Returns the reason in words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aside => "written by somebody meanwhile",
            Self::Stays => "from before; somebody's own file stands there",
            Self::Overwritten => "overwritten",
            Self::Deleted => "deleted",
        }
    }
}

/// A file that `op restore` can restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptFile {
    /// Its path.
    pub path: RelPath,
    /// Why it can be restored.
    pub why: SaveReason,
    /// The file and the location of its bytes.
    #[serde(serialize_with = "wire::serialize")]
    pub state: FileRecord,
    /// True when it is identical to the version that was left, so that it holds no unreleased work.
    pub as_released: bool,
}
