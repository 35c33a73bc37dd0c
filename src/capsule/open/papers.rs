//! The papers of a capsule: that its digests, manifest and texts agree with what was seen.

use std::collections::BTreeMap;

use super::super::{Error, SUMS, proof, script};
use super::Opened;
use crate::{
    base::Digest,
    model::{Manifest, capsule, manifest::Role},
};

impl Opened<'_> {
    /// The digests and the release manifest agree with what was seen.
    /// Returns the packages of the release.
    pub(super) fn check_papers(
        &self,
        papers: &BTreeMap<&str, Vec<u8>>,
    ) -> Result<Vec<String>, Error> {
        let of = |name: &str| {
            papers
                .get(name)
                .ok_or_else(|| self.damaged(format!("it has no {name}")))
        };
        if *of(SUMS)? != self.sums {
            return Err(self.damaged(format!("{SUMS} does not list exactly what it holds")));
        }
        if *of("TREE.sha256")? != script::tree_sums(&self.listing) {
            return Err(self.damaged("TREE.sha256 does not list its files"));
        }
        let bytes = of("manifest.yaml")?;
        if Digest::of(bytes) != self.listing.manifest {
            return Err(self.damaged("its manifest is not the one that it lists"));
        }
        let manifest = Manifest::parse(bytes).map_err(|error| self.damaged(error.to_string()))?;
        self.check_manifest(&manifest)?;
        self.check_texts(papers, &manifest)?;
        Ok(manifest.dependencies.python_packages)
    }

    /// True when this program makes the texts of a capsule in the form that this one has.
    pub(super) fn is_comparable(&self) -> bool {
        self.listing.papers == Some(capsule::PAPERS)
    }

    /// What people run and read is what this program makes for this release, to the byte, and a
    /// wheel that is called proven is so. Of a capsule of another version that is not known.
    fn check_texts(
        &self,
        papers: &BTreeMap<&str, Vec<u8>>,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        if !self.is_comparable() {
            return Ok(());
        }
        let texts = [
            ("restore.sh", script::restore(&self.listing)),
            ("README.txt", script::readme(&self.listing).into_bytes()),
            (
                "requirements.txt",
                script::requirements(&manifest.dependencies.python_packages),
            ),
        ];
        for (name, made) in texts {
            if papers.get(name) != Some(&made) {
                return Err(
                    self.damaged(format!("its {name} is not the one that snapback makes for this release; do not run or follow it"))
                );
            }
        }
        let proven = proof::proven(&self.listing, &self.locks);
        match self
            .listing
            .wheels
            .iter()
            .zip(proven)
            .find(|(wheel, proven)| wheel.proven != *proven)
        {
            None => Ok(()),
            Some((wheel, _)) => Err(self.damaged(format!(
                "what it says of what proves {} is not so",
                wheel.name
            ))),
        }
    }

    /// The list is that of the release.
    fn check_manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        let (listing, subject) = (&self.listing, &manifest.subject);
        if !subject.is(&listing.task, &listing.version) {
            return Err(self.damaged(format!(
                "its manifest is that of {} {}",
                subject.task, subject.version
            )));
        }
        let mut released = manifest
            .files
            .iter()
            .filter(|file| file.role != Role::Registry)
            .collect::<Vec<_>>();
        released.sort_by(|a, b| a.path().cmp(b.path()));
        if released.len() != listing.files.len() {
            return Err(self.damaged("it lists other files than its manifest"));
        }
        for (entry, file) in released.into_iter().zip(&listing.files) {
            let record = &file.record;
            let same_kind = entry.kind().is_none_or(|kind| kind == record.kind);
            if *entry.path() != record.path
                || !same_kind
                || entry.digest() != Some(file.released_digest())
            {
                return Err(self.damaged(format!("{} is not what its manifest says", record.path)));
            }
        }
        Ok(())
    }
}
