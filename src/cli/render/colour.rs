//! Whether a stream gets colours and non-ASCII signs: a pure decision from the environment.
//!
//! `--color` wins; then `NO_COLOR` > `CLICOLOR_FORCE`, `FORCE_COLOR` > `CLICOLOR` > terminal. An
//! empty `NO_COLOR` does not count (<https://no-color.org>).

use super::TextStyle;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColourChoice {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Decides for one stream; `env` looks up a variable.
pub fn decide(
    choice: ColourChoice,
    terminal: bool,
    env: impl Fn(&str) -> Option<String>,
) -> TextStyle {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let dumb = set("TERM").as_deref() == Some("dumb");
    let forced = |name: &str| set(name).is_some_and(|value| value != "0" && value != "false");
    let colour = match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto if set("NO_COLOR").is_some() => false,
        ColourChoice::Auto if forced("CLICOLOR_FORCE") || forced("FORCE_COLOR") => true,
        ColourChoice::Auto => terminal && !dumb && set("CLICOLOR").as_deref() != Some("0"),
    };
    let locale = set("LC_ALL")
        .or_else(|| set("LC_CTYPE"))
        .or_else(|| set("LANG"))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let unicode = !dumb && (locale.contains("utf-8") || locale.contains("utf8"));
    TextStyle { colour, unicode }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(choice: ColourChoice, terminal: bool, set: &[(&str, &str)]) -> TextStyle {
        decide(choice, terminal, |name| {
            set.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_string())
        })
    }

    #[test]
    fn the_order_of_the_variables() {
        let colour = |choice, terminal, set: &[(&str, &str)]| with(choice, terminal, set).colour;
        assert!(colour(ColourChoice::Auto, true, &[]));
        assert!(!colour(ColourChoice::Auto, false, &[]));
        assert!(!colour(
            ColourChoice::Auto,
            true,
            &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")]
        ));
        assert!(colour(ColourChoice::Auto, true, &[("NO_COLOR", "")]));
        assert!(colour(
            ColourChoice::Auto,
            false,
            &[("FORCE_COLOR", "1"), ("CLICOLOR", "0")]
        ));
        assert!(colour(
            ColourChoice::Auto,
            false,
            &[("CLICOLOR_FORCE", "1")]
        ));
        assert!(!colour(
            ColourChoice::Auto,
            false,
            &[("CLICOLOR_FORCE", "0")]
        ));
        assert!(!colour(ColourChoice::Auto, true, &[("CLICOLOR", "0")]));
        assert!(!colour(ColourChoice::Auto, true, &[("TERM", "dumb")]));
        assert!(colour(ColourChoice::Always, false, &[("NO_COLOR", "1")]));
        assert!(!colour(ColourChoice::Never, true, &[("FORCE_COLOR", "1")]));
    }

    #[test]
    fn signs_follow_the_locale() {
        let unicode = |set: &[(&str, &str)]| with(ColourChoice::Auto, true, set).unicode;
        assert!(unicode(&[("LANG", "zh_CN.UTF-8")]));
        assert!(unicode(&[("LC_ALL", "C.utf8"), ("LANG", "C")]));
        assert!(!unicode(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(!unicode(&[]));
        assert!(!unicode(&[("LANG", "en_GB.UTF-8"), ("TERM", "dumb")]));
    }
}
