//! The part of the tar format that capsules use (GNU's, of 1989): regular files, and long names.
//!
//! Nothing else is written, so nothing else is read: no links, no devices, no folders, no
//! extensions. Extracting a capsule gives plain files below one folder. Headers are those of the
//! `tar` crate. Its archives are not used: they end at the first empty block, whatever comes after
//! it, and take a file's bytes from a reader, which a store that pushes them does not have.

use std::io::{self, Read, Write};

use tar::{EntryType, Header};

/// Size of a block, in bytes; everything comes in blocks.
const BLOCK: usize = 512;
/// Longest name without an entry of its own.
const SHORT: usize = 100;
/// Longest name that is read.
const LONGEST: u64 = 8192;
/// The name of an entry that holds the next one's long name.
const LONG_LINK: &[u8] = b"././@LongLink";
/// Largest size that octal digits can express.
const OCTAL: u64 = 0o77_777_777_777;

/// A writer of a tar.
pub struct TarWriter<W> {
    into: W,
    mtime: u64,
}

impl<W: Write> TarWriter<W> {
    /// Creates a writer; all members get this time, in seconds since 1970.
    pub fn new(into: W, mtime: u64) -> Self {
        Self { into, mtime }
    }

    /// Adds a regular file; exactly `size` bytes must come.
    pub fn file(
        &mut self,
        name: &[u8],
        executable: bool,
        size: u64,
        from: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if name.len() > SHORT {
            let size = name.len() as u64 + 1;
            self.header(LONG_LINK, 0o644, size, EntryType::GNULongName)?;
            self.into.write_all(name)?;
            self.into.write_all(&[0])?;
            self.pad(size)?;
        }
        let mode = if executable { 0o755 } else { 0o644 };
        let short = &name[..name.len().min(SHORT)];
        self.header(short, mode, size, EntryType::Regular)?;
        let mut exact = Exact {
            into: &mut self.into,
            left: size,
        };
        from(&mut exact)?;
        if exact.left > 0 {
            return Err(io::Error::other(format!(
                "{} bytes are missing",
                exact.left
            )));
        }
        self.pad(size)
    }

    /// Writes the end, and gives the writer back.
    pub fn finish(mut self) -> io::Result<W> {
        self.into.write_all(&[0; 2 * BLOCK])?;
        Ok(self.into)
    }

    fn header(&mut self, name: &[u8], mode: u32, size: u64, kind: EntryType) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        header.set_mtime(self.mtime & OCTAL);
        header.set_entry_type(kind);
        header.set_cksum();
        // The crate writes seven digits and a NUL; GNU tar writes six, a NUL and a space.
        let sum = &mut header.as_old_mut().cksum;
        sum.rotate_left(1);
        sum[7] = b' ';
        self.into.write_all(header.as_bytes())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        self.into.write_all(&[0; BLOCK][..padding(size)])
    }
}

/// A writer that lets a number of bytes through and no more.
struct Exact<'a, W> {
    into: &'a mut W,
    left: u64,
}

impl<W: Write> Write for Exact<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("there are more bytes than its list says"));
        }
        let n = self.into.write(bytes)?;
        self.left -= n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

/// Returns how many bytes fill up the last block.
fn padding(size: u64) -> usize {
    let over =
        usize::try_from(size % BLOCK as u64).expect("because a rest is smaller than a block");
    (BLOCK - over) % BLOCK
}

/// A member of a foreign tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, unchecked.
    pub name: Vec<u8>,
    /// Number of its bytes.
    pub size: u64,
    /// True when its owner may execute it.
    pub executable: bool,
}

/// A reader of a foreign tar; its errors are sentences that name what is wrong.
pub struct TarReader<R> {
    from: R,
    left: u64,
    pad: usize,
}

impl<R: Read> TarReader<R> {
    /// Creates a reader that reads from the beginning.
    pub fn new(from: R) -> Self {
        Self {
            from,
            left: 0,
            pad: 0,
        }
    }

    /// Returns the member after the rest of this one; `None` at the end, which nothing follows.
    pub fn next_member(&mut self) -> Result<Option<Member>, String> {
        let mut long = None;
        loop {
            self.skip()?;
            let mut header = Header::new_old();
            self.fill(header.as_mut_bytes())?;
            if *header.as_bytes() == [0; BLOCK] {
                return self.end(long.is_some());
            }
            let (size, executable) = fields(&header)?;
            match header.entry_type() {
                EntryType::GNULongName if long.is_none() && (2..=LONGEST).contains(&size) => {
                    (self.left, self.pad) = (size, padding(size));
                    let mut name = Vec::new();
                    self.read_to(&mut |bytes| name.extend_from_slice(bytes))?;
                    if name.pop() != Some(0) || name.contains(&0) {
                        return Err("a long name has no end".into());
                    }
                    long = Some(name);
                }
                EntryType::Regular => {
                    let short = || {
                        let mut parts = header.as_old().name.split(|byte| *byte == 0);
                        parts.next().unwrap_or_default().to_vec()
                    };
                    (self.left, self.pad) = (size, padding(size));
                    return Ok(Some(Member {
                        name: long.take().unwrap_or_else(short),
                        size,
                        executable,
                    }));
                }
                EntryType::Link | EntryType::Symlink => {
                    return Err("it holds a link as a member".into());
                }
                EntryType::Char | EntryType::Block | EntryType::Fifo => {
                    return Err("it holds a device or a FIFO".into());
                }
                other => {
                    let kind = char::from(other.as_byte());
                    return Err(format!("it holds a member of the type {kind:?}"));
                }
            }
        }
    }

    /// Passes on the bytes of the member that was returned last.
    pub fn read_to(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let mut nothing = |bytes: &[u8]| -> io::Result<()> {
            take(bytes);
            Ok(())
        };
        self.copy(&mut nothing).map_err(|error| match error {
            Copy::Read(why) => why,
            Copy::Write(error) => error.to_string(),
        })
    }

    /// Passes the bytes on to a taker that may fail.
    pub fn copy(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), Copy> {
        let mut buffer = vec![0; 64 << 10];
        while self.left > 0 {
            let most = usize::try_from(self.left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            self.fill(&mut buffer[..most]).map_err(Copy::Read)?;
            take(&buffer[..most]).map_err(Copy::Write)?;
            self.left -= most as u64;
        }
        Ok(())
    }

    fn skip(&mut self) -> Result<(), String> {
        self.read_to(&mut |_| {})?;
        let mut rest = [0; BLOCK];
        let pad = std::mem::take(&mut self.pad);
        self.fill(&mut rest[..pad])?;
        if rest == [0; BLOCK] {
            Ok(())
        } else {
            Err("what fills a block up is damaged".into())
        }
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), String> {
        self.from
            .read_exact(into)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => "it is cut off".to_string(),
                _ => format!("it cannot be unpacked: {error}"),
            })
    }

    /// Reads the end: after it come zeros, of which there are few.
    fn end(&mut self, name_is_open: bool) -> Result<Option<Member>, String> {
        if name_is_open {
            return Err("a long name belongs to nothing".into());
        }
        let mut last = [0; BLOCK];
        self.fill(&mut last)?;
        if last != [0; BLOCK] {
            return Err("its end is damaged".into());
        }
        let mut rest = Vec::new();
        let most = 64 << 10;
        let read = (&mut self.from).take(most + 1).read_to_end(&mut rest);
        read.map_err(|error| format!("it cannot be unpacked: {error}"))?;
        if rest.len() as u64 > most || rest.iter().any(|byte| *byte != 0) {
            Err("something comes after its end".into())
        } else {
            Ok(None)
        }
    }
}

/// The reason why copying a member stopped.
#[derive(Debug)]
pub enum Copy {
    /// The tar is wrong.
    Read(String),
    /// The taker failed.
    Write(io::Error),
}

/// Returns the size of a whole header, and whether it is executable.
fn fields(header: &Header) -> Result<(u64, bool), String> {
    let old = header.as_old();
    let sum = number(&old.cksum).ok_or("a header has no checksum")?;
    let mut summed = header.clone();
    summed.set_cksum();
    let is_whole = summed
        .cksum()
        .is_ok_and(|counted| u64::from(counted) == sum);
    if !is_whole || header.as_bytes()[257..262] != *b"ustar" {
        return Err("it is no tar, or a header is damaged".into());
    }
    let size = match old.size {
        // GNU's base-256: the crate reads the last eight bytes and does not look at the others.
        [0x80, 0, 0, 0, ..] => header.entry_size().ok(),
        octal => number(&octal),
    };
    let mode = number(&old.mode).ok_or("a header has no mode")?;
    Ok((size.ok_or("a header has no size")?, mode & 0o100 != 0))
}

/// Reads octal digits, then spaces or zeros; the crate ends at the first zero, whatever follows.
fn number(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| u64::from_str_radix(text, 8).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;

    fn written(members: &[(&[u8], bool, &[u8])]) -> Vec<u8> {
        let mut writer = TarWriter::new(Vec::new(), 1_000_000);
        for (name, executable, bytes) in members {
            writer
                .file(name, *executable, bytes.len() as u64, &mut |into| {
                    into.write_all(bytes)
                })
                .expect("memory takes all");
        }
        writer.finish().expect("memory takes all")
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, String> {
        let mut reader = TarReader::new(bytes);
        let mut all = Vec::new();
        while let Some(member) = reader.next_member()? {
            let mut content = Vec::new();
            reader.read_to(&mut |bytes| content.extend_from_slice(bytes))?;
            all.push((member, content));
        }
        Ok(all)
    }

    #[test]
    fn what_is_written_is_read_and_is_what_tar_reads() {
        let long = [b"d/".as_slice(), &[b'x'; 200]].concat();
        let members: [(&[u8], bool, &[u8]); 4] = [
            (b"d/a", true, b"abc"),
            (&long, false, &[7; 1000]),
            (b"d/empty", false, b""),
            (b"d/\xff", false, b"x"),
        ];
        let bytes = written(&members);
        assert_eq!(bytes, written(&members), "the same every time");
        let found = read(&bytes).expect("it is whole");
        let found: Vec<(&[u8], bool, &[u8])> = found
            .iter()
            .map(|(m, c)| (m.name.as_slice(), m.executable, c.as_slice()))
            .collect();
        assert_eq!(found, members);
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let path = dir.path().join("x.tar");
        std::io::Write::write_all(
            &mut std::fs::File::create(&path).expect("it creates"),
            &bytes,
        )
        .expect("it writes");
        let ran = crate::git::child::command("tar", dir.path())
            .arg("-xf")
            .arg(&path)
            .run()
            .expect("tar runs");
        assert!(ran.succeeded() && ran.stderr.is_empty(), "{ran:?}");
        assert_eq!(
            std::fs::read(dir.path().join("d/a")).expect("it is there"),
            b"abc"
        );
    }

    /// Capsules of the same release are the same file, whichever snapback makes them.
    #[test]
    fn what_is_written_is_what_was_always_written() {
        let long = [b"d/".as_slice(), &[b'x'; 200]].concat();
        let full = [b"d/".as_slice(), &[b'y'; 98]].concat();
        let bytes = written(&[
            (b"d/a", true, b"abc"),
            (&long, false, &[7; 1000]),
            (&full, false, &[8; 512]),
            (b"d/empty", false, b""),
            (b"d/\xff", false, b"x"),
        ]);
        insta::assert_snapshot!(Digest::of(&bytes), @"sha256:4c2bfc7a2283fab5c59db4ed50bdef4a0c917c2ca9ee435543aaef6a75df4b7a");
    }

    #[test]
    fn sizes_over_eight_gibibytes_have_a_form() {
        let mut writer = TarWriter::new(Vec::new(), 0);
        writer
            .header(b"big", 0o644, 9 << 30, EntryType::Regular)
            .expect("memory takes all");
        let header = Header::from_byte_slice(&writer.into);
        insta::assert_snapshot!(Digest::of(header.as_bytes()), @"sha256:3211a42ba23b8c225bd559ae2a00beb0795984a13e17e1aa1a7d616c71b7dbd6");
        assert_eq!(fields(header), Ok((9 << 30, false)));
    }

    #[test]
    fn every_cut_and_every_changed_header_is_an_error() {
        let bytes = written(&[(b"d/a", false, b"abc"), (&[b'y'; 150], false, b"z")]);
        for cut in (0..bytes.len() - BLOCK).step_by(97) {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in (0..BLOCK).chain([1024 + 3]) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_ne!(read(&changed).ok(), read(&bytes).ok(), "byte {at}");
        }
        let mut link = bytes.clone();
        link[156] = b'2';
        let mut header = Header::from_byte_slice(&link[..BLOCK]).clone();
        header.set_cksum();
        link[..BLOCK].copy_from_slice(header.as_bytes());
        assert_eq!(read(&link), Err("it holds a link as a member".into()));
        assert!(
            read(&[bytes.clone(), vec![1]].concat()).is_err(),
            "something after the end"
        );
    }
}
