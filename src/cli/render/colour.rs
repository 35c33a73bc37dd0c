//! Whether a stream gets colours and non-ASCII signs: a pure decision from the environment.
//!
//! `--color` wins; then `NO_COLOR` > `CLICOLOR_FORCE`, `FORCE_COLOR` > `CLICOLOR` > terminal. An
//! empty `NO_COLOR` does not count (<https://no-color.org>).

use super::Style;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Choice {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Decides for one stream; `env` looks up a variable.
pub fn decide(choice: Choice, terminal: bool, env: impl Fn(&str) -> Option<String>) -> Style {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let dumb = set("TERM").as_deref() == Some("dumb");
    let forced = |name: &str| set(name).is_some_and(|value| value != "0" && value != "false");
    let colour = match choice {
        Choice::Always => true,
        Choice::Never => false,
        Choice::Auto if set("NO_COLOR").is_some() => false,
        Choice::Auto if forced("CLICOLOR_FORCE") || forced("FORCE_COLOR") => true,
        Choice::Auto => terminal && !dumb && set("CLICOLOR").as_deref() != Some("0"),
    };
    let locale = set("LC_ALL")
        .or_else(|| set("LC_CTYPE"))
        .or_else(|| set("LANG"))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let unicode = !dumb && (locale.contains("utf-8") || locale.contains("utf8"));
    Style { colour, unicode }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(choice: Choice, terminal: bool, set: &[(&str, &str)]) -> Style {
        decide(choice, terminal, |name| {
            set.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_string())
        })
    }

    #[test]
    fn the_order_of_the_variables() {
        let colour = |choice, terminal, set: &[(&str, &str)]| with(choice, terminal, set).colour;
        assert!(colour(Choice::Auto, true, &[]));
        assert!(!colour(Choice::Auto, false, &[]));
        assert!(!colour(
            Choice::Auto,
            true,
            &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")]
        ));
        assert!(colour(Choice::Auto, true, &[("NO_COLOR", "")]));
        assert!(colour(
            Choice::Auto,
            false,
            &[("FORCE_COLOR", "1"), ("CLICOLOR", "0")]
        ));
        assert!(colour(Choice::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!colour(Choice::Auto, false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!colour(Choice::Auto, true, &[("CLICOLOR", "0")]));
        assert!(!colour(Choice::Auto, true, &[("TERM", "dumb")]));
        assert!(colour(Choice::Always, false, &[("NO_COLOR", "1")]));
        assert!(!colour(Choice::Never, true, &[("FORCE_COLOR", "1")]));
    }

    #[test]
    fn signs_follow_the_locale() {
        let unicode = |set: &[(&str, &str)]| with(Choice::Auto, true, set).unicode;
        assert!(unicode(&[("LANG", "zh_CN.UTF-8")]));
        assert!(unicode(&[("LC_ALL", "C.utf8"), ("LANG", "C")]));
        assert!(!unicode(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(!unicode(&[]));
        assert!(!unicode(&[("LANG", "en_GB.UTF-8"), ("TERM", "dumb")]));
    }
}
