//! Finds names of environment variables in source text, one language at a time.
//!
//! This searches for the usual spellings and is not a parser: a name built at run time is not
//! found, but can be configured. Only names are returned; adjacent text (defaults, values) never
//! leaves this file.

use std::collections::BTreeSet;

use bstr::ByteSlice;

/// Maximum length of a destructuring pattern, in bytes.
const PATTERN: usize = 4096;

/// How a file spells the use of a variable. The order is stored in files (`facts.rs`): append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// `os.environ["X"]`, `os.getenv("X")`.
    Python,
    /// `process.env.X`, `process.env["X"]`, `const { X } = process.env`.
    Script,
    /// `env::var("X")`, `env!("X")`.
    Rust,
    /// `os.Getenv("X")`.
    Go,
    /// `${X:?}`, `${X:-default}`.
    Shell,
    /// `${X}`, `$X` in YAML, JSON, TOML and requirement files.
    Config,
}

impl Language {
    /// Returns the language of a file, by its name.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let lock = name.ends_with(b".lock")
            || name.ends_with(b"-lock.json")
            || name.ends_with(b"-lock.yaml");
        if lock || name == b"npm-shrinkwrap.json" {
            return None;
        }
        let at = name.rfind_byte(b'.').filter(|at| *at > 0)?;
        match &name[at + 1..] {
            b"py" | b"pyi" | b"pyw" | b"ipynb" => Some(Self::Python),
            b"js" | b"mjs" | b"cjs" | b"jsx" | b"ts" | b"mts" | b"cts" | b"tsx" | b"vue"
            | b"svelte" => Some(Self::Script),
            b"rs" => Some(Self::Rust),
            b"go" => Some(Self::Go),
            b"sh" | b"bash" | b"zsh" | b"ksh" => Some(Self::Shell),
            b"yaml" | b"yml" | b"json" | b"toml" => Some(Self::Config),
            b"txt" if name.starts_with(b"requirements") => Some(Self::Config),
            _ => None,
        }
    }

    /// Returns the names in a text.
    pub(super) fn names(self, text: &[u8]) -> BTreeSet<String> {
        let mut names = VariableNames {
            text,
            found: BTreeSet::new(),
            comment: if self == Self::Script { b"//" } else { b"#" },
        };
        match self {
            Self::Python => {
                names.python();
                names.calls(&[b"getenv"]);
            }
            Self::Script => names.script(),
            Self::Rust => {
                names.comment = b"//";
                names.calls(&[b"env::var", b"env::var_os", b"env!", b"option_env!"]);
            }
            Self::Go => {
                names.comment = b"//";
                names.calls(&[b"os.Getenv", b"os.LookupEnv"]);
            }
            Self::Shell => names.dollars(true),
            Self::Config => names.dollars(false),
        }
        names.found
    }
}

/// Returns true for a variable name: letters, digits, underscores, at most 128 bytes.
pub(super) fn is_name(name: &[u8]) -> bool {
    let word = name.iter().all(|byte| is_word(*byte));
    word && name.len() <= 128 && name.first().is_some_and(|byte| !byte.is_ascii_digit())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The names found in one text.
struct VariableNames<'a> {
    text: &'a [u8],
    found: BTreeSet<String>,
    comment: &'static [u8],
}

impl<'a> VariableNames<'a> {
    /// Keeps a valid name.
    fn keep(&mut self, name: &[u8]) {
        if is_name(name) {
            self.found
                .insert(String::from_utf8_lossy(name).into_owned());
        }
    }

    /// Yields the position of, and the text after, each whole word `word` outside comment lines.
    fn after(&self, word: &'static [u8]) -> impl Iterator<Item = (usize, &'a [u8])> + use<'a> {
        let (text, comment) = (self.text, self.comment);
        // Track the line's start from hit to hit: a minified file is one line with millions of
        // hits.
        let (mut line, mut seen) = (0, 0);
        text.find_iter(word).filter_map(move |at| {
            let whole = !is_word(word[0])
                || !at
                    .checked_sub(1)
                    .is_some_and(|before| is_word(text[before]));
            line = text[seen..at]
                .rfind_byte(b'\n')
                .map_or(line, |end| seen + end + 1);
            seen = at;
            let commented = text[line..at].trim_ascii_start().starts_with(comment);
            (whole && !commented).then(|| (at, &text[at + word.len()..]))
        })
    }

    /// Finds `word("NAME"`.
    fn calls(&mut self, words: &[&'static [u8]]) {
        for word in words {
            for (_, rest) in self.after(word) {
                if let Some(name) = rest.trim_ascii_start().strip_prefix(b"(").and_then(quoted) {
                    self.keep(name);
                }
            }
        }
    }

    /// Finds `environ["NAME"]`, `environ.get("NAME"`, `"NAME" in os.environ`.
    fn python(&mut self) {
        for (at, rest) in self.after(b"environ") {
            let rest = rest.trim_ascii_start();
            let index = rest.strip_prefix(b"[").and_then(quoted);
            let call = || {
                [&b".get("[..], b".pop(", b".setdefault("]
                    .iter()
                    .find_map(|call| rest.strip_prefix(*call))
                    .and_then(quoted)
            };
            if let Some(name) = index.or_else(call) {
                self.keep(name);
            }
            let before = self.text[..at]
                .strip_suffix(b"os.")
                .unwrap_or(&self.text[..at])
                .trim_ascii_end();
            if let Some(name) = before.strip_suffix(b" in").and_then(quoted_before) {
                self.keep(name);
            }
        }
    }

    /// Finds the spellings of JavaScript and TypeScript.
    fn script(&mut self) {
        for word in [&b"process.env"[..], b"import.meta.env", b"Bun.env"] {
            for (at, rest) in self.after(word) {
                let rest = rest.strip_prefix(b"?").unwrap_or(rest);
                let member = rest
                    .strip_prefix(b".")
                    .map(|rest| rest.strip_prefix(b"[").unwrap_or(rest));
                if let Some(name) = rest
                    .strip_prefix(b"[")
                    .or(member.filter(|rest| !rest.is_empty() && !is_word(rest[0])))
                    .and_then(quoted)
                {
                    self.keep(name);
                } else if let Some(member) = member {
                    let end = member
                        .iter()
                        .position(|byte| !is_word(*byte))
                        .unwrap_or(member.len());
                    self.keep(&member[..end]);
                }
                self.destructured(at);
            }
        }
        self.calls(&[b"Deno.env.get"]);
    }

    /// Finds `{ A, B: c, D = "x" } = process.env`, where `at` is the position of `process.env`.
    fn destructured(&mut self, at: usize) {
        let before = self.text[..at].trim_ascii_end();
        let Some(before) = before
            .strip_suffix(b"=")
            .map(<[u8]>::trim_ascii_end)
            .and_then(|text| text.strip_suffix(b"}"))
        else {
            return;
        };
        let before = &before[before.len().saturating_sub(PATTERN)..];
        let Some(open) = before.rfind_byte(b'{') else {
            return;
        };
        for part in before[open + 1..].split(|byte| *byte == b',') {
            let part = part.trim_ascii_start();
            let end = part
                .iter()
                .position(|byte| !is_word(*byte))
                .unwrap_or(part.len());
            self.keep(&part[..end]);
        }
    }

    /// Finds `${NAME…}`, and in configurations `$NAME`; upper case only. In shell scripts, finds
    /// only forms that handle an unset variable, because others may be the script's own.
    fn dollars(&mut self, shell: bool) {
        for (at, rest) in self.after(b"$") {
            let escaped = at
                .checked_sub(1)
                .is_some_and(|before| matches!(self.text[before], b'$' | b'\\'));
            if escaped {
                continue;
            }
            let braced = rest.strip_prefix(b"{");
            if shell && braced.is_none() {
                continue;
            }
            let inner = braced.unwrap_or(rest);
            let end = inner
                .iter()
                .position(|byte| !is_word(*byte))
                .unwrap_or(inner.len());
            let (name, next) = inner.split_at(end);
            let upper = name.len() > 1 && !name.iter().any(u8::is_ascii_lowercase);
            let closed = match (next.first(), shell) {
                (Some(b':'), _) => matches!(next.get(1), Some(b'?' | b'-' | b'=')),
                (Some(b'?' | b'-'), _) => braced.is_some(),
                (Some(b'}'), false) => true,
                _ => false,
            };
            if upper && (closed || braced.is_none()) {
                self.keep(name);
            }
        }
    }
}

/// Returns the quoted text at the start, after white space.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    // Notebooks are JSON, where quotes are escaped with a backslash.
    let text = text.strip_prefix(b"\\").unwrap_or(text);
    let quote = *text
        .first()
        .filter(|byte| matches!(byte, b'"' | b'\'' | b'`'))?;
    let end = text[1..].iter().position(|byte| !is_word(*byte))?;
    let next = text[1 + end..]
        .strip_prefix(b"\\")
        .unwrap_or(&text[1 + end..]);
    (next.first() == Some(&quote)).then(|| &text[1..=end])
}

/// Returns the quoted text at the end, before white space and an optional `not`.
fn quoted_before(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_end();
    let text = text
        .strip_suffix(b" not")
        .map_or(text, <[u8]>::trim_ascii_end);
    let (quote, rest) = text
        .split_last()
        .filter(|(last, _)| matches!(last, b'"' | b'\''))?;
    let start = rest.iter().rposition(|byte| !is_word(*byte))?;
    (rest[start] == *quote).then(|| &rest[start + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(file: &str, text: &str) -> Vec<String> {
        Language::of(file.as_bytes())
            .expect("it is known")
            .names(text.as_bytes())
            .into_iter()
            .collect()
    }

    #[test]
    fn python() {
        let text = "os.environ['A']\nos.environ.get(\n    \"B\", 1)\nos.getenv('C')\nenviron['D']\nif 'E' in os.environ: pass\n\
            if \"F\" not in environ: pass\n# os.environ['NO']\nmy_environ['NO']\nos.environ[name]\nos.environ.pop('G')\nos.environ['a-b']\n\
            environ[\"H\nx\"]\ngetenv(f'{X}')\n";
        assert_eq!(names("a.py", text), ["A", "B", "C", "D", "E", "F", "G"]);
        assert_eq!(names("a.ipynb", r#""os.environ[\"N\"]\n""#), ["N"]);
    }

    #[test]
    fn javascript_and_typescript() {
        let text = "process.env.A; process.env[\"B\"]; process.env?.C; const { D, E: e, F = 'x' } = process.env;\n\
            // process.env.NO\nimport.meta.env.VITE_G; process.env[name]; Deno.env.get('H'); \
            process.envNO; process.env?.['I']";
        assert_eq!(
            names("a.ts", text),
            ["A", "B", "C", "D", "E", "F", "H", "I", "VITE_G"]
        );
    }

    #[test]
    fn rust_and_go() {
        let text = "std::env::var(\"A\"); env::var_os( \"B\" ); env!(\"C\"); option_env!(\"D\"); // env!(\"X\")\n// env!(\"NO\")\nenv::vars()";
        assert_eq!(names("a.rs", text), ["A", "B", "C", "D", "X"]);
        assert_eq!(
            names("a.go", "os.Getenv(\"A\")\nos.LookupEnv(`B`)"),
            ["A", "B"]
        );
    }

    #[test]
    fn shell_and_configurations() {
        let shell = "echo ${AA:?missing} ${BB:-x} ${CC-x} ${DD} $EE ${ff:-x} ${GG#x} \\${NO:-x}\n# ${NO:-x}\n";
        assert_eq!(names("a.sh", shell), ["AA", "BB", "CC"]);
        let config = "a: ${AA}\nb: $BB\nc: \"${CC:-x}\"\n$schema: x\nd: $$NO ${{ NO }} $1 ${dd}\n  # ${NO}\ne: ${EE:?}x$FF";
        assert_eq!(names("a.yaml", config), ["AA", "BB", "CC", "EE", "FF"]);
    }

    #[test]
    fn files_without_sources_are_not_read() {
        for name in [
            "package-lock.json",
            "pnpm-lock.yaml",
            "uv.lock",
            ".env",
            "Makefile",
            "a.csv",
            ".py",
        ] {
            assert_eq!(Language::of(name.as_bytes()), None, "{name}");
        }
    }
}
