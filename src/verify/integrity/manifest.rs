//! The manifest: a release's must be the one named by its tag, a capsule's the one of its list.
//! Checks that depend on a manifest return no result when it could not be read.

use crate::{
    base::Failure,
    catalog::{
        self,
        manifests::{self},
    },
    model::{CheckResult, Status},
    verify::{Check, CheckRun, CheckSubject, Depth, KeptRelease, nothing},
};

/// Checks that the manifest is readable and authentic.
pub struct ManifestCheck;

impl Check for ManifestCheck {
    fn id(&self) -> &'static str {
        "integrity.manifest"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            CheckSubject::Release(of) => Ok(vec![self.of_release(of)?]),
            CheckSubject::Capsule(of) => Ok(vec![of.manifest_result(self.begin())]),
            _ => nothing(),
        }
    }
}

impl ManifestCheck {
    /// Reads the manifest of a release. The current target of a tag does not prove what was
    /// released, so a moved tag is reported as such.
    fn of_release(&self, of: &KeptRelease<'_>) -> Result<CheckResult, Failure> {
        if of.depth >= Depth::Present && !of.release.lost {
            // An unreadable second reference proves nothing about the manifest.
            manifests::kept(&of.site.git, of.release)?;
        }
        let run = self.begin();
        match of.load() {
            Ok(found) => Ok(run.end(Status::Pass, vec![of.chain(found)])),
            Err(failure) => {
                let is_moved = matches!(failure.find(), Some(catalog::Error::TagReplaced { .. }));
                let run = if is_moved && of.depth != Depth::Commit {
                    CheckRun::begin(1, "integrity.tag")
                } else {
                    run
                };
                run.unmade(failure, &of.site.git)
            }
        }
    }
}
