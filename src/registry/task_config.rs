//! The version in a task's own configuration file: YAML, JSON, TOML, XML, `setup.cfg`, a Python
//! module or a file of nothing else, by the file's name.
//!
//! Keys are dotted: `version`, `task.version`, `project.version`. A version is read as the literal
//! text, so `1.10` never becomes 1.1. Of several YAML documents, the first with the key counts. An
//! edit replaces that text only. It is refused where the format could give the text meaning in more
//! than one place (referenced anchors, aliases, merge keys, tags, multi-line values, two
//! documents), and where two parsers disagree about the result. The rest of the file is not
//! interpreted, only compared as written.

use super::{
    Error, json, lines, second, toml,
    tree::{BOM, Value, ValueNode, line_at, splice},
    xml, yaml,
};
use crate::{
    base::{RelPath, secret, yaml::MERGE},
    model::{Scheme, Version},
};

/// Files of package managers, and files that hold a version only.
pub const PACKAGE_FILES: [&str; 9] = [
    "package.json",
    "Cargo.toml",
    "pyproject.toml",
    "Chart.yaml",
    "pom.xml",
    "setup.cfg",
    "VERSION",
    "VERSION.txt",
    "version.txt",
];
/// Maximum size of a configuration: 1 MiB.
const LIMIT: usize = 1 << 20;

/// Supported formats, chosen by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConfigFormat {
    Yaml,
    Json,
    Toml,
    Xml,
    Ini,
    Python,
    /// The version and nothing else.
    Plain,
}

/// A parsed configuration.
struct Config<'a> {
    format: ConfigFormat,
    file: String,
    text: &'a str,
    /// The text for the second parser.
    strict: Option<String>,
    stream: yaml::YamlContent,
}

/// Returns the version at a key; `None` when the key is absent or its value empty.
pub fn version(bytes: &[u8], file_name: &RelPath, key: &str) -> Result<Option<Version>, Error> {
    let config = Config::read(bytes, file_name)?;
    let Some((_, node)) = config.find(key)? else {
        return Ok(None);
    };
    match (&node.value, node.scalar()) {
        (Value::Null, _) => Ok(None),
        (_, Some(text)) => {
            let wrong = |source| Error::ReadVersion {
                file: config.file.clone(),
                key: key.to_string(),
                source,
            };
            node.to_version(text).map(Some).map_err(wrong)
        }
        _ => Err(Error::Shape {
            file: config.file.clone(),
            why: format!("{key:?} is a map or a list, not a version"),
        }),
    }
}

/// Like [`version`], of a task with this scheme.
pub fn version_of(
    bytes: &[u8],
    file_name: &RelPath,
    key: &str,
    scheme: Scheme,
) -> Result<Option<Version>, Error> {
    let version = version(bytes, file_name, key)?;
    let checked = version.as_ref().map(|version| scheme.check(version));
    match checked {
        Some(Err(source)) => Err(Error::ReadVersion {
            file: file_name.to_string(),
            key: key.to_string(),
            source,
        }),
        Some(Ok(())) | None => Ok(version),
    }
}

/// Returns the bytes with another version at the key; every other byte stays.
///
/// Fails with [`Error::NoVersion`] when the configuration lacks the key.
pub fn with_version(
    bytes: &[u8],
    file_name: &RelPath,
    key: &str,
    version: &Version,
) -> Result<Vec<u8>, Error> {
    let config = Config::read(bytes, file_name)?;
    let refused = |line: usize, why: String| Error::Edit {
        file: config.file.clone(),
        line,
        key: key.to_string(),
        why,
    };
    let missing = || no_version(&config, key, version);
    let (at, node) = config.find(key)?.ok_or_else(missing)?;
    let line = line_at(config.text, node.span.start);
    if let Some(why) = config.oddity(at, key) {
        return Err(refused(line, why.to_string()));
    }
    if let Some(other) = config.later(at, key) {
        return Err(refused(
            line,
            format!("another document of the file has it too, in line {other}"),
        ));
    }
    let raw = &config.text[node.span.clone()];
    let Value::Text(old) = &node.value else {
        return Err(if matches!(node.value, Value::Null) {
            missing()
        } else {
            refused(line, "it is not a text".to_string())
        });
    };
    let new = version.to_string();
    let quote = config.quote_of(raw, old).ok_or_else(|| {
        refused(
            line,
            "it is not written as one plain text on one line".to_string(),
        )
    })?;
    // Without quotes, YAML takes `1.10` for the number 1.1.
    let is_bare = config.format == ConfigFormat::Yaml && quote.is_empty();
    let quotes = [quote, "\""].into_iter().take(1 + usize::from(is_bare));
    let mut edits = quotes.map(|quote| splice(bytes, &node.span, &format!("{quote}{new}{quote}")));
    let only_this_differs = |bytes: &Vec<u8>| {
        Config::read(bytes, file_name).is_ok_and(|after| {
            let found = after
                .find(key)
                .ok()
                .flatten()
                .is_some_and(|(nth, node)| nth == at && holds(node, &new));
            found
                && config.is_like(&after, node)
                && second::agrees(config.second(), after.second(), key, old, &new)
        })
    };
    let disagree = "two parsers do not agree about the result";
    edits
        .find(only_this_differs)
        .ok_or_else(|| refused(line, disagree.to_string()))
}

/// Builds the error for a configuration without a version, in the syntax of its format.
fn no_version(config: &Config<'_>, key: &str, version: &Version) -> Error {
    let dynamic =
        config.format == ConfigFormat::Toml && key == "project.version" && config.is_dynamic();
    let add = config.format.line(key, &version.to_string());
    Error::NoVersion {
        file: config.file.clone(),
        key: key.to_string(),
        add,
        dynamic,
    }
}

/// Returns how to add a version to a configuration that lacks one, in the syntax of its format, and
/// true for a `pyproject.toml` that declares its version as dynamic.
pub fn how_to_add(
    bytes: &[u8],
    file_name: &RelPath,
    key: &str,
    version: &Version,
) -> Result<(String, bool), Error> {
    let config = Config::read(bytes, file_name)?;
    let Error::NoVersion { add, dynamic, .. } = no_version(&config, key, version) else {
        return Ok((String::new(), false));
    };
    Ok((add, dynamic))
}

/// Returns every scalar as dotted key (lists: `key[0]`) and text, in file order, for display.
///
/// Values whose key or text looks like a secret become `***`.
pub fn values(bytes: &[u8], file_name: &RelPath) -> Result<Vec<(String, String)>, Error> {
    let config = Config::read(bytes, file_name)?;
    let mut out = Vec::new();
    for (at, root) in config.stream.documents.iter().enumerate() {
        // A text that ends in `---` has one more, empty document.
        if at == 0 || !matches!(root.value, Value::Null) {
            let begin = out.len();
            flatten(root, String::new(), false, &mut out);
            let documents = out[begin..].iter_mut().filter(|_| at > 0);
            documents.for_each(|(key, _)| *key = format!("document {}: {key}", at + 1));
        }
    }
    Ok(out)
}

/// Returns the text at a dotted key among [`values`].
pub fn value_at<'a>(values: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let found = values.iter().find(|(other, _)| other == key);
    found.map(|(_, text)| text.as_str())
}

impl ConfigFormat {
    /// Returns the format of a file, by its extension.
    fn of(file_name: &RelPath) -> Option<Self> {
        let lower = file_name.name().to_ascii_lowercase();
        match lower
            .rsplit(|byte| *byte == b'.')
            .next()
            .unwrap_or_default()
        {
            b"yaml" | b"yml" => Some(Self::Yaml),
            b"json" | b"jsonc" => Some(Self::Json),
            b"toml" => Some(Self::Toml),
            b"xml" => Some(Self::Xml),
            b"cfg" => Some(Self::Ini),
            b"py" => Some(Self::Python),
            b"version" | b"txt" => Some(Self::Plain),
            _ => None,
        }
    }

    /// Returns the text that sets a version at a dotted key.
    fn line(self, key: &str, version: &str) -> String {
        let (above, name) = key
            .rsplit_once('.')
            .map_or(("", key), |(above, name)| (above, name));
        match self {
            Self::Toml if above.is_empty() => {
                format!("add `{name} = \"{version}\"` to it, above the first `[table]`")
            }
            Self::Toml => format!("add `{name} = \"{version}\"` to it, below `[{above}]`"),
            Self::Json if above.is_empty() => format!("add `\"{name}\": \"{version}\"` to it"),
            Self::Json => format!(
                "add `\"{name}\": \"{version}\"` to it, inside `\"{}\"`",
                above.replace('.', "\", in \"")
            ),
            Self::Xml => format!("add `<{name}>{version}</{name}>` to it, inside `<{above}>`"),
            Self::Ini => format!("add `{name} = {version}` to it, below `[{above}]`"),
            Self::Python => format!("add `{name} = \"{version}\"` to it"),
            Self::Plain => format!("write `{version}` into it, and nothing else"),
            Self::Yaml if above.is_empty() => format!("add `{name}: {version}` to it"),
            Self::Yaml => format!(
                "add `{name}: {version}` to it, below `{}:`",
                above.replace('.', ":`, `")
            ),
        }
    }
}

impl<'a> Config<'a> {
    /// Parses a file in the format of its extension.
    fn read(bytes: &'a [u8], file_name: &RelPath) -> Result<Self, Error> {
        let file = file_name.to_string();
        let one = |root: ValueNode| yaml::YamlContent {
            documents: vec![root],
            used: std::collections::HashSet::new(),
        };
        let (format, strict, stream) = match ConfigFormat::of(file_name) {
            Some(ConfigFormat::Yaml) => (ConfigFormat::Yaml, None, yaml::parse(bytes, &file)?),
            Some(ConfigFormat::Json) => {
                let (root, strict) = json::parse(bytes, &file, LIMIT)?;
                (ConfigFormat::Json, Some(strict), one(root))
            }
            Some(ConfigFormat::Toml) => (
                ConfigFormat::Toml,
                None,
                one(toml::parse(bytes, &file, LIMIT)?),
            ),
            Some(format @ ConfigFormat::Xml) => {
                (format, None, one(xml::parse(bytes, &file, LIMIT)?))
            }
            Some(format @ ConfigFormat::Ini) => {
                (format, None, one(lines::ini(bytes, &file, LIMIT)?))
            }
            Some(format @ ConfigFormat::Python) => {
                (format, None, one(lines::python(bytes, &file, LIMIT)?))
            }
            Some(format @ ConfigFormat::Plain) => {
                (format, None, one(lines::plain(bytes, &file, LIMIT)?))
            }
            None => return Err(Error::Format { file }),
        };
        Ok(Self {
            format,
            file,
            text: text(bytes),
            strict,
            stream,
        })
    }

    /// Returns the quotes around a text; `None` unless it is written as one plain text on one line.
    fn quote_of(&self, raw: &str, old: &str) -> Option<&'static str> {
        let quote = ["\"", "'", ""]
            .into_iter()
            .find(|quote| *raw == format!("{quote}{old}{quote}"));
        let is_quoted = matches!(
            self.format,
            ConfigFormat::Json | ConfigFormat::Toml | ConfigFormat::Python
        );
        quote.filter(|quote| !raw.contains('\n') && (!is_quoted || !quote.is_empty()))
    }

    /// Returns the node at a dotted key, and its document. Fails when no document has the key but a
    /// merge key on its path could hide it.
    fn find(&self, key: &str) -> Result<Option<(usize, &ValueNode)>, Error> {
        let mut hidden = false;
        self.refuse_twice(key)?;
        for (at, root) in self.stream.documents.iter().enumerate() {
            match find_in(root, key) {
                Ok(Some(node)) => return Ok(Some((at, node))),
                Ok(None) => {}
                Err(()) => hidden = true,
            }
        }
        let why = || format!("{key:?} may come from a merge key or an alias; write it out");
        if hidden {
            Err(Error::Shape {
                file: self.file.clone(),
                why: why(),
            })
        } else {
            Ok(None)
        }
    }

    /// Refuses a name that a Python module sets twice: which counts is known at run time only.
    fn refuse_twice(&self, key: &str) -> Result<(), Error> {
        let entries = self.stream.documents[0].entries().iter();
        let mut of_key = entries.filter(|entry| entry.key == key).skip(1);
        let second = of_key
            .next()
            .filter(|_| self.format == ConfigFormat::Python);
        match second {
            None => Ok(()),
            Some(second) => Err(Error::DuplicateKey {
                file: self.file.clone(),
                key: key.to_string(),
                line: line_at(self.text, second.key_span.start),
            }),
        }
    }

    /// Returns the line of the same key in a later document.
    fn later(&self, at: usize, key: &str) -> Option<usize> {
        let later = self.stream.documents.iter().skip(at + 1);
        later
            .filter_map(|root| find_in(root, key).ok().flatten())
            .map(|node| line_at(self.text, node.span.start))
            .next()
    }

    /// Returns why the node at a key, or one on its path, cannot be edited.
    fn oddity(&self, at: usize, key: &str) -> Option<&'static str> {
        let root = &self.stream.documents[at];
        let on_the_way = root.walk(key).unwrap_or_default();
        std::iter::once(root)
            .chain(on_the_way)
            .find_map(|node| node.oddity(|anchor| self.stream.used.contains(&(at, anchor))))
    }

    /// Returns true when both are written alike except for node `but` of this one.
    fn is_like(&self, other: &Config<'_>, but: &ValueNode) -> bool {
        let (mine, others) = (&self.stream.documents, &other.stream.documents);
        mine.len() == others.len()
            && mine
                .iter()
                .zip(others)
                .all(|(a, b)| a.is_like(self.text, b, other.text, but))
    }

    /// Parses with the second parser.
    fn second(&self) -> Option<Vec<second::Plain>> {
        match self.format {
            ConfigFormat::Yaml => second::yaml(self.text),
            ConfigFormat::Json => second::json(self.strict.as_deref().unwrap_or_default()),
            ConfigFormat::Toml => second::toml(self.text),
            // Files of lines have no second parser: their edit is compared as written.
            ConfigFormat::Xml | ConfigFormat::Ini | ConfigFormat::Python | ConfigFormat::Plain => {
                None
            }
        }
    }

    /// Returns true for a Python project whose version is dynamic.
    fn is_dynamic(&self) -> bool {
        let project = self.stream.documents[0].get("project");
        let Some(Value::List(items)) = project
            .and_then(|project| project.get("dynamic"))
            .map(|node| &node.value)
        else {
            return false;
        };
        items.iter().any(|item| item.scalar() == Some("version"))
    }
}

/// Returns the node at a dotted key below a root; fails where a merge key or an alias may hide it.
fn find_in<'a>(root: &'a ValueNode, key: &str) -> Result<Option<&'a ValueNode>, ()> {
    let mut at = root;
    for name in key.split('.') {
        match at.get(name) {
            Some(node) => at = node,
            None if at.get(MERGE).is_some()
                || (at.odd.is_some() && at.entries().is_empty() && at.scalar().is_some()) =>
            {
                return Err(());
            }
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// Returns true when a node holds exactly this text.
fn holds(node: &ValueNode, text: &str) -> bool {
    matches!(&node.value, Value::Text(found) if found == text)
}

/// Strips the byte-order mark; returns "" for invalid UTF-8, so that any edit is refused.
fn text(bytes: &[u8]) -> &str {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.strip_prefix(BOM).unwrap_or(text)
}

/// Collects the scalars below a node.
fn flatten(node: &ValueNode, key: String, hidden: bool, out: &mut Vec<(String, String)>) {
    let below = |name: &str| {
        if key.is_empty() {
            name.to_string()
        } else {
            format!("{key}.{name}")
        }
    };
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for entry in entries {
                flatten(
                    &entry.node,
                    below(&entry.key),
                    hidden || secret::is_named(&entry.key),
                    out,
                );
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                flatten(item, format!("{key}[{at}]"), hidden, out);
            }
        }
        Value::Map(_) => out.push((key, "{}".to_string())),
        Value::List(_) => out.push((key, "[]".to_string())),
        Value::Null => out.push((key, "null".to_string())),
        Value::Text(text) | Value::Other(text) => {
            let shown = if hidden || secret::is_held(text) {
                secret::MASK
            } else {
                text
            };
            out.push((key, shown.to_string()));
        }
    }
}
