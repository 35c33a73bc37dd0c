//! What SQLite keeps beside a database, and whether that changes the rows of the database.
//!
//! The rows of a database `d` are in the file `d` and, until they are folded into it, in its
//! write-ahead log `d-wal`; the rollback journal `d-journal` of a transaction that did not end
//! takes pages of `d` back when `d` is opened next; `d-shm` is an index of the log. SQLite reads
//! whatever has these names, so a log of one version beside the database of another one mixes the
//! two. The formats: sqlite.org/fileformat2.html, 3 and 4.
//!
//! Files are only read, never locked, and no copy is made: a database in use can be looked at, and
//! a large one costs no more than its log. The journal that a transaction over several databases
//! has in common (`d-mj…`) is never taken away: the other databases would lose their way back, and
//! nobody reads it without the journals that name it.

use std::{
    collections::HashMap,
    io::{self, BufReader, Read},
};

use super::{Fs, Input, RelPath, Stat, Type, cancel::Stoppable};

/// What a database begins with.
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The ends of the names of a database's log, of the log's index and of its journal.
pub const ENDS: [&str; 3] = [WAL, "-shm", JOURNAL];
/// Those of a log and of a journal: one lies there while somebody writes.
pub const LIVE_ENDS: [&str; 2] = [WAL, JOURNAL];
/// The end of the name of a write-ahead log.
const WAL: &str = "-wal";
/// The end of the name of a rollback journal.
const JOURNAL: &str = "-journal";
/// What a journal that is to be played back begins with.
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// What a log begins with; the last bit says that its checksums are of big-endian numbers.
const WAL_MAGIC: u32 = 0x377f_0682;
/// The only version of the log's format.
const WAL_VERSION: u32 = 3_007_000;
/// Bytes of the log's header, and of the header of each page in it.
const HEADER: (usize, usize) = (32, 24);
/// Smallest and largest page.
const PAGES: std::ops::RangeInclusive<u32> = 512..=65_536;
/// How much of a log is read at once.
const BUFFER: usize = 256 << 10;

/// What a log or journal does to the rows of its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Log {
    /// Nothing: the database has all that is in it.
    Idle,
    /// It holds committed rows that the database lacks.
    Rows,
    /// It takes back a transaction that did not end, or has not ended yet.
    Transaction,
}

/// The path of what lies beside a database.
pub fn side(database: &RelPath, end: &str) -> RelPath {
    RelPath::own([database.as_bytes(), end.as_bytes()].concat())
}

/// The database that a log, its index or a journal belongs to, by its name.
pub fn database_of(path: &RelPath) -> Option<RelPath> {
    let is_named =
        |end: &&str| path.name().len() > end.len() && path.name().ends_with(end.as_bytes());
    let end = ENDS.into_iter().find(is_named)?;
    Some(RelPath::own(
        &path.as_bytes()[..path.as_bytes().len() - end.len()],
    ))
}

/// True when a file of this size can be a database: it is made of whole pages.
pub fn is_sized(size: u64) -> bool {
    size >= 512 && size.is_multiple_of(512)
}

/// True for a file that is a database, or whose log or journal shows that it is one: an encrypted
/// one does not begin as others do.
pub fn is_database(fs: &dyn Fs, path: &RelPath) -> io::Result<bool> {
    Ok(begins(fs, path, MAGIC)?
        || is_log(fs, &side(path, WAL))?
        || begins(fs, &side(path, JOURNAL), &JOURNAL_MAGIC)?)
}

/// What a log, its index or a journal, by its name, does to the rows of its database.
pub fn log(fs: &dyn Fs, database: &RelPath, path: &RelPath) -> io::Result<Log> {
    read_log(fs, database, path, &|log| Box::new(Stoppable(log)))
}

/// [`log`] for what puts things back, which no signal stops.
pub fn log_to_its_end(fs: &dyn Fs, database: &RelPath, path: &RelPath) -> io::Result<Log> {
    read_log(fs, database, path, &|log| log)
}

/// A reader around another one.
type Around<'a> = &'a dyn Fn(Box<dyn Read>) -> Box<dyn Read>;

fn read_log(
    fs: &dyn Fs,
    database: &RelPath,
    path: &RelPath,
    around: Around<'_>,
) -> io::Result<Log> {
    let name = path.name();
    if name.ends_with(JOURNAL.as_bytes()) {
        // One that is kept between transactions begins with zeros then, or is empty.
        return Ok(if begins(fs, path, &JOURNAL_MAGIC)? {
            Log::Transaction
        } else {
            Log::Idle
        });
    }
    let is_log = is_log(fs, path)?;
    Ok(if is_log && !is_folded(fs, database, path, around)? {
        Log::Rows
    } else {
        Log::Idle
    })
}

/// True for a file that is called and begins as a write-ahead log does.
pub fn is_log(fs: &dyn Fs, path: &RelPath) -> io::Result<bool> {
    Ok(path.name().ends_with(WAL.as_bytes())
        && begin::<4>(fs, path)?.is_some_and(|begin| u32::from_be_bytes(begin) & !1 == WAL_MAGIC))
}

/// True for a file that begins with some bytes.
fn begins<const N: usize>(fs: &dyn Fs, path: &RelPath, bytes: &[u8; N]) -> io::Result<bool> {
    Ok(begin::<N>(fs, path)?.as_ref() == Some(bytes))
}

/// What lies at a path. A name that with `-journal` is longer than the file system has names is
/// nobody's.
pub fn stat(fs: &dyn Fs, path: &RelPath) -> io::Result<Option<Stat>> {
    match fs.stat(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => Ok(None),
        other => other,
    }
}

/// The first bytes of a regular file that has so many.
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
        // It was folded in, or removed, a moment ago.
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
    around: Around<'_>,
) -> io::Result<bool> {
    let mut reader = BufReader::with_capacity(BUFFER, around(fs.open(path)?));
    let committed = match committed(&mut reader) {
        Ok(Some(committed)) => committed,
        Ok(None) => return Ok(true),
        // What is in it cannot be told, so it is not taken for nothing.
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

/// Reads a page; what is beyond the end is zeros.
fn fill(file: &dyn Input, at: u64, page: &mut [u8]) -> io::Result<()> {
    let read = file.read_at(at, page)?;
    page[read..].fill(0);
    Ok(())
}

/// What the committed part of a log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Bytes of a page.
    pub page_size: usize,
    /// How many pages the database has afterwards.
    pub pages: u32,
    /// Where the last committed page ends in the log.
    pub end: u64,
    /// Where in the log the newest form of a page is.
    at: HashMap<u32, u64>,
}

impl Committed {
    /// The pages of the database that the log holds, in order, each with its place in the log.
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

/// Reads a log up to its last committed page, as SQLite's recovery does: what follows a page that
/// does not fit into the chain of checksums is not there. `None` when nothing is committed.
pub fn committed(log: &mut dyn Read) -> io::Result<Option<Committed>> {
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
        Committed {
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

/// Fills a buffer; false when the file ends before.
fn read_all(file: &mut dyn Read, into: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The checksum of the log's format (4.2), gone on with from another one.
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
        // A page that commits, and one that does not.
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
