//! The digest lists in a capsule, for checking it without snapback.

use crate::{
    base::{Failure, text},
    model::{
        CheckResult, Status,
        capsule::{SUMS, TREE_SUMS},
    },
    verify::{Check, CheckSubject, OpenedCapsule, nothing},
};

/// Checks that the digest lists cover exactly the capsule's content.
pub struct SumsCheck;

impl Check for SumsCheck {
    fn id(&self) -> &'static str {
        "integrity.sums"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let CheckSubject::Capsule(of) = subject else {
            return nothing();
        };
        let run = self.begin();
        Ok(vec![match problem(of) {
            Err(why) => run.end(Status::Fail, vec![why]),
            Ok(()) => {
                let files = text::count(of.listing.files.len(), "file");
                let wheels = text::count(of.listing.wheels.len(), "wheel");
                let proof = format!("digests as in its list and in {SUMS}: {files}, {wheels}");
                run.end(Status::Pass, vec![proof])
            }
        }])
    }
}

/// Returns what is wrong with the lists.
fn problem(of: &OpenedCapsule<'_>) -> Result<(), String> {
    if of.document(SUMS)? != of.expected.sums {
        return Err(format!("{SUMS} does not list exactly what it holds"));
    }
    if of.document(TREE_SUMS)? != of.expected.tree_sums {
        return Err(format!("{TREE_SUMS} does not list its files"));
    }
    Ok(())
}
