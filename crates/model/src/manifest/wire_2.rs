//! `snapback.manifest/2`: the serialised manifest of anything but a release.
//!
//! Every file names the location of its bytes in one of `blob`, `object`, `database`, `lfs` and,
//! for a link, `target`. An empty folder is listed by itself; other folders may be listed for their
//! mode and time.

use base::{Digest, RelPath};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AnyManifest, Error, FileRole, MANIFEST_SCHEMA_2, ManifestFile, Subject,
    wire::{check_paths, rule},
};
use crate::{
    AsWritten, DependencyList, FileKind, FileRecord, GitId, Location, ObjectId, link_target,
};

/// The whole text.
#[derive(Serialize, Deserialize)]
pub(super) struct ManifestText2 {
    schema: String,
    subject: Subject,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    files: Vec<FileText2>,
    #[serde(default, skip_serializing_if = "is_none")]
    dependencies: DependencyList,
}

/// The type of a path.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindText {
    File,
    Link,
    Folder,
}

/// One path.
#[derive(Serialize, Deserialize)]
struct FileText2 {
    path: RelPath,
    kind: KindText,
    /// Permission bits, four octal digits.
    mode: String,
    /// Modification time: seconds since 1970, a dot, nine digits of nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtime: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blob: Option<GitId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<ObjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    database: Option<ObjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lfs: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

fn is_none(dependencies: &DependencyList) -> bool {
    *dependencies == DependencyList::default()
}

impl ManifestText2 {
    /// Converts a manifest of anything but a release for writing.
    pub(super) fn of(manifest: &AnyManifest) -> Result<Self, Error> {
        let Some(created_at) = manifest.created_at.value() else {
            return rule("it does not say when it was made".into());
        };
        if matches!(manifest.subject, Subject::TaskVersion(_)) {
            return rule("a version of a task is described by another format".into());
        }
        let files = manifest.files.iter().map(FileText2::of);
        Ok(Self {
            schema: MANIFEST_SCHEMA_2.into(),
            subject: manifest.subject.clone(),
            created_at,
            message: manifest.message.clone(),
            files: files.collect::<Result<_, _>>()?,
            dependencies: manifest.dependencies.clone(),
        })
    }

    /// Returns the manifest if it satisfies the rules.
    pub(super) fn checked(self) -> Result<AnyManifest, Error> {
        if self.schema != MANIFEST_SCHEMA_2 {
            return Err(Error::Schema(self.schema));
        }
        let paths: Vec<&RelPath> = self.files.iter().map(|file| &file.path).collect();
        check_paths(&paths, &|at| self.files[at].kind == KindText::Folder)?;
        let files = self.files.into_iter().map(FileText2::checked);
        Ok(AnyManifest {
            files: files.collect::<Result<_, _>>()?,
            subject: self.subject,
            created_at: AsWritten::Value(self.created_at),
            message: self.message,
            dependencies: self.dependencies,
            by_hand: false,
        })
    }
}

impl FileText2 {
    /// Converts a file for writing; an error when its bytes are stored nowhere.
    fn of(file: &ManifestFile) -> Result<Self, Error> {
        let Some(record) = file.record() else {
            return rule(format!("{} is not described whole", file.path()));
        };
        let is_file = record.is_file();
        let mut text = Self {
            path: record.path.clone(),
            kind: match record.kind {
                FileKind::File | FileKind::Executable => KindText::File,
                FileKind::Link => KindText::Link,
                FileKind::Folder => KindText::Folder,
            },
            mode: format!("{:04o}", record.mode & 0o7777),
            mtime: record.mtime.map(time_text),
            size: is_file.then_some(record.size),
            checksum: is_file.then_some(record.digest),
            blob: None,
            object: None,
            database: None,
            lfs: None,
            target: record.target().map(link_target::text),
        };
        match &record.location {
            Location::Blob(id) if is_file => text.blob = Some(id.clone()),
            Location::Object(object) if is_file => text.object = Some(*object),
            Location::Database(object) if is_file => text.database = Some(*object),
            Location::Lfs(digest) if is_file => text.lfs = Some(*digest),
            Location::Inline(_) if !is_file => {}
            _ => return rule(format!("the bytes of {} are kept nowhere", record.path)),
        }
        Ok(text)
    }

    /// Returns the file if it satisfies the rules.
    fn checked(self) -> Result<ManifestFile, Error> {
        let path = &self.path;
        let Some(mode) = mode_of(&self.mode) else {
            return rule(format!("{path} has the mode {:?}", self.mode));
        };
        let mtime = match self.mtime.as_deref().map(time_of) {
            Some(None) => return rule(format!("{path} has the time {:?}", self.mtime)),
            known => known.flatten(),
        };
        let locations = [
            self.blob.map(Location::Blob),
            self.object.map(Location::Object),
            self.database.map(Location::Database),
            self.lfs.map(Location::Lfs),
            self.target
                .and_then(|text| link_target::bytes(&text).map(Location::Inline)),
        ];
        let mut locations = locations.into_iter().flatten();
        let (kind, size, digest, location) = match (self.kind, locations.next(), locations.next()) {
            (KindText::File, Some(location), None) if !matches!(location, Location::Inline(_)) => {
                let (Some(size), Some(digest)) = (self.size, self.checksum) else {
                    return rule(format!("{path} lacks its size or checksum"));
                };
                (FileKind::of_mode(mode), size, digest, location)
            }
            (KindText::Link, Some(Location::Inline(target)), None) if !target.contains(&0) => {
                let (size, digest) = (target.len() as u64, Digest::of(&target));
                (FileKind::Link, size, digest, Location::Inline(target))
            }
            (KindText::Folder, None, None) => {
                let nothing = Location::Inline(Vec::new());
                (FileKind::Folder, 0, Digest::of(b""), nothing)
            }
            _ => {
                return rule(format!(
                    "{path} must say once where its bytes are: a file by what keeps them, a link by its target, a folder not at all"
                ));
            }
        };
        let record = FileRecord {
            path: self.path,
            kind,
            size,
            digest,
            mode,
            mtime,
            location,
        };
        Ok(ManifestFile::new(FileRole::Source, record))
    }
}

/// Parses permission bits of four octal digits.
fn mode_of(text: &str) -> Option<u32> {
    let mode = u32::from_str_radix(text, 8).ok()?;
    (format!("{mode:04o}") == text && mode <= 0o7777).then_some(mode)
}

/// Formats a time.
fn time_text((seconds, nanos): (i64, u32)) -> String {
    format!("{seconds}.{nanos:09}")
}

/// Parses a time.
fn time_of(text: &str) -> Option<(i64, u32)> {
    let (seconds, nanos) = text.split_once('.')?;
    let time = (seconds.parse().ok()?, nanos.parse().ok()?);
    (time_text(time) == text && time.1 < 1_000_000_000).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{SessionId, SubjectName};

    fn name(text: &str) -> SubjectName {
        text.parse().expect("it is a name")
    }

    /// Returns files of every kind, with every kind of location.
    fn files() -> Vec<ManifestFile> {
        let digest = Digest::of(b"x");
        let file = |path: &[u8], mode, location| FileRecord {
            location,
            ..FileRecord::with_bytes(RelPath::parse(path).expect("safe"), mode, b"x".to_vec())
        };
        let nothing = |path: &[u8], kind, bytes: &[u8]| FileRecord {
            kind,
            mtime: None,
            location: Location::Inline(bytes.to_vec()),
            ..FileRecord::with_bytes(RelPath::parse(path).expect("safe"), 0o755, bytes.to_vec())
        };
        let records = [
            FileRecord {
                mtime: Some((-5, 7)),
                ..file(b"a b\n", 0o600, Location::Object(ObjectId(digest)))
            },
            file(b"db.sqlite", 0o644, Location::Database(ObjectId(digest))),
            nothing(b"folder", FileKind::Folder, b""),
            file(
                b"folder/run.sh",
                0o755,
                Location::Blob("1".repeat(40).parse().expect("id")),
            ),
            nothing(b"link", FileKind::Link, b"../\xf0"),
            file(b"movie", 0o4711, Location::Lfs(digest)),
            file(b"\xff", 0, Location::Object(ObjectId(digest))),
        ];
        records
            .into_iter()
            .map(|record| ManifestFile::new(FileRole::Source, record))
            .collect()
    }

    fn manifest(subject: Subject) -> AnyManifest {
        AnyManifest {
            subject,
            created_at: AsWritten::read("2026-11-30T01:30:00.5Z".into()),
            message: Some("新增: yes\nno".into()),
            files: files(),
            dependencies: DependencyList::default(),
            by_hand: false,
        }
    }

    fn folder() -> AnyManifest {
        manifest(Subject::Folder {
            name: name("plugins"),
        })
    }

    #[test]
    fn every_subject_round_trips() {
        let session: SessionId = "agent:main:telegram:1".parse().expect("it is one");
        let subjects = [
            Subject::Folder {
                name: name("plugins"),
            },
            Subject::Session {
                home: name("openclaw"),
                session: session.clone(),
                snapshot: name("2026-11-30T01.30"),
            },
            Subject::Closure {
                session,
                workflow: RelPath::parse("configs/工作流.yaml").expect("safe"),
            },
            Subject::Cluster {
                name: name("main"),
                epoch: u64::MAX,
            },
        ];
        for subject in subjects {
            let manifest = manifest(subject);
            let text = manifest.render().expect("it renders");
            let read = AnyManifest::parse_any(text.as_bytes()).expect("it reads");
            assert_eq!((read.render().expect("it renders"), read), (text, manifest));
        }
    }

    #[test]
    fn names_that_yaml_may_read_otherwise_survive() {
        for odd in [
            "a\u{85}b",
            "a\u{2028}b",
            "\u{7f}",
            "\u{feff}x",
            "\u{fffe}",
            "a\tb\\",
            "😀",
            " a ",
            "\r\n",
            "~",
            "0x1f",
            "- a: b",
        ] {
            let mut manifest = folder();
            manifest.files.truncate(1);
            let record = manifest.files[0].record_mut().expect("it is whole");
            record.path = RelPath::parse(odd).expect("safe");
            manifest.message = Some(odd.into());
            let text = manifest.render().expect("it renders");
            let read = AnyManifest::parse_any(text.as_bytes()).expect("it reads");
            assert_eq!(read, manifest, "{odd:?}");
        }
    }

    #[test]
    fn a_version_of_a_task_stays_in_the_first_format() {
        let text = include_str!("release-1.yaml");
        let any = AnyManifest::parse_any(text.as_bytes()).expect("it reads");
        assert!(matches!(any.subject, Subject::TaskVersion(_)));
        assert_eq!(any.render().expect("it renders"), text);
        let folder = folder().render().expect("it renders");
        let refused = super::super::Manifest::parse(folder.as_bytes());
        assert!(matches!(refused, Err(Error::NotOfARelease)), "{refused:?}");
    }

    #[test]
    fn the_text_stays_as_it_is() {
        let text = folder().render().expect("it renders");
        assert_eq!(text, include_str!("folder-2.yaml"));
    }

    #[test]
    fn what_is_kept_nowhere_is_not_written() {
        for location in [Location::Here, Location::Inline(b"x".to_vec())] {
            let mut manifest = folder();
            manifest.files[0]
                .record_mut()
                .expect("it is whole")
                .location = location;
            assert!(manifest.render().is_err());
        }
    }

    #[test]
    fn hostile_texts_are_refused() {
        let text = folder().render().expect("it renders");
        let whole = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        };
        let cases = [
            whole("path: db.sqlite", "path: ../db.sqlite"),
            whole("path: db.sqlite", "path: /etc/passwd"),
            whole("path: db.sqlite", "path: c/.GIT/config"),
            whole("path: db.sqlite", "path: folder"),
            whole("path: db.sqlite", "path: zz"),
            whole("path: movie", "path: link/movie"),
            whole("path: db.sqlite", "path: bytes:00"),
            whole("mode: '0600'", "mode: '10600'"),
            whole("mode: '0600'", "mode: '600'"),
            whole("mtime: '-5.000000007'", "mtime: '-5.1000000000'"),
            whole("mtime: '-5.000000007'", "mtime: now"),
            whole("name: plugins", "name: ../plugins"),
            whole("kind: folder\n", "kind: task_version\n"),
            whole("kind: file", "kind: socket"),
            whole("kind: file", "kind: link"),
            whole("kind: link", "kind: file"),
            whole("kind: link", "kind: folder"),
            whole("target: bytes:2e2e2ff0", "target: bytes:00"),
            whole("target: bytes:2e2e2ff0", "target: bytes:xx"),
            whole("  size: 1\n", ""),
            whole("  checksum: sha256:", "  checksum: sha256:x"),
            whole("  object: sha256:", "  blob: sha256:"),
            whole("created_at: 2026", "created_at: x2026"),
            whole("files:\n", "files: &a\n"),
            whole("snapback.manifest/2\n", "snapback.manifest/3\n"),
            text.clone() + "files: []\n",
            text.clone() + "subject: {}\n",
            "schema: snapback.manifest/2\n".into(),
        ];
        for case in &cases {
            assert!(AnyManifest::parse_any(case.as_bytes()).is_err(), "{case}");
        }
        let twice = whole(
            "  object: ",
            &format!("  lfs: {}\n  object: ", Digest::of(b"x")),
        );
        assert!(
            AnyManifest::parse_any(twice.as_bytes()).is_err(),
            "two places"
        );
        let large = [text.as_bytes(), &vec![b'#'; 65 << 20]].concat();
        assert!(AnyManifest::parse_any(&large).is_err(), "65 MB are refused");
        let deep = text.replacen("name: plugins", &format!("name: {}", "[".repeat(100)), 1);
        assert!(AnyManifest::parse_any(deep.as_bytes()).is_err(), "too deep");
    }
}
