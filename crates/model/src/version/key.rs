//! The grammar of versions, and the one order over all of them.
//!
//! ```text
//! dashed   N(.N)*-PRE                                     1.3.0-rc.1, 2026.02.24-rc1
//! plain    [N!]N(.N)*[{a|b|rc}N][.postN][.devN][+LOCAL]   1.2, 1.2.0rc1, 2!1.0.post1, 1.0+local.1
//! ```
//!
//! A dashed version is read as semver 2.0.0 reads it, with any count of numbers. It orders
//! `1.2.0-hotfix-20260224` before `1.2.0`, like every pre-release; the users' documents mean a
//! repair of 1.2.0, so here a hotfix sorts just after its base. A plain version is read as PEP 440
//! reads it, without the spellings that have a `-`. So a text has one meaning, in every scheme.

/// What versions are compared by. The fields are in the order of their weight.
#[derive(Debug, Clone)]
pub(super) struct VersionKey {
    pub epoch: u64,
    /// The numbers as written; zeros at the end do not count.
    pub numbers: Vec<u64>,
    pub stage: VersionStage,
    pub post: Option<u64>,
    pub dev: Dev,
    /// What follows `+`: `1.0+local.1`.
    pub local: Vec<LocalPart>,
}

/// Where a version is on the way to the one that has only its numbers, or past it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum VersionStage {
    /// `1.0.dev3`
    Dev,
    /// `1.0.0-rc.1`
    Dashed(semver::Prerelease),
    /// `1.0a1`
    Alpha(u64),
    /// `1.0b1`
    Beta(u64),
    /// `1.0rc1`
    Candidate(u64),
    /// `1.0`
    Final,
    /// `1.0.0-hotfix-20260224`
    Hotfix(String),
}

/// A development version comes before what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Dev {
    /// `.dev3`
    Of(u64),
    /// Without `.dev`.
    None,
}

/// A part of what follows `+`; numbers come after words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum LocalPart {
    Word(String),
    Number(u64),
}

/// A key, as it is compared.
type VersionOrder<'a> = (
    u64,
    &'a [u64],
    &'a VersionStage,
    Option<u64>,
    Dev,
    &'a [LocalPart],
);

impl VersionKey {
    /// Parses a text.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        match text.split_once('-') {
            Some((numbers, pre)) => Self::dashed(numbers, pre),
            None => Self::plain(&text.to_ascii_lowercase()),
        }
    }

    /// Parses numbers, and what follows the first `-`.
    fn dashed(numbers: &str, pre: &str) -> Option<Self> {
        let (numbers, rest) = VersionScan(numbers).numbers()?;
        let day = pre.strip_prefix("hotfix-");
        let day = day.filter(|day| day.len() == 8 && day.bytes().all(|c| c.is_ascii_digit()));
        let stage = match day {
            Some(day) => VersionStage::Hotfix(day.into()),
            None => VersionStage::Dashed(
                semver::Prerelease::new(pre)
                    .ok()
                    .filter(|_| !pre.is_empty())?,
            ),
        };
        rest.is_end().then(|| Self::of(0, numbers, stage))
    }

    /// Parses a text without `-`, in lower case.
    fn plain(text: &str) -> Option<Self> {
        let (text, local) = match text.split_once('+') {
            None => (text, Vec::new()),
            Some((text, local)) => (text, local_parts(local)?),
        };
        let (epoch, text) = match text.split_once('!') {
            None => (0, text),
            Some((epoch, text)) => (number(epoch)?, text),
        };
        let (numbers, rest) = VersionScan(text).numbers()?;
        let (pre, rest) = rest.suffix(&PRE);
        let (post, rest) = rest.suffix(&POST);
        let (dev, rest) = rest.suffix(&["dev"]);
        let stage = match pre? {
            Some((0 | 1, number)) => VersionStage::Alpha(number),
            Some((2 | 3, number)) => VersionStage::Beta(number),
            Some((_, number)) => VersionStage::Candidate(number),
            None if matches!((&post, &dev), (Some(None), Some(Some(_)))) => VersionStage::Dev,
            None => VersionStage::Final,
        };
        rest.is_end().then_some(())?;
        Some(Self {
            post: post?.map(|(_, number)| number),
            dev: dev?.map_or(Dev::None, |(_, number)| Dev::Of(number)),
            local,
            ..Self::of(epoch, numbers, stage)
        })
    }

    /// Returns a key of numbers and a stage.
    fn of(epoch: u64, numbers: Vec<u64>, stage: VersionStage) -> Self {
        Self {
            epoch,
            numbers,
            stage,
            post: None,
            dev: Dev::None,
            local: Vec::new(),
        }
    }

    /// Returns the epoch and the numbers that count.
    pub fn base(&self) -> (u64, &[u64]) {
        let zeros = self.numbers.iter().rev().take_while(|n| **n == 0).count();
        (self.epoch, &self.numbers[..self.numbers.len() - zeros])
    }

    /// True when there is nothing but numbers.
    pub fn is_bare(&self) -> bool {
        let (stage, dev) = (&self.stage, self.dev);
        *stage == VersionStage::Final
            && self.post.is_none()
            && dev == Dev::None
            && self.local.is_empty()
    }

    /// True for a version that comes before the one of its numbers.
    pub fn is_prerelease(&self) -> bool {
        self.stage < VersionStage::Final
    }

    /// Returns what is compared.
    pub fn order(&self) -> VersionOrder<'_> {
        let (epoch, numbers) = self.base();
        let (stage, local) = (&self.stage, &self.local[..]);
        (epoch, numbers, stage, self.post, self.dev, local)
    }
}

/// Words of pre-releases: two for alphas, two for betas, the rest for candidates. Of two that begin
/// alike, the longer one comes first.
const PRE: [&str; 8] = ["alpha", "a", "beta", "b", "preview", "pre", "rc", "c"];
/// Words of repairs after a release.
const POST: [&str; 3] = ["post", "rev", "r"];

/// A word of a suffix, by its place in the list, and its number; nothing without the suffix.
type Suffix = Option<(usize, u64)>;

/// A text that is read from its begin.
#[derive(Clone, Copy)]
struct VersionScan<'a>(&'a str);

impl<'a> VersionScan<'a> {
    /// Takes digits.
    fn digits(self) -> (&'a str, Self) {
        let end = self.0.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        (digits, Self(rest))
    }

    /// Takes numbers with dots between them.
    fn numbers(self) -> Option<(Vec<u64>, Self)> {
        let (first, mut rest) = self.digits();
        let mut numbers = vec![number(first)?];
        while let Some(after) = rest.0.strip_prefix('.') {
            let (digits, after) = Self(after).digits();
            if digits.is_empty() {
                break;
            }
            numbers.push(number(digits)?);
            rest = after;
        }
        Some((numbers, rest))
    }

    /// Takes one of some words with its number, which is 0 when it is left out; `None` in the
    /// result is a number that is too large.
    fn suffix(self, words: &[&str]) -> (Option<Suffix>, Self) {
        let after_separator = |scan: Self| Self(scan.0.strip_prefix(['.', '_']).unwrap_or(scan.0));
        let begin = after_separator(self);
        let word = |(nth, word): (usize, &&str)| Some((nth, begin.0.strip_prefix(*word)?));
        let Some((nth, rest)) = words.iter().enumerate().find_map(word) else {
            return (Some(None), self);
        };
        match after_separator(Self(rest)).digits() {
            ("", _) => (Some(Some((nth, 0))), Self(rest)),
            (digits, rest) => (number(digits).map(|number| Some((nth, number))), rest),
        }
    }

    /// True when everything is read.
    fn is_end(self) -> bool {
        self.0.is_empty()
    }
}

/// Parses digits; `None` for none, and for a number that is too large.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Parses what follows `+`.
fn local_parts(text: &str) -> Option<Vec<LocalPart>> {
    let part = |part: &str| {
        let is_word = !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric());
        if part.bytes().all(|c| c.is_ascii_digit()) {
            number(part).map(LocalPart::Number)
        } else {
            is_word.then(|| LocalPart::Word(part.into()))
        }
    };
    text.split(['.', '_']).map(part).collect()
}
