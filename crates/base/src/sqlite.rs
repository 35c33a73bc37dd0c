//! The files that SQLite keeps beside a database, and whether they change its rows.
//!
//! The rows of a database `d` are in the file `d` and, until a checkpoint copies them there, in its
//! write-ahead log `d-wal`. The rollback journal `d-journal` of an unfinished transaction restores
//! pages of `d` when `d` is opened next. `d-shm` is an index of the log. SQLite reads whatever has
//! these names, so a log of one version beside the database of another mixes the two. The formats:
//! sqlite.org/fileformat2.html, 3 and 4.
//!
//! Files are only read, never locked or copied: a database in use can be inspected, and a large one
//! costs no more than its log. The super-journal of a transaction over several databases (`d-mj…`)
//! is never removed: the other databases could not roll back without it, and it is read only
//! through the journals that name it.

use std::{
    collections::HashMap,
    io::{self, BufReader, Read},
};

use super::{Fs, Input, RelPath, Stat, Type, cancel::Stoppable};

/// The first bytes of a database.
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The suffixes of a database's log, the log's index and the journal.
pub const ENDS: [&str; 3] = [WAL, "-shm", JOURNAL];
/// The suffixes of the log and the journal, one of which exists during a write.
pub const LIVE_ENDS: [&str; 2] = [WAL, JOURNAL];
/// The suffix of a write-ahead log.
const WAL: &str = "-wal";
/// The suffix of a rollback journal.
const JOURNAL: &str = "-journal";
/// The first bytes of a hot journal, which will be rolled back.
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// The magic of a log; its lowest bit is set if the checksums read big-endian numbers.
const WAL_MAGIC: u32 = 0x377f_0682;
/// The only version of the log format.
const WAL_VERSION: u32 = 3_007_000;
/// Sizes in bytes of the log's header and of the header of each page in it.
const HEADER: (usize, usize) = (32, 24);
/// Smallest and largest page size.
const PAGES: std::ops::RangeInclusive<u32> = 512..=65_536;
/// Bytes of a log that are read at once.
const BUFFER: usize = 256 << 10;

/// The effect of a log or journal on the rows of its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogEffect {
    /// None: the database already contains everything.
    Idle,
    /// The log holds committed rows that the database lacks.
    Rows,
    /// The journal rolls back a transaction that is unfinished or still running.
    Transaction,
}

/// Returns the path of a file beside a database.
pub fn side(database: &RelPath, end: &str) -> RelPath {
    RelPath::own([database.as_bytes(), end.as_bytes()].concat())
}

/// Returns the database that a log, its index or a journal belongs to, by name.
pub fn database_of(path: &RelPath) -> Option<RelPath> {
    let is_named =
        |end: &&str| path.name().len() > end.len() && path.name().ends_with(end.as_bytes());
    let end = ENDS.into_iter().find(is_named)?;
    Some(RelPath::own(
        &path.as_bytes()[..path.as_bytes().len() - end.len()],
    ))
}

/// True when a file of this size can be a database: a multiple of 512 bytes.
pub fn is_sized(size: u64) -> bool {
    size >= 512 && size.is_multiple_of(512)
}

/// True for a database, or a file whose log or journal shows that it is one: an encrypted database
/// does not begin with the magic.
pub fn is_database(fs: &dyn Fs, path: &RelPath) -> io::Result<bool> {
    Ok(begins(fs, path, MAGIC)?
        || is_log(fs, &side(path, WAL))?
        || begins(fs, &side(path, JOURNAL), &JOURNAL_MAGIC)?)
}

/// Returns the effect of a log, its index or a journal (by its name) on its database's rows.
pub fn log(fs: &dyn Fs, database: &RelPath, path: &RelPath) -> io::Result<LogEffect> {
    read_log(fs, database, path, &|log| Box::new(Stoppable(log)))
}

/// Like [`log`], but not stopped by a signal: for restoring a previous state.
pub fn log_to_its_end(fs: &dyn Fs, database: &RelPath, path: &RelPath) -> io::Result<LogEffect> {
    read_log(fs, database, path, &|log| log)
}

/// A function that wraps a reader.
type Wrapped<'a> = &'a dyn Fn(Box<dyn Read>) -> Box<dyn Read>;

fn read_log(
    fs: &dyn Fs,
    database: &RelPath,
    path: &RelPath,
    around: Wrapped<'_>,
) -> io::Result<LogEffect> {
    let name = path.name();
    if name.ends_with(JOURNAL.as_bytes()) {
        // A journal that persists between transactions begins with zeros in between, or is empty.
        return Ok(if begins(fs, path, &JOURNAL_MAGIC)? {
            LogEffect::Transaction
        } else {
            LogEffect::Idle
        });
    }
    let is_log = is_log(fs, path)?;
    Ok(if is_log && !is_folded(fs, database, path, around)? {
        LogEffect::Rows
    } else {
        LogEffect::Idle
    })
}

/// True for a file with the name and the magic of a write-ahead log.
pub fn is_log(fs: &dyn Fs, path: &RelPath) -> io::Result<bool> {
    Ok(path.name().ends_with(WAL.as_bytes())
        && begin::<4>(fs, path)?.is_some_and(|begin| u32::from_be_bytes(begin) & !1 == WAL_MAGIC))
}

/// True for a file that begins with these bytes.
fn begins<const N: usize>(fs: &dyn Fs, path: &RelPath, bytes: &[u8; N]) -> io::Result<bool> {
    Ok(begin::<N>(fs, path)?.as_ref() == Some(bytes))
}

/// Returns the stat of a path. A name that exceeds the file system's limit, as one with `-journal`
/// may, counts as missing.
pub fn stat(fs: &dyn Fs, path: &RelPath) -> io::Result<Option<Stat>> {
    match fs.stat(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => Ok(None),
        other => other,
    }
}

/// Returns the first bytes of a regular file; `None` if it is shorter.
fn begin<const N: usize>(fs: &dyn Fs, path: &RelPath) -> io::Result<Option<[u8; N]>> {
    if stat(fs, path)?.is_none_or(|stat| stat.kind != Type::File || stat.size < N as u64) {
        return Ok(None);
    }
    let mut bytes = [0; N];
    match fs
        .open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
    {
        Ok(()) => Ok(Some(bytes)),
        // It was checkpointed or removed a moment ago.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// True when every committed page of a log is in the database.
fn is_folded(
    fs: &dyn Fs,
    database: &RelPath,
    path: &RelPath,
    around: Wrapped<'_>,
) -> io::Result<bool> {
    let mut reader = BufReader::with_capacity(BUFFER, around(fs.open(path)?));
    let committed = match committed(&mut reader) {
        Ok(Some(committed)) => committed,
        Ok(None) => return Ok(true),
        // Its contents are unknown, so it must not count as empty.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(false),
        Err(error) => return Err(error),
    };
    let Some(stat) = fs.stat(database)?.filter(|stat| stat.kind == Type::File) else {
        return Ok(false);
    };
    if stat.size != u64::from(committed.pages) * committed.page_size as u64 {
        return Ok(false);
    }
    let (database, log) = (fs.open_input(database)?, fs.open_input(path)?);
    let (mut ours, mut logged) = (vec![0; committed.page_size], vec![0; committed.page_size]);
    for (page, at) in committed.places() {
        fill(&*log, at, &mut logged)?;
        fill(
            &*database,
            u64::from(page - 1) * committed.page_size as u64,
            &mut ours,
        )?;
        if ours != logged {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads a page; bytes beyond the end of the file are zeros.
fn fill(file: &dyn Input, at: u64, page: &mut [u8]) -> io::Result<()> {
    let read = file.read_at(at, page)?;
    page[read..].fill(0);
    Ok(())
}

/// The committed part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedLog {
    /// Bytes per page.
    pub page_size: usize,
    /// The size of the database after the log is applied, in pages.
    pub pages: u32,
    /// Offset in the log at which the last committed page ends.
    pub end: u64,
    /// Offset in the log of the newest version of each page.
    at: HashMap<u32, u64>,
}

impl CommittedLog {
    /// Returns the pages that the log holds, in order, each with its offset in the log.
    fn places(&self) -> Vec<(u32, u64)> {
        let mut places: Vec<_> = self
            .at
            .iter()
            .map(|(page, at)| (*page, *at))
            .filter(|(page, _)| *page <= self.pages)
            .collect();
        places.sort_unstable();
        places
    }
}

/// Reads a log up to its last committed page, as SQLite's recovery does: the log ends before the
/// first page whose checksum does not continue the chain. `None` if nothing is committed.
pub fn committed(log: &mut dyn Read) -> io::Result<Option<CommittedLog>> {
    let mut header = [0; HEADER.0];
    let number = |bytes: &[u8], at: usize| {
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    if !read_all(log, &mut header)? || number(&header, 0) & !1 != WAL_MAGIC {
        return Ok(None);
    }
    let (is_big, page_size) = (number(&header, 0) & 1 == 1, number(&header, 8));
    let mut sum = checksum(is_big, (0, 0), &header[..24]);
    let is_valid = PAGES.contains(&page_size)
        && page_size.is_power_of_two()
        && sum == (number(&header, 24), number(&header, 28));
    if !is_valid {
        return Ok(None);
    }
    if number(&header, 4) != WAL_VERSION {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a log of SQLite in a format that is not known",
        ));
    }
    let page_size = page_size as usize;
    let (mut found, mut pending) = (
        CommittedLog {
            page_size,
            pages: 0,
            end: 0,
            at: HashMap::new(),
        },
        Vec::new(),
    );
    let mut frame = vec![0; HEADER.1 + page_size];
    let mut at = HEADER.0 as u64;
    while read_all(log, &mut frame)? {
        sum = checksum(
            is_big,
            checksum(is_big, sum, &frame[..8]),
            &frame[HEADER.1..],
        );
        let (page, pages) = (number(&frame, 0), number(&frame, 4));
        if page == 0
            || frame[8..16] != header[16..24]
            || sum != (number(&frame, 16), number(&frame, 20))
        {
            break;
        }
        pending.push((page, at + HEADER.1 as u64));
        at += frame.len() as u64;
        if pages > 0 {
            found.at.extend(pending.drain(..));
            (found.pages, found.end) = (pages, at);
        }
    }
    Ok((found.pages > 0).then_some(found))
}

/// Fills a buffer; returns false if the file ends first.
fn read_all(file: &mut dyn Read, into: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Continues the checksum of the log format (4.2).
fn checksum(is_big: bool, from: (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let number = |four: &[u8]| {
        let four = [four[0], four[1], four[2], four[3]];
        if is_big {
            u32::from_be_bytes(four)
        } else {
            u32::from_le_bytes(four)
        }
    };
    bytes.chunks_exact(8).fold(from, |(first, second), eight| {
        let first = first.wrapping_add(number(&eight[..4])).wrapping_add(second);
        (
            first,
            second.wrapping_add(number(&eight[4..])).wrapping_add(first),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_their_ends() {
        let of = |path: &str| database_of(&RelPath::own(path)).map(|found| found.to_string());
        assert_eq!(of("a/d.sqlite-wal").as_deref(), Some("a/d.sqlite"));
        assert_eq!(of("a/d-shm").as_deref(), Some("a/d"));
        assert_eq!(of("d.db-journal").as_deref(), Some("d.db"));
        assert_eq!(
            (of("a/-wal"), of("d.sqlite"), of("a-wal/d")),
            (None, None, None)
        );
        assert_eq!(side(&RelPath::own("a/d"), "-wal"), RelPath::own("a/d-wal"));
        assert!(is_sized(512) && is_sized(8192) && !is_sized(0) && !is_sized(4095));
    }

    #[test]
    fn no_bytes_make_reading_a_log_fail_or_panic() {
        let mut header = Vec::new();
        for number in [WAL_MAGIC, WAL_VERSION, 512, 0, 1, 2] {
            header.extend(number.to_be_bytes());
        }
        let (first, second) = checksum(false, (0, 0), &header);
        header.extend(first.to_be_bytes());
        header.extend(second.to_be_bytes());
        assert_eq!(committed(&mut &header[..]).expect("it reads"), None);
        for cut in 0..header.len() {
            assert_eq!(committed(&mut &header[..cut]).expect("it reads"), None);
        }
        // One page with a commit, and one without.
        let mut sum = (first, second);
        for (page, pages) in [(2u32, 3u32), (1, 0)] {
            let mut frame = [
                page.to_be_bytes(),
                pages.to_be_bytes(),
                1u32.to_be_bytes(),
                2u32.to_be_bytes(),
            ]
            .concat();
            let bytes = [7; 512];
            sum = checksum(false, checksum(false, sum, &frame[..8]), &bytes);
            frame.extend([sum.0.to_be_bytes(), sum.1.to_be_bytes()].concat());
            header.extend(frame);
            header.extend(bytes);
        }
        let found = committed(&mut &header[..])
            .expect("it reads")
            .expect("a page is committed");
        assert_eq!((found.pages, found.places()), (3, vec![(2, 56)]));
        header[60] ^= 1;
        assert_eq!(
            committed(&mut &header[..]).expect("it reads"),
            None,
            "the chain of checksums is broken"
        );
    }
}
