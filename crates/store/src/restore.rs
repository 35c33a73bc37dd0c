//! Reads an object's bytes in order: workers read and verify windows of chunks ahead of the writer,
//! in a bounded number of buffers.

use std::{io::Write, sync::mpsc, thread};

use super::{
    ChunkStore, Error,
    fetch::{ProvedBy, RunBuffer},
    format::file::{Chunk, FileObject},
    generation::Generation,
};

/// Target number of plain bytes per window.
const WINDOW: usize = 8 << 20;
/// Files up to this size are read by the calling thread only.
const ALONE: u64 = 16 << 20;

/// Writes the bytes of a file.
pub fn write(
    store: &ChunkStore,
    generation: &Generation,
    (file, proof): (&FileObject, ProvedBy),
    into: &mut dyn Write,
) -> Result<u64, Error> {
    let windows = windows(&file.chunks);
    if file.size <= ALONE {
        let (mut run, mut buffer) = (RunBuffer::default(), Vec::new());
        for window in windows {
            read(store, generation, (window, proof), &mut run, &mut buffer)?;
            into.write_all(&buffer).map_err(Error::Output)?;
        }
        return Ok(file.size);
    }
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(windows.len());
    thread::scope(|scope| {
        let mut results = Vec::with_capacity(workers);
        let (free, back): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mpsc::channel::<Vec<u8>>()).unzip();
        for (worker, back) in back.into_iter().enumerate() {
            let (send, receive) = mpsc::sync_channel(1);
            results.push(receive);
            let windows = &windows;
            scope.spawn(move || {
                let mut run = RunBuffer::default();
                for window in windows.iter().skip(worker).step_by(workers) {
                    let mut buffer = back.try_recv().unwrap_or_default();
                    let window = (*window, proof);
                    let read =
                        read(store, generation, window, &mut run, &mut buffer).map(|()| buffer);
                    // The writer is gone: it failed and reports its own error.
                    if send.send(read).is_err() {
                        return;
                    }
                }
            });
        }
        for nth in 0..windows.len() {
            let read = results[nth % workers]
                .recv()
                .expect("because a worker sends every window of its own");
            let buffer = read?;
            into.write_all(&buffer).map_err(Error::Output)?;
            // A worker that has ended needs no buffer.
            let _ = free[nth % workers].send(buffer);
        }
        Ok(file.size)
    })
}

/// Reads a window. A collection may move packs between two windows of a file; then the newest
/// commit knows the chunks' locations.
fn read(
    store: &ChunkStore,
    generation: &Generation,
    window: (&[Chunk], ProvedBy),
    run: &mut RunBuffer,
    buffer: &mut Vec<u8>,
) -> Result<(), Error> {
    match store.packs.window(generation, window, run, buffer) {
        Err(Error::Missing(_) | Error::Damaged { .. }) => {}
        other => return other,
    }
    store.with_newest(|newest| store.packs.window(newest, window, run, buffer))
}

/// Splits chunks into windows of about [`WINDOW`] bytes.
fn windows(chunks: &[Chunk]) -> Vec<&[Chunk]> {
    let mut windows = Vec::new();
    let mut rest = chunks;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |chunk: &&Chunk| {
            bytes += chunk.len as usize;
            bytes <= WINDOW
        };
        let len = rest.iter().take_while(fits).count().max(1);
        let (window, after) = rest.split_at(len);
        windows.push(window);
        rest = after;
    }
    windows
}
