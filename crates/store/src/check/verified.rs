//! Notes of when each pack was checked. If they are lost or damaged, packs are checked again.
//!
//! ```text
//! "SNBVERIF" version:u16 0:u16 last collection:i64 packs:u32
//!     | per pack id:32 fast:i64 deep:i64 | sha256:32
//! ```
//!
//! Times are seconds since 1970, 0 for never. Only the order of checks depends on them.

use std::collections::BTreeMap;

use super::Level;
use crate::{
    ChunkStore, Error,
    backend::{Area, FileName, stage_bytes},
    commit::committer,
    files::read_whole,
    format::{Broken, Cut, VERSION, begin, len32, seal},
};
use base::Digest;

/// The notes of check times.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verified {
    /// When the last collection ended.
    pub gc: Option<i64>,
    packs: BTreeMap<Digest, (i64, i64)>,
}

impl Verified {
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

    fn decode(bytes: &[u8]) -> Result<Self, Broken> {
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
        let packs = (0..count).map(pack).collect::<Result<_, Broken>>()?;
        cut.end()?;
        Ok(Self {
            gc: (gc != 0).then_some(gc),
            packs,
        })
    }

    /// Records that packs were found whole.
    pub fn note(&mut self, packs: impl Iterator<Item = Digest>, level: Level, seconds: i64) {
        for id in packs {
            let times = self.packs.entry(id).or_default();
            times.0 = times.0.max(seconds);
            if level == Level::Deep {
                times.1 = times.1.max(seconds);
            }
        }
    }

    /// Forgets packs that no longer exist.
    pub fn keep(&mut self, mut there: impl FnMut(&Digest) -> bool) {
        self.packs.retain(|id, _| there(id));
    }

    /// Returns when a pack was last checked at least this thoroughly; 0 for never.
    pub fn last(&self, id: &Digest, level: Level) -> i64 {
        let (fast, deep) = self.packs.get(id).copied().unwrap_or_default();
        if level == Level::Deep { deep } else { fast }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_damage_is_found() {
        let mut verified = Verified {
            gc: Some(5),
            ..Verified::default()
        };
        let ids = [Digest::of(b"a"), Digest::of(b"b")];
        verified.note(ids.into_iter(), Level::Fast, 7);
        verified.note(ids.into_iter().take(1), Level::Deep, 9);
        let bytes = verified.encode();
        assert_eq!(Verified::decode(&bytes), Ok(verified.clone()));
        assert_eq!(
            (
                verified.last(&ids[0], Level::Deep),
                verified.last(&ids[1], Level::Deep)
            ),
            (9, 0)
        );
        assert_eq!(
            (
                verified.last(&ids[0], Level::Fast),
                verified.last(&ids[1], Level::Fast)
            ),
            (9, 7)
        );
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(
                Verified::decode(&bad).is_err() && Verified::decode(&bytes[..at]).is_err(),
                "byte {at}"
            );
        }
    }
}
