//! Help texts, manual pages and usage messages, all generated from one definition of the commands.
//!
//! `-h` fits on a screen: examples first, then the options specific to the command. `--help` adds
//! the options of all commands, the environment and the exit codes.

use std::fmt::Write;

use clap::{Command, CommandFactory};

use super::args::Cli;

/// The meaning of every exit code.
pub const EXIT_CODES: [(&str, &str); 16] = [
    ("0", "done, or nothing to do"),
    ("1", "a defect of snapback"),
    ("2", "wrong usage"),
    ("3", "some of several tasks failed, the rest is done"),
    ("4", "checked and bad, or a difference with --exit-code"),
    ("5", "task, version or operation not found"),
    ("6", "refused for safety, or it needs --yes"),
    (
        "7",
        "conflict: stale --from, tag elsewhere, plan out of date",
    ),
    (
        "8",
        "something it needs is missing or failed; not all could be checked",
    ),
    ("9", "network or remote failed"),
    ("10", "no repository here"),
    ("11", "another snapback is at work"),
    ("12", "not allowed"),
    ("13", "stuck: a person is needed"),
    ("124", "--timeout passed; the state is safe"),
    ("130, 143", "cancelled by Ctrl-C or TERM; the state is safe"),
];

/// The first page: the commands by purpose. A test checks that no command is missing.
const OVERVIEW: &str = "\
Start    init  demo  doctor  adopt
Change   create-snapshot (snap)  rollback  undo  redo  disaster-recovery (dr)
Look     status  list (ls)  history (log)  show  diff  preview
Check    verify-snapshot (verify)  verify-rollback  health  drill
Judge    mark  hold  pin  verdicts
Mend     op  registry
Allow    trust  keys
Join     hooks (hook)
Prove    audit
Guard    guard  confirm  alert
Keep     store  capsule
Shell    completions  man  schema

`snapback rollback -h` explains one command, `snapback --help` everything.";

/// The examples on the first page.
const EXAMPLES: &str = "\
Examples:
  snapback demo --auto                                see it work
  snapback init                                       set up your own
  snapback create-snapshot -t T01 -m \"tighter stop\"   release
  snapback rollback -t T01 --from 1.3.0 --to 1.2.0    go back, verified
  snapback undo                                       take that back";

/// Returns the definition of the whole command line.
pub fn command() -> Command {
    let plain = Cli::command();
    let commands: Vec<String> = plain
        .get_subcommands()
        .map(|command| command.get_name().to_string())
        .collect();
    let long = long_overview(&plain);
    let mut root = plain
        .help_template("{about}\n\n{before-help}{usage-heading} {usage}{after-help}")
        .before_help(EXAMPLES)
        .after_help(OVERVIEW)
        .after_long_help(long)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true);
    for name in commands {
        root = root.mut_subcommand(name, with_template);
    }
    root
}

/// Puts examples above the arguments, in nested subcommands too.
fn with_template(command: Command) -> Command {
    let inner: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_string())
        .collect();
    let mut command = command
        .help_template("{about}\n\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}")
        .disable_help_subcommand(true);
    if !inner.is_empty() {
        command = command
            .arg_required_else_help(true)
            .subcommand_required(true);
    }
    for name in inner {
        command = command.mut_subcommand(name, with_template);
    }
    command
}

/// Returns the second page: all commands, the shared options, the environment, the exit codes.
fn long_overview(root: &Command) -> String {
    let mut text = String::from("Commands:\n");
    for command in root.get_subcommands() {
        let alias = command
            .get_visible_aliases()
            .next()
            .map(|alias| format!(" ({alias})"))
            .unwrap_or_default();
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "  {:<24} {about}",
            format!("{}{alias}", command.get_name())
        );
    }
    text.push_str("\nOptions of all commands, before or after the command:\n");
    for arg in root.get_arguments().filter(|arg| arg.is_global_set()) {
        let short = arg.get_short().map(|short| format!("-{short}"));
        let long = arg.get_long().map(|long| format!("--{long}"));
        let flags = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
        let takes_value = arg.get_action().takes_values();
        let value = arg
            .get_value_names()
            .filter(|_| takes_value)
            .and_then(|names| names.first())
            .map(|name| format!(" {name}"));
        let env = arg
            .get_env()
            .map(|name| format!(" [{}]", name.to_string_lossy()))
            .unwrap_or_default();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(
            text,
            "  {:<24} {help}{env}",
            format!("{flags}{}", value.unwrap_or_default())
        );
    }
    text.push_str(
        "\nColours follow NO_COLOR, CLICOLOR_FORCE, FORCE_COLOR and CLICOLOR.\n\nExit codes:\n",
    );
    for (code, meaning) in EXIT_CODES {
        let _ = writeln!(text, "  {code:<9} {meaning}");
    }
    text.trim_end().to_string()
}

/// Returns clap's refusal in one line.
pub fn message(refusal: &clap::Error) -> String {
    use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
    if matches!(
        refusal.kind(),
        DisplayHelpOnMissingArgumentOrSubcommand | MissingSubcommand
    ) {
        return "a command is missing; `snapback -h` lists them".into();
    }
    let text = refusal.to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or(&text);
    let text = text
        .split("\n\nFor more information")
        .next()
        .unwrap_or(text);
    text.trim_start_matches("error: ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns all manual pages: file name and content.
pub fn manual_pages() -> Vec<(String, Vec<u8>)> {
    let mut root = command();
    root.build();
    let mut pages = Vec::new();
    add_page(&mut pages, &root, "snapback");
    pages.push(("git-snapback.1".into(), b".so man1/snapback.1\n".to_vec()));
    pages
}

/// Adds the page of a command, then those of its subcommands.
fn add_page(pages: &mut Vec<(String, Vec<u8>)>, command: &Command, name: &str) {
    let mut page = Vec::new();
    // The texts around the arguments become sections of their own, and nothing is hidden here.
    let shown = command
        .clone()
        .name(name.to_string())
        .after_help(None::<&str>)
        .after_long_help(None::<&str>);
    let shown = shown.mut_args(|arg| arg.hide_short_help(false));
    clap_mangen::Man::new(shown)
        .title(name)
        .section("1")
        .render(&mut page)
        .expect("because writing to memory cannot fail");
    let text =
        |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    page.extend(section(
        "EXAMPLES",
        text(command.get_before_help()).trim_start_matches("Examples:\n"),
    ));
    page.extend(section("NOTES", &text(command.get_after_help())));
    page.extend(exit_status());
    pages.push((format!("{name}.1"), page));
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        add_page(pages, inner, &format!("{name}-{}", inner.get_name()));
    }
}

/// Returns a section whose lines stay as they are; empty when there are none.
fn section(title: &str, text: &str) -> Vec<u8> {
    if text.is_empty() {
        return Vec::new();
    }
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .lines()
        .map(|line| format!("\\&{line}\n"))
        .collect::<Vec<_>>()
        .concat();
    format!(".SH {title}\n.nf\n{text}.fi\n").into_bytes()
}

/// Returns the table of exit codes in roff.
fn exit_status() -> Vec<u8> {
    let mut text = String::from(".SH \"EXIT STATUS\"\n");
    for (code, meaning) in EXIT_CODES {
        let _ = write!(text, ".TP\n{code}\n{}\n", meaning.replace('-', "\\-"));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns every command, including nested subcommands.
    fn all() -> Vec<Command> {
        fn add(list: &mut Vec<Command>, command: &Command) {
            for inner in command.get_subcommands() {
                list.push(inner.clone());
                add(list, inner);
            }
        }
        let (mut list, mut root) = (Vec::new(), command().term_width(80));
        root.build();
        add(&mut list, &root);
        list
    }

    /// Returns the words of the `snapback …` lines in a text, up to the first two spaces.
    fn command_lines(text: &str) -> Vec<Vec<String>> {
        let lines = text
            .lines()
            .map(|line| line.trim_start_matches("$ ").trim());
        let lines = lines
            .filter(|line| line.starts_with("snapback "))
            .map(|line| line.split("  ").next().unwrap_or(line));
        lines
            .map(|line| {
                words(
                    line.split(" > ")
                        .next()
                        .unwrap_or(line)
                        .split(" #")
                        .next()
                        .unwrap_or(line),
                )
            })
            .collect()
    }

    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for c in line.trim().chars() {
            match c {
                '"' | '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().expect("because there is one").push(c),
            }
        }
        words
    }

    fn all_parse(lines: &[Vec<String>]) {
        for line in lines {
            if let Err(error) = command().try_get_matches_from(line) {
                assert!(!error.use_stderr(), "{line:?}: {error}");
            }
        }
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn short_help_fits_on_a_screen_and_begins_with_examples_that_work() {
        for mut one in all() {
            let help = one.render_help().to_string();
            assert!(
                help.lines().count() <= 25,
                "{}: {} lines\n{help}",
                one.get_name(),
                help.lines().count()
            );
            let examples = one
                .get_before_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let lines = command_lines(&examples);
            assert!(!lines.is_empty(), "{} has no example", one.get_name());
            all_parse(&lines);
        }
        let help = command().term_width(80).render_help().to_string();
        assert!(help.lines().count() <= 25, "{help}");
        all_parse(&command_lines(&help));
    }

    #[test]
    fn the_first_page_names_every_command() {
        for one in command().get_subcommands() {
            assert!(
                OVERVIEW
                    .split_whitespace()
                    .any(|word| word == one.get_name()),
                "{}",
                one.get_name()
            );
        }
        insta::assert_snapshot!(command().term_width(80).render_help().to_string(), @r#"
        Put any task of a repository back, verified, to any version it released

        Examples:
          snapback demo --auto                                see it work
          snapback init                                       set up your own
          snapback create-snapshot -t T01 -m "tighter stop"   release
          snapback rollback -t T01 --from 1.3.0 --to 1.2.0    go back, verified
          snapback undo                                       take that back

        Usage: snapback [OPTIONS] <COMMAND>

        Start    init  demo  doctor  adopt
        Change   create-snapshot (snap)  rollback  undo  redo  disaster-recovery (dr)
        Look     status  list (ls)  history (log)  show  diff  preview
        Check    verify-snapshot (verify)  verify-rollback  health  drill
        Judge    mark  hold  pin  verdicts
        Mend     op  registry
        Allow    trust  keys
        Join     hooks (hook)
        Prove    audit
        Guard    guard  confirm  alert
        Keep     store  capsule
        Shell    completions  man  schema

        `snapback rollback -h` explains one command, `snapback --help` everything.
        "#);
    }

    #[test]
    fn the_readme_names_every_command() {
        let readme = include_str!("../../README.md");
        for one in command().get_subcommands() {
            let name = one.get_name();
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn exit_codes_are_those_of_the_kinds() {
        use crate::base::Kind;
        for kind in [
            Kind::Bug,
            Kind::Usage,
            Kind::Bad,
            Kind::Refused,
            Kind::Missing,
            Kind::Stuck,
            Kind::TimeLimit,
        ] {
            assert!(
                EXIT_CODES
                    .iter()
                    .any(|(code, _)| *code == kind.exit_code().to_string())
            );
        }
    }

    #[test]
    fn there_is_a_page_for_every_command_with_exit_codes() {
        let pages = manual_pages();
        for name in [
            "snapback.1",
            "git-snapback.1",
            "snapback-rollback.1",
            "snapback-op-resume.1",
        ] {
            assert!(pages.iter().any(|(page, _)| page == name), "{name}");
        }
        for (name, page) in pages.iter().filter(|(name, _)| name != "git-snapback.1") {
            let page = String::from_utf8_lossy(page);
            assert!(
                page.contains("stuck: a person is needed") && page.contains(".SH EXAMPLES"),
                "{name}"
            );
            assert!(page.contains("Print one JSON document"), "{name}");
        }
    }

    #[test]
    fn usage_errors_are_one_line() {
        let refusal = command()
            .try_get_matches_from(["snapback", "rollbakc"])
            .expect_err("it is unknown");
        insta::assert_snapshot!(message(&refusal), @"unrecognized subcommand 'rollbakc' tip: a similar subcommand exists: 'rollback'");
    }
}
