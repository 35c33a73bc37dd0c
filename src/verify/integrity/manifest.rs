//! The manifest: of a release, that it is the one that its tag names; of a capsule, that it is the
//! one of its list. What builds on a manifest says nothing when it could not be read.

use crate::{
    base::Failure,
    catalog::{
        self,
        manifests::{self},
    },
    model::{CheckResult, Status},
    verify::{Check, CheckRun, Depth, KeptRelease, Subject, nothing},
};

/// The manifest can be read, and is the one that is vouched for.
pub struct ManifestCheck;

impl Check for ManifestCheck {
    fn id(&self) -> &'static str {
        "integrity.manifest"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &Subject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            Subject::Release(of) => Ok(vec![self.of_release(of)?]),
            Subject::Capsule(of) => Ok(vec![of.manifest_result(self.begin())]),
            _ => nothing(),
        }
    }
}

impl ManifestCheck {
    /// Reads the manifest of a release. Where a tag is by now says nothing of what was released,
    /// so a tag that was moved is told as that.
    fn of_release(&self, of: &KeptRelease<'_>) -> Result<CheckResult, Failure> {
        if of.depth >= Depth::Present && !of.release.lost {
            // A second reference that cannot be read says nothing of the manifest.
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
