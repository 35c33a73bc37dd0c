//! A backend that limits how many bytes per second are read and written.
//!
//! Limiting only delays transfers; the bytes pass through unchanged. Only file content is limited,
//! not lists, sizes or leases.

use std::{
    io::{self, Write},
    num::NonZeroU64,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::backend::{Area, Backend, FileName, Input, Lease, LeaseOn, StagedFile, Upload};
use base::cancel;

/// Longest time between checks for cancellation.
const LOOK: Duration = Duration::from_millis(50);

/// A backend with limits, in bytes per second.
pub struct LimitedBackend {
    inner: Arc<dyn Backend>,
    reads: Rate,
    writes: Rate,
}

/// A limit shared by all transfers in one direction; `None` when unlimited.
type Rate = Option<Arc<Pace>>;

impl LimitedBackend {
    /// Wraps another backend with limits.
    pub fn new(
        inner: Arc<dyn Backend>,
        reads: Option<NonZeroU64>,
        writes: Option<NonZeroU64>,
    ) -> Self {
        let rate = |limit: Option<NonZeroU64>| limit.map(|limit| Arc::new(Pace::new(limit)));
        Self {
            inner,
            reads: rate(reads),
            writes: rate(writes),
        }
    }
}

/// Spreads bytes over time: each transfer takes the time slot after those before it.
struct Pace {
    limit: NonZeroU64,
    free: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(limit: NonZeroU64) -> Self {
        Self {
            limit,
            free: Mutex::new(None),
        }
    }

    /// Reserves the time for some bytes; returns when it ends.
    fn take(&self, bytes: usize, now: Instant) -> Instant {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.limit.get());
        let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut free = self.free.lock().expect("because no holder panics");
        let end = free.map_or(now, |free| free.max(now)) + time;
        *free = Some(end);
        end
    }
}

/// Waits until the time reserved for the transferred bytes is over.
fn wait(rate: &Rate, bytes: usize) -> io::Result<()> {
    let Some(pace) = rate else {
        return Ok(());
    };
    let end = pace.take(bytes, Instant::now());
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        if left.is_zero() {
            break;
        }
        cancel::check().map_err(io::Error::other)?;
        thread::sleep(left.min(LOOK));
    }
    Ok(())
}

impl Backend for LimitedBackend {
    fn location(&self, name: &FileName) -> String {
        self.inner.location(name)
    }

    fn prepare(&self) -> io::Result<()> {
        self.inner.prepare()
    }

    fn size(&self, name: &FileName) -> io::Result<Option<u64>> {
        self.inner.size(name)
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn Input>> {
        Ok(Box::new(LimitedInput {
            inner: self.inner.open(name)?,
            rate: self.reads.clone(),
        }))
    }

    fn read(&self, name: &FileName, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.inner.read(name, limit)?;
        wait(&self.reads, bytes.len())?;
        Ok(bytes)
    }

    fn list(&self, area: Area) -> io::Result<Vec<String>> {
        self.inner.list(area)
    }

    fn stage(&self, area: Area, owner: &str) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(LimitedUpload {
            inner: self.inner.stage(area, owner)?,
            rate: self.writes.clone(),
        }))
    }

    fn remove(&self, name: &FileName) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn set_aside(&self, name: &FileName) -> io::Result<Option<FileName>> {
        self.inner.set_aside(name)
    }

    fn barrier(&self, area: Area) -> io::Result<()> {
        self.inner.barrier(area)
    }

    fn lease(&self, on: &LeaseOn, wait: bool) -> io::Result<Option<Lease>> {
        self.inner.lease(on, wait)
    }

    fn set_room_aside(&self, aside: bool) -> io::Result<()> {
        self.inner.set_room_aside(aside)
    }
}

/// An open file.
struct LimitedInput {
    inner: Box<dyn Input>,
    rate: Rate,
}

impl Input for LimitedInput {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read_at(offset, into)?;
        wait(&self.rate, read)?;
        Ok(read)
    }

    fn read_once_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read_once_at(offset, into)?;
        wait(&self.rate, read)?;
        Ok(read)
    }
}

/// A file being written. Once complete it is not limited: its bytes have been counted already.
struct LimitedUpload {
    inner: Box<dyn Upload>,
    rate: Rate,
}

impl Write for LimitedUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        wait(&self.rate, written)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Upload for LimitedUpload {
    fn finish(self: Box<Self>) -> io::Result<Box<dyn StagedFile>> {
        self.inner.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_one_after_the_other_and_rest_is_not_saved_up() {
        let pace = Pace::new(NonZeroU64::new(1000).expect("it is not zero"));
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(pace.take(1000, now), now + second);
        assert_eq!(pace.take(500, now), now + second * 3 / 2);
        let later = now + second * 60;
        assert_eq!(pace.take(1000, later), later + second);
    }
}
