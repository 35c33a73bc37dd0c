//! Proof of the wheels of a capsule: a digest in a dependency file of the release. The manifest
//! vouches for that file, and the tag for the manifest; nothing else vouches for a wheel.

use crate::{
    base::{Digest, RelPath},
    model::capsule::CapsuleListing,
};

/// Largest dependency file that is examined, in bytes.
pub const LIMIT: u64 = 16 << 20;

/// Returns true for a file that may name the digests of wheels.
pub fn is_lock(path: &RelPath) -> bool {
    let Ok(name) = std::str::from_utf8(path.name()) else {
        return false;
    };
    let requirements =
        name.starts_with("requirements") && (name.ends_with(".txt") || name.ends_with(".in"));
    requirements
        || name.ends_with(".lock")
        || (name.starts_with("pylock") && name.ends_with(".toml"))
}

/// Returns true when a text names this digest as one of SHA-256.
fn names(text: &[u8], digest: &Digest) -> bool {
    let digits = digest.hex();
    let mut from = 0;
    while let Some(at) = bstr::ByteSlice::find(&text[from..], digits.as_bytes()) {
        let end = from + at + digits.len();
        let before = text[..from + at].trim_ascii_end();
        let before = before
            .strip_suffix(b"\"")
            .or_else(|| before.strip_suffix(b"'"))
            .unwrap_or(before)
            .trim_ascii_end();
        let before = before
            .strip_suffix(b":")
            .or_else(|| before.strip_suffix(b"="))
            .map(<[u8]>::trim_ascii_end);
        let is_whole = text.get(end).is_none_or(|next| !next.is_ascii_hexdigit());
        if is_whole && before.is_some_and(|before| before.ends_with(b"sha256")) {
            return true;
        }
        from = end;
    }
    false
}

/// Returns whether each wheel of a list is proven by one of these texts, or is a file of the
/// release itself.
pub fn proven(listing: &CapsuleListing, locks: &[Vec<u8>]) -> Vec<bool> {
    let is_file = |digest: &Digest| {
        listing
            .files
            .iter()
            .any(|file| file.released_digest() == *digest)
    };
    listing
        .wheels
        .iter()
        .map(|wheel| is_file(&wheel.sha256) || locks.iter().any(|text| names(text, &wheel.sha256)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_counts_where_it_is_called_one() {
        let digest = Digest::of(b"a wheel");
        let hex = digest.hex();
        for form in [
            "--hash=sha256:{}",
            "hash = \"sha256:{}\"",
            "hashes = {sha256 = \"{}\"}",
            "  \"sha256:{}\",\n",
        ] {
            assert!(
                names(form.replace("{}", &hex).as_bytes(), &digest),
                "{form}"
            );
        }
        for form in ["# {}", "md5:{}", "sha256:{}0", "sha256:", "xsha512={}"] {
            assert!(
                !names(form.replace("{}", &hex).as_bytes(), &digest),
                "{form}"
            );
        }
        for (name, is) in [
            ("a/requirements-dev.txt", true),
            ("uv.lock", true),
            ("pylock.toml", true),
            ("notes.txt", false),
        ] {
            assert_eq!(is_lock(&RelPath::own(name)), is, "{name}");
        }
    }
}
