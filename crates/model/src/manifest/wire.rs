//! `snapback.manifest/1`: the serialised manifest of a release, with its keys, their order, and the
//! rules that YAML's structure does not express. Hand-written manifests have no `schema` and may
//! omit everything about a file but its path and checksum.

use base::{Digest, RelPath};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Error, FileRole, MANIFEST_SCHEMA, MANIFEST_SCHEMA_2, ManifestFile, TaskVersion,
    file::HandWritten,
};
use crate::{
    DependencyList, GitId, ObjectId, TaskId, Version,
    as_written::AsWritten,
    file_record::{FileRecord, Location},
    git_mode::GitMode,
    tag_form::could_name,
};

/// The whole text.
#[derive(Serialize, Deserialize)]
pub(super) struct ManifestText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<String>,
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) files: Vec<FileText>,
    #[serde(default)]
    pub(super) dependencies: DependencyList,
}

/// Identifies the release.
#[derive(Serialize, Deserialize)]
pub(super) struct Metadata {
    task_id: TaskId,
    version: Version,
    created_at: AsWritten<Timestamp>,
    git_commit: AsWritten<GitId>,
    git_tag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Version>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    adopted: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    line_ends: Vec<RelPath>,
}

/// One file.
#[derive(Serialize, Deserialize)]
pub(super) struct FileText {
    path: RelPath,
    checksum: AsWritten<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(default)]
    role: FileRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blob: Option<GitId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<ObjectId>,
}

impl ManifestText {
    /// Converts a manifest for writing.
    pub(super) fn of(manifest: &super::Manifest) -> Self {
        Self {
            schema: (!manifest.by_hand).then(|| MANIFEST_SCHEMA.into()),
            metadata: Metadata::of(manifest),
            files: manifest.files.iter().map(FileText::of).collect(),
            dependencies: manifest.dependencies.clone(),
        }
    }

    /// Returns the manifest if it satisfies the rules.
    pub(super) fn checked(self) -> Result<super::Manifest, Error> {
        let by_hand = match self.schema.as_deref() {
            None => true,
            Some(MANIFEST_SCHEMA) => false,
            Some(MANIFEST_SCHEMA_2) => return Err(Error::NotOfARelease),
            Some(other) => return Err(Error::Schema(other.to_string())),
        };
        self.metadata.check()?;
        let mut paths: Vec<&RelPath> = self.files.iter().map(|file| &file.path).collect();
        if by_hand {
            paths.sort();
        }
        check_paths(&paths, &|_| false)?;
        let files = self.files.into_iter().map(|file| file.checked(by_hand));
        let files = files.collect::<Result<_, _>>()?;
        Ok(self
            .metadata
            .into_manifest(files, self.dependencies, by_hand))
    }
}

impl Metadata {
    /// Returns the metadata of a manifest.
    pub(super) fn of(manifest: &super::Manifest) -> Self {
        let subject = &manifest.subject;
        Self {
            task_id: subject.task.clone(),
            version: subject.version.clone(),
            created_at: manifest.created_at.clone(),
            git_commit: subject.commit.clone(),
            git_tag: subject.tag.clone(),
            previous: subject.previous.clone(),
            message: manifest.message.clone(),
            adopted: subject.adopted,
            line_ends: subject.line_ends.clone(),
        }
    }

    /// Sets the commit of the release.
    pub(super) fn set_commit(&mut self, commit: GitId) {
        self.git_commit = AsWritten::Value(commit);
    }

    /// Checks that the tag can be one of the version; the form of its name is not known here.
    pub(super) fn check(&self) -> Result<(), Error> {
        if could_name(&self.git_tag, &self.version) {
            return Ok(());
        }
        let (tag, version) = (&self.git_tag, &self.version);
        rule(format!("git_tag is {tag:?}, which is no tag of {version}"))
    }

    /// Returns the subject and the creation time.
    pub(super) fn into_parts(self) -> (TaskVersion, AsWritten<Timestamp>) {
        let subject = TaskVersion {
            task: self.task_id,
            version: self.version,
            tag: self.git_tag,
            commit: self.git_commit,
            previous: self.previous,
            adopted: self.adopted,
            line_ends: self.line_ends,
        };
        (subject, self.created_at)
    }

    /// Builds the manifest with this metadata.
    pub(super) fn into_manifest(
        mut self,
        files: Vec<ManifestFile>,
        dependencies: DependencyList,
        by_hand: bool,
    ) -> super::Manifest {
        let message = self.message.take();
        let (subject, created_at) = self.into_parts();
        super::Manifest {
            subject,
            created_at,
            message,
            files,
            dependencies,
            by_hand,
        }
    }
}

impl FileText {
    /// Converts a file for writing.
    fn of(file: &ManifestFile) -> Self {
        Self {
            path: file.path().clone(),
            checksum: AsWritten::read(file.checksum()),
            size: file.size(),
            mode: file.kind().map(|kind| GitMode::from(kind).to_string()),
            role: file.role,
            blob: file.blob().cloned(),
            object: file.object().copied(),
        }
    }

    /// Returns the file if it satisfies the rules.
    fn checked(self, by_hand: bool) -> Result<ManifestFile, Error> {
        let path = &self.path;
        let mode = self.mode.as_deref().map(str::parse::<GitMode>);
        let kind = match mode.as_ref().map(|mode| mode.as_ref().ok()?.blob_kind()) {
            Some(None) => return rule(format!("{path} has the mode {:?}", self.mode)),
            known => known.flatten(),
        };
        if by_hand {
            let written = HandWritten {
                path: self.path,
                checksum: self.checksum,
                size: self.size,
                kind,
                blob: self.blob,
                object: self.object,
            };
            return Ok(ManifestFile::by_hand(self.role, written));
        }
        let Some(digest) = self.checksum.value() else {
            return rule(format!(
                "{path} has the checksum {:?}",
                self.checksum.to_string()
            ));
        };
        let (Some(size), Some(kind)) = (self.size, kind) else {
            return rule(format!("{path} lacks its size or mode"));
        };
        let location = match (self.role, self.blob, self.object) {
            (FileRole::Large, None, Some(object)) => Location::Object(object),
            (
                FileRole::Source | FileRole::Config | FileRole::Registry | FileRole::Shared,
                Some(blob),
                None,
            ) => Location::Blob(blob),
            _ => {
                return rule(format!(
                    "{path} must name a stored object if its role is large, else a blob"
                ));
            }
        };
        Ok(ManifestFile::new(
            self.role,
            FileRecord {
                path: self.path,
                kind,
                size,
                digest,
                mode: kind.mode(),
                mtime: None,
                location,
            },
        ))
    }
}

/// Checks that paths are sorted and unique, and that each parent in the list is a folder.
pub(super) fn check_paths(
    paths: &[&RelPath],
    is_folder: &dyn Fn(usize) -> bool,
) -> Result<(), Error> {
    for pair in paths.windows(2) {
        if pair[0] == pair[1] {
            return rule(format!("{} is listed twice", pair[0]));
        }
        if pair[0] > pair[1] {
            return rule(format!(
                "the files are not sorted: {} comes before {}",
                pair[0], pair[1]
            ));
        }
    }
    // Files of one folder are adjacent, so each folder is checked about once.
    let mut folder: &[u8] = b"";
    for path in paths {
        let here = &path.as_bytes()[..path.as_bytes().len() - path.name().len()];
        if here != folder
            && path
                .ancestors()
                .filter_map(|above| paths.binary_search(&&above).ok())
                .any(|at| !is_folder(at))
        {
            return rule(format!("a file is listed as a folder of {path}"));
        }
        folder = here;
    }
    Ok(())
}

/// Returns the error for a broken rule.
pub(super) fn rule<T>(text: String) -> Result<T, Error> {
    Err(Error::Rule(text))
}
