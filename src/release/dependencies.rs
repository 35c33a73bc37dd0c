//! The dependency list of a release, and the files it shares with other tasks.

use super::{files::ReleaseFiles, shared};
use crate::{
    base::{Failure, RelPath},
    catalog::Scope,
    deps::{self, facts::SourceFacts},
    git::Attributes,
    model::{DependencyList, GitId, Manifest, TaskSpec, manifest::ManifestFile},
    site::RepoSite,
};

/// Collects the list, and adds the shared files to the release's entries. Notes dependencies that
/// differ from the previous release and are not listed.
pub fn collect(
    site: &RepoSite,
    task: &TaskSpec,
    scope: &Scope,
    (head, previous): (&GitId, Option<&Manifest>),
    found: &mut ReleaseFiles,
) -> Result<DependencyList, Failure> {
    let own = || found.entries.iter().filter(|file| file.is_restored());
    let files: Vec<RelPath> = own().map(|file| file.path().clone()).collect();
    let converter = site.git.converter(Attributes::WorkTree)?;
    let edited = |path: &RelPath| {
        found.read.contains(path) || found.edits.iter().any(|file| file.path == *path)
    };
    // A Git LFS file differs from its blob; other conversions keep the meaning.
    let is_blob = |path: &RelPath| {
        converter.is_plain(path).is_ok_and(|plain| plain)
            || converter.is_lfs(path).is_ok_and(|lfs| !lfs)
    };
    let blob = |file| {
        Some(file)
            .filter(|file: &&ManifestFile| !edited(file.path()) && is_blob(file.path()))?
            .blob()
    };
    let of = deps::CollectedTask {
        fs: &*site.tree,
        dir: &task.dir,
        files: &files,
        venv: task.venv.as_ref(),
        variables: &task.environment_variables,
        known: deps::KnownSources {
            blobs: &own().map(blob).collect::<Vec<_>>(),
            id: &|bytes| Some(site.git.blob_id(bytes)),
            facts: &SourceFacts::load(&*site.state, &task.id),
        },
    };
    let deps::Collected {
        mut list,
        warnings,
        sources,
        facts,
        ..
    } = deps::collect_all(&of)?;
    found.notes.extend(warnings);
    found.facts = facts;
    in_git_form(&mut list, found);
    if let Some(before) = previous.filter(|previous| previous.knows_dependencies()) {
        found
            .notes
            .extend(DependencyList::changes_beside(&before.dependencies, &list));
    }
    let imported = deps::shared::imports_with(&*site.tree, &files, &sources);
    shared::add(site, scope, head, &imported, found)?;
    Ok(list)
}

/// Records lock files with the digest of the bytes that git stores, like all other files.
fn in_git_form(list: &mut DependencyList, found: &ReleaseFiles) {
    for lockfile in &mut list.lockfiles {
        let entry = found
            .entries
            .iter()
            .find(|file| *file.path() == lockfile.path);
        if let Some(digest) = entry.and_then(ManifestFile::digest) {
            lockfile.checksum = digest;
        }
    }
}
