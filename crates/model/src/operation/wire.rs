//! The representation of files in `plan.json`, and in the command line's output of a plan.
//!
//! Only files with stored bytes can be written: a plan whose bytes exist only in the tree could not
//! be undone.

use std::fmt;

use base::{Digest, RelPath};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
    ser::{self, SerializeStruct},
};

use super::{FileChanges, PathChange};
use crate::{
    GitId, ObjectId, RootName,
    file_record::{FileKind, FileRecord, Location},
};

/// The location of stored bytes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LocationText {
    Blob(GitId),
    Object(ObjectId),
    Lfs(Digest),
}

/// A file or link without its path, which is stored next to it.
#[derive(Serialize, Deserialize)]
struct RecordText {
    /// True for a symbolic link; its bytes are its target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    link: bool,
    mode: u32,
    size: u64,
    digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtime: Option<(i64, u32)>,
    source: LocationText,
}

/// One path, before and after.
#[derive(Serialize, Deserialize)]
struct ChangeText {
    path: RelPath,
    before: Option<RecordText>,
    after: Option<RecordText>,
}

impl RecordText {
    /// Converts a record for writing; `None` when its bytes are not stored, or it is a folder.
    fn of(record: &FileRecord) -> Option<Self> {
        let source = match &record.location {
            Location::Blob(id) => LocationText::Blob(id.clone()),
            Location::Object(object) => LocationText::Object(*object),
            Location::Lfs(digest) => LocationText::Lfs(*digest),
            Location::Database(_) | Location::Inline(_) | Location::Here => return None,
        };
        (record.kind != FileKind::Folder).then(|| Self {
            link: record.is_link(),
            mode: record.mode,
            size: record.size,
            digest: record.digest,
            mtime: record.mtime,
            source,
        })
    }

    /// Returns the record at a path.
    fn at(self, path: &RelPath) -> FileRecord {
        FileRecord {
            path: path.clone(),
            kind: if self.link {
                FileKind::Link
            } else {
                FileKind::of_mode(self.mode)
            },
            size: self.size,
            digest: self.digest,
            mode: self.mode,
            mtime: self.mtime,
            location: match self.source {
                LocationText::Blob(id) => Location::Blob(id),
                LocationText::Object(object) => Location::Object(object),
                LocationText::Lfs(digest) => Location::Lfs(digest),
            },
        }
    }
}

impl Serialize for FileChanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.root.is_work_tree() {
            return self.changes.serialize(serializer);
        }
        let mut text = serializer.serialize_struct("FileChanges", 2)?;
        text.serialize_field("root", &self.root)?;
        text.serialize_field("changes", &self.changes)?;
        text.end()
    }
}

impl<'de> Deserialize<'de> for FileChanges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FilesVisitor)
    }
}

/// Changes of files below a root other than the work tree.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedChanges {
    root: RootName,
    changes: Vec<PathChange>,
}

/// Reads a bare list, or the changes below a named root.
struct FilesVisitor;

impl<'de> Visitor<'de> for FilesVisitor {
    type Value = FileChanges;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("changes of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<FileChanges, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(FileChanges::of_work_tree)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileChanges, A::Error> {
        let NamedChanges { root, changes } =
            NamedChanges::deserialize(MapAccessDeserializer::new(map))?;
        Ok(FileChanges { root, changes })
    }
}

/// Writes a record without its path.
pub(crate) fn serialize<S: Serializer>(
    record: &FileRecord,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    state::<S::Error>(record)?.serialize(serializer)
}

/// Converts a record for writing; an error when its bytes are not stored.
fn state<E: ser::Error>(record: &FileRecord) -> Result<RecordText, E> {
    RecordText::of(record)
        .ok_or_else(|| E::custom(format!("the bytes of {} are kept nowhere", record.path)))
}

impl Serialize for PathChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [before, after] = [&self.before, &self.after]
            .map(|record| record.as_ref().map(state::<S::Error>).transpose());
        ChangeText {
            path: self.path.clone(),
            before: before?,
            after: after?,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PathChange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ChangeText {
            path,
            before,
            after,
        } = ChangeText::deserialize(deserializer)?;
        Ok(Self {
            before: before.map(|state| state.at(&path)),
            after: after.map(|state| state.at(&path)),
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_the_work_tree_are_a_bare_list_and_others_name_their_root() {
        let read = |text: &str| serde_json::from_str::<FileChanges>(text);
        let write = |files: &FileChanges| serde_json::to_string(files).expect("it renders");
        let here = read(r#"[{"path":"a","before":null,"after":null}]"#).expect("a list");
        assert!(here.root.is_work_tree());
        assert_eq!(write(&here), r#"[{"path":"a","before":null,"after":null}]"#);
        let text = r#"{"root":"home","changes":[{"path":"a","before":null,"after":null}]}"#;
        let there = read(text).expect("a root");
        assert_eq!(
            (write(&there).as_str(), there.changes),
            (text, here.changes)
        );
        for bad in [
            r#"{"root":"../x","changes":[]}"#,
            r#"{"changes":[]}"#,
            "1",
            r#""x""#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn changes_are_written_as_they_always_were_and_read_again() {
        let digest = Digest::of(b"x");
        let blob = "1".repeat(40);
        let text = format!(
            r#"{{"path":"a/b","before":{{"link":true,"mode":511,"size":1,"digest":"{digest}","source":{{"blob":"{blob}"}}}},"after":{{"mode":493,"size":1,"digest":"{digest}","mtime":[-1,5],"source":{{"object":"{digest}"}}}}}}"#
        );
        let change: PathChange = serde_json::from_str(&text).expect("it is one");
        assert_eq!(serde_json::to_string(&change).expect("it renders"), text);
        let kinds = [&change.before, &change.after].map(|record| {
            let record = record.as_ref().expect("both are there");
            assert_eq!(record.path, change.path);
            record.kind
        });
        assert_eq!(kinds, [FileKind::Link, FileKind::Executable]);
        let absent = r#"{"path":"a","before":null,"after":null}"#;
        let change: PathChange = serde_json::from_str(absent).expect("it is one");
        assert_eq!(serde_json::to_string(&change).expect("it renders"), absent);
    }

    #[test]
    fn what_is_kept_nowhere_is_not_written() {
        for location in [Location::Here, Location::Inline(b"x".to_vec())] {
            let record = FileRecord {
                location,
                ..FileRecord::with_bytes(RelPath::own("a"), 0o644, b"x".to_vec())
            };
            let change = PathChange {
                path: record.path.clone(),
                before: None,
                after: Some(record),
            };
            assert!(serde_json::to_string(&change).is_err());
        }
    }
}
