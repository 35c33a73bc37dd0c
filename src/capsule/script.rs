//! The documents of a capsule: `restore.sh`, `README.txt` and the lists of digests.
//!
//! The script is POSIX sh and calls coreutils only, no `sed`, `grep` or `awk`. Symbolic links and
//! names that a tool may take for something else are lines of the script, each name in single
//! quotes, so that the tar itself holds plain files with plain names and nothing else.

use super::WHEELS;
use crate::{
    base::{Digest, RelPath},
    model::capsule::{CapsuleFile, CapsuleListing},
};

/// Returns a file's line for `sha256sum -c`: its digest and name. The name is a plain one.
pub fn sums_line(name: &[u8], digest: &Digest) -> Vec<u8> {
    let digits = digest.to_string();
    let digits = digits.strip_prefix("sha256:").unwrap_or(&digits);
    [digits.as_bytes(), b"  ", name, b"\n"].concat()
}

/// Returns the list, as it stands in the capsule.
pub fn list(listing: &CapsuleListing) -> Vec<u8> {
    serde_json::to_vec_pretty(listing).expect("because plain data always renders")
}

/// Returns the packages of the release, a line each.
pub fn requirements(packages: &[String]) -> Vec<u8> {
    packages
        .iter()
        .flat_map(|package| [package.as_bytes(), b"\n"])
        .flatten()
        .copied()
        .collect()
}

/// Returns the note on wheels for which nothing vouches.
pub fn unproven_note(listing: &CapsuleListing) -> Option<String> {
    let names: Vec<&str> = listing
        .unproven()
        .map(|wheel| wheel.name.as_str())
        .collect();
    let what = "nothing in the release vouches for these wheels, so they are not installed";
    (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
}

/// Returns the digests of the restored files that have plain names.
pub fn tree_sums(listing: &CapsuleListing) -> Vec<u8> {
    let plain = files(listing).filter(|(_, _, member)| member.starts_with(b"tree/"));
    plain
        .flat_map(|(file, _, member)| sums_line(&member[b"tree/".len()..], &file.record.digest))
        .collect()
}

/// Returns the files that are no links: file, place in the list, member.
fn files(listing: &CapsuleListing) -> impl Iterator<Item = (&CapsuleFile, usize, Vec<u8>)> {
    listing
        .files
        .iter()
        .enumerate()
        .filter(|(_, file)| !file.record.is_link())
        .map(|(nth, file)| (file, nth, file.member(nth)))
}

/// Returns bytes in single quotes.
fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    for byte in bytes {
        if *byte == b'\'' {
            out.extend_from_slice(b"'\\''");
        } else {
            out.push(*byte);
        }
    }
    out.push(b'\'');
    out
}

const HEAD: &str = r#"# usage: sh restore.sh DIR
# DIR must not exist yet, or be an empty folder. It is complete or untouched.
set -eu
LC_ALL=C
export LC_ALL

fail() {
    printf '%s\n' "restore.sh: $1" >&2
    exit "${2:-1}"
}

[ "$#" -eq 1 ] && [ -n "$1" ] || fail 'usage: sh restore.sh DIR' 2
case $1 in
/*) into=$1 ;;
*) into=$PWD/$1 ;;
esac
while [ "${into%/}" != "$into" ]; do into=${into%/}; done
[ -n "$into" ] || fail 'DIR must not be the top of the file system' 2
case $0 in
*/*) cd -- "${0%/*}" ;;
esac
[ -f SHA256SUMS ] || fail 'SHA256SUMS is not beside this script'
if [ -e "$into" ] || [ -L "$into" ]; then
    [ -d "$into" ] && [ ! -L "$into" ] && [ -z "$(ls -A -- "$into")" ] || fail "$into is not an empty folder" 6
fi
printf '%s\n' 'checking the capsule'
sha256sum -c SHA256SUMS >/dev/null || fail 'the capsule is damaged; nothing was restored' 4

work=$into.partial-$$
mkdir -- "$work"
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# put MEMBER PATH SHA256: a file whose name is not a plain one.
put() {
    to=$work/$2
    mkdir -p -- "${to%/*}"
    cp -- "$1" "$to"
    [ "$(sha256sum <"$to")" = "$3  -" ] || fail 'a file was not copied whole' 4
}

# tie TARGET PATH: a symbolic link.
tie() {
    to=$work/$2
    mkdir -p -- "${to%/*}"
    ln -s -- "$1" "$to"
}

if [ -d tree ]; then cp -R -- tree/. "$work/"; fi
"#;

const TAIL: &str = r#"
here=$PWD
if [ -s TREE.sha256 ]; then
    (cd -- "$work" && sha256sum -c "$here/TREE.sha256" >/dev/null) || fail 'the copy is not whole' 4
fi
if [ -d "$into" ]; then rmdir -- "$into"; fi
mv -- "$work" "$into"
trap - EXIT
"#;

const WHEELS_TOO: &str = r#"
mkdir -p -- "$work/wheels"
cp -- wheels/*.whl "$work/wheels/"
"#;

/// Returns true when wheels are restored too, below `wheels/`, where snapback looks for them: when
/// there are some, and the release has nothing of its own there.
pub fn brings_wheels(listing: &CapsuleListing) -> bool {
    let is_taken = |path: &RelPath| {
        path.as_bytes().split(|byte| *byte == b'/').next() == Some(WHEELS.as_bytes())
    };
    !listing.wheels.is_empty() && !listing.files.iter().any(|file| is_taken(&file.record.path))
}

/// Returns the script.
pub fn restore(listing: &CapsuleListing) -> Vec<u8> {
    let mut text = format!(
        "#!/bin/sh\n# Restores {} {} without git, network or snapback.\n{HEAD}",
        listing.task, listing.version
    )
    .into_bytes();
    for (file, _, member) in files(listing).filter(|(_, _, member)| !member.starts_with(b"tree/")) {
        let digits = file.record.digest.to_string();
        let digits = digits
            .strip_prefix("sha256:")
            .unwrap_or(&digits)
            .as_bytes()
            .to_vec();
        text.extend(
            [
                b"put ",
                &member[..],
                b" ",
                &quoted(file.record.path.as_bytes())[..],
                b" ",
                &digits[..],
                b"\n",
            ]
            .concat(),
        );
    }
    if brings_wheels(listing) {
        text.extend_from_slice(WHEELS_TOO.as_bytes());
    }
    for file in listing.files.iter().filter(|file| file.record.is_link()) {
        let target = file.target();
        text.extend(
            [
                b"tie ",
                &quoted(target)[..],
                b" ",
                &quoted(file.record.path.as_bytes())[..],
                b"\n",
            ]
            .concat(),
        );
    }
    text.extend_from_slice(TAIL.as_bytes());
    let said = format!(
        "printf '%s\\n' \"{} {}: {} files are in $into\"\n",
        listing.task,
        listing.version,
        listing.files.len()
    );
    text.extend_from_slice(said.as_bytes());
    text
}

/// Returns the text that a person reads first.
pub fn readme(listing: &CapsuleListing) -> String {
    let CapsuleListing { task, version, .. } = listing;
    let folder = format!("{task}-v{version}");
    let mut text = format!(
        "{task} {version}, whole: an escape capsule of snapback\n\n\
         Released {} as {} (commit {}).\n\n\
         Unpack      tar -xf {folder}.tar            plain\n            \
         gzip -dc {folder}.tar.gz | tar -xf -\n            \
         zstd -dc {folder}.tar.zst | tar -xf -\n\
         Check       cd {folder} && sha256sum -c SHA256SUMS\n\
         Restore     sh restore.sh DIR               a new or empty folder\n\n\
         Neither git nor a network nor snapback is needed. With snapback, which checks everything\n\
         against the release manifest too:\n\n            \
         snapback disaster-recovery --from {folder}.tar.zst --into DIR\n\n\
         tree/ holds the files, odd/ those with unusual names; symbolic links are lines of restore.sh.\n\
         The digests prove that nothing was damaged, not who made this: compare the digest of the\n\
         manifest below with the tag, or with a copy from somebody you trust. That vouches for the\n\
         files in tree/ and odd/ and for nothing else: not for restore.sh, not for this text, not for\n\
         wheels/. Whoever does not know where this capsule comes from lets snapback compare these\n\
         with what it makes itself, before anything of it is run:\n\n            \
         snapback capsule verify {folder}.tar.zst\n\n\
         manifest.yaml  {}\n",
        listing.released_at, listing.tag, listing.commit, listing.manifest
    );
    if !listing.wheels.is_empty() {
        text += "\nwheels/ is restored too, unless the release has a folder of that name.\n";
    }
    if listing.unproven().next().is_some() {
        text += "\nNothing in the release vouches for these wheels. Do not install them unless you know them:\n";
        text.extend(
            listing
                .unproven()
                .map(|wheel| format!("            {}\n", wheel.name)),
        );
    } else if !listing.wheels.is_empty() {
        text += "\nThe digest of each wheel stands in a file of the release.\n\nPackages    python3 -m venv .venv\n            .venv/bin/pip install --no-index --no-deps --find-links wheels -r requirements.txt\n";
    }
    if !listing.missing.is_empty() {
        text += "\nNo wheel was found for:\n";
        text.extend(
            listing
                .missing
                .iter()
                .map(|package| format!("            {package}\n")),
        );
    }
    text
}
