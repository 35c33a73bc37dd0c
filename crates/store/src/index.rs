//! The locations of blobs: tables of packs that no segment indexes yet, and the segments.
//!
//! Small segments are read whole and checked; of large ones only the bucket of the requested id is
//! read. They are not mapped into memory: a read error in a mapped file kills the process, and a
//! small read costs only a microsecond. An index entry is trusted only as far as the blob's own
//! header, which holds the full id.

use std::io;

use super::{
    backend::{Backend, FileName, Input},
    files::{pack_ids, read_whole},
    format::{
        BlobId, BlobKind, MalformedBytes, PackRef,
        dead::Dead,
        pack,
        record::{CommitRecord, FileRef},
        segment,
    },
};
use base::Digest;

/// Segments up to this size are read whole and checked when the store is opened.
const READ_WHOLE: u64 = 4 << 20;

/// The location of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobPlace {
    /// The pack that holds it.
    pub pack: PackRef,
    /// Offset of its header.
    pub offset: u32,
    /// Number of stored bytes after the header.
    pub stored: u32,
    /// Number of plain bytes.
    pub plain: u32,
}

/// A damaged part of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: FileName,
    /// Description of the damage.
    pub why: String,
}

/// The table of one pack.
pub struct Table {
    /// The pack.
    pub pack: PackRef,
    /// Its blobs, sorted.
    pub entries: Vec<pack::PackEntry>,
}

/// The index of everything that the store holds at one commit.
#[derive(Default)]
pub struct Index {
    tables: Vec<Table>,
    segments: Vec<IndexSegment>,
    dead: Dead,
    /// Parts that could not be used.
    pub damage: Vec<Damage>,
}

impl Index {
    /// Opens the files that a record names. Damage is recorded; blobs of a damaged segment are then
    /// looked up in the tables of all packs that exist.
    pub fn open(backend: &dyn Backend, record: &CommitRecord) -> io::Result<Self> {
        let mut index = Self::default();
        for pack in &record.packs {
            match read_table(backend, &FileName::pack(&pack.id), Some(pack.size))? {
                Ok(table) if table.pack.id == pack.id => index.tables.push(table),
                Ok(_) => index.note(FileName::pack(&pack.id), "it is another pack"),
                Err(broken) => index.note(FileName::pack(&pack.id), broken.0),
            }
        }
        let mut rescue = false;
        for segment in &record.segments {
            let name = FileName::index(&segment.id);
            match IndexSegment::open(backend, &name, segment)? {
                Ok(segment) => index.segments.push(segment),
                Err(broken) => {
                    index.note(name, broken.0);
                    rescue = true;
                }
            }
        }
        if let Some(file) = &record.dead {
            let name = FileName::index(&file.id);
            let bytes = read_whole(backend, &name, Some(file.size))?;
            match bytes.and_then(|bytes| Dead::decode(&bytes)) {
                Ok(dead) => index.dead = dead,
                Err(broken) => index.note(name, broken.0),
            }
        }
        if rescue {
            index.rescue(backend)?;
        }
        Ok(index)
    }

    /// Adds the tables of all packs that exist and are not indexed.
    pub fn rescue(&mut self, backend: &dyn Backend) -> io::Result<()> {
        for id in pack_ids(backend)? {
            if !self.packs().any(|pack| pack.id == id) {
                match read_table(backend, &FileName::pack(&id), None)? {
                    Ok(table) if table.pack.id == id => self.tables.push(table),
                    Ok(_) => self.note(FileName::pack(&id), "it is another pack"),
                    Err(broken) => self.note(FileName::pack(&id), broken.0),
                }
            }
        }
        Ok(())
    }

    /// Records damage.
    pub fn note(&mut self, file: FileName, why: impl Into<String>) {
        self.damage.push(Damage {
            file,
            why: why.into(),
        });
    }

    /// Returns all packs that it indexes.
    pub fn packs(&self) -> impl Iterator<Item = PackRef> + '_ {
        self.tables
            .iter()
            .map(|table| table.pack)
            .chain(self.segment_packs())
    }

    /// Returns the tables of packs that no segment indexes.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Returns the packs that segments index.
    pub fn segment_packs(&self) -> impl Iterator<Item = PackRef> + '_ {
        self.segments
            .iter()
            .flat_map(|segment| segment.head.packs.iter().copied())
    }

    /// True when a collection has condemned the blob, so that new sessions must not rely on it.
    pub fn is_dead(&self, blob: BlobId) -> bool {
        self.dead.has(blob)
    }

    /// Returns the segments that could be opened, with their heads.
    pub fn heads(&self) -> impl Iterator<Item = (FileRef, &segment::SegmentHeader)> {
        self.segments
            .iter()
            .map(|segment| (segment.file, &segment.head))
    }

    /// Returns the list of what the current collection has condemned.
    pub fn dead(&self) -> &Dead {
        &self.dead
    }

    /// Returns all places of a blob, newest first.
    pub fn find(&self, blob: BlobId) -> io::Result<Vec<BlobPlace>> {
        let mut places = Vec::new();
        for table in self.tables.iter().rev() {
            let from = table.entries.partition_point(|entry| entry.blob < blob);
            let same = table.entries[from..]
                .iter()
                .take_while(|entry| entry.blob == blob);
            places.extend(same.map(|e| BlobPlace {
                pack: table.pack,
                offset: e.offset,
                stored: e.stored,
                plain: e.plain,
            }));
        }
        for segment in self.segments.iter().rev() {
            segment.find(blob, &mut places)?;
        }
        Ok(places)
    }
}

/// One opened segment.
struct IndexSegment {
    file: FileRef,
    head: segment::SegmentHeader,
    entries: SegmentEntries,
}

/// The entries of a segment.
enum SegmentEntries {
    Read(Vec<u8>),
    OnDisk(Box<dyn Input>),
}

impl IndexSegment {
    /// Opens a segment.
    fn open(
        backend: &dyn Backend,
        name: &FileName,
        file: &FileRef,
    ) -> io::Result<Result<Self, MalformedBytes>> {
        if file.size <= READ_WHOLE {
            let read = read_whole(backend, name, Some(file.size))?;
            return Ok(read.and_then(|bytes| Self::whole(&bytes, file)));
        }
        let input = match backend.open(name) {
            Ok(input) => input,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Err(MalformedBytes::because("it is missing")));
            }
            Err(error) => return Err(error),
        };
        if backend.size(name)? != Some(file.size) {
            return Ok(Err(MalformedBytes::because("it has the wrong size")));
        }
        let mut first = [0; segment::HEAD];
        input.read_at(0, &mut first)?;
        let len = match segment::head_len(&first, file.size) {
            Ok(len) => len,
            Err(broken) => return Ok(Err(broken)),
        };
        let mut bytes = vec![0; len];
        input.read_at(0, &mut bytes)?;
        Ok(segment::SegmentHeader::decode(&bytes).map(|head| Self {
            file: *file,
            head,
            entries: SegmentEntries::OnDisk(input),
        }))
    }

    /// Checks a segment that was read whole.
    fn whole(bytes: &[u8], file: &FileRef) -> Result<Self, MalformedBytes> {
        if Digest::of(bytes) != file.id {
            return Err(MalformedBytes::because("its checksum does not agree"));
        }
        let len = segment::head_len(bytes.get(..segment::HEAD).unwrap_or_default(), file.size)?;
        let head = segment::SegmentHeader::decode(&bytes[..len])?;
        Ok(Self {
            file: *file,
            head,
            entries: SegmentEntries::Read(bytes[len..bytes.len() - 32].to_vec()),
        })
    }

    /// Adds the places of a blob to `places`.
    fn find(&self, blob: BlobId, places: &mut Vec<BlobPlace>) -> io::Result<()> {
        let range = self.head.bucket(&segment::prefix(&blob.id));
        let (from, to) = (range.start * segment::ENTRY, range.end * segment::ENTRY);
        let mut buffer = Vec::new();
        let bytes = match &self.entries {
            SegmentEntries::Read(bytes) => &bytes[from..to],
            SegmentEntries::OnDisk(input) => {
                buffer.resize(to - from, 0);
                let n = input.read_at(self.head.begin + from as u64, &mut buffer)?;
                &buffer[..n]
            }
        };
        // A damaged entry has no place; `check` reports the damage.
        for entry in self.head.matching(bytes, blob).unwrap_or_default() {
            let pack = self.head.packs[entry.pack as usize];
            places.push(BlobPlace {
                pack,
                offset: entry.offset,
                stored: entry.stored,
                plain: entry.plain,
            });
        }
        Ok(())
    }
}

/// Reads the table of a pack. The pack must have the given size, when one is given.
pub fn read_table(
    backend: &dyn Backend,
    name: &FileName,
    size: Option<u64>,
) -> io::Result<Result<Table, MalformedBytes>> {
    let Some(found) = backend.size(name)? else {
        return Ok(Err(MalformedBytes::because("it is missing")));
    };
    if size.is_some_and(|size| size != found) {
        return Ok(Err(MalformedBytes::because("it has the wrong size")));
    }
    if found < (pack::HEADER + pack::TRAILER) as u64 || found > pack::MAX + (64 << 20) {
        return Ok(Err(MalformedBytes::because("it has no possible size")));
    }
    let input = backend.open(name)?;
    let mut end = [0; pack::TRAILER];
    input.read_at(found - pack::TRAILER as u64, &mut end)?;
    let trailer = match pack::read_trailer(&end, found) {
        Ok(trailer) => trailer,
        Err(broken) => return Ok(Err(broken)),
    };
    let mut bytes = vec![0; trailer.count as usize * pack::ENTRY];
    input.read_at(trailer.offset, &mut bytes)?;
    let entries = pack::read_table(&bytes, &trailer.id, trailer.offset);
    Ok(entries.map(|entries| Table {
        pack: PackRef {
            id: trailer.id,
            size: found,
        },
        entries,
    }))
}

/// Returns the blob id of a chunk.
pub fn data(id: Digest) -> BlobId {
    BlobId {
        id,
        kind: BlobKind::Data,
    }
}

/// Returns the blob id of a list of chunks.
pub fn list(id: Digest) -> BlobId {
    BlobId {
        id,
        kind: BlobKind::File,
    }
}
