//! An opened capsule: the data read from it, and the data that this program would generate. The
//! bytes of its files and wheels were compared with its list while they were read.

use std::{cell::OnceCell, collections::BTreeMap};

use crate::{
    base::Digest,
    model::{
        CheckResult, Manifest, Status,
        capsule::{CapsuleListing, MANIFEST},
        manifest::{FileRole, ManifestFile},
    },
};

use super::CheckRun;

/// The texts and lists of a capsule, by name.
pub type Documents = BTreeMap<&'static str, Vec<u8>>;

/// Texts of a capsule with their names, in comparison order.
pub type CapsuleTexts = Vec<(&'static str, Vec<u8>)>;

/// What this program generates from the data read from a capsule.
pub struct ExpectedCapsule<'a> {
    /// The digests of all its content, as found, in the format of its digest list.
    pub sums: &'a [u8],
    /// The digests of its files, in the same format.
    pub tree_sums: Vec<u8>,
    /// For each wheel, whether something in the release proves it.
    pub proven: Vec<bool>,
    /// Generates the texts for its list and manifest.
    pub texts: &'a dyn Fn(&Manifest) -> CapsuleTexts,
}

/// A capsule that was read completely.
pub struct OpenedCapsule<'a> {
    /// Its list.
    pub listing: &'a CapsuleListing,
    /// Its texts and lists.
    pub documents: &'a Documents,
    /// The expected data.
    pub expected: ExpectedCapsule<'a>,
    /// The manifest of its release, once read.
    manifest: OnceCell<Manifest>,
}

impl<'a> OpenedCapsule<'a> {
    /// Returns a capsule that was read completely.
    pub fn new(
        listing: &'a CapsuleListing,
        documents: &'a Documents,
        expected: ExpectedCapsule<'a>,
    ) -> Self {
        Self {
            listing,
            documents,
            expected,
            manifest: OnceCell::new(),
        }
    }

    /// Returns the manifest of its release, once read and found to match the list.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.get()
    }

    /// Returns one of its texts or lists; the error says that it is missing.
    pub(super) fn document(&self, name: &str) -> Result<&[u8], String> {
        let bytes = self.documents.get(name).map(Vec::as_slice);
        bytes.ok_or_else(|| format!("it has no {name}"))
    }

    /// Checks whether its manifest is the one of its list.
    pub(super) fn manifest_result(&self, run: CheckRun) -> CheckResult {
        let proof = format!("its list is that of the manifest {}", self.listing.manifest);
        match self.read_manifest() {
            Ok(manifest) => {
                self.manifest.get_or_init(|| manifest);
                run.end(Status::Pass, vec![proof])
            }
            Err(why) => run.end(Status::Fail, vec![why]),
        }
    }

    fn read_manifest(&self) -> Result<Manifest, String> {
        let bytes = self.document(MANIFEST)?;
        if Digest::of(bytes) != self.listing.manifest {
            return Err("its manifest is not the one that it lists".into());
        }
        let manifest = Manifest::parse(bytes).map_err(|error| error.to_string())?;
        self.compare(&manifest)?;
        Ok(manifest)
    }

    /// Checks that the list matches the release.
    fn compare(&self, manifest: &Manifest) -> Result<(), String> {
        let (listing, subject) = (self.listing, &manifest.subject);
        if !subject.is(&listing.task, &listing.version) {
            let (task, version) = (&subject.task, &subject.version);
            return Err(format!("its manifest is that of {task} {version}"));
        }
        let mut released: Vec<&ManifestFile> = manifest
            .files
            .iter()
            .filter(|file| file.role != FileRole::Registry)
            .collect();
        released.sort_by(|a, b| a.path().cmp(b.path()));
        if released.len() != listing.files.len() {
            return Err("it lists other files than its manifest".into());
        }
        for (entry, file) in released.into_iter().zip(&listing.files) {
            let record = &file.record;
            let same_kind = entry.kind().is_none_or(|kind| kind == record.kind);
            if *entry.path() != record.path
                || !same_kind
                || entry.digest() != Some(file.released_digest())
            {
                return Err(format!("{} is not what its manifest says", record.path));
            }
        }
        Ok(())
    }
}
