//! The checks of a capsule that was read to its end: its lists of digests, its manifest and its
//! texts agree with what was seen.

use super::super::{proof, script};
use super::OpenCapsule;
use crate::{
    base::Failure,
    model::{Manifest, Status},
    verify::{CHECKS, CheckSubject, Documents, ExpectedCapsule, OpenedCapsule},
};

impl OpenCapsule<'_> {
    /// Runs the checks, and keeps what they proved.
    ///
    /// # Errors
    /// At the first check that fails; those after it do not run.
    pub(super) fn prove(&mut self, documents: &Documents) -> Result<(), Failure> {
        let texts = |manifest: &Manifest| {
            let packages = &manifest.dependencies.python_packages;
            vec![
                ("restore.sh", script::restore(&self.listing)),
                ("README.txt", script::readme(&self.listing).into_bytes()),
                ("requirements.txt", script::requirements(packages)),
            ]
        };
        let expected = ExpectedCapsule {
            sums: &self.sums,
            tree_sums: script::tree_sums(&self.listing),
            proven: proof::proven(&self.listing, &self.locks),
            texts: &texts,
        };
        let capsule = OpenedCapsule::new(&self.listing, documents, expected);
        let mut proved = Vec::new();
        for check in CHECKS {
            for result in check.run(&CheckSubject::Capsule(&capsule))? {
                match result.status {
                    Status::Pass => proved.extend(result.evidence),
                    Status::Skipped => {}
                    _ => return Err(self.damaged(result.evidence.join("; ")).into()),
                }
            }
        }
        let manifest = capsule.manifest();
        let packages = manifest.map(|manifest| manifest.dependencies.python_packages.clone());
        self.packages = packages.unwrap_or_default();
        self.proved = proved;
        Ok(())
    }
}
