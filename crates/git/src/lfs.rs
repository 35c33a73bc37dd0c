//! Git LFS objects, implemented natively: pointer files, and the store below `.git/lfs/objects`.
//!
//! `git-lfs` is never run and nothing is fetched. The pointer format is version 1 of the Git LFS
//! specification (docs/spec.md of git-lfs): three lines `version`, `oid sha256:…`, `size`.

use std::{
    fs::Permissions,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use super::{Error, Repo, disk};
use base::{Digest, Hasher, owner};

/// The version line in written pointers.
const VERSION: &str = "https://git-lfs.github.com/spec/v1";
/// The accepted version lines, including former names of the format.
const VERSIONS: [&str; 3] = [
    VERSION,
    "https://hawser.github.com/spec/v1",
    "http://git-media.io/v/2",
];
/// Bytes copied at a time.
const BLOCK: usize = 1 << 20;

impl Repo {
    /// Pointers are shorter than this, in bytes; longer files are content.
    pub const LONGEST_LFS_POINTER: u64 = 1024;

    /// True for bytes that are a valid pointer.
    pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
        parse_pointer(bytes).is_some()
    }

    /// Returns the path of a Git LFS object, whether or not it exists.
    pub fn lfs_path(&self, oid: &Digest) -> PathBuf {
        let hex = oid.hex();
        self.lfs_storage()
            .join("objects")
            .join(&hex[..2])
            .join(&hex[2..4])
            .join(&hex)
    }

    /// True when Git LFS objects may be absent because they can be fetched from somewhere.
    pub fn may_lack_lfs(&self) -> bool {
        let names_a_server = self.with(|repo| repo.config_snapshot().string("lfs.url").is_some());
        names_a_server || !self.remotes().is_empty() || self.work_tree().join(".lfsconfig").exists()
    }

    /// Returns the Git LFS folder: `lfs.storage`, or `lfs` in the shared git directory.
    fn lfs_storage(&self) -> PathBuf {
        let set = self.with(|repo| repo.config_snapshot().string("lfs.storage"));
        let name = set.map_or_else(|| "lfs".to_string(), |name| name.to_string());
        self.common_dir().join(name)
    }

    /// Stores bytes as a Git LFS object, durably; returns their digest and number.
    pub fn store_lfs(&self, reader: &mut dyn Read) -> Result<(Digest, u64), Error> {
        let temp_dir = self.lfs_storage().join("tmp");
        let mut changed = disk::create_dirs(&temp_dir)?;
        let failed = |source| Error::File {
            doing: "writing below",
            path: temp_dir.clone(),
            source,
        };
        // As with git-lfs, the umask decides who may read the file.
        let mode = Permissions::from_mode(0o666);
        let mut temp = tempfile::Builder::new()
            .permissions(mode)
            .tempfile_in(&temp_dir)
            .map_err(failed)?;
        owner::give_at(temp.as_file(), temp.path()).map_err(failed)?;
        let (mut hasher, mut size, mut block) = (Hasher::default(), 0, vec![0; BLOCK]);
        loop {
            let count = reader.read(&mut block).map_err(failed)?;
            if count == 0 {
                break;
            }
            hasher.update(&block[..count]);
            temp.write_all(&block[..count]).map_err(failed)?;
            size += count as u64;
        }
        let oid = hasher.finish();
        let path = self.lfs_path(&oid);
        temp.as_file().sync_all().map_err(|source| Error::Sync {
            path: temp.path().to_path_buf(),
            source,
        })?;
        let dir = path
            .parent()
            .expect("because the path has folders")
            .to_path_buf();
        changed.extend(disk::create_dirs(&dir)?);
        changed.push(dir);
        let kept = temp.into_temp_path();
        disk::rename(&kept, &path)?;
        // The name is gone, so dropping the handle removes nothing.
        drop(kept);
        changed.sort();
        changed.dedup();
        changed.iter().try_for_each(|dir| disk::sync(dir))?;
        Ok((oid, size))
    }

    /// Returns the pointer that git stores in place of a large file; nothing for an empty one.
    pub fn lfs_pointer(oid: &Digest, size: u64) -> Vec<u8> {
        if size == 0 {
            return Vec::new();
        }
        format!("version {VERSION}\noid {oid}\nsize {size}\n").into_bytes()
    }
}

/// Parses the digest and size of a pointer; `None` if the bytes are not one.
pub(super) fn parse_pointer(bytes: &[u8]) -> Option<(Digest, u64)> {
    if bytes.len() as u64 >= Repo::LONGEST_LFS_POINTER {
        return None;
    }
    let mut lines = std::str::from_utf8(bytes).ok()?.trim_end().lines();
    let version = lines.next()?.strip_prefix("version ")?;
    let oid = lines.next()?.strip_prefix("oid ")?.parse().ok()?;
    let size = lines.next()?.strip_prefix("size ")?.parse().ok()?;
    (VERSIONS.contains(&version) && lines.next().is_none()).then_some((oid, size))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sandbox, rel};
    use super::super::{Attributes, Worktree};
    use super::*;
    use base::{Fault, Kind};

    #[test]
    fn pointers_round_trip_and_nothing_else_is_one() {
        let oid = Digest::of(b"large");
        let pointer = Repo::lfs_pointer(&oid, 5);
        assert_eq!(parse_pointer(&pointer), Some((oid, 5)));
        let long = [pointer.clone(), vec![b'\n'; 1024]].concat();
        for other in [
            &b""[..],
            b"version https://git-lfs.github.com/spec/v1\n",
            &pointer[1..],
            &long,
            b"\xff",
        ] {
            assert_eq!(parse_pointer(other), None);
        }
    }

    #[test]
    fn large_files_become_pointers_and_come_back() {
        let sandbox = Sandbox::new();
        sandbox.write(
            ".gitattributes",
            b"*.bin filter=lfs diff=lfs merge=lfs -text\n",
        );
        sandbox.commit("rules");
        let repo = sandbox.repo();
        let converter = repo.converter(Attributes::WorkTree).unwrap();
        let path = rel("model.bin");
        assert!(converter.is_lfs(&path).unwrap() && !converter.is_lfs(&rel("a.txt")).unwrap());
        let content = b"weights\r\n".repeat(1000);
        let pointer = converter.to_git(&path, content.clone()).unwrap();
        let (oid, size) = (Digest::of(&content), content.len() as u64);
        assert_eq!(pointer, Repo::lfs_pointer(&oid, size));
        assert_eq!(
            converter.to_git(&path, pointer.clone()).unwrap(),
            pointer,
            "a pointer stays itself"
        );

        let error = converter
            .to_worktree(&path, pointer.clone())
            .expect_err("the object is not here");
        assert_eq!(error.kind(), Kind::Missing);
        assert_eq!(
            repo.store_lfs(&mut content.as_slice()).unwrap(),
            (oid, size)
        );
        assert_eq!(
            repo.store_lfs(&mut content.as_slice()).unwrap(),
            (oid, size),
            "storing again is the same"
        );
        assert_eq!(
            converter.to_worktree(&path, pointer).unwrap(),
            Worktree::Lfs { oid, size }
        );
        assert_eq!(std::fs::read(repo.lfs_path(&oid)).unwrap(), content);
        assert_eq!(
            std::fs::read_dir(sandbox.path(".git/lfs/tmp"))
                .unwrap()
                .count(),
            0
        );
        assert_eq!(
            converter
                .to_worktree(&path, b"not a pointer".to_vec())
                .unwrap(),
            Worktree::Same(b"not a pointer".to_vec())
        );
    }
}
