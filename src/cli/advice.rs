//! The command line of each [`Advice`]: the only place that spells next steps as command lines.
//!
//! A new advice does not compile without its line here, and the test below passes each line to the
//! command-line parser, so a renamed option cannot leave an invalid hint.

use std::{path::PathBuf, sync::OnceLock};

use super::args::Globals;
use crate::{
    base::Hint,
    model::{Advice, answer::NextCommand},
};

/// Generates [`words`] from the table; names in braces stand for values.
macro_rules! spelling {
    ($($advice:ident $({ $($value:ident),+ })?: $line:literal,)+) => {
        /// Returns the words after the program's name.
        fn words(advice: &Advice) -> Vec<String> {
            match advice {
                $(Advice::$advice $({ $($value),+ })? => fill($line, &[
                    $($((concat!("{", stringify!($value), "}"), &$value.to_string())),+)?
                ]),)+
                Advice::There { place, then } => {
                    let place = ["-C".to_string(), place.clone()];
                    place.into_iter().chain(words(then)).collect()
                }
                Advice::InShort(then) => words(then).into_iter().map(short).collect(),
            }
        }

        /// Returns one of each advice, with values that the command line accepts.
        #[cfg(test)]
        fn samples() -> Vec<Advice> {
            vec![$(Advice::$advice $({ $($value: tests::sample(stringify!($value))),+ })?,)+]
        }
    };
}

spelling! {
    CheckEverything: "doctor",
    SetUp: "init",
    SeeStatus: "status",
    SeeTask { task }: "status -t {task}",
    SeeHealth: "health",
    SeeSettings: "schema config",
    SeeUsage: "--help",
    AgreeToCommands: "trust",
    SeeDemo: "demo --auto",
    KeepDemo: "demo --auto --keep",
    InstallHooks: "hooks install",
    SeeHooks: "hooks status",

    ListVersions { task }: "list --task {task}",
    SeeVersion { task, version }: "show --task {task} {version}",
    Preview { task, version }: "preview -t {task} {version} --into DIR",
    Compare { task }: "diff --task {task}",
    CompareWith { task, version }: "diff -t {task} {version}",
    SeeHistory { task }: "history --task {task}",

    ReleaseFirst { message }: "create-snapshot --message {message}",
    Release { task }: "create-snapshot --task {task}",
    ReleaseFailing { task }: "create-snapshot --task {task} --allow-failing",
    ReleaseAs { task, version }: "create-snapshot --task {task} --version {version}",
    ReleaseNext { task }: "create-snapshot --task {task} --bump patch",
    Adopt { task }: "adopt --task {task}",

    RollBack { task }: "rollback --task {task}",
    RollBackTo { task, to }: "rollback --task {task} --to {to}",
    RollBackFrom { task, from, to }: "rollback --task {task} --from {from} --to {to}",
    RollBackPastFloor { task, to }: "rollback --task {task} --to {to} --past-floor",
    RollBackDespiteVerdict { task, to }:
        "rollback --task {task} --to {to} --despite-verdict --message why",
    Confirm { task }: "confirm -t {task}",
    TakeBackUnconfirmed: "confirm --watch",

    Rehearse { task, to }: "drill --task {task} --to {to}",
    RehearseAll { task }: "drill -t {task} --all",
    VerifyAll: "verify-snapshot --all --deep",
    VerifyTask { task }: "verify-snapshot --task {task} --all --deep",
    VerifyVersion { task, version }: "verify-snapshot -t {task} --version {version}",
    VerifyBytes { task, version }: "verify-snapshot -t {task} --version {version} --deep",

    LiftHold { task, version }: "hold {version} --task {task} --lift",
    ListVerdicts { task }: "verdicts list --task {task}",
    FetchVerdicts: "verdicts fetch",

    CompareRegistry: "registry sync",
    SyncFromConfigs: "registry sync --from config",
    SyncTask { task }: "registry sync -t {task} --from config",
    SyncFromRegistry: "registry sync --from registry",

    ListOperations: "op list",
    SeeOperation { op }: "op show {op}",
    FinishOperation: "op resume",
    AbortOperation: "op abort",
    Undo: "undo",
    UndoThis { what }: "undo {what}",
    UndoTask { task }: "undo -t {task}",
    Redo: "redo",
    RedoThis { op }: "redo {op}",
    ListKept: "op kept",
    SeeKept { op }: "op kept {op}",
    RestoreKept { op, into }: "op restore {op} --into {into}",
    RestoreKeptFile { op, path, into }: "op restore {op} {path} --into {into}",
    RestoreKeptInPlace { op }: "op restore {op} --in-place",

    SeeGuard: "guard status",
    Thaw { task }: "guard thaw -t {task}",
    ListAlerts: "alert list",
    ListOpenAlerts: "alert list --open",
    AnswerAlert { alert, answer }: "alert answer {alert} {answer}",
    VerifyAudit: "audit verify",

    ListStore: "store list",
    SeeGarbage: "store gc --dry-run",
    RepairStore: "store repair",
    RestoreStored { name, into }: "store restore {name} --into {into}",
    VerifyCapsule { file }: "capsule verify {file}",

    CreateKey: "keys create",
    ListKeys: "keys list",
    AllowKey { key, name }: "keys allow {key} --name {name}",
}

/// The options with which this command was told where to work; the next one needs them, too.
static TYPED: OnceLock<Vec<String>> = OnceLock::new();

/// Values that are paths: one that begins like an option is written as `./-name`.
const PATHS: [&str; 3] = ["{file}", "{path}", "{into}"];

/// Records the place that was typed; what the environment says holds for the next command anyway.
pub fn note_place(globals: &Globals) {
    let typed = |option: &str, value: &Option<PathBuf>, variable: &str| {
        let value = value.as_ref()?.to_str()?;
        let is_typed = std::env::var_os(variable).is_none_or(|told| told != value);
        is_typed.then(|| [option.to_string(), value.to_string()])
    };
    let place = typed("-C", &globals.dir, "SNAPBACK_DIR");
    let config = typed("--config", &globals.config, "SNAPBACK_CONFIG");
    let words = place.into_iter().chain(config).flatten();
    let _ = TYPED.set(words.collect());
}

/// Returns a command line that works where this command was typed.
fn from_here(mut argv: Vec<String>, typed: &[String]) -> Vec<String> {
    let goes_elsewhere = argv.get(1).is_some_and(|word| word == "-C");
    let place = match argv.first().map(String::as_str) {
        _ if goes_elsewhere => &[],
        Some("snapback") => typed,
        Some("git") if typed.first().is_some_and(|word| word == "-C") => &typed[..2],
        _ => &[],
    };
    let rest = argv.split_off(argv.len().min(1));
    argv.into_iter()
        .chain(place.iter().cloned())
        .chain(rest)
        .collect()
}

/// Returns the words of a line, with each value inserted as one word.
fn fill(line: &str, values: &[(&str, &String)]) -> Vec<String> {
    debug_assert!(
        values.iter().all(|(name, _)| line.contains(name)),
        "a value is lost: {line}"
    );
    let value = |word: &str| values.iter().find(|(name, _)| *name == word);
    line.split(' ')
        .map(|word| match value(word) {
            None => word.to_string(),
            Some((name, value)) if PATHS.contains(name) && value.starts_with('-') => {
                format!("./{value}")
            }
            Some((_, value)) => (*value).clone(),
        })
        .collect()
}

/// Returns the short form of an option.
fn short(word: String) -> String {
    if word == "--task" { "-t".into() } else { word }
}

/// Returns the command line, one element per argument.
pub fn argv(advice: &Advice) -> Vec<String> {
    std::iter::once("snapback".to_string())
        .chain(words(advice))
        .collect()
}

/// Returns a next step with its command line, which is empty when the text suffices.
pub fn next(hint: Hint) -> NextCommand {
    let typed = TYPED.get().map_or(&[][..], Vec::as_slice);
    let argv = match hint.act.as_ref().and_then(Advice::of) {
        Some(advice) => from_here(argv(&advice), typed),
        // The command that was typed says where itself.
        None if hint
            .command()
            .first()
            .is_some_and(|word| word == "snapback") =>
        {
            hint.command().to_vec()
        }
        None => from_here(hint.command().to_vec(), typed),
    };
    NextCommand {
        why: hint.why,
        argv,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a value that the command line accepts in place of this name.
    pub fn sample<T: std::str::FromStr>(name: &str) -> T {
        let text = match name {
            "task" => "T01",
            "version" | "to" | "from" => "1.2.0",
            "key" => "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
            "alert" | "op" | "what" => "9f3c21aa",
            "answer" => "last-good",
            _ => "x y",
        };
        let value = text.parse().ok();
        value.unwrap_or_else(|| panic!("{text} is no {name}"))
    }

    /// Returns the parser's refusal of a command line; nothing is run. Output that is an answer,
    /// such as help, is not a refusal.
    fn refusal(advice: &Advice) -> Option<String> {
        let argv = argv(advice);
        let parsed = crate::cli::help::command().try_get_matches_from(&argv);
        let refused = parsed.err().filter(clap::Error::use_stderr)?;
        Some(format!("{}: {refused}", argv.join(" ")))
    }

    #[test]
    fn every_advice_is_a_command_line_that_is_taken() {
        let plain = samples();
        let wrapped = plain.iter().flat_map(|advice| {
            let short = advice.clone().in_short();
            [
                advice.clone().there("/elsewhere"),
                short.clone(),
                short.there("/elsewhere"),
            ]
        });
        let all: Vec<Advice> = plain.iter().cloned().chain(wrapped).collect();
        let wrong: Vec<String> = all.iter().filter_map(refusal).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let open: Vec<String> = plain.iter().map(|advice| argv(advice).join(" ")).collect();
        let open: Vec<&String> = open.iter().filter(|line| line.contains('{')).collect();
        assert!(open.is_empty(), "no value is called so: {open:?}");
    }

    #[test]
    fn a_line_that_is_wrong_is_found() {
        let parsed = |line: &str| crate::cli::help::command().try_get_matches_from(line.split(' '));
        for line in [
            "snapback undo --nothing",
            "snapback op show",
            "snapback op lisst",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_value_is_one_word_and_the_short_form_is_the_same_command() {
        let task: crate::model::TaskId = sample("task");
        let back = Advice::RollBackTo {
            task: task.clone(),
            to: "--lift {task}".into(),
        };
        assert_eq!(
            argv(&back),
            [
                "snapback",
                "rollback",
                "--task",
                "T01",
                "--to",
                "--lift {task}"
            ]
        );
        let there = Advice::Compare { task }.in_short().there("a b");
        let hint = there.because("see what differs");
        assert_eq!(
            next(hint).argv,
            ["snapback", "-C", "a b", "diff", "-t", "T01"]
        );
        assert_eq!(
            next(Hint::run("see", &["git", "status"])).argv,
            ["git", "status"]
        );
        assert!(next(Hint::say("wait for it")).argv.is_empty());
    }

    #[test]
    fn a_command_works_where_this_one_was_typed() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        let typed = words("-C there --config my.yaml");
        let line = |line: &str| from_here(words(line), &typed).join(" ");
        assert_eq!(
            line("snapback undo"),
            "snapback -C there --config my.yaml undo"
        );
        assert_eq!(line("snapback -C here undo"), "snapback -C here undo");
        assert_eq!(line("git fetch --tags"), "git -C there fetch --tags");
        assert_eq!(line("chattr -i x"), "chattr -i x");
        assert_eq!(from_here(words("snapback undo"), &[]), ["snapback", "undo"]);
        let dashed = Advice::VerifyCapsule {
            file: "-d.tar".into(),
        };
        assert_eq!(argv(&dashed), ["snapback", "capsule", "verify", "./-d.tar"]);
    }
}
