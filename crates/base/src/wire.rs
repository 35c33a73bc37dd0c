//! Elements of binary formats: variable-length numbers, length-prefixed names, paths that share a
//! prefix with the previous one, times.

use crate::{
    RelPath,
    cut::{Cut, MalformedBytes},
};

/// Longest path or link target; no file system has longer ones.
const MAX_TEXT: u64 = 4096;

/// Reads length-prefixed bytes.
pub fn read_text<'a>(cut: &mut Cut<'a>) -> Result<&'a [u8], MalformedBytes> {
    match cut.varint()? {
        len if len <= MAX_TEXT => cut.bytes(usize::try_from(len).expect("because it is small")),
        _ => Err(MalformedBytes::because(
            "it has a name that no file can have",
        )),
    }
}

/// Reads a path that shares a prefix with the previous one, and must sort after it.
pub fn read_path(cut: &mut Cut<'_>, path: &mut Vec<u8>) -> Result<(), MalformedBytes> {
    let shared = usize::try_from(cut.varint()?)
        .map_err(|_| MalformedBytes::because("it has no such name"))?;
    let rest = read_text(cut)?;
    let after = path
        .get(shared..)
        .ok_or_else(|| MalformedBytes::because("it shares more of a name than there is"))?;
    if rest <= after || shared + rest.len() > 4096 {
        return Err(MalformedBytes::because("its names are not in order"));
    }
    path.truncate(shared);
    path.extend_from_slice(rest);
    Ok(())
}

/// Appends a number as LEB128, in the shortest form.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("because it has seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("because it has seven bits"));
}

/// Appends length-prefixed bytes.
pub fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a path without the prefix that it shares with the previous one.
pub fn path(out: &mut Vec<u8>, before: &RelPath, path: &RelPath) {
    let shared = before
        .as_bytes()
        .iter()
        .zip(path.as_bytes())
        .take_while(|(a, b)| a == b)
        .count();
    varint(out, shared as u64);
    text(out, &path.as_bytes()[shared..]);
}

/// Appends a time: seconds since 1970, and nanoseconds.
pub fn time(out: &mut Vec<u8>, time: (i64, u32)) {
    out.extend_from_slice(&time.0.to_le_bytes());
    out.extend_from_slice(&time.1.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            assert_eq!(Cut(&bytes).varint(), Ok(value));
        }
        for bad in [&[0x80, 0][..], &[0xff; 10], &[0x80], &[]] {
            assert!(Cut(bad).varint().is_err(), "{bad:?}");
        }
    }
}
