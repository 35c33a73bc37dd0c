//! `snapback.capsule/1`: the serialised list of a capsule, and its rules.

use std::collections::BTreeSet;

use base::{Digest, RelPath};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CAPSULE_SCHEMA, CapsuleFile, Wheel};
use crate::{
    GitId, TaskId, Version,
    as_written::AsWritten,
    file_record::{FileRecord, Location},
    git_mode::GitMode,
    link_target,
    tag_form::could_name,
};

/// Largest number of files in a capsule.
const MOST_FILES: usize = 4_000_000;

/// The list of a capsule's contents.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CapsuleListingText {
    schema: String,
    task: TaskId,
    version: Version,
    tag: String,
    commit: GitId,
    released_at: AsWritten<Timestamp>,
    manifest: Digest,
    files: Vec<CapsuleFileText>,
    wheels: Vec<Wheel>,
    missing: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    papers: Option<u32>,
}

/// A file or symbolic link.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CapsuleFileText {
    path: RelPath,
    mode: String,
    size: u64,
    sha256: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    released: Option<Digest>,
    /// Target of a link: text, or `bytes:` and hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl CapsuleListingText {
    /// Converts a list for writing.
    pub(super) fn of(listing: &super::CapsuleListing) -> Self {
        Self {
            schema: CAPSULE_SCHEMA.into(),
            task: listing.task.clone(),
            version: listing.version.clone(),
            tag: listing.tag.clone(),
            commit: listing.commit.clone(),
            released_at: listing.released_at.clone(),
            manifest: listing.manifest,
            files: listing.files.iter().map(CapsuleFileText::of).collect(),
            wheels: listing.wheels.clone(),
            missing: listing.missing.clone(),
            papers: listing.papers,
        }
    }

    /// Returns the list if it satisfies the rules.
    pub(super) fn checked(self) -> Result<super::CapsuleListing, String> {
        if self.schema != CAPSULE_SCHEMA {
            return Err(format!(
                "it has the format {:?}; this snapback knows {CAPSULE_SCHEMA}",
                self.schema
            ));
        }
        if !could_name(&self.tag, &self.version) {
            let (tag, version) = (&self.tag, &self.version);
            return Err(format!("its tag is {tag:?}, which is no tag of {version}"));
        }
        check_paths(&self.files)?;
        check_wheels(&self.wheels)?;
        let files = self.files.into_iter().map(CapsuleFileText::checked);
        Ok(super::CapsuleListing {
            files: files.collect::<Result<_, _>>()?,
            task: self.task,
            version: self.version,
            tag: self.tag,
            commit: self.commit,
            released_at: self.released_at,
            manifest: self.manifest,
            wheels: self.wheels,
            missing: self.missing,
            papers: self.papers,
        })
    }
}

impl CapsuleFileText {
    /// Converts a file for writing.
    fn of(file: &CapsuleFile) -> Self {
        let record = &file.record;
        Self {
            path: record.path.clone(),
            mode: GitMode::from(record.kind).to_string(),
            size: record.size,
            sha256: record.digest,
            released: file.released,
            target: record.is_link().then(|| link_target::text(file.target())),
        }
    }

    /// Returns the file if it satisfies the rules.
    fn checked(self) -> Result<CapsuleFile, String> {
        let path = &self.path;
        let mode = self.mode.parse::<GitMode>().ok();
        let Some(kind) = mode.and_then(GitMode::blob_kind) else {
            return Err(format!("{path} has the mode {:?}", self.mode));
        };
        let target = self.target.as_deref().and_then(link_target::bytes);
        let is_link = GitMode::from(kind) == GitMode::Link;
        let is_wrong = |target: &Vec<u8>| target.contains(&0) || Digest::of(target) != self.sha256;
        if is_link != target.is_some() || target.as_ref().is_some_and(is_wrong) {
            return Err(format!(
                "{path} is listed as a link without its target, or with another one"
            ));
        }
        Ok(CapsuleFile {
            record: FileRecord {
                kind,
                size: self.size,
                digest: self.sha256,
                mode: kind.mode(),
                mtime: None,
                location: target.map_or(Location::Here, Location::Inline),
                path: self.path,
            },
            released: self.released,
        })
    }
}

/// Checks that the paths are sorted and unique, and that none is a folder of another.
fn check_paths(files: &[CapsuleFileText]) -> Result<(), String> {
    if files.len() > MOST_FILES {
        return Err("it lists more files than any release has".into());
    }
    for pair in files.windows(2) {
        if pair[0].path >= pair[1].path {
            return Err(format!(
                "its files are not sorted, or {} is listed twice",
                pair[1].path
            ));
        }
    }
    let paths: BTreeSet<&RelPath> = files.iter().map(|file| &file.path).collect();
    let is_below =
        |path: &&&RelPath| path.is_root() || path.ancestors().any(|above| paths.contains(&above));
    match paths.iter().find(is_below) {
        Some(path) => Err(format!("a file or link is listed as a folder of {path}")),
        None => Ok(()),
    }
}

/// Checks that the wheels have plain, unique names.
fn check_wheels(wheels: &[Wheel]) -> Result<(), String> {
    let is_name = |name: &str| {
        name.ends_with(".whl")
            && !name.starts_with(['.', '-'])
            && name
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"._-+!".contains(&c))
    };
    let names: BTreeSet<&String> = wheels.iter().map(|wheel| &wheel.name).collect();
    if names.len() < wheels.len() {
        return Err("a wheel is listed twice".into());
    }
    match wheels.iter().find(|wheel| !is_name(&wheel.name)) {
        Some(wheel) => Err(format!("{:?} is no name of a wheel", wheel.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::PAPERS;
    use crate::file_record::FileKind;

    use super::*;

    fn listing() -> super::super::CapsuleListing {
        let file = |path: &str, kind: FileKind, bytes: &[u8]| CapsuleFile {
            record: FileRecord {
                kind,
                mode: kind.mode(),
                location: match kind {
                    FileKind::Link => Location::Inline(bytes.to_vec()),
                    _ => Location::Here,
                },
                ..FileRecord::with_bytes(RelPath::own(path), 0o644, bytes.to_vec())
            },
            released: None,
        };
        super::super::CapsuleListing {
            task: "T01".parse().expect("id"),
            version: "1.2.0".parse().expect("version"),
            tag: "T01-v1.2.0".into(),
            commit: "a".repeat(40).parse().expect("id"),
            released_at: AsWritten::read("2026-02-24T05:10:00Z".into()),
            manifest: Digest::of(b"manifest"),
            files: vec![
                file("a", FileKind::Executable, b"#!/bin/sh\n"),
                file("b", FileKind::Link, b"\xff\n"),
                CapsuleFile {
                    released: Some(Digest::of(b"lf")),
                    ..file("c", FileKind::File, b"crlf")
                },
            ],
            wheels: Vec::new(),
            missing: vec!["pandas==2.1.4".into()],
            papers: Some(PAPERS),
        }
    }

    #[test]
    fn a_list_is_written_as_it_always_was_and_read_again() {
        let text = serde_json::to_string(&listing()).expect("it renders");
        let digest = |bytes: &[u8]| Digest::of(bytes);
        let expected = format!(
            r#"{{"schema":"snapback.capsule/1","task":"T01","version":"1.2.0","tag":"T01-v1.2.0","commit":"{}","released_at":"2026-02-24T05:10:00Z","manifest":"{}","files":[{{"path":"a","mode":"100755","size":10,"sha256":"{}"}},{{"path":"b","mode":"120000","size":2,"sha256":"{}","target":"bytes:ff0a"}},{{"path":"c","mode":"100644","size":4,"sha256":"{}","released":"{}"}}],"wheels":[],"missing":["pandas==2.1.4"],"papers":2}}"#,
            "a".repeat(40),
            digest(b"manifest"),
            digest(b"#!/bin/sh\n"),
            digest(b"\xff\n"),
            digest(b"crlf"),
            digest(b"lf"),
        );
        assert_eq!(text, expected);
        assert_eq!(
            super::super::CapsuleListing::parse(text.as_bytes()),
            Ok(listing())
        );
    }

    #[test]
    fn hostile_lists_are_refused() {
        let text = serde_json::to_string(&listing()).expect("it renders");
        for (from, to) in [
            ("snapback.capsule/1", "snapback.capsule/2"),
            ("\"tag\":\"T01-v1.2.0\"", "\"tag\":\"T01-v1.3.0\""),
            ("\"path\":\"c\"", "\"path\":\"../c\""),
            ("\"path\":\"c\"", "\"path\":\"b\""),
            ("\"path\":\"c\"", "\"path\":\"b/c\""),
            ("\"mode\":\"100755\"", "\"mode\":\"104755\""),
            ("\"mode\":\"100755\"", "\"mode\":\"160000\""),
            ("\"mode\":\"100755\"", "\"mode\":\"040000\""),
            ("\"mode\":\"100755\"", "\"mode\":\"120000\""),
            ("bytes:ff0a", "elsewhere"),
            ("\"wheels\"", "\"more\":1,\"wheels\""),
        ] {
            assert!(text.contains(from), "{from}");
            let text = text.replacen(from, to, 1);
            assert!(
                super::super::CapsuleListing::parse(text.as_bytes()).is_err(),
                "{to}"
            );
        }
    }
}
