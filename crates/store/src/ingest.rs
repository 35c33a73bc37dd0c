//! Turns bytes into chunks: the caller's thread reads, cuts and hashes; workers look up, compress
//! and write the chunks, one buffer at a time. There are few buffers, and they are reused.

use std::{
    io::{self, Read},
    sync::mpsc,
    thread,
};

use super::{
    Error, StoredObject,
    chunker::{self, Cutter},
    format::file::{Chunk, FileObject},
    session::PutSession,
};
use base::Digest;
use model::ObjectId;

/// Bytes of new content per buffer: larger files are cut into larger chunks, using all cores.
const BUFFER: usize = 8 << 20;
/// Room for the remainder of the previous cut.
const CARRY: usize = 1 << 20;

/// Stores everything that a reader yields.
pub fn put(session: &PutSession, from: &mut dyn Read) -> Result<StoredObject, Error> {
    let mut buffer = Vec::new();
    // One extra byte distinguishes a file that just fits from a larger one.
    from.take(BUFFER as u64 + 1)
        .read_to_end(&mut buffer)
        .map_err(Error::Read)?;
    if buffer.len() > BUFFER {
        return put_large(session, buffer, from);
    }
    Ok(put_small(session, &[&buffer])?.remove(0))
}

/// Stores contents of at most [`BUFFER`] bytes each.
pub fn put_small(session: &PutSession, contents: &[&[u8]]) -> Result<Vec<StoredObject>, Error> {
    let before = session.grown();
    let mut cuts = Vec::with_capacity(contents.len());
    let mut slices: Vec<&[u8]> = Vec::with_capacity(contents.len());
    for bytes in contents {
        let cutter = Cutter::choose(bytes, Some(bytes.len() as u64));
        let ends = cutter.cut(bytes, true);
        let mut begin = 0;
        for end in &ends {
            slices.push(&bytes[begin..*end]);
            begin = *end;
        }
        // An empty file is one empty chunk.
        if ends.is_empty() {
            slices.push(&[]);
        }
        cuts.push((cutter, ends.len().max(1)));
    }
    let chunks = session.store_chunks(&Digest::of_each(&slices), &slices)?;
    let several: Vec<&[u8]> = contents
        .iter()
        .zip(&cuts)
        .filter(|(_, (_, count))| *count > 1)
        .map(|(bytes, _)| *bytes)
        .collect();
    let mut wholes = Digest::of_each(&several).into_iter();
    let mut rest = &chunks[..];
    let mut stored = Vec::with_capacity(contents.len());
    for (bytes, (cutter, count)) in contents.iter().zip(cuts) {
        let (own, after) = rest.split_at(count);
        rest = after;
        let digest = if count == 1 {
            own[0].id
        } else {
            wholes.next().expect("because it was hashed above")
        };
        if count > 1 {
            session.store_file(digest, &file(&cutter, bytes.len() as u64, own.to_vec()))?;
        }
        stored.push(StoredObject {
            id: ObjectId(digest),
            digest,
            size: bytes.len() as u64,
            grown: 0,
        });
    }
    // With other threads this includes part of what they stored: a figure for display only.
    if let Some(first) = stored.first_mut() {
        first.grown = session.grown() - before;
    }
    Ok(stored)
}

/// Builds the list of a file's chunks.
fn file(cutter: &Cutter, size: u64, chunks: Vec<Chunk>) -> FileObject {
    FileObject {
        chunker: chunker::VERSION,
        cutter: cutter.code(),
        size,
        chunks,
    }
}

/// A buffer in flight: `ends` are the ends of the chunks at its front, `ids` their digests.
struct Batch {
    nth: usize,
    buffer: Vec<u8>,
    ends: Vec<usize>,
    ids: Vec<Digest>,
}

/// The result of a batch: its number, its chunks, and the buffer for reuse.
type BatchResult = (usize, Result<Vec<Chunk>, Error>, Vec<u8>);

/// Stores a file of more than [`BUFFER`] bytes; `first` holds the bytes read already.
fn put_large(
    session: &PutSession,
    first: Vec<u8>,
    from: &mut dyn Read,
) -> Result<StoredObject, Error> {
    let _one = session.large.lock().expect("because no holder panics");
    let before = session.grown();
    let cutter = Cutter::choose(&first, None);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (digest, size, chunks) = thread::scope(|scope| {
        let (jobs, queue) = mpsc::sync_channel::<Batch>(1);
        let queue = std::sync::Arc::new(std::sync::Mutex::new(queue));
        let (send, done) = mpsc::channel::<BatchResult>();
        for _ in 0..workers {
            let (queue, send) = (queue.clone(), send.clone());
            scope.spawn(move || work(session, &queue, &send));
        }
        drop((queue, send));
        let mut feeder = Feeder {
            jobs,
            done,
            idle: workers + 2,
            chunks: Vec::new(),
            spare: Vec::new(),
        };
        feeder.feed(&cutter, first, from)
    })?;
    session.store_file(digest, &file(&cutter, size, chunks))?;
    Ok(StoredObject {
        id: ObjectId(digest),
        digest,
        size,
        grown: session.grown() - before,
    })
}

/// Stores batches until there are no more.
fn work(
    session: &PutSession,
    queue: &std::sync::Mutex<mpsc::Receiver<Batch>>,
    done: &mpsc::Sender<BatchResult>,
) {
    loop {
        let next = queue.lock().expect("because no holder panics").recv();
        let Ok(batch) = next else { return };
        let begins = std::iter::once(0).chain(batch.ends.iter().copied());
        let slices: Vec<&[u8]> = begins
            .zip(&batch.ends)
            .map(|(begin, end)| &batch.buffer[begin..*end])
            .collect();
        let chunks = session.store_chunks(&batch.ids, &slices);
        if done.send((batch.nth, chunks, batch.buffer)).is_err() {
            return;
        }
    }
}

/// Reads and cuts the file, and hands buffers to the workers.
struct Feeder {
    jobs: mpsc::SyncSender<Batch>,
    done: mpsc::Receiver<BatchResult>,
    /// Number of buffers that may still be allocated.
    idle: usize,
    chunks: Vec<(usize, Vec<Chunk>)>,
    spare: Vec<Vec<u8>>,
}

impl Feeder {
    /// Processes the whole file; returns its digest, size and chunks.
    fn feed(
        &mut self,
        cutter: &Cutter,
        first: Vec<u8>,
        from: &mut dyn Read,
    ) -> Result<(Digest, u64, Vec<Chunk>), Error> {
        let (mut hasher, mut size, mut carry, mut nth) =
            (sha256_lanes::StreamHasher::default(), 0, Vec::new(), 0);
        let mut buffer = first;
        self.idle -= 1;
        let mut begin = 0;
        let mut last = false;
        while !last {
            if nth > 0 {
                buffer = self.buffer()?;
                buffer.clear();
                buffer.append(&mut carry);
                begin = buffer.len();
                let read = from
                    .take((BUFFER + CARRY - begin) as u64)
                    .read_to_end(&mut buffer)
                    .map_err(Error::Read)?;
                last = read == 0;
            }
            size += (buffer.len() - begin) as u64;
            let ends = cutter.cut(&buffer, last);
            let whole = ends.last().copied().unwrap_or(0);
            // A single pass computes the digest of each chunk and that of the file.
            let ids = hasher
                .update(&buffer[..whole], &ends)
                .into_iter()
                .map(Digest)
                .collect();
            carry.extend_from_slice(&buffer[whole..]);
            // Workers that end early report their own error.
            let _ = self.jobs.send(Batch {
                nth,
                buffer: std::mem::take(&mut buffer),
                ends,
                ids,
            });
            nth += 1;
        }
        self.collect(nth)?;
        self.chunks.sort_unstable_by_key(|(nth, _)| *nth);
        let chunks = std::mem::take(&mut self.chunks)
            .into_iter()
            .flat_map(|(_, chunks)| chunks)
            .collect();
        Ok((Digest(hasher.finish()), size, chunks))
    }

    /// Receives one result.
    fn take(&mut self) -> Result<(), Error> {
        let Ok((nth, chunks, buffer)) = self.done.recv() else {
            return Err(Error::Write(io::Error::other(
                "a worker of the store has ended",
            )));
        };
        self.chunks.push((nth, chunks?));
        self.spare.push(buffer);
        Ok(())
    }

    /// Returns a buffer for reuse; waits for one when all are in flight.
    fn buffer(&mut self) -> Result<Vec<u8>, Error> {
        if self.spare.is_empty() && self.idle == 0 {
            self.take()?;
        }
        Ok(self.spare.pop().unwrap_or_else(|| {
            self.idle -= 1;
            Vec::with_capacity(BUFFER + CARRY)
        }))
    }

    /// Waits for all outstanding batches.
    fn collect(&mut self, batches: usize) -> Result<(), Error> {
        while self.chunks.len() < batches {
            self.take()?;
        }
        Ok(())
    }
}
