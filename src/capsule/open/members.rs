//! The members of a capsule as they come: each must be one that the list names, with its very size,
//! mode and digest, and nothing else is unpacked.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    path::PathBuf,
};

use super::super::{
    Error, PAPERS, WHEELS, proof, script,
    tar::{Copy, Member, Reader},
};
use super::Opened;
use crate::{
    base::{
        Digest, Failure, Fs, Hasher, Output, RelPath, Root, cancel,
        fs::create_dir_all,
        text::{escape, size},
    },
    model::{FileKind, capsule::SUMS},
    verify::Documents,
};

/// Largest paper, in bytes.
const PAPER_LIMIT: u64 = 256 << 20;

/// What a listed member is.
#[derive(Clone, Copy)]
enum Listed {
    File(usize),
    Wheel(usize),
}

/// What the list says of one member.
struct Expected {
    size: u64,
    digest: Digest,
    /// Whether it is executable; `None` when the list does not say.
    executable: Option<bool>,
    /// Where it goes; `None` when it is not written.
    path: Option<RelPath>,
}

impl Opened<'_> {
    /// Reads and checks every member; files go below `root`, if there is one.
    pub(super) fn unpack(&mut self, root: Option<&Root>) -> Result<(), Failure> {
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
                self.member(&member, listed, root)?
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

    /// The members that the list names.
    fn wanted(&self) -> HashMap<Vec<u8>, Listed> {
        let files = self
            .listing
            .files
            .iter()
            .enumerate()
            .filter(|(_, file)| !file.record.is_link());
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
        let Expected {
            size,
            digest,
            executable,
            path,
        } = self.expected(listed);
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
                Some(create_member(root, path, executable == Some(true)).map_err(failed)?)
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

    /// What the list says of a member.
    fn expected(&self, listed: Listed) -> Expected {
        match listed {
            Listed::File(nth) => {
                let file = &self.listing.files[nth];
                Expected {
                    size: file.record.size,
                    digest: file.record.digest,
                    executable: Some(file.record.kind == FileKind::Executable),
                    path: Some(file.record.path.clone()),
                }
            }
            Listed::Wheel(nth) => Expected {
                size: self.listing.wheels[nth].size,
                digest: self.listing.wheels[nth].sha256,
                executable: None,
                path: self.wheel_path(nth),
            },
        }
    }

    /// Where a wheel goes: below `wheels/`, where snapback looks for them, unless the release has
    /// something of its own there.
    pub(super) fn wheel_path(&self, nth: usize) -> Option<RelPath> {
        let wheel = self.listing.wheels.get(nth)?;
        script::brings_wheels(&self.listing).then(|| RelPath::own(WHEELS).join(&wheel.name))
    }
}

/// Makes the file that a member is written to.
fn create_member(root: &Root, path: &RelPath, executable: bool) -> io::Result<Box<dyn Output>> {
    create_dir_all(root, &path.parent(), 0o777)?;
    root.create(path, if executable { 0o777 } else { 0o666 })
}

/// The whole of a small member.
pub(super) fn small<R: Read>(reader: &mut Reader<R>, member: &Member) -> Result<Vec<u8>, String> {
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
