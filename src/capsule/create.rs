//! Makes a capsule: every byte from git and the store, checked, with the documents around them.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{Error, LISTING, codec::CapsuleCodec, proof, script, tar::TarWriter};
use crate::{
    base::{
        Digest, Failure, Fs, Hasher, Hashing, RelPath, Root, cancel,
        output::{self, Target},
        text::escape,
    },
    catalog::{
        grown,
        manifests::{Found, digest_in},
    },
    deps::wheels,
    draft::tree,
    git::{Attributes, Converter},
    materialise::{leftovers, write::Counting},
    model::{
        FileKind, FileRecord, Location, Manifest, TaskSpec,
        capsule::{
            CapsuleFile, CapsuleListing, CapsuleReport, MANIFEST, PAPERS, SUMS, TREE_SUMS, Wheel,
            leads_out,
        },
        manifest::{FileRole, ManifestFile},
    },
    site::{RepoSite, copy_checked},
};

/// A capsule before it is written: all of it is known, only small files are kept in memory.
pub struct Capsule<'a> {
    site: &'a RepoSite,
    /// The list of its future content.
    pub listing: CapsuleListing,
    wheels: Vec<PathBuf>,
    manifest: String,
    requirements: Vec<u8>,
    mtime: u64,
    /// A note on files the task gained after the release, for which its tag does not vouch.
    left_out: Option<String>,
}

/// Finds out what a capsule of a release holds. Proves on the way that every byte is here.
pub fn prepare<'a>(
    site: &'a RepoSite,
    task: &TaskSpec,
    found: &Found,
) -> Result<Capsule<'a>, Failure> {
    let converter = site.git.converter(Attributes::Commit(&found.tag.commit))?;
    // Bytes for which the tag vouches are packed as they were written.
    let is_vouched = digest_in(&found.tag.message).is_some();
    let manifest = &if is_vouched {
        found.as_written()
    } else {
        found.manifest.clone()
    };
    let left_out = (is_vouched && !found.grown.is_empty()).then(|| {
        format!(
            "not in the capsule, though a rollback brings it: {}",
            grown::words(found)
        )
    });
    let packed = pack(site, &converter, manifest)?;
    let tops = [site.git.work_tree().to_path_buf()];
    let packages = &manifest.dependencies.python_packages;
    let (wheels, missing) = wheels::find(&wheels::places(&tops, &task.dir), packages);
    let text = manifest.render();
    let mut listing = CapsuleListing {
        task: manifest.subject.task.clone(),
        version: manifest.subject.version.clone(),
        tag: manifest.subject.tag.clone(),
        commit: found.tag.commit.clone(),
        released_at: manifest.created_at.clone(),
        manifest: Digest::of(text.as_bytes()),
        files: packed.files,
        wheels: wheels
            .iter()
            .map(|path| wheel(path))
            .collect::<Result<_, Error>>()?,
        missing,
        papers: Some(PAPERS),
    };
    for (nth, is_proven) in proof::proven(&listing, &packed.locks)
        .into_iter()
        .enumerate()
    {
        listing.wheels[nth].proven = is_proven;
    }
    let mtime = manifest
        .created_at
        .value()
        .and_then(|at| u64::try_from(at.as_second()).ok())
        .unwrap_or(0);
    let requirements = script::requirements(packages);
    Ok(Capsule {
        site,
        listing,
        wheels,
        manifest: text,
        requirements,
        mtime,
        left_out,
    })
}

/// The files of a release as they are packed.
#[derive(Default)]
struct PackedFiles {
    files: Vec<CapsuleFile>,
    /// Bytes of the dependency files among them.
    locks: Vec<Vec<u8>>,
}

/// Finds the bytes of every file of the release but the registry.
fn pack(
    site: &RepoSite,
    converter: &Converter,
    manifest: &Manifest,
) -> Result<PackedFiles, Failure> {
    let mut packed = PackedFiles::default();
    for entry in manifest
        .files
        .iter()
        .filter(|file| file.role != FileRole::Registry)
    {
        cancel::check()?;
        let file = one(site, converter, entry)?;
        let record = &file.record;
        if proof::is_lock(&record.path) && !record.is_link() && record.size <= proof::LIMIT {
            let mut bytes = Vec::new();
            copy_checked(site, record, &mut bytes)?;
            packed.locks.push(bytes);
        }
        packed.files.push(file);
        site.progress(1);
    }
    Ok(packed)
}

/// Finds one file of the release: its record says where its bytes are.
fn one(
    site: &RepoSite,
    converter: &Converter,
    entry: &ManifestFile,
) -> Result<CapsuleFile, Failure> {
    let mut record = tree::restored(site, converter, entry)?;
    if record.is_link() {
        let mut target = Vec::new();
        copy_checked(site, &record, &mut target)?;
        record.location = Location::Inline(target);
    }
    // The kind of a file in the work tree is the user's choice; its recorded kind is the release's.
    record.kind = entry.kind().unwrap_or(FileKind::File);
    record.mode = record.kind.mode();
    let released = entry.digest().filter(|digest| *digest != record.digest);
    Ok(CapsuleFile { record, released })
}

/// Reads a wheel.
fn wheel(path: &Path) -> Result<Wheel, Error> {
    let failed = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let (sha256, size) =
        Digest::of_reader(&mut File::open(path).map_err(failed)?).map_err(failed)?;
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok(Wheel {
        name,
        size,
        sha256,
        proven: false,
    })
}

impl Capsule<'_> {
    /// Returns the report of the future capsule, without writing it.
    pub fn report(&self, path: &Path) -> CapsuleReport {
        let codec = CapsuleCodec::of_name(path);
        let mut report = CapsuleReport::of(
            &self.listing,
            path.to_string_lossy().into_owned(),
            codec.command(),
        );
        for file in self
            .listing
            .files
            .iter()
            .filter(|file| file.record.is_link())
        {
            let target = file.target();
            if leads_out(&file.record.path, target) {
                report.notes.push(format!(
                    "the link {} leads out of the tree, to {}",
                    file.record.path,
                    escape(target)
                ));
            }
        }
        report.notes.extend(self.left_out.clone());
        report.notes.extend(script::unproven_note(&self.listing));
        if !self.listing.missing.is_empty() {
            report.notes.push(format!(
                "no wheel was found for {}",
                self.listing.missing.join(", ")
            ));
        }
        report
    }

    /// Writes the capsule to a new file, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<CapsuleReport, Failure> {
        let failed = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let (root, name) = match output::target(path)? {
            Target::Plain(root, name) => (root, name),
            // The target is not a regular file, so "whole or not at all" does not apply.
            Target::Stream(file) => {
                let into = Counting {
                    into: file,
                    count: 0,
                };
                return Ok(CapsuleReport {
                    size: self.write_into(path, into)?,
                    ..self.report(path)
                });
            }
        };
        if root.stat(&name).map_err(failed)?.is_some() {
            return Err(Error::Exists(path.to_path_buf()).into());
        }
        let begin = leftovers::begin(&name);
        leftovers::sweep(&root, &begin);
        let temp = leftovers::name(&begin);
        let written = self.write_to(&root, &temp, path).and_then(|size| {
            match root.rename_new(&temp, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    Err(Error::Exists(path.to_path_buf()).into())
                }
                renamed => Ok(renamed
                    .and_then(|()| root.sync_dir(&RelPath::root(), output::DIR))
                    .map(|()| size)
                    .map_err(failed)?),
            }
        });
        let size = written.inspect_err(|_| drop(root.remove_file(&temp)))?;
        Ok(CapsuleReport {
            size,
            ..self.report(path)
        })
    }

    /// Writes the bytes; returns how many there are.
    fn write_to(&self, root: &Root, temp: &RelPath, path: &Path) -> Result<u64, Failure> {
        let failed = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let mut file = root.create(temp, 0o666).map_err(failed)?;
        let _held = leftovers::hold(root, temp).map_err(failed)?;
        self.write_members(path, &mut *file)?;
        file.sync(output::FILE).map_err(failed)?;
        Ok(root.stat(temp).map_err(failed)?.map_or(0, |stat| stat.size))
    }

    /// Writes the bytes into a device or pipe; returns how many there are.
    fn write_into(&self, path: &Path, mut into: Counting<File>) -> Result<u64, Failure> {
        self.write_members(path, &mut into)?;
        Ok(into.count)
    }

    /// Writes the members, packed as the name asks for.
    fn write_members(&self, path: &Path, file: &mut (dyn Write + Send)) -> Result<(), Failure> {
        let failed = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let mut stream = CapsuleCodec::of_name(path)
            .writer(io::BufWriter::with_capacity(1 << 20, file))
            .map_err(failed)?;
        // The reason from reading a file is more useful than the fact that writing it stopped.
        let mut reason = None;
        let members = Members {
            writer: TarWriter::new(&mut *stream, self.mtime),
            prefix: format!("{}-v{}", self.listing.task, self.listing.version),
            sums: Vec::new(),
        };
        let written = self.members(members, &mut reason);
        if let Some(failure) = reason {
            return Err(failure);
        }
        Ok(written.and_then(|()| stream.finish()).map_err(failed)?)
    }

    /// Writes every member in its order.
    fn members<W: Write>(
        &self,
        mut members: Members<W>,
        reason: &mut Option<Failure>,
    ) -> io::Result<()> {
        let listing = script::list(&self.listing);
        members.small(LISTING, false, &listing)?;
        members.small("restore.sh", true, &script::restore(&self.listing))?;
        members.small(
            "README.txt",
            false,
            script::readme(&self.listing).as_bytes(),
        )?;
        members.small(MANIFEST, false, self.manifest.as_bytes())?;
        members.small("requirements.txt", false, &self.requirements)?;
        members.small(TREE_SUMS, false, &script::tree_sums(&self.listing))?;
        for (wheel, path) in self.listing.wheels.iter().zip(&self.wheels) {
            let member = format!("wheels/{}", wheel.name).into_bytes();
            members.file(&member, false, wheel.size, &mut |into| {
                io::copy(&mut File::open(path)?, into).map(drop)
            })?;
        }
        for (nth, file) in self.listing.files.iter().enumerate() {
            let record = &file.record;
            if record.is_link() {
                continue;
            }
            let executable = record.kind == FileKind::Executable;
            let mut copy = |into: &mut dyn Write| self.copy_kept(record, into, reason);
            members.file(&file.member(nth), executable, record.size, &mut copy)?;
        }
        let sums = std::mem::take(&mut members.sums);
        members.small(SUMS, false, &sums)?;
        members.writer.finish().map(drop)
    }

    /// Copies the bytes of a file; the reason of a failure is kept.
    fn copy_kept(
        &self,
        record: &FileRecord,
        into: &mut dyn Write,
        reason: &mut Option<Failure>,
    ) -> io::Result<()> {
        let copied = cancel::check()
            .map_err(Failure::from)
            .and_then(|()| copy_checked(self.site, record, into));
        copied.map_err(|failure| {
            let text = failure.to_string();
            reason.get_or_insert(failure);
            io::Error::other(text)
        })
    }
}

/// The members of a capsule as they are written, and their digests.
struct Members<W> {
    writer: TarWriter<W>,
    prefix: String,
    sums: Vec<u8>,
}

impl<W: Write> Members<W> {
    fn small(&mut self, name: &str, executable: bool, bytes: &[u8]) -> io::Result<()> {
        self.file(
            name.as_bytes(),
            executable,
            bytes.len() as u64,
            &mut |into| into.write_all(bytes),
        )
    }

    fn file(
        &mut self,
        name: &[u8],
        executable: bool,
        size: u64,
        from: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let whole = [self.prefix.as_bytes(), b"/", name].concat();
        let mut hasher = Hasher::default();
        self.writer.file(&whole, executable, size, &mut |into| {
            from(&mut Hashing {
                into,
                hasher: &mut hasher,
            })
        })?;
        self.sums.extend(script::sums_line(name, &hasher.finish()));
        Ok(())
    }
}
