//! Makes the evidence of checks escaped, short, and free of the values of the task's variables.
//!
//! Evidence is stored, committed and shared, so every external text goes through
//! [`TaskVariables::secret_free`] first. Values of other variables with secret-like names, and
//! logins in URLs, are hidden too. A value in another form (encoded, split) is not recognised.
//! Values of fewer than four bytes are no secrets, and hiding them would hide the evidence.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

use bstr::ByteSlice;

use crate::{
    base::{secret, text::escape},
    model::{Manifest, TaskSpec},
    site::{Environment, Site},
};

/// Maximum number of lines in one check's evidence.
pub const MOST_LINES: usize = 100;
/// Maximum length of a line, in characters.
const LINE: usize = 500;

/// The environment variables of a task, as set in this process.
#[derive(Clone, Default)]
pub struct TaskVariables {
    values: BTreeMap<String, OsString>,
    hidden: Vec<Vec<u8>>,
}

impl TaskVariables {
    /// Returns the variables with these names in an environment.
    pub fn read<'a>(
        environment: &Environment,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let value = |name: &'a String| {
            let value = environment.get(name)?.to_os_string();
            Some((name.clone(), value))
        };
        let mut own = Self::of(names.into_iter().filter_map(value));
        own.hidden.extend(secret::of_environment());
        own.sort();
        own
    }

    /// Returns the variables that a task and a release of it name.
    pub fn of_version(site: &Site, task: &TaskSpec, manifest: &Manifest) -> Self {
        let recorded = &manifest.dependencies.environment_variables;
        let names = task.environment_variables.iter().chain(recorded);
        Self::read(&site.environment, names)
    }

    /// Returns the variables from names and values.
    pub fn of(values: impl IntoIterator<Item = (String, OsString)>) -> Self {
        let values: BTreeMap<_, _> = values.into_iter().collect();
        let hidden = values
            .values()
            .flat_map(|value| secret::parts(value))
            .collect();
        let mut own = Self { values, hidden };
        own.sort();
        own
    }

    /// Sorts the longest first, because one value may contain another.
    fn sort(&mut self) {
        self.hidden
            .sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        self.hidden.dedup();
    }

    /// Returns the value of a variable, only to test whether it is set or empty, never to show it.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.values.get(name).map(OsString::as_os_str)
    }

    /// Replaces every value in a text with `***`.
    pub fn secret_free(&self, text: &[u8]) -> Vec<u8> {
        secret::without_logins(&secret::without(text, &self.hidden))
    }

    /// Returns one line that may be shown.
    pub fn line(&self, text: &str) -> String {
        cut(&escape(&self.secret_free(text.as_bytes())))
    }

    /// Returns the last `most` lines of an output, in a form that may be shown.
    pub fn last_lines(&self, output: &[u8], most: usize) -> Vec<String> {
        let clean = self.secret_free(output);
        let lines: Vec<&[u8]> = clean
            .lines()
            .map(ByteSlice::trim_end)
            .filter(|line| !line.is_empty())
            .collect();
        lines[lines.len().saturating_sub(most)..]
            .iter()
            .map(|line| cut(&escape(line)))
            .collect()
    }
}

/// Truncates a long line.
fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_string(),
    }
}

/// Truncates evidence to [`MOST_LINES`] lines.
pub fn bounded(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES + 1;
        lines.truncate(MOST_LINES - 1);
        lines.push(format!("and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(values: &[(&str, &str)]) -> TaskVariables {
        TaskVariables::of(
            values
                .iter()
                .map(|(name, value)| (name.to_string(), OsString::from(value))),
        )
    }

    #[test]
    fn values_are_hidden_and_short_ones_are_not() {
        let variables = variables(&[
            ("TOKEN", "s3cret"),
            ("LONG", "s3cret-and-more"),
            ("KEY", "-----\nabcd1234\n"),
            ("DEBUG", "1"),
        ]);
        assert_eq!(
            variables.line("a s3cret, s3cret-and-more 1\n"),
            "a ***, *** 1\\n"
        );
        assert_eq!(
            variables.last_lines(b"x\nabcd1234\n\n\x1b[31mend  \n", 2),
            ["***", "\\u{1b}[31mend"]
        );
    }

    #[test]
    fn lines_and_lists_are_bounded() {
        let none = TaskVariables::default();
        assert_eq!(none.line(&"é".repeat(1000)).chars().count(), LINE + 1);
        let long = bounded(vec![String::new(); 1000]);
        assert_eq!((long.len(), long[99].as_str()), (100, "and 901 more"));
        assert_eq!(none.last_lines(b"1\n2\n3", 2), ["2", "3"]);
    }

    #[test]
    fn the_environment_is_read() {
        let names = ["PATH".to_string(), "NO_SUCH_VARIABLE_HERE".to_string()];
        let environment = Environment::of([("PATH".into(), "/bin".into())]);
        let variables = TaskVariables::read(&environment, &names);
        assert!(
            variables.get("PATH").is_some() && variables.get("NO_SUCH_VARIABLE_HERE").is_none()
        );
    }
}
