//! The tag of a release: its second reference names the same tag, so a moved or deleted tag shows.

use crate::{
    base::{Failure, Hint},
    catalog::{
        self,
        manifests::{self, Kept},
    },
    model::{CheckResult, Status, TagName},
    verify::{Check, CheckRun, Depth, KeptRelease, Subject, nothing},
};

/// The tag is there, and is the one that was made.
pub struct TagCheck;

impl Check for TagCheck {
    fn id(&self) -> &'static str {
        "integrity.tag"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &Subject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            Subject::Release(of) if of.found().is_some() && is_asked(of) => {
                let run = self.begin();
                Ok(vec![if of.release.lost {
                    of_lost(of, run)
                } else {
                    of_second_reference(of, run)?
                }])
            }
            _ => nothing(),
        }
    }
}

/// True when the tag is looked at: always where a release is verified for itself, and before its
/// files are compared with others when it is lost.
fn is_asked(of: &KeptRelease<'_>) -> bool {
    match of.depth {
        Depth::Manifest => of.release.lost && of.lost_tag_counts,
        Depth::Commit => false,
        Depth::Present | Depth::Deep => true,
    }
}

/// A tag that only its second reference has.
fn of_lost(of: &KeptRelease<'_>, run: CheckRun) -> CheckResult {
    let (why, hints) = manifests::lost_tag(&of.site.git, of.release);
    let bring = hints
        .iter()
        .map(|hint| format!("{}: {}", hint.why, hint.command().join(" ")));
    let evidence = std::iter::once(why).chain(bring).collect();
    CheckResult {
        hints: hints.clone(),
        ..run.end(Status::Fail, evidence)
    }
}

/// What the second reference says of a tag that is there.
fn of_second_reference(of: &KeptRelease<'_>, run: CheckRun) -> Result<CheckResult, Failure> {
    let (git, release) = (&of.site.git, of.release);
    let name = TagName::keep_reference(&release.task, &release.version);
    Ok(match manifests::kept(git, release)? {
        Kept::Nothing => {
            let said = format!("there is no {name}: the release was made elsewhere, or adopted");
            run.end(Status::Skipped, vec![said])
        }
        Kept::Same => run.end(Status::Pass, vec![format!("{name} names the same tag")]),
        Kept::Broken(broken) => {
            let again = Hint::run(
                "make it again",
                &["git", "update-ref", &name, release.tag_id.as_str()],
            );
            let said = format!("{name} is broken: {}", broken.why);
            CheckResult {
                hints: broken.hints().into_iter().take(1).chain([again]).collect(),
                ..run.end(Status::Inconclusive, vec![said])
            }
        }
        Kept::Other(id) => run.unmade(catalog::Error::tag_replaced(release, id).into(), git)?,
    })
}
