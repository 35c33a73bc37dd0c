//! Reads blobs from packs. Only bytes that match their id leave this module.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use super::{
    Error,
    backend::{Backend, FileName, Input},
    format::{
        BlobCodec, BlobId, BlobKind, MalformedBytes, blob,
        file::{Chunk, FileObject},
    },
    generation::Generation,
    index::{BlobPlace, data, list},
};
use base::{
    Digest,
    aligned::{self, Aligned},
};
use model::ObjectId;

/// Largest gap between two blobs of a run, in bytes: reading it is cheaper than reading twice.
const GAP: u64 = 64 << 10;
/// Largest number of bytes of a run.
const RUN: u64 = 12 << 20;
/// Runs shorter than this use the page cache: they are small files, soon needed again.
const ONCE: u64 = 1 << 20;
/// Number of packs kept open.
const OPEN: usize = 48;

thread_local! {
    /// Cached because creating one costs more than decompressing a small chunk.
    static DECOMPRESSOR: RefCell<zstd::bulk::Decompressor<'static>> =
        RefCell::new(zstd::bulk::Decompressor::new().expect("because a context is a little memory"));
}

/// The opened packs of a store.
pub struct Packs {
    backend: Arc<dyn Backend>,
    open: Mutex<HashMap<Digest, Arc<dyn Input>>>,
}

/// What proves the bytes of a file that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvedBy {
    /// The id of each chunk.
    Chunks,
    /// The digest of the file, which the caller compares when it has all of its bytes. Of each
    /// chunk only the CRC is checked, which finds damage, but no chunk that is another one's.
    Caller,
}

/// A reusable buffer for runs: fresh pages cost more than hashing.
#[derive(Default)]
pub struct RunBuffer(Option<Aligned>);

impl RunBuffer {
    /// Returns a buffer of `len` bytes, growing it if necessary.
    fn of(&mut self, len: usize) -> &mut [u8] {
        if self.0.as_ref().is_none_or(|buffer| buffer.len() < len) {
            self.0 = Some(Aligned::new(len.next_power_of_two()));
        }
        &mut self.0.as_mut().expect("because it was just made")[..len]
    }
}

impl Packs {
    /// Creates the cache for a store's packs.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            open: Mutex::new(HashMap::new()),
        }
    }

    /// Opens a pack, or returns the open one.
    pub fn open(&self, id: &Digest) -> io::Result<Arc<dyn Input>> {
        let mut open = self.open.lock().expect("because no holder panics");
        if let Some(input) = open.get(id) {
            return Ok(input.clone());
        }
        if open.len() >= OPEN {
            open.clear();
        }
        let input: Arc<dyn Input> = Arc::from(self.backend.open(&FileName::pack(id))?);
        open.insert(*id, input.clone());
        Ok(input)
    }

    /// Closes a pack, so that a later use opens whatever has its name then.
    pub fn forget(&self, id: &Digest) {
        self.open
            .lock()
            .expect("because no holder panics")
            .remove(id);
    }

    /// Reads a blob at one place; `Broken` when the place does not hold it.
    pub fn read(
        &self,
        place: &BlobPlace,
        blob: BlobId,
    ) -> io::Result<Result<Vec<u8>, MalformedBytes>> {
        Ok(decode(&self.stored(place)?, blob))
    }

    /// True when a place holds a blob, by its name and CRC.
    pub fn is_undamaged(&self, place: &BlobPlace, blob: BlobId) -> io::Result<bool> {
        let stored = self.stored(place)?;
        Ok(blob::split(&stored).is_ok_and(|(header, _)| header.blob == blob))
    }

    /// Returns the header and the stored bytes of a blob.
    fn stored(&self, place: &BlobPlace) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; blob::HEADER + place.stored as usize];
        let n = self
            .open(&place.pack.id)?
            .read_at(place.offset.into(), &mut bytes)?;
        bytes.truncate(n);
        Ok(bytes)
    }

    /// Reads a blob from the first place that holds it intact.
    pub fn fetch(&self, generation: &Generation, blob: BlobId) -> Result<Vec<u8>, Error> {
        let mut why = None;
        for place in generation.index.find(blob).map_err(Error::Io)? {
            match self.read(&place, blob) {
                Ok(Ok(bytes)) => return Ok(bytes),
                Ok(Err(broken)) => why = Some(broken.0),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    why = Some("a pack is missing".into());
                }
                Err(error) => return Err(Error::Io(error)),
            }
        }
        let id = ObjectId(blob.id);
        Err(why.map_or(Error::Missing(id), |why| Error::Damaged { id, why }))
    }

    /// Returns the list of a file with more than one chunk; `None` when the store has no such list.
    pub fn file(
        &self,
        generation: &Generation,
        id: &ObjectId,
    ) -> Result<Option<FileObject>, Error> {
        match self.fetch(generation, list(id.0)) {
            Ok(bytes) => match FileObject::decode(&bytes) {
                Ok(file) => Ok(Some(file)),
                Err(broken) => Err(Error::Damaged {
                    id: *id,
                    why: broken.0,
                }),
            },
            Err(Error::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the chunks of a window of a file into `out`, in order.
    pub fn window(
        &self,
        generation: &Generation,
        (chunks, proof): (&[Chunk], ProvedBy),
        buffer: &mut RunBuffer,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut places = Vec::with_capacity(chunks.len());
        for (nth, chunk) in chunks.iter().enumerate() {
            let place = generation
                .index
                .find(data(chunk.id))
                .map_err(Error::Io)?
                .into_iter()
                .next();
            places.push((place.ok_or(Error::Missing(ObjectId(chunk.id)))?, nth));
        }
        places.sort_unstable_by_key(|(place, nth)| (place.pack, place.offset, *nth));
        let begins: Vec<usize> = chunks
            .iter()
            .scan(0, |at, chunk| {
                Some(std::mem::replace(at, *at + chunk.len as usize))
            })
            .collect();
        // Every byte is overwritten below, or the window is an error, so nothing need be zeroed.
        out.resize(chunks.iter().map(|chunk| chunk.len as usize).sum(), 0);
        let mut bad = Vec::new();
        for run in runs(&places) {
            // Chunks that a run cannot provide are looked up again one by one, in every place.
            let Ok((bytes, begin)) = self.read_run(run, buffer) else {
                bad.extend(run.iter().map(|(_, nth)| *nth));
                continue;
            };
            for (place, nth) in run {
                let chunk = chunks[*nth];
                let target = &mut out[begins[*nth]..][..chunk.len as usize];
                let from = usize::try_from(u64::from(place.offset) - begin)
                    .expect("because runs are short");
                let stored = bytes.get(from..).unwrap_or_default();
                if decode_into(stored, data(chunk.id), target).is_err() {
                    bad.push(*nth);
                }
            }
        }
        if proof == ProvedBy::Chunks {
            verify(chunks, &begins, out, &mut bad);
        }
        for nth in bad {
            let bytes = self.fetch(generation, data(chunks[nth].id))?;
            let target = &mut out[begins[nth]..][..chunks[nth].len as usize];
            if bytes.len() != target.len() {
                return Err(Error::Damaged {
                    id: ObjectId(chunks[nth].id),
                    why: "it has another length than its file says".into(),
                });
            }
            target.copy_from_slice(&bytes);
        }
        Ok(())
    }

    /// Reads a run of blobs in one pack; also returns the offset of the bytes in the pack.
    fn read_run<'b>(
        &self,
        run: &[(BlobPlace, usize)],
        buffer: &'b mut RunBuffer,
    ) -> io::Result<(&'b [u8], u64)> {
        let (first, last) = (&run[0].0, &run[run.len() - 1].0);
        let (from, to) = (u64::from(first.offset), end(last));
        let begin = aligned::floor(from);
        let buffer =
            buffer.of(usize::try_from(aligned::ceil(to) - begin).map_err(io::Error::other)?);
        let input = self.open(&first.pack.id)?;
        let len = if to - from >= ONCE {
            input.read_once_at(begin, buffer)?
        } else {
            input.read_at(begin, buffer)?
        };
        Ok((&buffer[..len], begin))
    }
}

/// Returns the offset at which a place ends.
fn end(place: &BlobPlace) -> u64 {
    u64::from(place.offset) + (blob::HEADER as u64) + u64::from(place.stored)
}

/// Splits sorted places into runs, each read at once.
fn runs(places: &[(BlobPlace, usize)]) -> impl Iterator<Item = &[(BlobPlace, usize)]> {
    let mut rest = places;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let near = |pair: &[(BlobPlace, usize)]| {
            let (a, b) = (&pair[0].0, &pair[1].0);
            a.pack == b.pack
                && u64::from(b.offset) <= end(a) + GAP
                && end(b) - u64::from(first.0.offset) <= RUN
        };
        let len = 1 + rest.windows(2).take_while(|pair| near(pair)).count();
        let (run, after) = rest.split_at(len);
        rest = after;
        Some(run)
    })
}

/// Adds the chunks that do not hash to their id to `bad`.
fn verify(chunks: &[Chunk], begins: &[usize], out: &[u8], bad: &mut Vec<usize>) {
    let slices: Vec<&[u8]> = chunks
        .iter()
        .zip(begins)
        .map(|(chunk, begin)| &out[*begin..][..chunk.len as usize])
        .collect();
    let found = Digest::of_each(&slices);
    bad.extend((0..chunks.len()).filter(|nth| found[*nth] != chunks[*nth].id));
    bad.sort_unstable();
    bad.dedup();
}

/// Decodes a blob into a buffer of exactly its plain length, without checking the digest.
fn decode_into(bytes: &[u8], blob: BlobId, out: &mut [u8]) -> Result<(), MalformedBytes> {
    let (header, stored) = blob::split(bytes)?;
    if header.blob != blob || header.plain as usize != out.len() {
        return Err(MalformedBytes::because("another blob is there"));
    }
    match header.codec {
        BlobCodec::Raw => out.copy_from_slice(stored),
        BlobCodec::Zstd => {
            match DECOMPRESSOR.with_borrow_mut(|zstd| zstd.decompress_to_buffer(stored, out)) {
                Ok(n) if n == out.len() => {}
                _ => return Err(MalformedBytes::because("it cannot be decompressed")),
            }
        }
    }
    Ok(())
}

/// Decodes a blob and checks that it is the requested one.
pub fn decode(bytes: &[u8], blob: BlobId) -> Result<Vec<u8>, MalformedBytes> {
    let header = blob::read_header(bytes)?;
    let mut plain = vec![0; header.plain as usize];
    decode_into(bytes, blob, &mut plain)?;
    // A list carries its own checksum; its name is the digest of its file.
    match blob.kind {
        BlobKind::Data if Digest::of(&plain) != blob.id => {
            Err(MalformedBytes::because("its bytes have another digest"))
        }
        BlobKind::File => FileObject::decode(&plain).map(|_| plain),
        BlobKind::Data => Ok(plain),
    }
}
