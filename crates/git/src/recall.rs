//! Blobs that this process has read or written and will need again, in memory.
//!
//! What proves that a blob is in the repository reads it there; what only needs its bytes once more
//! recalls them.

use std::{collections::HashMap, sync::Arc};

use super::{Error, Repo};
use model::GitId;

/// Bytes of all blobs that were read: those of thousands of source files. Further ones are read
/// again.
const MOST: usize = 8 << 20;

/// The blobs in memory.
#[derive(Default)]
pub(super) struct RecalledBlobs {
    /// The last one that was written to be recalled, of any size.
    written: Option<(GitId, Arc<Vec<u8>>)>,
    read: HashMap<GitId, Arc<Vec<u8>>>,
    /// Bytes of all that were read.
    size: usize,
}

impl Repo {
    /// Like [`Repo::write_blob`] or, given a similar blob, [`Repo::write_blob_like`], and keeps the
    /// bytes for [`Repo::recall`] until the next ones are kept.
    pub fn write_kept_blob(
        &self,
        bytes: Vec<u8>,
        like: Option<(&GitId, &[u8])>,
    ) -> Result<GitId, Error> {
        let id = match like {
            Some((like, record)) => self.write_blob_like(&bytes, like, record)?,
            None => self.write_blob(&bytes)?,
        };
        self.recalled_blobs().written = Some((id.clone(), Arc::new(bytes)));
        Ok(id)
    }

    /// Keeps the bytes of a blob for [`Repo::recall`], unless they would take too much memory.
    pub fn keep_blob(&self, id: &GitId, bytes: &[u8]) {
        let mut all = self.recalled_blobs();
        if all.size + bytes.len() <= MOST && !all.read.contains_key(id) {
            all.size += bytes.len();
            all.read.insert(id.clone(), Arc::new(bytes.to_vec()));
        }
    }

    /// Returns the kept bytes of this blob.
    pub fn recall(&self, id: &GitId) -> Option<Arc<Vec<u8>>> {
        let all = self.recalled_blobs();
        let written = all.written.as_ref().filter(|(written, _)| written == id);
        written
            .map(|(_, bytes)| bytes)
            .or_else(|| all.read.get(id))
            .cloned()
    }

    /// Returns the bytes of a blob, kept or read.
    pub fn recall_or_read(&self, id: &GitId) -> Result<Arc<Vec<u8>>, Error> {
        match self.recall(id) {
            Some(bytes) => Ok(bytes),
            None => self.read_blob(id).map(Arc::new),
        }
    }

    /// Returns the blob that was written to be recalled, if it has these bytes.
    pub fn recall_id(&self, bytes: &[u8]) -> Option<GitId> {
        let all = self.recalled_blobs();
        let written = all.written.as_ref();
        written
            .filter(|(_, written)| written.as_slice() == bytes)
            .map(|(id, _)| id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Sandbox, MOST};

    #[test]
    fn what_is_kept_is_recalled_until_the_memory_is_used_up() {
        let sandbox = Sandbox::new();
        let git = sandbox.repo();
        let (small, large) = (vec![1; 10], vec![2; MOST - 5]);
        let (first, second) = (git.blob_id(&small), git.blob_id(&large));
        git.keep_blob(&first, &small);
        git.keep_blob(&second, &large);
        assert_eq!(*git.recall(&first).expect("it is kept"), small);
        assert!(git.recall(&second).is_none(), "both are too many bytes");
        let third = git
            .write_kept_blob(vec![3; 7], None)
            .expect("it is written");
        assert_eq!(git.recall_id(&[3; 7]).as_ref(), Some(&third));
        assert_eq!(git.recall_id(&small), None, "it was not written");
        assert_eq!(*git.recall_or_read(&third).expect("it is there"), [3; 7]);
        assert!(git.recall_or_read(&second).is_err(), "it is nowhere");
    }
}
