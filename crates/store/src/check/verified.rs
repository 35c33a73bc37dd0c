//! Notes of when each pack was checked. If they are lost or damaged, packs are checked again.
//!
//! ```text
//! "SNBVERIF" version:u16 0:u16 last collection:i64 packs:u32
//!     | per pack id:32 fast:i64 deep:i64 | sha256:32
//! ```
//!
//! Times are seconds since 1970, 0 for never. Only the order of checks depends on them.

use std::collections::BTreeMap;

use super::CheckDepth;
use crate::{
    ChunkStore, Error,
    backend::{Area, FileName, stage_bytes},
    commit::committer,
    files::read_whole,
    format::{Cut, MalformedBytes, VERSION, begin, len32, seal},
};
use base::Digest;

/// The notes of check times.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ProofNotes {
    /// When the last collection ended.
    pub gc: Option<i64>,
    packs: BTreeMap<Digest, (i64, i64)>,
}

impl ProofNotes {
    /// Reads the notes; returns empty ones when they cannot be read.
    pub fn read(store: &ChunkStore) -> Self {
        let read = read_whole(&*store.backend, &FileName::verified(), None);
        read.ok()
            .and_then(|bytes| Self::decode(&bytes.ok()?).ok())
            .unwrap_or_default()
    }

    /// Writes the notes.
    pub fn write(&self, store: &ChunkStore) -> Result<(), Error> {
        store.backend.prepare().map_err(Error::Write)?;
        let _alone = store.alone()?;
        stage_bytes(&*store.backend, Area::Notes, &committer(), &self.encode())
            .and_then(|staged| staged.put(&FileName::verified()))
            .map_err(Error::Write)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = begin(b"SNBVERIF", VERSION);
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.gc.unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&len32(self.packs.len()));
        for (id, (fast, deep)) in &self.packs {
            bytes.extend_from_slice(id.bytes());
            bytes.extend_from_slice(&fast.to_le_bytes());
            bytes.extend_from_slice(&deep.to_le_bytes());
        }
        seal(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, MalformedBytes> {
        let mut cut = Cut::sealed(bytes, b"SNBVERIF", VERSION)?;
        cut.zeros(2)?;
        let gc = cut.u64()?.cast_signed();
        let count = cut.count(48)?;
        let pack = |_| {
            Ok((
                cut.digest()?,
                (cut.u64()?.cast_signed(), cut.u64()?.cast_signed()),
            ))
        };
        let packs = (0..count)
            .map(pack)
            .collect::<Result<_, MalformedBytes>>()?;
        cut.end()?;
        Ok(Self {
            gc: (gc != 0).then_some(gc),
            packs,
        })
    }

    /// Records that packs were found whole.
    pub fn note(&mut self, packs: impl Iterator<Item = Digest>, level: CheckDepth, seconds: i64) {
        for id in packs {
            let times = self.packs.entry(id).or_default();
            times.0 = times.0.max(seconds);
            if level == CheckDepth::Deep {
                times.1 = times.1.max(seconds);
            }
        }
    }

    /// Forgets packs that no longer exist.
    pub fn keep(&mut self, mut there: impl FnMut(&Digest) -> bool) {
        self.packs.retain(|id, _| there(id));
    }

    /// Returns when a pack was last checked at least this thoroughly; 0 for never.
    pub fn last(&self, id: &Digest, level: CheckDepth) -> i64 {
        let (fast, deep) = self.packs.get(id).copied().unwrap_or_default();
        if level == CheckDepth::Deep {
            deep
        } else {
            fast
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_damage_is_found() {
        let mut verified = ProofNotes {
            gc: Some(5),
            ..ProofNotes::default()
        };
        let ids = [Digest::of(b"a"), Digest::of(b"b")];
        verified.note(ids.into_iter(), CheckDepth::Fast, 7);
        verified.note(ids.into_iter().take(1), CheckDepth::Deep, 9);
        let bytes = verified.encode();
        assert_eq!(ProofNotes::decode(&bytes), Ok(verified.clone()));
        assert_eq!(
            (
                verified.last(&ids[0], CheckDepth::Deep),
                verified.last(&ids[1], CheckDepth::Deep)
            ),
            (9, 0)
        );
        assert_eq!(
            (
                verified.last(&ids[0], CheckDepth::Fast),
                verified.last(&ids[1], CheckDepth::Fast)
            ),
            (9, 7)
        );
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(
                ProofNotes::decode(&bad).is_err() && ProofNotes::decode(&bytes[..at]).is_err(),
                "byte {at}"
            );
        }
    }
}
