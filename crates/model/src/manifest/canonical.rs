//! The canonical text of a manifest: a writer, and a reader for exactly that form.
//!
//! The reader accepts only what the writer would produce; any deviation is left to the YAML parser.
//! It checks the form only, never the rules: see [`Manifest::parse`].

use std::collections::BTreeMap;

use base::{Digest, RelPath, yaml};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Error, FileRole, MANIFEST_SCHEMA, Manifest, ManifestFile,
    wire::{Metadata, check_paths},
};
use crate::{
    DependencyList, GitId, ObjectId,
    file_record::{FileRecord, Location},
    git_mode::GitMode,
};

/// The part of the text before the files.
#[derive(Serialize, Deserialize)]
struct TextHead {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    metadata: Metadata,
}

/// The part of the text after the files.
#[derive(Serialize, Deserialize)]
struct TextTail {
    #[serde(default)]
    dependencies: DependencyList,
}

/// The line before the files.
const FILES: &str = "files:\n";
/// The beginning of the first line of a file.
pub(super) const FILE_BEGINS: &str = "  - path: ";

/// What is known of a release only when its files are written.
#[derive(Default, Clone, Copy)]
pub(super) struct ReleaseIds<'a> {
    /// Its commit.
    pub commit: Option<&'a GitId>,
    /// The stored objects of its large files.
    pub objects: Option<&'a BTreeMap<RelPath, ObjectId>>,
}

impl ReleaseIds<'_> {
    /// Returns the file with its stored object; `None` when it is complete.
    fn finished(&self, file: &ManifestFile) -> Option<ManifestFile> {
        let object = self.objects.filter(|_| file.role == FileRole::Large)?;
        let object = object.get(file.path())?;
        let mut file = file.clone();
        file.record_mut()?.location = Location::Object(*object);
        Some(file)
    }
}

/// Renders a manifest, with what is known of its release only now.
pub(super) fn render(manifest: &Manifest, ids: ReleaseIds<'_>) -> String {
    let mut text = head(manifest, ids.commit);
    // Allocated up front, because growing would copy the text.
    text.reserve(usual_size(manifest));
    text.push_str(if manifest.files.is_empty() {
        "files: []\n"
    } else {
        FILES
    });
    for file in &manifest.files {
        let finished = ids.finished(file);
        render_file(&mut text, finished.as_ref().unwrap_or(file));
    }
    text.push_str(&tail(manifest));
    text
}

/// Renders what stands before the files.
fn head(manifest: &Manifest, commit: Option<&GitId>) -> String {
    let mut metadata = Metadata::of(manifest);
    if let Some(commit) = commit {
        metadata.set_commit(commit.clone());
    }
    yaml::render(&TextHead {
        schema: (!manifest.by_hand).then(|| MANIFEST_SCHEMA.into()),
        metadata,
    })
}

/// Renders what stands behind the files.
fn tail(manifest: &Manifest) -> String {
    yaml::render(&TextTail {
        dependencies: manifest.dependencies.clone(),
    })
}

/// Returns about how many bytes the files of a manifest take in its text.
fn usual_size(manifest: &Manifest) -> usize {
    /// Bytes of a usual file in git, but for its path.
    const FILE: usize = 215;
    let sizes = manifest.files.iter();
    sizes.map(|file| FILE + file.path().as_bytes().len()).sum()
}

/// Returns the size of the text that a release's manifest will have, and of the larger of its
/// parts before and behind the files. Any commit stands in for one that is not made yet.
pub(super) fn written_size(manifest: &Manifest, commit: Option<&GitId>) -> (usize, usize) {
    const OBJECT: usize = "    object: sha256:\n".len() + 64;
    let mut line = String::new();
    let mut size = |file: &ManifestFile| {
        line.clear();
        render_file(&mut line, file);
        let is_named = file.role != FileRole::Large || file.object().is_some();
        line.len() + if is_named { 0 } else { OBJECT }
    };
    let files: usize = manifest.files.iter().map(&mut size).sum();
    let (head, tail) = (head(manifest, commit), tail(manifest));
    let around = head.len() + FILES.len() + tail.len();
    (files + around, head.len().max(tail.len()))
}

/// Writes one file in the canonical form.
fn render_file(text: &mut String, file: &ManifestFile) {
    let mut line = |before: &str, value: &str, after: &str| {
        for part in [before, value, after] {
            text.push_str(part);
        }
    };
    let path = file.path().to_text();
    if is_plain(&path) {
        line(FILE_BEGINS, "\"", &path);
        line("\"", "\n", "");
    } else {
        line(FILE_BEGINS, &quoted(&path), "\n");
    }
    line("    checksum: ", &file.checksum(), "\n");
    if let Some(size) = file.size() {
        line("    size: ", &size.to_string(), "\n");
    }
    if let Some(kind) = file.kind() {
        line("    mode: \"", &GitMode::from(kind).to_string(), "\"\n");
    }
    line("    role: ", role_word(file.role), "\n");
    if let Some(blob) = file.blob() {
        line("    blob: \"", blob.as_str(), "\"\n");
    }
    if let Some(object) = file.object() {
        line("    object: ", &object.to_string(), "\n");
    }
}

/// True for a path that is the same in quotes.
fn is_plain(path: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    path.bytes().all(is_plain)
}

/// Returns a path in double quotes that YAML and JSON read alike.
///
/// JSON leaves some characters unescaped that YAML treats as line ends, or refuses.
fn quoted(path: &str) -> String {
    let json = serde_json::to_string(path).expect("because text always renders");
    let is_bare = |c: char| {
        matches!(
            c,
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
    };
    if !json.contains(is_bare) {
        return json;
    }
    let escape = |c: char| {
        if is_bare(c) {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    json.chars().map(escape).collect()
}

/// Reads the canonical form, about fifty times faster than a YAML parser; `None` when the text
/// deviates from it anywhere, so that the parser must be used. Needed for 50,000 files.
pub(super) fn read(bytes: &[u8]) -> Option<Text> {
    let (head, body, tail) = canonical_parts(std::str::from_utf8(bytes).ok()?)?;
    let mut lines = body.lines().peekable();
    // Allocated up front, because growing would copy the files.
    let mut files = Vec::with_capacity(body.len() / 200);
    while lines.peek().is_some() {
        files.push(read_file(&mut lines)?);
    }
    // Read separately, head and tail could mean something different than together, for example when
    // a key occurs in both. Only canonical text is certain to be safe.
    let head: TextHead = read_part(head)?;
    let tail: TextTail = read_part(tail)?;
    Some(Text {
        metadata: head.metadata,
        files,
        dependencies: tail.dependencies,
    })
}

/// A text in canonical form whose rules have not been checked.
pub(super) struct Text {
    metadata: Metadata,
    files: Vec<ManifestFile>,
    dependencies: DependencyList,
}

impl Text {
    /// Returns the manifest if it satisfies the rules.
    pub(super) fn checked(self) -> Result<Manifest, Error> {
        self.metadata.check()?;
        let paths: Vec<&RelPath> = self.files.iter().map(ManifestFile::path).collect();
        check_paths(&paths, &|_| false)?;
        Ok(self
            .metadata
            .into_manifest(self.files, self.dependencies, false))
    }
}

/// Reads the canonical form but skips the files.
pub(super) fn read_without_files(bytes: &[u8]) -> Option<Manifest> {
    let (head, _, tail) = canonical_parts(std::str::from_utf8(bytes).ok()?)?;
    let (head, tail): (TextHead, TextTail) = (read_part(head)?, read_part(tail)?);
    let (metadata, dependencies) = (head.metadata, tail.dependencies);
    Some(metadata.into_manifest(Vec::new(), dependencies, false))
}

/// Reads only the metadata of the canonical form.
pub(super) fn read_metadata(bytes: &[u8]) -> Option<Metadata> {
    let (head, ..) = canonical_parts(std::str::from_utf8(bytes).ok()?)?;
    read_part::<TextHead>(head).map(|head| head.metadata)
}

/// Reads a part of the canonical form; `None` when it is not canonical.
fn read_part<T: Serialize + DeserializeOwned>(text: &str) -> Option<T> {
    yaml::parse(text.as_bytes(), yaml::YamlLimits::machine())
        .ok()
        .filter(|part| yaml::render(part) == text)
}

/// Splits a text that may be canonical into head, files and tail.
fn canonical_parts(text: &str) -> Option<(&str, &str, &str)> {
    if text.len() > Manifest::MAX_BYTES || !text.starts_with("schema: snapback.manifest/1\n") {
        return None;
    }
    let (head, rest) = text.split_at(text.find("\nfiles:\n")? + 1);
    // The tail is short and comes last, and no line of a file begins with a letter.
    let (body, tail) =
        rest[FILES.len()..].split_at(rest[FILES.len()..].rfind("\ndependencies:")? + 1);
    Some((head, body, tail))
}

/// Reads one file of the canonical form.
fn read_file<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
) -> Option<ManifestFile> {
    let path = read_path(lines.next()?.strip_prefix(FILE_BEGINS)?)?;
    let digest: Digest = lines.next()?.strip_prefix("    checksum: ")?.parse().ok()?;
    let size = lines.next()?.strip_prefix("    size: ")?;
    let size: u64 = size.parse().ok().filter(|n: &u64| n.to_string() == size)?;
    let mode = lines
        .next()?
        .strip_prefix("    mode: \"")?
        .strip_suffix('"')?;
    let kind = mode.parse::<GitMode>().ok()?.blob_kind()?;
    let role = role_of(lines.next()?.strip_prefix("    role: ")?)?;
    let last = lines.next()?;
    let location = if role == FileRole::Large {
        Location::Object(ObjectId(last.strip_prefix("    object: ")?.parse().ok()?))
    } else {
        let blob = last.strip_prefix("    blob: \"")?.strip_suffix('"')?;
        Location::Blob(blob.parse().ok()?)
    };
    Some(ManifestFile::new(
        role,
        FileRecord {
            path,
            kind,
            size,
            digest,
            mode: kind.mode(),
            mtime: None,
            location,
        },
    ))
}

/// Reads a quoted path.
fn read_path(written: &str) -> Option<RelPath> {
    let inner = written.strip_prefix('"')?.strip_suffix('"')?;
    if is_plain(inner) {
        return RelPath::from_text(inner).ok();
    }
    let path: String = serde_json::from_str(written).ok()?;
    // JSON has escapes that YAML does not.
    if written.contains('\\')
        && ![quoted(&path), serde_json::to_string(&path).ok()?]
            .iter()
            .any(|form| form == written)
    {
        return None;
    }
    RelPath::from_text(&path).ok()
}

/// Returns the word for a role.
fn role_word(role: FileRole) -> &'static str {
    match role {
        FileRole::Source => "source",
        FileRole::Config => "config",
        FileRole::Registry => "registry",
        FileRole::Shared => "shared",
        FileRole::Large => "large",
    }
}

/// Returns the role for a word.
fn role_of(word: &str) -> Option<FileRole> {
    let all = [
        FileRole::Source,
        FileRole::Config,
        FileRole::Registry,
        FileRole::Shared,
        FileRole::Large,
    ];
    all.into_iter().find(|role| role_word(*role) == word)
}
