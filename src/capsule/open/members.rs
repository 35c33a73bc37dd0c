//! Reads the members of a capsule as they come: each must be one that the list names, with exactly
//! its size, mode and digest, and nothing else is unpacked.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    path::PathBuf,
};

use super::super::{
    Error, PAPERS, WHEELS, proof, script,
    tar::{Copy, Member, TarReader},
};
use super::OpenCapsule;
use crate::{
    base::{
        Digest, Failure, Hasher, Output, RelPath, cancel,
        text::{escape, size},
    },
    materialise::write::{FolderWriter, Permissions},
    model::{FileKind, capsule::SUMS},
    verify::Documents,
};

/// Largest document, in bytes.
const PAPER_LIMIT: u64 = 256 << 20;

/// The kind of a listed member.
#[derive(Clone, Copy)]
enum ListedMember {
    File(usize),
    Wheel(usize),
}

/// The list's description of one member.
struct ExpectedMember {
    size: u64,
    digest: Digest,
    /// Whether it is executable; `None` when the list does not say.
    executable: Option<bool>,
    /// Its target path; `None` when it is not written.
    path: Option<RelPath>,
}

impl ExpectedMember {
    /// Returns the error that the member cannot be written.
    fn failed(&self, source: io::Error) -> Error {
        let path = self.path.as_ref();
        Error::Io {
            path: PathBuf::from(path.map_or("a member".into(), ToString::to_string)),
            source,
        }
    }
}

impl OpenCapsule<'_> {
    /// Reads and checks every member; files go into a folder, if there is one.
    pub(super) fn unpack(&mut self, folder: Option<&FolderWriter<'_>>) -> Result<(), Failure> {
        let mut wanted = self.wanted();
        let mut documents = Documents::new();
        while let Some(member) = self.reader.next_member().map_err(|why| self.damaged(why))? {
            cancel::check()?;
            let name = self.inner(&member)?;
            let paper = PAPERS.into_iter().find(|paper| paper.as_bytes() == name);
            let digest = if let Some(paper) = paper.filter(|paper| !documents.contains_key(paper)) {
                if self.listing.is_comparable() && member.executable != (paper == "restore.sh") {
                    return Err(self
                        .damaged(format!("{paper} has another mode than snapback gives it"))
                        .into());
                }
                let bytes = small(&mut self.reader, &member).map_err(|why| self.damaged(why))?;
                let digest = Digest::of(&bytes);
                documents.insert(paper, bytes);
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
                self.member(&member, listed, folder)?
            };
            self.sums.extend(script::sums_line(&name, &digest));
        }
        if let Some(name) = wanted.into_keys().next() {
            return Err(self
                .damaged(format!("it lists {} and does not hold it", escape(&name)))
                .into());
        }
        if documents.contains_key(SUMS)
            && self
                .reader
                .next_member()
                .map_err(|why| self.damaged(why))?
                .is_some()
        {
            return Err(self.damaged(format!("something comes after {SUMS}")).into());
        }
        self.prove(&documents)
    }

    /// Returns the members that the list names.
    fn wanted(&self) -> HashMap<Vec<u8>, ListedMember> {
        let files = self
            .listing
            .files
            .iter()
            .enumerate()
            .filter(|(_, file)| !file.record.is_link());
        let files = files.map(|(nth, file)| (file.member(nth), ListedMember::File(nth)));
        let wheels = self.listing.wheels.iter().enumerate();
        files
            .chain(wheels.map(|(nth, wheel)| {
                (
                    format!("wheels/{}", wheel.name).into_bytes(),
                    ListedMember::Wheel(nth),
                )
            }))
            .collect()
    }

    /// Returns a member's name inside the one folder.
    fn inner(&self, member: &Member) -> Result<Vec<u8>, Error> {
        let inner = member
            .name
            .strip_prefix(self.prefix.as_slice())
            .and_then(|rest| rest.strip_prefix(b"/"));
        inner.map(<[u8]>::to_vec).ok_or_else(|| {
            self.damaged(format!("{} lies outside its folder", escape(&member.name)))
        })
    }

    /// Reads a listed file or wheel: its size, mode and digest are those of the list.
    fn member(
        &mut self,
        member: &Member,
        listed: ListedMember,
        folder: Option<&FolderWriter<'_>>,
    ) -> Result<Digest, Failure> {
        let expected = self.expected(listed);
        let is_executable = expected.executable;
        if member.size != expected.size
            || is_executable.is_some_and(|executable| executable != member.executable)
        {
            return Err(self
                .damaged(format!(
                    "{} has another size or mode than its list says",
                    escape(&member.name)
                ))
                .into());
        }
        let is_lock = expected.path.as_ref().is_some_and(proof::is_lock)
            && matches!(listed, ListedMember::File(_))
            && expected.size <= proof::LIMIT;
        match (folder, &expected.path) {
            (Some(folder), Some(path)) => {
                let kind = if is_executable == Some(true) {
                    FileKind::Executable
                } else {
                    FileKind::File
                };
                let copy = |out: &mut dyn Output| self.copy(member, &expected, is_lock, out);
                let written = folder.file(path, Permissions::of_kind(kind), copy);
                written.map_err(|error| error.or(|source| expected.failed(source)))?;
            }
            _ => self.copy(member, &expected, is_lock, &mut io::sink())?,
        }
        Ok(expected.digest)
    }

    /// Copies the bytes of a member; their digest is that of the list.
    fn copy(
        &mut self,
        member: &Member,
        expected: &ExpectedMember,
        is_lock: bool,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let mut hasher = Hasher::default();
        let mut lock = Vec::new();
        let copied = self.reader.copy(&mut |bytes| {
            hasher.update(bytes);
            if is_lock {
                lock.extend_from_slice(bytes);
            }
            out.write_all(bytes)
        });
        self.locks.extend(is_lock.then_some(lock));
        match copied {
            Ok(()) if hasher.finish() == expected.digest => Ok(()),
            Ok(()) => Err(self
                .damaged(format!(
                    "{} has other bytes than its list says",
                    escape(&member.name)
                ))
                .into()),
            Err(Copy::Read(why)) => Err(self.damaged(why).into()),
            Err(Copy::Write(source)) => Err(expected.failed(source).into()),
        }
    }

    /// Returns the list's description of a member.
    fn expected(&self, listed: ListedMember) -> ExpectedMember {
        match listed {
            ListedMember::File(nth) => {
                let file = &self.listing.files[nth];
                ExpectedMember {
                    size: file.record.size,
                    digest: file.record.digest,
                    executable: Some(file.record.kind == FileKind::Executable),
                    path: Some(file.record.path.clone()),
                }
            }
            ListedMember::Wheel(nth) => ExpectedMember {
                size: self.listing.wheels[nth].size,
                digest: self.listing.wheels[nth].sha256,
                executable: None,
                path: self.wheel_path(nth),
            },
        }
    }

    /// Returns where a wheel goes: below `wheels/`, where snapback looks for them, unless the
    /// release has something of its own there.
    pub(super) fn wheel_path(&self, nth: usize) -> Option<RelPath> {
        let wheel = self.listing.wheels.get(nth)?;
        script::brings_wheels(&self.listing).then(|| RelPath::own(WHEELS).join(&wheel.name))
    }
}

/// Reads the whole of a small member.
pub(super) fn small<R: Read>(
    reader: &mut TarReader<R>,
    member: &Member,
) -> Result<Vec<u8>, String> {
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
