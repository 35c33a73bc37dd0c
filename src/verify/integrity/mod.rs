//! Level 1, integrity: every path of the manifest has its type, mode, size and digest, in git or
//! the store and in the work tree, and nothing extra stands among the task's own paths.
//!
//! The bytes that are kept and those of the work tree are looked at in files of their own; nothing
//! is repaired.

mod kept;
mod work_tree;

use crate::{
    base::{RelPath, Sorted, text},
    model::{Check, Manifest, Status, manifest::Role, operation::TreeEntry},
    verify::Checking,
};

pub use kept::{Depth, kept};
pub use work_tree::{WorkTree, is_other, tree, without};

/// The tag's commit holds every file of the manifest that git keeps, and as the manifest says, and
/// no other that `owns` calls the task's. `note` is told where that is so.
pub fn commit(
    manifest: &Manifest,
    entries: &[(RelPath, TreeEntry)],
    note: Option<String>,
    owns: &(dyn Fn(&RelPath) -> bool + Sync),
) -> Check {
    let checking = Checking::begin(1, "integrity.commit");
    let in_commit = Sorted::new(entries.iter().map(|(path, entry)| (path, entry)));
    let mut problems = Vec::new();
    let mut seen = 0;
    for file in &manifest.files {
        let path = file.path();
        match in_commit.get(path) {
            Some(_) if file.role == Role::Large => {
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
            None if file.is_restored() && file.role != Role::Large => {
                problems.push(format!("{path} is not in the tag's commit"));
            }
            None => {}
        }
    }
    let listed = Sorted::new(manifest.files.iter().map(|file| (file.path(), ())));
    let extra = entries
        .iter()
        .filter(|(path, _)| !listed.contains(path) && owns(path));
    problems.extend(
        extra.map(|(path, _)| format!("{path} is in the tag's commit but not in the manifest")),
    );
    let note = note.map_or_else(String::new, |note| format!("; {note}"));
    checking.judge(
        problems,
        format!("{} as in the tag's commit{note}", text::count(seen, "file")),
    )
}

/// What cannot be checked of files whose line ends git keeps in one form only; nothing where there
/// are none.
pub fn line_ends(manifest: &Manifest) -> Option<Check> {
    let told = |path: &RelPath| {
        format!("{path} had other line ends when it was released; git keeps one form of them")
    };
    let evidence: Vec<String> = manifest.subject.line_ends.iter().map(told).collect();
    (!evidence.is_empty())
        .then(|| Checking::begin(1, "integrity.line_ends").end(Status::Skipped, evidence))
}

/// Nothing extra stands among the task's own paths.
pub fn extra(found: &[RelPath]) -> Check {
    let checking = Checking::begin(1, "integrity.extra");
    let problems = found
        .iter()
        .map(|path| format!("{path} is not in the release"))
        .collect();
    checking.judge(
        problems,
        "nothing extra among the task's tracked files".into(),
    )
}
