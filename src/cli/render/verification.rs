//! A verification as text: one line per check, the evidence of problems, one verdict.

use std::fmt::Write;

use super::{Paint, TextStyle, duration, safe, table};
use crate::{
    base::Kind,
    model::{CheckResult, Status, Verification, verification::LEVEL_WORDS},
};

/// Returns the exit code of a verdict: 0 verified, 4 bad, 7 when the branch has another release of
/// the number, 8 when something could not be checked.
pub fn exit_code(verification: &Verification) -> i32 {
    match verification.status() {
        Status::Pass | Status::Skipped => 0,
        Status::Inconclusive => Kind::Missing.exit_code(),
        Status::Fail
            if verification
                .problems()
                .all(|check| check.id == CheckResult::NUMBER) =>
        {
            Kind::Conflict.exit_code()
        }
        Status::Fail => Kind::Bad.exit_code(),
    }
}

/// Renders all checks and the verdict; with `all`, the evidence of good checks too.
pub fn verification(style: TextStyle, verification: &Verification, all: bool) -> String {
    let mut text = String::new();
    for check in &verification.checks {
        text.push_str(&check_lines(style, check, all));
    }
    text + &verdict(style, verification) + "\n"
}

/// Renders several versions: the problems, one verdict each, and a count.
pub fn verifications(style: TextStyle, all: &[Verification]) -> String {
    let mut text = String::new();
    for one in all {
        text.push_str(&problems(style, one));
        let _ = writeln!(
            text,
            "{} {}",
            sign(style, one.status()),
            verdict(style, one)
        );
    }
    let bad = all.iter().filter(|one| !one.is_good()).count();
    let rest = if bad == 0 {
        "all verified".into()
    } else {
        format!("{bad} not verified")
    };
    text + &format!("{}: {rest}\n", super::count(all.len(), "version"))
}

/// Renders the checks with problems, with their evidence.
pub fn problems(style: TextStyle, verification: &Verification) -> String {
    verification
        .problems()
        .map(|check| check_lines(style, check, true))
        .collect()
}

/// Returns `T01 1.2.0 is verified.` or the problem.
pub fn verdict(style: TextStyle, verification: &Verification) -> String {
    let name = style.paint(
        Paint::Strong,
        &format!("{} {}", verification.task, verification.version),
    );
    let words = |wanted: Status| {
        let looked_at = |level: &u8| {
            verification
                .checks
                .iter()
                .any(|check| check.level == *level)
        };
        let levels = (1..=4)
            .filter(looked_at)
            .filter(|level| verification.level(*level) == wanted);
        levels
            .map(|level| LEVEL_WORDS[usize::from(level) - 1])
            .collect::<Vec<_>>()
            .join(", ")
    };
    match verification.status() {
        Status::Fail => format!(
            "{name} does {}: {} failed.",
            style.paint(Paint::Bad, "not hold"),
            words(Status::Fail)
        ),
        Status::Inconclusive => {
            format!(
                "{name} is {}: {} could not be checked.",
                style.paint(Paint::Attention, "inconclusive"),
                words(Status::Inconclusive)
            )
        }
        _ => {
            let skipped = words(Status::Skipped);
            let skipped = if skipped.is_empty() {
                skipped
            } else {
                format!("not checked: {skipped}")
            };
            let but: Vec<&str> = [
                skipped.as_str(),
                unread_bytes(verification),
                line_ends(verification),
            ]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
            let but = if but.is_empty() {
                String::new()
            } else {
                format!(" ({})", but.join("; "))
            };
            format!("{name} is {}{but}.", style.paint(Paint::Good, "verified"))
        }
    }
}

/// Returns the remark on files that are present but were not read.
fn unread_bytes(verification: &Verification) -> &'static str {
    let is_one =
        |check: &CheckResult| check.id == "integrity.bytes" && check.status == Status::Skipped;
    if verification.checks.iter().any(is_one) {
        "files present, bytes not read; --deep reads them"
    } else {
        ""
    }
}

/// Returns the remark on files that are as git stores them, but had other line endings when they
/// were released.
pub fn line_ends(verification: &Verification) -> &'static str {
    let is_one = |check: &CheckResult| check.id == "integrity.line_ends";
    if verification.checks.iter().any(is_one) {
        "line ends as git keeps them"
    } else {
        ""
    }
}

/// Returns the sign of a status.
pub fn sign(style: TextStyle, status: Status) -> String {
    match status {
        Status::Pass => style.ok(),
        Status::Skipped => style.left_out(),
        Status::Inconclusive => style.attention(),
        Status::Fail => style.fail(),
    }
}

fn check_lines(style: TextStyle, check: &CheckResult, all: bool) -> String {
    let first = check
        .evidence
        .first()
        .map(|line| safe(line))
        .unwrap_or_default();
    let time = if check.duration_ms >= 100 {
        format!("({})", duration(check.duration_ms))
    } else {
        String::new()
    };
    let name = format!("{:<24}", safe(&check.id));
    let row = vec![table::Cell::from(name), first.into(), time.into()];
    let mut text = format!(
        "  {} {}\n",
        sign(style, check.status),
        table::lines(style, &[row])[0].trim_end()
    );
    if all || check.status > Status::Skipped {
        for line in check.evidence.iter().skip(1) {
            let _ = writeln!(text, "       {}", safe(line));
        }
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn check(
        id: &str,
        level: u8,
        status: Status,
        evidence: &[&str],
        duration_ms: u64,
    ) -> CheckResult {
        CheckResult {
            id: id.into(),
            level,
            status,
            evidence: evidence.iter().map(ToString::to_string).collect(),
            duration_ms,
            hints: Vec::new(),
        }
    }

    /// Returns a version whose smoke test fails.
    pub fn sample() -> Verification {
        Verification {
            task: "T01".parse().expect("it is an id"),
            version: "1.3.0".parse().expect("it is a version"),
            checks: vec![
                check(
                    "integrity.files",
                    1,
                    Status::Pass,
                    &["15 of 15 files match", "15 hashed"],
                    20,
                ),
                check(
                    "configuration.version",
                    2,
                    Status::Pass,
                    &["config, registry and tag say 1.3.0"],
                    1,
                ),
                check(
                    "smoke.command",
                    3,
                    Status::Fail,
                    &[
                        "python3 smoke.py: exit code 1",
                        "AssertionError: \x1b[31mdrawdown",
                    ],
                    830,
                ),
                check("readiness.variables", 4, Status::Skipped, &[], 0),
            ],
        }
    }

    #[test]
    fn a_failed_smoke_test() {
        insta::assert_snapshot!(verification(TextStyle::default(), &sample(), false), @r"
          ok integrity.files           15 of 15 files match
          ok configuration.version     config, registry and tag say 1.3.0
          x  smoke.command             python3 smoke.py: exit code 1  (830 ms)
               AssertionError: \u{1b}[31mdrawdown
          -  readiness.variables
        T01 1.3.0 does not hold: smoke failed.
        ");
        assert_eq!(exit_code(&sample()), 4);
    }

    #[test]
    fn several_versions() {
        let mut good = sample();
        good.checks.truncate(2);
        insta::assert_snapshot!(verifications(TextStyle::default(), &[good, sample()]), @r"
        ok T01 1.3.0 is verified.
          x  smoke.command             python3 smoke.py: exit code 1  (830 ms)
               AssertionError: \u{1b}[31mdrawdown
        x  T01 1.3.0 does not hold: smoke failed.
        2 versions: 1 not verified
        ");
    }

    #[test]
    fn inconclusive_is_never_good() {
        let mut could_not_run = sample();
        could_not_run.checks[2].status = Status::Inconclusive;
        assert_eq!(exit_code(&could_not_run), 8);
        assert_eq!(
            verdict(TextStyle::default(), &could_not_run),
            "T01 1.3.0 is inconclusive: smoke could not be checked."
        );
        could_not_run.checks.remove(2);
        assert_eq!(exit_code(&could_not_run), 0);
        assert_eq!(
            verdict(TextStyle::default(), &could_not_run),
            "T01 1.3.0 is verified (not checked: readiness)."
        );
    }
}
