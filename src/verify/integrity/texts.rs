//! Checks that the texts and scripts of a capsule are, byte for byte, those that this program
//! generates for the release. For a capsule made by another version this is unknown.

use crate::{
    base::Failure,
    model::{CheckResult, Manifest, Status},
    verify::{Check, CheckSubject, OpenedCapsule, nothing},
};

/// The result for a capsule whose texts cannot be compared.
pub const OTHER_VERSION: &str = "made by another version of snapback: its restore.sh and README.txt cannot be compared with anything; do not run restore.sh";

/// Checks that the texts are those of the release, and that wheels listed as proven are.
pub struct TextsCheck;

impl Check for TextsCheck {
    fn id(&self) -> &'static str {
        "integrity.texts"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let CheckSubject::Capsule(of) = subject else {
            return nothing();
        };
        let Some(manifest) = of.manifest() else {
            return nothing();
        };
        let run = self.begin();
        if !of.listing.is_comparable() {
            return Ok(vec![run.end(Status::Skipped, vec![OTHER_VERSION.into()])]);
        }
        let proof = "restore.sh and README.txt are those that snapback makes for this release";
        Ok(vec![run.judge(
            problem(of, manifest).into_iter().collect(),
            proof.into(),
        )])
    }
}

/// Returns what differs from the output of this program.
fn problem(of: &OpenedCapsule<'_>, manifest: &Manifest) -> Option<String> {
    for (name, made) in (of.expected.texts)(manifest) {
        if of.documents.get(name) != Some(&made) {
            return Some(format!(
                "its {name} is not the one that snapback makes for this release; do not run or follow it"
            ));
        }
    }
    let mut wheels = of.listing.wheels.iter().zip(&of.expected.proven);
    let (wheel, _) = wheels.find(|(wheel, proven)| wheel.proven != **proven)?;
    let name = &wheel.name;
    Some(format!("what it says of what proves {name} is not so"))
}
