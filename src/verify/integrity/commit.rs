//! The commit of a release: it holds exactly the manifest's files that git keeps, and no other file
//! of the task.

use crate::{
    base::{Failure, RelPath, Sorted, text},
    catalog::{Scope, grown, manifests::Found},
    model::{CheckResult, Manifest, Status, manifest::FileRole, operation::TreeEntry},
    site::RepoSite,
    verify::{
        Check, CheckRun, CheckSubject, Depth, Error, KeptRelease, kept_release::entries, nothing,
    },
};

/// Checks that the commit holds what the manifest says.
pub struct CommitCheck;

impl Check for CommitCheck {
    fn id(&self) -> &'static str {
        "integrity.commit"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let CheckSubject::Release(of) = subject else {
            return nothing();
        };
        match of.found().filter(|_| of.depth >= Depth::Commit) {
            Some(found) => Ok(vec![self.of_release(of, found)?]),
            None => nothing(),
        }
    }
}

impl CommitCheck {
    /// An unreadable commit is a finding, unless the release is about to be restored, which is then
    /// impossible.
    fn of_release(&self, of: &KeptRelease<'_>, found: &Found) -> Result<CheckResult, Failure> {
        let run = self.begin();
        match of.entries(found) {
            Ok(entries) => Ok(compare(run, &of.scope, found, entries, true)),
            Err(failure) if of.depth == Depth::Commit => Err(failure),
            Err(failure) => run.unmade(failure, &of.site.git),
        }
    }
}

/// Refuses a release whose tag's commit does not match its manifest. It may hold other files of the
/// task.
///
/// # Errors
/// Returns [`Error::Damaged`] when it does not match.
pub fn refuse_other_commit(site: &RepoSite, scope: &Scope, found: &Found) -> Result<(), Failure> {
    let manifest = &found.manifest;
    // The hand-written format does not record git's content.
    if manifest.by_hand {
        return Ok(());
    }
    let run = CommitCheck.begin();
    let result = compare(run, scope, found, &entries(site, scope, found)?, false);
    if result.status == Status::Pass {
        return Ok(());
    }
    Err(Error::Damaged {
        tag: manifest.subject.tag.clone(),
        problems: result.evidence.join("; "),
        task: manifest.subject.task.clone(),
    }
    .into())
}

/// Compares the commit with the manifest; with `exactly`, it must hold no other file of the task.
fn compare(
    run: CheckRun,
    scope: &Scope,
    found: &Found,
    entries: &[(RelPath, TreeEntry)],
    exactly: bool,
) -> CheckResult {
    let manifest = &found.manifest;
    let (mut problems, seen) = differences(manifest, entries);
    if exactly && !manifest.by_hand {
        let listed = Sorted::new(manifest.files.iter().map(|file| (file.path(), ())));
        let extra = entries
            .iter()
            .filter(|(path, _)| !listed.contains(path) && scope.owns(path));
        problems.extend(
            extra.map(|(path, _)| format!("{path} is in the tag's commit but not in the manifest")),
        );
    }
    let note = if found.grown.is_empty() {
        String::new()
    } else {
        format!("; {}", grown::words(found))
    };
    run.judge(
        problems,
        format!("{} as in the tag's commit{note}", text::count(seen, "file")),
    )
}

/// Returns the manifest entries that are missing or different in the commit, and the number of
/// restored files in it.
fn differences(manifest: &Manifest, entries: &[(RelPath, TreeEntry)]) -> (Vec<String>, usize) {
    let in_commit = Sorted::new(entries.iter().map(|(path, entry)| (path, entry)));
    let mut problems = Vec::new();
    let mut seen = 0;
    for file in &manifest.files {
        let path = file.path();
        match in_commit.get(path) {
            Some(_) if file.role == FileRole::Large => {
                problems.push(format!("{path} is in the commit and in the store"));
            }
            Some(entry) => {
                seen += usize::from(file.is_restored());
                if file.blob().is_some_and(|blob| *blob != entry.id)
                    || file.kind().is_some_and(|kind| entry.mode != kind.into())
                {
                    problems.push(format!(
                        "{path} is another file in the tag's commit than in the manifest"
                    ));
                }
            }
            None if file.is_restored() && file.role != FileRole::Large => {
                problems.push(format!("{path} is not in the tag's commit"));
            }
            None => {}
        }
    }
    (problems, seen)
}
