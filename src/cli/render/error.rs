//! A failure as text: the error, its causes, the remedies, and that nothing was changed.

use std::fmt::Write;

use super::{Paint, TextStyle, command_line, safe};
use crate::{
    base::{Failure, Hint, Kind},
    cli::{advice, error::Error},
    model::{StateAfterFailure, answer::NextCommand},
};

/// Renders the whole message, with the state after the failure.
pub fn failure(style: TextStyle, failure: &Failure, left: Option<&StateAfterFailure>) -> String {
    if let (Some(why), Some(left)) = (no_error(failure), left) {
        return format!("{why}; {}\n", left.sentence()) + &hints(style, left.hints().into_iter());
    }
    let mut text = causes(style, failure);
    let mut next = failure.hints();
    for hint in left.map(StateAfterFailure::hints).unwrap_or_default() {
        if !next.iter().any(|known| known.act == hint.act) {
            next.push(hint);
        }
    }
    text.push_str(&hints(style, next.into_iter()));
    if let Some(left) = left {
        let _ = writeln!(text, "  {}", safe(&left.sentence()));
    }
    text
}

/// Renders a failure and its causes, without hints.
pub fn causes(style: TextStyle, failure: &Failure) -> String {
    let chain = failure.chain();
    let mut causes = chain.iter().map(|cause| safe(cause));
    let mut text = format!(
        "{} {}\n",
        style.paint(Paint::Bad, "error:"),
        causes.next().unwrap_or_default()
    );
    for cause in causes {
        let _ = writeln!(text, "  caused by: {cause}");
    }
    text
}

/// Returns a short text for a failure that is no error: a stop, a time limit, or an answer of no.
fn no_error(failure: &Failure) -> Option<String> {
    match failure.kind() {
        Kind::Cancelled(_) => Some("cancelled".into()),
        Kind::TimeLimit => Some(failure.to_string()),
        _ => failure
            .find::<Error>()
            .filter(|error| matches!(error, Error::Declined))
            .map(ToString::to_string),
    }
}

/// Renders lines `hint: why:  command`.
fn hints(style: TextStyle, hints: impl Iterator<Item = Hint>) -> String {
    let word = style.paint(Paint::Attention, "hint:");
    hints.map(advice::next).fold(String::new(), |text, hint| {
        text + &format!("  {word} {}\n", with_command(style, &hint))
    })
}

/// Renders lines `  take it back:  snapback undo`.
pub fn next_steps(style: TextStyle, steps: &[NextCommand]) -> String {
    steps.iter().fold(String::new(), |text, step| {
        text + &format!("  {}\n", with_command(style, step))
    })
}

fn with_command(style: TextStyle, step: &NextCommand) -> String {
    if step.argv.is_empty() {
        return safe(&step.why);
    }
    format!(
        "{}:  {}",
        safe(&step.why),
        style.paint(Paint::Copy, &command_line(&step.argv))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Fault;

    #[derive(Debug, thiserror::Error)]
    #[error("T01 is at 1.3.1, not at \x1b[2J1.3.0")]
    struct Stale(#[source] std::io::Error);

    impl Fault for Stale {
        fn kind(&self) -> Kind {
            Kind::Conflict
        }
        fn hints(&self) -> Vec<Hint> {
            vec![
                Hint::run(
                    "roll back from where it is",
                    &["snapback", "rollback", "-t", "T01", "-m", "two words"],
                ),
                Hint::say("ask who changed it"),
            ]
        }
    }

    fn stale() -> Failure {
        Stale(std::io::Error::other("changed at 10:02")).into()
    }

    #[test]
    fn what_people_see() {
        insta::assert_snapshot!(failure(TextStyle::default(), &stale(), Some(&StateAfterFailure::default())), @r"
        error: T01 is at 1.3.1, not at \u{1b}[2J1.3.0
          caused by: changed at 10:02
          hint: roll back from where it is:  snapback rollback -t T01 -m 'two words'
          hint: ask who changed it
          nothing was changed
        ");
        assert!(!failure(TextStyle::default(), &stale(), None).contains("nothing was changed"));
    }

    #[test]
    fn to_say_stop_or_no_is_no_error() {
        let said = |failure: Failure| {
            super::failure(
                TextStyle::default(),
                &failure,
                Some(&StateAfterFailure::default()),
            )
        };
        assert_eq!(
            said(Error::Declined.into()),
            "not done; nothing was changed\n"
        );
        assert_eq!(
            said(crate::base::cancel::Cancelled { signal: 2 }.into()),
            "cancelled; nothing was changed\n"
        );
        assert_eq!(
            said(Error::TimeLimit(std::time::Duration::from_secs(5)).into()),
            "the time limit of 5s passed; nothing was changed\n"
        );
    }

    #[test]
    fn what_programs_see() {
        let answer = serde_json::to_string_pretty(&crate::cli::failed("rollback", &stale()))
            .expect("because plain data always renders");
        insta::assert_snapshot!(answer, @r#"
        {
          "schema": "snapback.answer/1",
          "ok": false,
          "command": "rollback",
          "exit_code": 7,
          "changed": false,
          "dry_run": false,
          "op_id": null,
          "data": null,
          "error": {
            "code": "SB07",
            "kind": "conflict",
            "message": "T01 is at 1.3.1, not at \u001b[2J1.3.0: changed at 10:02",
            "hints": [
              {
                "why": "roll back from where it is",
                "argv": [
                  "snapback",
                  "rollback",
                  "-t",
                  "T01",
                  "-m",
                  "two words"
                ]
              },
              {
                "why": "ask who changed it",
                "argv": []
              }
            ]
          },
          "warnings": [],
          "next": []
        }
        "#);
    }
}
