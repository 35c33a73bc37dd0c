//! Reads a capsule of unknown origin: checks all of it, and restores it whole or not at all.
//!
//! The list comes first and is checked before anything is written: every path, size and link. Then
//! each member must be one that the list names, with exactly its size and digest. Nothing is
//! unpacked beyond the list, and all of it must fit on the disk. Bytes go into a fresh folder
//! ([`crate::materialise::fresh`]), links come last, and everything is read again before it is
//! synced and made visible. `SHA256SUMS` and the release manifest inside must agree with what was
//! seen.

mod checks;
mod members;

use std::{
    fs::File,
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

use super::{Error, LISTING, WHEELS, codec::CapsuleCodec, proof, script, tar::TarReader};
use crate::{
    base::{
        Digest, Failure, RelPath, cancel,
        text::{self, escape},
    },
    materialise::{fresh::Fresh, write::FolderWriter},
    model::{
        FileRecord,
        capsule::{CapsuleListing, CapsuleReport, leads_out},
    },
    verify::OTHER_VERSION,
};
use members::small;

/// A capsule that is being read.
struct OpenCapsule<'a> {
    path: &'a Path,
    codec: CapsuleCodec,
    size: u64,
    reader: TarReader<Box<dyn Read + 'a>>,
    prefix: Vec<u8>,
    listing: CapsuleListing,
    sums: Vec<u8>,
    packages: Vec<String>,
    /// The facts that its checks proved.
    proved: Vec<String>,
    /// Bytes of the release's dependency files.
    locks: Vec<Vec<u8>>,
}

/// Checks a capsule without writing anything.
pub fn verify(path: &Path) -> Result<CapsuleReport, Failure> {
    let mut opened = OpenCapsule::open(path)?;
    opened.unpack(None)?;
    Ok(opened.report())
}

/// Checks all that [`restore`] checks before it writes anything.
pub fn rehearse(path: &Path, into: &Path, links_out: bool) -> Result<CapsuleReport, Failure> {
    let mut opened = OpenCapsule::open(path)?;
    if !links_out {
        opened.refuse_links_out()?;
    }
    Fresh::new(&absolute(into)?, false)?.check_room(opened.bytes())?;
    opened.unpack(None)?;
    Ok(opened.report())
}

/// Restores a capsule into a new or empty folder, whole or not at all. `links_out`: symbolic links
/// may lead out of the folder.
pub fn restore(path: &Path, into: &Path, links_out: bool) -> Result<CapsuleReport, Failure> {
    let mut opened = OpenCapsule::open(path)?;
    if !links_out {
        opened.refuse_links_out()?;
    }
    let (into, bytes) = (absolute(into)?, opened.bytes());
    Fresh::new(&into, false)?.fill(bytes, |folder| opened.restore(&into, folder))?;
    let mut report = opened.report();
    report.wheel_folder = opened.wheel_path(0).map(|_| WHEELS.to_string());
    report.into = Some(into.to_string_lossy().into_owned());
    report.proved.push(format!(
        "{} read back from the disk, with the digests of the list",
        text::count(report.files, "file")
    ));
    Ok(report)
}

/// Returns the path made independent of the current folder.
fn absolute(into: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(into).map_err(|source| Error::Io {
        path: into.to_path_buf(),
        source,
    })
}

impl<'a> OpenCapsule<'a> {
    /// Opens a capsule and reads its list.
    fn open(path: &'a Path) -> Result<Self, Failure> {
        let failed = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let damaged = |why: String| Error::Damaged {
            path: path.to_path_buf(),
            why,
        };
        let found = std::fs::metadata(path).map_err(failed)?;
        if !found.is_file() {
            return Err(failed(io::Error::other("it is no regular file")).into());
        }
        let mut file = io::BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?);
        let codec = CapsuleCodec::of_bytes(file.fill_buf().map_err(failed)?);
        let mut reader = TarReader::new(codec.reader(file).map_err(failed)?);
        let first = reader
            .next_member()
            .map_err(damaged)?
            .ok_or_else(|| damaged("it is empty".into()))?;
        let name = first.name.clone();
        let prefix = name.strip_suffix([b"/", LISTING.as_bytes()].concat().as_slice());
        let prefix = prefix
            .ok_or_else(|| {
                damaged(format!(
                    "its first member is {}, not {LISTING}",
                    escape(&name)
                ))
            })?
            .to_vec();
        let bytes = small(&mut reader, &first).map_err(damaged)?;
        let listing = CapsuleListing::parse(&bytes).map_err(damaged)?;
        if prefix != format!("{}-v{}", listing.task, listing.version).as_bytes() {
            return Err(damaged(format!(
                "its folder is {}, and it lists {} {}",
                escape(&prefix),
                listing.task,
                listing.version
            ))
            .into());
        }
        let sums = script::sums_line(LISTING.as_bytes(), &Digest::of(&bytes));
        if listing.is_comparable() && (bytes != script::list(&listing) || first.executable) {
            return Err(damaged(format!("{LISTING} is not as snapback writes it")).into());
        }
        Ok(Self {
            path,
            codec,
            size: found.len(),
            reader,
            prefix,
            listing,
            sums,
            packages: Vec::new(),
            proved: Vec::new(),
            locks: Vec::new(),
        })
    }

    fn damaged(&self, why: impl Into<String>) -> Error {
        Error::Damaged {
            path: self.path.to_path_buf(),
            why: why.into(),
        }
    }

    /// Refuses links that lead out: they would let the next writer write elsewhere.
    fn refuse_links_out(&self) -> Result<(), Error> {
        for file in self
            .listing
            .files
            .iter()
            .filter(|file| file.record.is_link())
        {
            let target = file.target();
            if leads_out(&file.record.path, target) {
                return Err(Error::LinkOut {
                    path: self.path.to_path_buf(),
                    link: file.record.path.clone(),
                    target: escape(target),
                });
            }
        }
        Ok(())
    }

    /// Returns the number of bytes that the capsule claims to hold.
    fn bytes(&self) -> u64 {
        self.listing.bytes().unwrap_or(u64::MAX)
    }

    /// Restores files, then links; all of it is read again.
    fn restore(&mut self, into: &Path, folder: &FolderWriter<'_>) -> Result<(), Failure> {
        self.unpack(Some(folder))?;
        let failed = |path: &RelPath| {
            let path = into.join(path.as_os());
            move |source| Error::Io { path, source }
        };
        for file in &self.listing.files {
            cancel::check()?;
            let FileRecord {
                path, digest, size, ..
            } = &file.record;
            if file.record.is_link() {
                let made = folder.link(path, file.target());
                made.map_err(|error| error.or(failed(path)))?;
            } else {
                check_written(folder, path, (*digest, *size)).map_err(failed(path))?;
            }
        }
        for (nth, wheel) in self.listing.wheels.iter().enumerate() {
            if let Some(path) = self.wheel_path(nth) {
                check_written(folder, &path, (wheel.sha256, wheel.size)).map_err(failed(&path))?;
            }
        }
        Ok(())
    }

    fn report(&self) -> CapsuleReport {
        let mut report = CapsuleReport::of(
            &self.listing,
            self.path.to_string_lossy().into_owned(),
            self.codec.command(),
        );
        report.size = self.size;
        report.packages.clone_from(&self.packages);
        if !self.listing.is_comparable() {
            // The capsule does not call them proven; what proves them now is recorded all the same.
            let proven = proof::proven(&self.listing, &self.locks);
            let unproven = self
                .listing
                .wheels
                .iter()
                .zip(proven)
                .filter(|(_, proven)| !proven);
            report.unproven = unproven.map(|(wheel, _)| wheel.name.clone()).collect();
            report.notes.push(OTHER_VERSION.into());
        }
        if !report.unproven.is_empty() {
            let names = report.unproven.join(", ");
            report.notes.push(format!("nothing in the release vouches for these wheels, so they are not installed: {names}"));
        }
        if !report.missing.is_empty() {
            report
                .notes
                .push(format!("it has no wheel for {}", report.missing.join(", ")));
        }
        report.proved.clone_from(&self.proved);
        report.notes.push(format!(
            "whether the release is yours says the tag: it names the digest of the manifest, which vouches for {}, not for wheels",
            text::count(report.files, "file")
        ));
        report
    }
}

/// Reads back what was written; it must have this digest and size.
fn check_written(
    folder: &FolderWriter<'_>,
    path: &RelPath,
    expected: (Digest, u64),
) -> io::Result<()> {
    let read = folder
        .open(path)
        .and_then(|mut bytes| Digest::of_reader(&mut bytes))?;
    if read == expected {
        Ok(())
    } else {
        Err(io::Error::other(
            "what was written does not come back from the disk",
        ))
    }
}
