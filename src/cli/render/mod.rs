//! Plans, reports and tables as text for people: pure functions from `model` values to strings.
//!
//! Nothing here prints, asks or decides; foreign text is escaped before it enters a line. Every
//! colour is accompanied by a sign, so that nothing is lost without colour. Start with
//! [`TextStyle`], then [`plan`] and [`report`], which are typical of the other pages.

pub mod alert;
pub mod audit;
pub mod capsule;
pub mod capsule_report;
pub mod colour;
pub mod commands;
pub mod diff;
pub mod drill;
pub mod error;
pub mod guard;
pub mod health;
pub mod plan;
pub mod progress;
pub mod prune;
pub mod recovery;
pub mod recovery_html;
pub mod report;
pub mod store;
pub mod table;
pub mod tables;
pub mod verification;

/// The meaning of a piece of text, which determines its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Paint {
    /// No colour.
    #[default]
    Plain,
    /// A success: green.
    Good,
    /// Needs attention: yellow.
    Attention,
    /// A failure, and nothing else: red.
    Bad,
    /// Text to be copied: cyan.
    Copy,
    /// Tasks and versions: bold.
    Strong,
    /// Details: dim.
    Faint,
}

/// The appearance of text on one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextStyle {
    /// True when colours are wanted.
    pub colour: bool,
    /// False when only ASCII signs can be displayed.
    pub unicode: bool,
}

impl TextStyle {
    /// Returns the text in the colour of its meaning.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Plain => return text.to_string(),
            Paint::Good => "32",
            Paint::Attention => "33",
            Paint::Bad => "31",
            Paint::Copy => "36",
            Paint::Strong => "1",
            Paint::Faint => "2",
        };
        if self.colour && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    /// Returns the sign of a success, two columns wide in ASCII.
    pub fn ok(self) -> String {
        self.paint(Paint::Good, if self.unicode { "✓" } else { "ok" })
    }

    /// Returns the sign of something that needs attention.
    pub fn attention(self) -> String {
        self.paint(Paint::Attention, if self.unicode { "⚠" } else { "! " })
    }

    /// Returns the sign of a failure.
    pub fn fail(self) -> String {
        self.paint(Paint::Bad, if self.unicode { "✗" } else { "x " })
    }

    /// Returns the sign of something that was left out.
    pub fn left_out(self) -> String {
        self.paint(Paint::Faint, if self.unicode { "·" } else { "- " })
    }

    /// Returns the arrow between a state and the next.
    pub fn arrow(self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }
}

/// Escapes foreign text for a terminal.
pub fn safe(text: &str) -> String {
    crate::base::text::escape(text.as_bytes())
}

pub use crate::base::{clock::local as moment, text::count};

/// Formats a duration for people: `48 ms`, `6.2 s`, `2 min 5 s`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}

/// Renders a command line that can be pasted into a shell.
pub fn command_line(argv: &[String]) -> String {
    let quote = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:@,%^~".contains(c);
        if !word.is_empty() && word.chars().all(plain) && !word.starts_with('~') {
            word.clone()
        } else if word.chars().any(char::is_control) {
            format!("$'{}'", word.escape_default())
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let argv = ["snapback", "show", "-t", "T01", "it's", "a b", "", "x\ny"].map(String::from);
        assert_eq!(
            command_line(&argv),
            r"snapback show -t T01 'it'\''s' 'a b' '' $'x\ny'"
        );
    }

    #[test]
    fn durations_and_counts() {
        assert_eq!(
            [duration(48), duration(1940), duration(125_000)],
            ["48 ms", "1.9 s", "2 min 5 s"]
        );
        assert_eq!([count(1, "file"), count(0, "file")], ["1 file", "0 files"]);
    }

    #[test]
    fn colour_never_comes_without_a_sign() {
        let (plain, coloured) = (
            TextStyle::default(),
            TextStyle {
                colour: true,
                unicode: true,
            },
        );
        assert_eq!(
            [plain.ok(), plain.attention(), plain.fail()],
            ["ok", "! ", "x "]
        );
        assert_eq!(coloured.ok(), "\u{1b}[32m✓\u{1b}[0m");
        assert_eq!(coloured.paint(Paint::Bad, ""), "");
    }
}
