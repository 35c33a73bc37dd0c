//! Compares the tag of a release with its second reference, which reveals a moved or deleted tag.

use crate::{
    base::{Failure, Hint},
    catalog::{
        self,
        manifests::{self, TagCopy},
    },
    model::{CheckResult, Status, TagName},
    verify::{Check, CheckRun, CheckSubject, Depth, KeptRelease, nothing},
};

/// Checks that the tag exists and is the original one.
pub struct TagCheck;

impl Check for TagCheck {
    fn id(&self) -> &'static str {
        "integrity.tag"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            CheckSubject::Release(of) if of.found().is_some() && is_asked(of) => {
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

/// Returns true when the tag is checked: always when verifying the release itself, unless it is
/// being made, and before comparing its files with others if the tag is lost.
fn is_asked(of: &KeptRelease<'_>) -> bool {
    match of.depth {
        _ if of.release.pending.is_some() => false,
        Depth::Manifest => of.release.lost && of.lost_tag_counts,
        Depth::Commit => false,
        Depth::Present | Depth::Deep => true,
    }
}

/// Reports a tag of which only the second reference is left.
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

/// Compares an existing tag with its second reference.
fn of_second_reference(of: &KeptRelease<'_>, run: CheckRun) -> Result<CheckResult, Failure> {
    let (git, release) = (&of.site.git, of.release);
    let name = TagName::keep_reference(&release.task, &release.version);
    Ok(match manifests::kept(git, release)? {
        TagCopy::Nothing => {
            let said = format!("there is no {name}: the release was made elsewhere, or adopted");
            run.end(Status::Skipped, vec![said])
        }
        TagCopy::Same => run.end(Status::Pass, vec![format!("{name} names the same tag")]),
        TagCopy::Broken(broken) => {
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
        TagCopy::Other(id) => run.unmade(catalog::Error::tag_replaced(release, id).into(), git)?,
    })
}
