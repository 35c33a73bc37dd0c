//! Caches the facts found in sources, by git blob, so that a release reads only changed files.
//!
//! There is one file per task in the state folder. It is derived data and may be deleted: it is
//! written without a sync, and ignored when damaged, too large or of another version. It contains
//! only names of variables and modules, never file contents. An entry is computed from bytes that
//! were hashed, so it describes the blob even if the file has changed meanwhile.
//!
//! Format: `MAGIC`, SHA-256 of the rest, number of entries (4 bytes, little-endian), length of an
//! id (1 byte); sorted entries of id in hex digits, kind (1 byte), position (4 bytes); the distinct
//! texts of `Says`, each after its length (4 bytes).

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use rayon::prelude::*;

use super::shared::Import;
use crate::{
    base::{
        Digest, Fs, RelPath,
        fs::{create_dir_all, is_temp, publish, read_limited, write_aside},
    },
    model::{GitId, TaskId},
};

/// Magic bytes of a facts file; another version may derive other facts from the same bytes.
const MAGIC: &[u8] = concat!("snapback.facts/1 ", env!("CARGO_PKG_VERSION"), "\n").as_bytes();
/// Maximum size of the file, in bytes.
const LIMIT: u64 = 64 << 20;
/// Number of bytes before the entries.
const HEAD: usize = MAGIC.len() + 32 + 5;

/// Recorded facts of a source: equal for equal bytes in the same language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Says {
    /// Names of environment variables.
    pub names: BTreeSet<String>,
    /// Its imports, if it is a Python source.
    pub imports: Option<Vec<Import>>,
}

impl Says {
    /// Renders one line per name and import; none of them contains white space.
    fn render(&self) -> String {
        let mut text = String::new();
        for name in &self.names {
            text.extend(["v ", name, "\n"]);
        }
        for import in self.imports.iter().flatten() {
            text.extend(["i ", &import.to_text(), "\n"]);
        }
        if self.imports.is_some() {
            text + "p\n"
        } else {
            text
        }
    }

    /// Parses the output of [`Says::render`].
    fn parse(text: &str) -> Option<Self> {
        let (mut says, mut imports) = (Self::default(), Vec::new());
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("v", name)) => drop(says.names.insert(name.into())),
                Some(("i", import)) => imports.push(Import::from_text(import)?),
                None if line == "p" => says.imports = Some(std::mem::take(&mut imports)),
                _ => return None,
            }
        }
        imports.is_empty().then_some(says)
    }
}

/// The facts of a task's last release.
#[derive(Debug, Default)]
pub struct SourceFacts {
    bytes: Vec<u8>,
    count: usize,
    digits: usize,
    /// Facts by the position of their text.
    says: BTreeMap<u32, Arc<Says>>,
}

/// A file's blob, kind and facts.
pub(super) type Fact = (GitId, u8, Arc<Says>);

impl SourceFacts {
    /// An empty cache.
    pub const NONE: Self = Self {
        bytes: Vec::new(),
        count: 0,
        digits: 0,
        says: BTreeMap::new(),
    };

    /// Loads the facts of a task; empty when the file is missing or damaged.
    pub fn load(state: &dyn Fs, task: &TaskId) -> Self {
        read_limited(state, &place(task), LIMIT)
            .ok()
            .and_then(Self::read)
            .unwrap_or_default()
    }

    /// Parses and checks the bytes of a file.
    fn read(bytes: Vec<u8>) -> Option<Self> {
        let (digest, body) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
        if Digest::of(body).bytes() != digest {
            return None;
        }
        let count = usize::try_from(number(body, 0)?).ok()?;
        let digits = usize::from(*body.get(4)?);
        let texts = HEAD.checked_add(count.checked_mul(digits + 5)?)?;
        if !matches!(digits, 40 | 64) || texts > bytes.len() {
            return None;
        }
        let says = read_texts(&bytes, texts)?;
        Some(Self {
            bytes,
            count,
            digits,
            says,
        })
    }

    /// Returns the facts of a blob, read as this kind of source.
    pub(super) fn find(&self, blob: &GitId, kind: u8) -> Option<&Arc<Says>> {
        let size = self.digits + 5;
        let entry = |at: usize| &self.bytes[HEAD + at * size..HEAD + (at + 1) * size];
        let wanted = blob.as_str().as_bytes();
        if wanted.len() != self.digits {
            return None;
        }
        let (mut from, mut to) = (0, self.count);
        while from < to {
            let middle = usize::midpoint(from, to);
            let found = entry(middle);
            match (&found[..self.digits], found[self.digits]).cmp(&(wanted, kind)) {
                Ordering::Less => from = middle + 1,
                Ordering::Greater => to = middle,
                Ordering::Equal => return self.says.get(&number(found, self.digits + 1)?),
            }
        }
        None
    }
}

/// Parses the texts from a position on, keyed by position; `None` when one is truncated.
fn read_texts(bytes: &[u8], from: usize) -> Option<BTreeMap<u32, Arc<Says>>> {
    let (mut texts, mut at) = (Vec::new(), from);
    while at < bytes.len() {
        let end = at
            .checked_add(4)?
            .checked_add(usize::try_from(number(bytes, at)?).ok()?)?;
        texts.push((u32::try_from(at).ok()?, bytes.get(at + 4..end)?));
        at = end;
    }
    let read = |(place, text): (u32, &[u8])| {
        Some((
            place,
            Arc::new(Says::parse(std::str::from_utf8(text).ok()?)?),
        ))
    };
    texts.into_par_iter().map(read).collect()
}

/// The facts of a release, to be saved for the next one.
#[derive(Debug, Clone, Default)]
pub struct NewFacts(Vec<Fact>);

impl NewFacts {
    /// Wraps the facts.
    pub(super) fn new(facts: Vec<Fact>) -> Self {
        Self(facts)
    }

    /// Renders the bytes of a file.
    fn render(&self) -> Option<Vec<u8>> {
        let digits = self.0.first()?.0.as_str().len();
        let mut sorted: Vec<&Fact> = self
            .0
            .iter()
            .filter(|(id, ..)| id.as_str().len() == digits)
            .collect();
        let key = |fact: &Fact| (fact.0.clone(), fact.1);
        sorted.par_sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        sorted.dedup_by(|a, b| key(a) == key(b));
        let start = HEAD + sorted.len() * (digits + 5);
        let (mut entries, mut texts) = (Vec::with_capacity(start - HEAD), Vec::new());
        let (mut by_says, mut by_text): (HashMap<*const Says, u32>, HashMap<String, u32>) =
            (HashMap::new(), HashMap::new());
        for (id, kind, says) in sorted {
            let place = match by_says.get(&Arc::as_ptr(says)) {
                Some(place) => *place,
                None => {
                    let text = says.render();
                    let next = u32::try_from(start + texts.len()).ok()?;
                    let place = *by_text.entry(text).or_insert_with_key(|text| {
                        texts.extend_from_slice(
                            &u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes(),
                        );
                        texts.extend_from_slice(text.as_bytes());
                        next
                    });
                    by_says.insert(Arc::as_ptr(says), place);
                    place
                }
            };
            entries.extend_from_slice(id.as_str().as_bytes());
            entries.push(*kind);
            entries.extend_from_slice(&place.to_le_bytes());
        }
        let count = u32::try_from(entries.len() / (digits + 5)).ok()?;
        let body = [
            &count.to_le_bytes()[..],
            &[u8::try_from(digits).ok()?],
            &entries,
            &texts,
        ]
        .concat();
        let bytes = [MAGIC, &Digest::of(&body).bytes()[..], &body].concat();
        (bytes.len() as u64 <= LIMIT).then_some(bytes)
    }

    /// Converts to the searchable form.
    pub fn into_facts(self) -> Option<SourceFacts> {
        self.render().and_then(SourceFacts::read)
    }

    /// Saves them in place of older ones. Failure is ignored because they are derived data.
    pub fn save(&self, state: &dyn Fs, task: &TaskId) {
        let Some(bytes) = self.render() else { return };
        let path = place(task);
        let _ = create_dir_all(state, &path.parent(), 0o700)
            .and_then(|_| write_aside(state, &path, &bytes, 0o600, None))
            .and_then(|()| publish(state, &path));
    }
}

/// Removes leftovers of a killed or failed [`NewFacts::save`]. Call only under the lock.
pub fn sweep(state: &dyn Fs) {
    let folder = RelPath::own("facts");
    for name in state
        .list(&folder)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| is_temp(name))
    {
        let _ = state.remove_file(&folder.join(name));
    }
}

/// Returns the path of a task's facts in the state folder.
fn place(task: &TaskId) -> RelPath {
    RelPath::own("facts").join(task.as_str())
}

/// Reads the number at a position: 4 bytes, little-endian.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Root;

    fn id(text: &str) -> GitId {
        Digest::of(text.as_bytes()).hex()[..40]
            .parse()
            .expect("it is an id")
    }

    fn sample() -> NewFacts {
        let says = |names: &[&str], imports: Option<&[&str]>| {
            let imports = imports.map(|all| {
                all.iter()
                    .map(|text| Import::from_text(text).expect("it is one"))
                    .collect()
            });
            Arc::new(Says {
                names: names.iter().map(ToString::to_string).collect(),
                imports,
            })
        };
        let nothing = says(&[], Some(&[]));
        let mut facts: Vec<Fact> = (0..100)
            .map(|n| (id(&format!("{n}")), 0, nothing.clone()))
            .collect();
        facts.push((
            id("a"),
            0,
            says(&["A", "B"], Some(&["0 os.path -", "2 - é,x"])),
        ));
        facts.push((id("a"), 5, says(&["A"], None)));
        facts.push((id("a"), 5, says(&["A"], None)));
        NewFacts::new(facts)
    }

    #[test]
    fn facts_come_back_and_damage_is_not_used() {
        let bytes = sample().render().expect("there are some");
        let facts = SourceFacts::read(bytes.clone()).expect("they are whole");
        for (id, kind, says) in &sample().0 {
            assert_eq!(facts.find(id, *kind), Some(says), "{id} {kind}");
        }
        assert_eq!(facts.count, 102);
        assert_eq!(
            (
                facts.find(&id("b"), 0),
                facts.find(&id("a"), 1),
                facts.find(&id("0"), 5)
            ),
            (None, None, None)
        );
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(SourceFacts::read(damaged).is_none(), "byte {at}");
            assert!(
                SourceFacts::read(bytes[..at].to_vec()).is_none(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn a_file_is_replaced_and_a_missing_one_is_none() {
        let dir = tempfile::tempdir().expect("it makes folders");
        let root = Root::open(dir.path()).expect("it opens");
        let task: TaskId = "T01".parse().expect("it is an id");
        assert_eq!(SourceFacts::load(&root, &task).count, 0);
        for _ in 0..2 {
            sample().save(&root, &task);
            assert_eq!(SourceFacts::load(&root, &task).count, 102);
        }
        sweep(&root);
        root.create(&RelPath::own("facts/.tmp-T02"), 0o600)
            .expect("it creates");
        sweep(&root);
        assert_eq!(
            root.list(&RelPath::own("facts")).expect("it lists"),
            [b"T01".to_vec()],
            "what a kill left is gone"
        );
        NewFacts::default().save(&root, &task);
        assert_eq!(
            SourceFacts::load(&root, &task).count,
            102,
            "nothing to keep"
        );
    }
}
