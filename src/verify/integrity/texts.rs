//! What people run and read of a capsule: it is what this program makes for the release, to the
//! byte. Of a capsule that another version made that is not known.

use crate::{
    base::Failure,
    model::{CheckResult, Manifest, Status},
    verify::{Check, OpenedCapsule, Subject, nothing},
};

/// What is said of a capsule whose texts cannot be compared.
pub const OTHER_VERSION: &str = "made by another version of snapback: its restore.sh and README.txt cannot be compared with anything; do not run restore.sh";

/// The texts are those of the release, and a wheel that is called proven is so.
pub struct TextsCheck;

impl Check for TextsCheck {
    fn id(&self) -> &'static str {
        "integrity.texts"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &Subject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let Subject::Capsule(of) = subject else {
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

/// What is not as this program makes it.
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
