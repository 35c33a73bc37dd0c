//! A record of the commit log: everything that the store holds as of this commit.
//!
//! ```text
//! "SNBLOG01" version:u16 0:u16 sequence:u64 seconds since 1970:i64 sha256 of the record before:32
//! packs:u32 segments:u32 roots:u32 dead:u8 0:3
//! | per pack id:32 size:u64 | per segment id:32 size:u64 | dead: id:32 size:u64
//! | per root, sorted by name: length:u16 name id:32 | sha256:32
//! ```
//!
//! Each record holds the digest of the previous one, so a changed or missing record is detected.
//! The packs named here are those that no segment indexes yet. `dead` is a file of condemned blobs.

use super::{Cut, MalformedBytes, PackRef, VERSION, begin, seal};
use base::Digest;

/// A file that the record names: an index segment or a list of condemned blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileRef {
    /// SHA-256 of its bytes.
    pub id: Digest,
    /// Number of its bytes.
    pub size: u64,
}

impl FileRef {
    /// Returns the reference to a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            id: Digest::of(bytes),
            size: bytes.len() as u64,
        }
    }
}

/// A named object that a collection keeps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedRoot {
    /// Its name, UTF-8.
    pub name: String,
    /// The object.
    pub id: Digest,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRecord {
    /// Sequence number, counting up from 1.
    pub sequence: u64,
    /// Time in seconds since 1970. For display only: no decision depends on it.
    pub seconds: i64,
    /// SHA-256 of the previous record; zeros for the first.
    pub previous: Digest,
    /// Packs that no segment indexes.
    pub packs: Vec<PackRef>,
    /// Index segments.
    pub segments: Vec<FileRef>,
    /// The list of condemned blobs, while a collection is under way.
    pub dead: Option<FileRef>,
    /// Named objects.
    pub roots: Vec<NamedRoot>,
}

impl CommitRecord {
    /// Returns the state before the first commit.
    pub fn empty() -> Self {
        let (packs, segments, roots) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            sequence: 0,
            seconds: 0,
            previous: Digest::from_bytes([0; 32]),
            packs,
            segments,
            dead: None,
            roots,
        }
    }

    /// Encodes the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = begin(b"SNBLOG01", VERSION);
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.seconds.to_le_bytes());
        bytes.extend_from_slice(self.previous.bytes());
        for len in [self.packs.len(), self.segments.len(), self.roots.len()] {
            bytes.extend_from_slice(&super::len32(len));
        }
        bytes.extend_from_slice(&[u8::from(self.dead.is_some()), 0, 0, 0]);
        let packs = self.packs.iter().map(|pack| (pack.id, pack.size));
        let files = self
            .segments
            .iter()
            .chain(&self.dead)
            .map(|file| (file.id, file.size));
        for (id, size) in packs.chain(files) {
            bytes.extend_from_slice(id.bytes());
            bytes.extend_from_slice(&size.to_le_bytes());
        }
        for root in &self.roots {
            let len = u16::try_from(root.name.len())
                .expect("because a root's name was checked when it was given");
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(root.name.as_bytes());
            bytes.extend_from_slice(root.id.bytes());
        }
        seal(bytes)
    }

    /// Decodes a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedBytes> {
        let mut cut = Cut::sealed(bytes, b"SNBLOG01", VERSION)?;
        cut.zeros(2)?;
        let (sequence, seconds, previous) = (cut.u64()?, cut.u64()?.cast_signed(), cut.digest()?);
        let (packs, segments, roots) = (cut.u32()?, cut.u32()?, cut.u32()?);
        let dead = cut.u8()?;
        cut.zeros(3)?;
        let each = u64::from(packs) + u64::from(segments) + u64::from(dead);
        if dead > 1 || each * 40 + u64::from(roots) * 34 > cut.0.len() as u64 {
            return Err(MalformedBytes::because(
                "it says that it holds more than it does",
            ));
        }
        let mut pair = || Ok((cut.digest()?, cut.u64()?));
        let packs = (0..packs)
            .map(|_| pair().map(|(id, size)| PackRef { id, size }))
            .collect::<Result<_, MalformedBytes>>()?;
        let segments = (0..segments)
            .map(|_| pair().map(|(id, size)| FileRef { id, size }))
            .collect::<Result<_, MalformedBytes>>()?;
        let dead = (dead == 1)
            .then(|| pair().map(|(id, size)| FileRef { id, size }))
            .transpose()?;
        let roots = (0..roots)
            .map(|_| read_root(&mut cut))
            .collect::<Result<Vec<_>, MalformedBytes>>()?;
        cut.end()?;
        if !roots.is_sorted_by(|a, b| a.name < b.name) {
            return Err(MalformedBytes::because("its roots are not sorted"));
        }
        Ok(Self {
            sequence,
            seconds,
            previous,
            packs,
            segments,
            dead,
            roots,
        })
    }
}

/// Reads one root.
fn read_root(cut: &mut Cut<'_>) -> Result<NamedRoot, MalformedBytes> {
    let len = cut.u16()?;
    let name = str::from_utf8(cut.bytes(len.into())?)
        .map_err(|_| MalformedBytes::because("the name of a root is not UTF-8"))?;
    Ok(NamedRoot {
        name: name.into(),
        id: cut.digest()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let id = Digest::of(b"x");
        let record = CommitRecord {
            sequence: 7,
            seconds: -1,
            previous: id,
            packs: vec![PackRef { id, size: 5 }],
            segments: vec![FileRef { id, size: 6 }],
            dead: Some(FileRef { id, size: 8 }),
            roots: vec![
                NamedRoot {
                    name: "a".into(),
                    id,
                },
                NamedRoot {
                    name: "b".into(),
                    id,
                },
            ],
        };
        let bytes = record.encode();
        assert_eq!(CommitRecord::decode(&bytes), Ok(record));
        assert_eq!(
            CommitRecord::decode(&CommitRecord::empty().encode()),
            Ok(CommitRecord::empty())
        );
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 2;
            assert!(
                CommitRecord::decode(&bad).is_err() && CommitRecord::decode(&bytes[..at]).is_err(),
                "byte {at}"
            );
        }
    }
}
