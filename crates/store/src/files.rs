//! Lists the packs and records of a store, and reads small files whole.

use std::io;

use super::{
    backend::{Area, Backend, FileName},
    format::MalformedBytes,
};
use base::Digest;

/// Largest index file or record that is read, in bytes.
const MAX_INDEX: u64 = 16 << 30;

/// Returns the sequence numbers of the records, ascending.
pub fn sequences(backend: &dyn Backend) -> io::Result<Vec<u64>> {
    let number = |name: &String| {
        (name.len() == 16)
            .then(|| u64::from_str_radix(name, 16).ok())
            .flatten()
    };
    let mut numbers: Vec<u64> = backend.list(Area::Log)?.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns the sequence number of the newest record; 0 when there is none.
pub fn newest(backend: &dyn Backend) -> io::Result<u64> {
    Ok(sequences(backend)?.last().copied().unwrap_or(0))
}

/// Returns the ids of the existing packs, sorted.
pub fn pack_ids(backend: &dyn Backend) -> io::Result<Vec<Digest>> {
    let names = backend.list(Area::Packs)?;
    let mut ids: Vec<Digest> = names
        .iter()
        .filter_map(|name| Digest::from_hex(name).ok())
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Reads a whole index file or record, which must have the given size when one is given.
pub fn read_whole(
    backend: &dyn Backend,
    name: &FileName,
    size: Option<u64>,
) -> io::Result<Result<Vec<u8>, MalformedBytes>> {
    match backend.read(name, size.unwrap_or(MAX_INDEX)) {
        Ok(bytes) if size.is_some_and(|size| size != bytes.len() as u64) => {
            Ok(Err(MalformedBytes::because("it is cut short")))
        }
        Ok(bytes) => Ok(Ok(bytes)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Err(
            MalformedBytes::because("it is longer than it should be"),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Err(MalformedBytes::because("it is missing")))
        }
        Err(error) => Err(error),
    }
}
