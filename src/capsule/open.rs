//! Reads a capsule that anybody may have made: checks all of it, and restores it whole or not at
//! all.
//!
//! The list comes first and is checked before anything is written: every path, size and link. Then
//! each member must be one that the list names, with its very size and digest; nothing is unpacked
//! beyond what the list says, and that must fit on the disk. Bytes go into a staging folder
//! beside the target, links come last, everything is read again and synced, and one rename
//! makes it visible. `SHA256SUMS` and the release manifest inside must agree with what was seen.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    Error, LISTING, PAPERS, SUMS, WHEELS,
    codec::Codec,
    place::Place,
    proof, script,
    tar::{Copy, Member, Reader},
};
use crate::{
    base::{
        Digest, Failure, Fs, Hasher, RelPath, Root, cancel,
        fs::create_dir_all,
        text::{self, escape, size},
    },
    model::{
        Manifest,
        capsule::{self, CapsuleReport, Listing, leads_out},
        manifest::Role,
    },
};

/// What is said of a capsule whose texts cannot be compared.
pub const OTHER_VERSION: &str = "made by another version of snapback: its restore.sh and README.txt cannot be compared with anything; do not run restore.sh";
/// Largest paper, in bytes.
const PAPER_LIMIT: u64 = 256 << 20;

/// What a listed member is.
#[derive(Clone, Copy)]
enum Listed {
    File(usize),
    Wheel(usize),
}

/// A capsule that is being read.
struct Opened<'a> {
    path: &'a Path,
    codec: Codec,
    size: u64,
    reader: Reader<Box<dyn Read + 'a>>,
    prefix: Vec<u8>,
    listing: Listing,
    sums: Vec<u8>,
    packages: Vec<String>,
    /// Bytes of the release's dependency files.
    locks: Vec<Vec<u8>>,
}

/// Checks a capsule without writing anything.
pub fn verify(path: &Path) -> Result<CapsuleReport, Failure> {
    let mut opened = Opened::open(path)?;
    opened.unpack(None)?;
    Ok(opened.report())
}

/// Checks all that [`restore`] checks before it writes anything.
pub fn rehearse(path: &Path, into: &Path, links_out: bool) -> Result<CapsuleReport, Failure> {
    let mut opened = Opened::open(path)?;
    if !links_out {
        opened.refuse_links_out()?;
    }
    Place::new(into)?.check_room(opened.listing.bytes().unwrap_or(u64::MAX))?;
    opened.unpack(None)?;
    Ok(opened.report())
}

/// Restores a capsule into a new or empty folder, whole or not at all. `links_out`: symbolic
/// links may lead out of the folder.
pub fn restore(path: &Path, into: &Path, links_out: bool) -> Result<CapsuleReport, Failure> {
    let mut opened = Opened::open(path)?;
    if !links_out {
        opened.refuse_links_out()?;
    }
    let place = Place::new(into)?;
    let (root, _held) = place.stage(opened.listing.bytes().unwrap_or(u64::MAX))?;
    // The first error is the one to tell.
    opened
        .restore(&place, &root)
        .inspect_err(|_| place.clear())?;
    let mut report = opened.report();
    report.wheel_folder = opened.wheel_path(0).map(|_| WHEELS.to_string());
    report.into = Some(place.path.to_string_lossy().into_owned());
    report.proved.push(format!(
        "{} read back from the disk, with the digests of the list",
        text::count(report.files, "file")
    ));
    Ok(report)
}

impl<'a> Opened<'a> {
    /// Opens it and reads its list.
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
        let codec = Codec::of_bytes(file.fill_buf().map_err(failed)?);
        let mut reader = Reader::new(codec.reader(file).map_err(failed)?);
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
        let listing = Listing::parse(&bytes).map_err(damaged)?;
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
        if listing.papers == Some(capsule::PAPERS)
            && (bytes != script::list(&listing) || first.executable)
        {
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
            locks: Vec::new(),
        })
    }

    fn damaged(&self, why: impl Into<String>) -> Error {
        Error::Damaged {
            path: self.path.to_path_buf(),
            why: why.into(),
        }
    }

    /// A link that leads out would let the next writer write elsewhere.
    fn refuse_links_out(&self) -> Result<(), Error> {
        for file in self.listing.files.iter().filter(|file| file.is_link()) {
            let target = file.target_bytes().unwrap_or_default();
            if leads_out(&file.path, &target) {
                return Err(Error::LinkOut {
                    path: self.path.to_path_buf(),
                    link: file.path.clone(),
                    target: escape(&target),
                });
            }
        }
        Ok(())
    }

    /// Reads and checks every member; files go below `root`, if there is one.
    fn unpack(&mut self, root: Option<&Root>) -> Result<(), Failure> {
        let mut wanted = self.wanted();
        let mut papers: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        while let Some(member) = self.reader.next_member().map_err(|why| self.damaged(why))? {
            cancel::check()?;
            let name = self.inner(&member)?;
            let paper = PAPERS.into_iter().find(|paper| paper.as_bytes() == name);
            let digest = if let Some(paper) = paper.filter(|paper| !papers.contains_key(paper)) {
                if self.is_comparable() && member.executable != (paper == "restore.sh") {
                    return Err(self
                        .damaged(format!("{paper} has another mode than snapback gives it"))
                        .into());
                }
                let bytes = small(&mut self.reader, &member).map_err(|why| self.damaged(why))?;
                let digest = Digest::of(&bytes);
                papers.insert(paper, bytes);
                if paper == SUMS {
                    break;
                }
                digest
            } else {
                let listed = wanted.remove(&name).ok_or_else(|| {
                    self.damaged(format!(
                        "{} is not in its list, or there twice",
                        escape(&name)
                    ))
                })?;
                self.member(&member, listed, root)?
            };
            self.sums.extend(script::sums_line(&name, &digest));
        }
        if let Some(name) = wanted.into_keys().next() {
            return Err(self
                .damaged(format!("it lists {} and does not hold it", escape(&name)))
                .into());
        }
        if papers.contains_key(SUMS)
            && self
                .reader
                .next_member()
                .map_err(|why| self.damaged(why))?
                .is_some()
        {
            return Err(self.damaged(format!("something comes after {SUMS}")).into());
        }
        self.packages = self.check_papers(&papers)?;
        Ok(())
    }

    /// The members that the list names.
    fn wanted(&self) -> HashMap<Vec<u8>, Listed> {
        let files = self
            .listing
            .files
            .iter()
            .enumerate()
            .filter(|(_, file)| !file.is_link());
        let files = files.map(|(nth, file)| (file.member(nth), Listed::File(nth)));
        let wheels = self.listing.wheels.iter().enumerate();
        files
            .chain(wheels.map(|(nth, wheel)| {
                (
                    format!("wheels/{}", wheel.name).into_bytes(),
                    Listed::Wheel(nth),
                )
            }))
            .collect()
    }

    /// A member's name inside the one folder.
    fn inner(&self, member: &Member) -> Result<Vec<u8>, Error> {
        let inner = member
            .name
            .strip_prefix(self.prefix.as_slice())
            .and_then(|rest| rest.strip_prefix(b"/"));
        inner.map(<[u8]>::to_vec).ok_or_else(|| {
            self.damaged(format!("{} lies outside its folder", escape(&member.name)))
        })
    }

    /// A listed file or wheel: its size, mode and digest are those of the list.
    fn member(
        &mut self,
        member: &Member,
        listed: Listed,
        root: Option<&Root>,
    ) -> Result<Digest, Failure> {
        let (size, digest, executable, path) = match listed {
            Listed::File(nth) => {
                let file = &self.listing.files[nth];
                (
                    file.size,
                    file.sha256,
                    Some(file.mode == "100755"),
                    Some(file.path.clone()),
                )
            }
            Listed::Wheel(nth) => (
                self.listing.wheels[nth].size,
                self.listing.wheels[nth].sha256,
                None,
                self.wheel_path(nth),
            ),
        };
        if member.size != size
            || executable.is_some_and(|executable| executable != member.executable)
        {
            return Err(self
                .damaged(format!(
                    "{} has another size or mode than its list says",
                    escape(&member.name)
                ))
                .into());
        }
        let failed = |source| Error::Io {
            path: PathBuf::from(path.as_ref().map_or("a member".into(), ToString::to_string)),
            source,
        };
        let mut out = match (root, &path) {
            (Some(root), Some(path)) => {
                create_dir_all(root, &path.parent(), 0o777).map_err(failed)?;
                Some(
                    root.create(
                        path,
                        if executable == Some(true) {
                            0o777
                        } else {
                            0o666
                        },
                    )
                    .map_err(failed)?,
                )
            }
            _ => None,
        };
        let mut hasher = Hasher::default();
        let is_lock = path.as_ref().is_some_and(proof::is_lock)
            && matches!(listed, Listed::File(_))
            && size <= proof::LIMIT;
        let mut lock = Vec::new();
        let copied = self.reader.copy(&mut |bytes| {
            hasher.update(bytes);
            if is_lock {
                lock.extend_from_slice(bytes);
            }
            out.as_mut().map_or(Ok(()), |out| out.write_all(bytes))
        });
        self.locks.extend(is_lock.then_some(lock));
        match copied {
            Ok(()) if hasher.finish() == digest => Ok(digest),
            Ok(()) => Err(self
                .damaged(format!(
                    "{} has other bytes than its list says",
                    escape(&member.name)
                ))
                .into()),
            Err(Copy::Read(why)) => Err(self.damaged(why).into()),
            Err(Copy::Write(source)) => Err(failed(source).into()),
        }
    }

    /// Where a wheel goes: below `wheels/`, where snapback looks for them, unless the release has
    /// something of its own there.
    fn wheel_path(&self, nth: usize) -> Option<RelPath> {
        let wheel = self.listing.wheels.get(nth)?;
        script::brings_wheels(&self.listing).then(|| RelPath::own(WHEELS).join(&wheel.name))
    }

    /// The digests and the release manifest agree with what was seen.
    /// Returns the packages of the release.
    fn check_papers(&self, papers: &BTreeMap<&str, Vec<u8>>) -> Result<Vec<String>, Error> {
        let of = |name: &str| {
            papers
                .get(name)
                .ok_or_else(|| self.damaged(format!("it has no {name}")))
        };
        if *of(SUMS)? != self.sums {
            return Err(self.damaged(format!("{SUMS} does not list exactly what it holds")));
        }
        if *of("TREE.sha256")? != script::tree_sums(&self.listing) {
            return Err(self.damaged("TREE.sha256 does not list its files"));
        }
        let bytes = of("manifest.yaml")?;
        if Digest::of(bytes) != self.listing.manifest {
            return Err(self.damaged("its manifest is not the one that it lists"));
        }
        let manifest = Manifest::parse(bytes).map_err(|error| self.damaged(error.to_string()))?;
        self.check_manifest(&manifest)?;
        self.check_texts(papers, &manifest)?;
        Ok(manifest.dependencies.python_packages)
    }

    /// True when this program makes the texts of a capsule in the form that this one has.
    fn is_comparable(&self) -> bool {
        self.listing.papers == Some(capsule::PAPERS)
    }

    /// What people run and read is what this program makes for this release, to the byte, and a
    /// wheel that is called proven is so. Of a capsule of another version that is not known.
    fn check_texts(
        &self,
        papers: &BTreeMap<&str, Vec<u8>>,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        if !self.is_comparable() {
            return Ok(());
        }
        let texts = [
            ("restore.sh", script::restore(&self.listing)),
            ("README.txt", script::readme(&self.listing).into_bytes()),
            (
                "requirements.txt",
                script::requirements(&manifest.dependencies.python_packages),
            ),
        ];
        for (name, made) in texts {
            if papers.get(name) != Some(&made) {
                return Err(
                    self.damaged(format!("its {name} is not the one that snapback makes for this release; do not run or follow it"))
                );
            }
        }
        let proven = proof::proven(&self.listing, &self.locks);
        match self
            .listing
            .wheels
            .iter()
            .zip(proven)
            .find(|(wheel, proven)| wheel.proven != *proven)
        {
            None => Ok(()),
            Some((wheel, _)) => Err(self.damaged(format!(
                "what it says of what proves {} is not so",
                wheel.name
            ))),
        }
    }

    /// The list is that of the release.
    fn check_manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        let (listing, meta) = (&self.listing, &manifest.metadata);
        if (&meta.task_id, &meta.version, &meta.git_tag)
            != (&listing.task, &listing.version, &listing.tag)
        {
            return Err(self.damaged(format!(
                "its manifest is that of {} {}",
                meta.task_id, meta.version
            )));
        }
        let mut released = manifest
            .files
            .iter()
            .filter(|file| file.role != Role::Registry)
            .collect::<Vec<_>>();
        released.sort_by(|a, b| a.path.cmp(&b.path));
        if released.len() != listing.files.len() {
            return Err(self.damaged("it lists other files than its manifest"));
        }
        for (entry, file) in released.into_iter().zip(&listing.files) {
            let same_mode = entry.mode.as_ref().is_none_or(|mode| *mode == file.mode);
            if entry.path != file.path
                || !same_mode
                || entry.digest() != Some(file.released.unwrap_or(file.sha256))
            {
                return Err(self.damaged(format!("{} is not what its manifest says", file.path)));
            }
        }
        Ok(())
    }

    /// Files, then links; all of it read again, synced, and made visible at once.
    fn restore(&mut self, place: &Place, root: &Root) -> Result<(), Failure> {
        self.unpack(Some(root))?;
        let failed = |path: &RelPath| {
            let path = place.path.join(path.as_os());
            move |source| Error::Io { path, source }
        };
        for file in &self.listing.files {
            cancel::check()?;
            if file.is_link() {
                create_dir_all(root, &file.path.parent(), 0o777).map_err(failed(&file.path))?;
                root.symlink(&file.target_bytes().unwrap_or_default(), &file.path)
                    .map_err(failed(&file.path))?;
            } else {
                let read = root
                    .open(&file.path)
                    .and_then(|mut bytes| Digest::of_reader(&mut bytes))
                    .map_err(failed(&file.path))?;
                if read != (file.sha256, file.size) {
                    return Err(failed(&file.path)(io::Error::other(
                        "what was written does not come back from the disk",
                    ))
                    .into());
                }
            }
        }
        for (nth, wheel) in self.listing.wheels.iter().enumerate() {
            let Some(path) = self.wheel_path(nth) else {
                continue;
            };
            let read = root
                .open(&path)
                .and_then(|mut bytes| Digest::of_reader(&mut bytes))
                .map_err(failed(&path))?;
            if read != (wheel.sha256, wheel.size) {
                return Err(failed(&path)(io::Error::other(
                    "what was written does not come back from the disk",
                ))
                .into());
            }
        }
        Ok(place.publish(root)?)
    }

    fn report(&self) -> CapsuleReport {
        let mut report = CapsuleReport::of(
            &self.listing,
            self.path.to_string_lossy().into_owned(),
            self.codec.command(),
        );
        report.size = self.size;
        report.packages.clone_from(&self.packages);
        if !self.is_comparable() {
            // Nobody called them proven; what proves them now is known all the same.
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
        report.proved = vec![
            format!(
                "digests as in its list and in {SUMS}: {}, {}",
                text::count(report.files, "file"),
                text::count(report.wheels, "wheel")
            ),
            format!("its list is that of the manifest {}", report.manifest),
        ];
        if report.compared {
            report.proved.push(
                "restore.sh and README.txt are those that snapback makes for this release".into(),
            );
        }
        report.notes.push(format!(
            "whether the release is yours says the tag: it names the digest of the manifest, which vouches for {}, not for wheels",
            text::count(report.files, "file")
        ));
        report
    }
}

/// The whole of a small member.
fn small<R: Read>(reader: &mut Reader<R>, member: &Member) -> Result<Vec<u8>, String> {
    if member.size > PAPER_LIMIT {
        return Err(format!(
            "{} is larger than {}",
            escape(&member.name),
            size(PAPER_LIMIT)
        ));
    }
    let mut bytes = Vec::new();
    reader.read_to(&mut |more| bytes.extend_from_slice(more))?;
    Ok(bytes)
}
