//! Compares the work tree with a release: type, mode and bytes, converted to git's form where
//! attributes apply. Links are never followed, and a Git LFS pointer is not a file of a release
//! that has its bytes.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::{
    base::{Digest, Fs, Hint, Stat, Type, fs::read_limited},
    catalog::capture,
    git::{Converter, Repo},
    model::{
        CheckResult, FileKind, Manifest, Status,
        manifest::{FileRole, ManifestFile},
    },
    stat_cache::{FileToRead, KnownFiles},
    verify::{Check, check_run::Trouble},
};

use super::FilesCheck;

/// A folder of checked-out files, and how to read them.
pub struct Checkout<'a> {
    /// The files.
    pub tree: &'a dyn Fs,
    /// Converts them to git's form.
    pub converter: &'a Converter,
    /// False where the file system has no executable bit, or git is configured to ignore it.
    pub file_mode: bool,
    /// The known digests of files in the store, which need not be read again.
    pub known: Option<&'a KnownFiles>,
    /// True where a Git LFS pointer is accepted for the file, as when the release itself was made
    /// from one.
    pub takes_pointers: bool,
}

impl Checkout<'_> {
    /// Returns the digest of a file in the store, if it need not be read, and counts it.
    fn known_digest(
        &self,
        file: &ManifestFile,
        stat: &Stat,
        counts: &KnownCounts,
    ) -> Option<Digest> {
        let known = self.known.filter(|_| file.role == FileRole::Large)?;
        let (found, count) = match known.watched.digest(stat) {
            Some(watched) => (watched, &counts.watched),
            None => (known.digest(file.path(), stat)?, &counts.remembered),
        };
        count.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }
}

/// The number of files that were not read.
#[derive(Default)]
struct KnownCounts {
    /// This process has watched them since it knew their bytes.
    watched: AtomicUsize,
    /// Their metadata has not changed.
    remembered: AtomicUsize,
}

/// Checks that every file of the manifest selected by `wanted` is as released. `is_clean` selects
/// paths that git's own stat cache proves equal to a blob; they are not read again.
pub fn as_released(
    checkout: &Checkout<'_>,
    manifest: &Manifest,
    wanted: &dyn Fn(&ManifestFile) -> bool,
    is_clean: &dyn Fn(&ManifestFile) -> bool,
) -> CheckResult {
    let run = FilesCheck.begin();
    let files: Vec<&ManifestFile> = manifest.files.iter().filter(|file| wanted(file)).collect();
    let doubtful: Vec<&ManifestFile> = files
        .iter()
        .copied()
        .filter(|file| !is_clean(file))
        .collect();
    let known = KnownCounts::default();
    let troubles = doubtful
        .par_iter()
        .filter_map(|file| tree_trouble(checkout, file, &known))
        .collect();
    let all = files.len();
    let (watched, remembered) = (known.watched.into_inner(), known.remembered.into_inner());
    let read = doubtful.len() - watched - remembered;
    let mut how = vec![format!("{read} read and hashed")];
    for (count, by) in [
        (watched, "hashed before and watched since"),
        (all - doubtful.len(), "by git's stat cache"),
        (remembered, "by snapback's stat cache"),
    ] {
        if count > 0 {
            how.push(format!("{count} {by}"));
        }
    }
    let how = how.join(", ");
    run.weigh(troubles, format!("{all}/{all} files as released ({how})"))
}

/// Adjusts the result of [`as_released`] when files are not checked out: they are unknown.
pub fn without(check: CheckResult, absent: usize) -> CheckResult {
    if absent == 0 {
        return check;
    }
    let line = format!(
        "{absent} of its files are not checked out here, so nothing is known of them (sparse checkout)"
    );
    let evidence = std::iter::once(line).chain(check.evidence).collect();
    let hints = vec![Hint::run(
        "check everything out",
        &["git", "sparse-checkout", "disable"],
    )];
    CheckResult {
        status: check.status.max(Status::Inconclusive),
        evidence,
        hints,
        ..check
    }
}

/// Returns what is wrong with a file of the work tree; counts it when it was not read.
fn tree_trouble(
    checkout: &Checkout<'_>,
    file: &ManifestFile,
    counts: &KnownCounts,
) -> Option<Trouble> {
    let path = file.path();
    let bad = |line: String| Some(Trouble::Bad(line));
    let Some(digest) = file.digest() else {
        return bad(format!(
            "{path} has no full checksum in the manifest: {:?}",
            file.checksum()
        ));
    };
    let link = file.is_link();
    let whole = (file.role != FileRole::Large && !link)
        .then(|| capture::whole_file(checkout.tree, path, file.size().unwrap_or_default()))
        .flatten();
    let stat = match whole
        .as_ref()
        .map_or_else(|| checkout.tree.stat(path), |(stat, _)| Ok(Some(*stat)))
    {
        Ok(Some(stat)) => stat,
        Ok(None) => return bad(format!("{path} is missing")),
        Err(error) => return Some(Trouble::Unread(format!("{path}: {error}"))),
    };
    let kind = if link { Type::Symlink } else { Type::File };
    if stat.kind != kind {
        return bad(format!(
            "{path} is a {:?} and should be a {kind:?}",
            stat.kind
        ));
    }
    let executable = stat.mode & 0o100 != 0;
    if checkout.file_mode
        && !link
        && file
            .kind()
            .is_some_and(|kind| (kind == FileKind::Executable) != executable)
    {
        return bad(format!(
            "{path} is {}executable and should {}be so",
            if executable { "" } else { "not " },
            if executable { "not " } else { "" }
        ));
    }
    if let Some(found) = checkout.known_digest(file, &stat, counts) {
        return (found != digest)
            .then(|| Trouble::Bad(format!("{path} has other bytes than the release")));
    }
    let large = checkout.known.filter(|_| file.role == FileRole::Large);
    let watched = large.and_then(|known| known.watch(path));
    let source = match (whole, &watched) {
        (Some((_, bytes)), _) => FileBytes::Bytes(bytes),
        (None, Some(watched)) => FileBytes::Watched(watched),
        (None, None) => FileBytes::Path,
    };
    match differs(checkout, file, digest, source) {
        Ok(false) => {
            if let Some((known, watched)) = large.zip(watched) {
                known.learn(path, &watched, digest);
            }
            None
        }
        Ok(true) => bad(format!("{path} has other bytes than the release")),
        Err(why) => Some(Trouble::Unread(format!("{path}: {why}"))),
    }
}

/// Returns true when a file of the work tree differs from the list, or cannot be read.
pub fn is_other(checkout: &Checkout<'_>, file: &ManifestFile) -> bool {
    tree_trouble(checkout, file, &KnownCounts::default()).is_some()
}

/// Where the bytes of a file are.
enum FileBytes<'w> {
    /// They have been read.
    Bytes(Vec<u8>),
    /// In a file that is watched.
    Watched(&'w FileToRead),
    /// Wherever the path leads.
    Path,
}

/// Returns true when the bytes, in git's form where attributes apply, differ from the release's.
fn differs(
    checkout: &Checkout<'_>,
    file: &ManifestFile,
    digest: Digest,
    source: FileBytes<'_>,
) -> Result<bool, String> {
    let Checkout {
        tree,
        converter,
        takes_pointers,
        ..
    } = *checkout;
    let text = |error: std::io::Error| error.to_string();
    if file.is_link() {
        return Ok(Digest::of(&tree.read_link(file.path()).map_err(text)?) != digest);
    }
    let (found, size) = match &source {
        FileBytes::Bytes(bytes) => (Digest::of(bytes), bytes.len() as u64),
        FileBytes::Watched(watched) => Digest::of_reader(&mut watched.open()).map_err(text)?,
        FileBytes::Path => {
            Digest::of_reader(&mut tree.open(file.path()).map_err(text)?).map_err(text)?
        }
    };
    if found == digest {
        let is_only_pointer = !takes_pointers && is_pointer(tree, converter, file, size)?;
        return if is_only_pointer {
            Err("only its Git LFS pointer is here, not its bytes (git lfs pull)".into())
        } else {
            Ok(false)
        };
    }
    if file.role == FileRole::Large
        || converter
            .is_plain(file.path())
            .map_err(|error| error.to_string())?
    {
        return Ok(true);
    }
    if converter
        .is_lfs(file.path())
        .map_err(|error| error.to_string())?
    {
        // Its pointer follows from its digest, however large it is.
        return Ok(Digest::of(&Repo::lfs_pointer(&found, size)) != digest);
    }
    let bytes = match source {
        FileBytes::Bytes(bytes) => bytes,
        FileBytes::Watched(_) | FileBytes::Path => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut tree.open(file.path()).map_err(text)?, &mut bytes)
                .map_err(text)?;
            bytes
        }
    };
    let in_git = converter
        .to_git(file.path(), bytes)
        .map_err(|error| error.to_string())?;
    Ok(Digest::of(&in_git) != digest)
}

/// Returns true for a Git LFS file that is present only as its pointer.
fn is_pointer(
    tree: &dyn Fs,
    converter: &Converter,
    file: &ManifestFile,
    size: u64,
) -> Result<bool, String> {
    if file.blob().is_none()
        || size == 0
        || size >= Repo::LONGEST_LFS_POINTER
        || !converter
            .is_lfs(file.path())
            .map_err(|error| error.to_string())?
    {
        return Ok(false);
    }
    let bytes = read_limited(tree, file.path(), Repo::LONGEST_LFS_POINTER)
        .map_err(|error| error.to_string())?;
    Ok(Repo::is_lfs_pointer(&bytes))
}
