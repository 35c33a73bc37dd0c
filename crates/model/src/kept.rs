//! What somebody wrote where an operation was at work, and what became of it.

use serde::{Deserialize, Serialize};

use crate::{ObjectId, RootName, file_record::FileRecord, operation::wire};
use base::RelPath;

/// What became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It was put aside into the store; the operation's own file is in its place.
    #[default]
    Aside,
    /// It stays where it is; the operation's own file did not come back there.
    Stays,
    /// Somebody had deleted the file; the operation wrote it again.
    Rewritten,
}

/// One file, as it is noted beside the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Below which root.
    #[serde(default, skip_serializing_if = "RootName::is_work_tree")]
    pub root: RootName,
    /// Where it was.
    pub path: RelPath,
    /// What became of it.
    #[serde(default)]
    pub what: Fate,
    /// Where the bytes are that were put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// Permission bits of what was put aside.
    #[serde(default)]
    pub mode: u32,
    /// True when a symbolic link was put aside; its bytes are its target.
    #[serde(default)]
    pub link: bool,
}

impl Kept {
    /// What became of it, in words.
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

/// Why a file can be brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Somebody wrote it while the operation was at work.
    Aside,
    /// Somebody's own file stands in its place; this is what stood there before the operation.
    Stays,
    /// The operation changed it; this is what stood there before.
    Overwritten,
    /// The operation deleted it.
    Deleted,
}

impl Why {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aside => "written by somebody meanwhile",
            Self::Stays => "from before; somebody's own file stands there",
            Self::Overwritten => "overwritten",
            Self::Deleted => "deleted",
        }
    }
}

/// A file that `op restore` can bring back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptFile {
    /// Where it was.
    pub path: RelPath,
    /// Why it can be brought back.
    pub why: Why,
    /// The file and where its bytes are.
    #[serde(serialize_with = "wire::serialize")]
    pub state: FileRecord,
    /// True when the version that was left has it just so: then nobody's work is in it.
    pub as_released: bool,
}
