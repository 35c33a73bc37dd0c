//! The commands of a configuration as text, for review before a person agrees to them.
//!
//! Every byte of them comes from the repository, so every byte is escaped, and nothing is cut off.

use super::{
    TextStyle, count, safe,
    table::{lines, row},
};
use crate::model::trust::CommandState;

/// Renders one line per command: whether it is trusted, task, use, words, folder.
pub fn list(style: TextStyle, states: &[CommandState]) -> String {
    let line = |state: &CommandState| {
        let command = &state.command;
        let sign = if state.trusted {
            style.ok()
        } else {
            style.attention()
        };
        let dir = if command.dir.is_root() {
            ".".to_string()
        } else {
            command.dir.to_string()
        };
        // The command is the last column, because it may be long.
        (
            sign,
            row![
                command.task.as_ref().map_or("all", |task| task.as_str()),
                command.role.word(),
                format!("in {dir}"),
                safe(&command.run)
            ],
        )
    };
    let (signs, rows): (Vec<String>, Vec<_>) = states.iter().map(line).unzip();
    signs
        .iter()
        .zip(lines(style, &rows))
        .fold(String::new(), |text, (sign, line)| {
            text + &format!("  {sign} {line}\n")
        })
}

/// Returns the question below the list.
pub fn question(states: &[CommandState]) -> String {
    let config = states
        .first()
        .map(|state| safe(&state.command.config))
        .unwrap_or_default();
    let them = if states.len() == 1 {
        "this command"
    } else {
        "these commands"
    };
    format!(
        "{} of {config}. Let snapback run {them} in this repository?",
        count(states.len(), "command")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::RelPath,
        model::trust::{CommandUse, ConfiguredCommand},
    };

    #[test]
    fn nothing_of_a_command_reaches_the_terminal_as_it_is() {
        let command = ConfiguredCommand {
            task: Some("T01".parse().expect("it is an id")),
            role: CommandUse::Smoke,
            run: "true\r# harmless\x1b[2K \u{202e}x".into(),
            dir: RelPath::own("tasks/T01"),
            timeout_ms: 1000,
            config: "snapback.yaml".into(),
        };
        let states = [
            CommandState {
                command: command.clone(),
                trusted: false,
            },
            CommandState {
                command,
                trusted: true,
            },
        ];
        insta::assert_snapshot!(list(TextStyle::default(), &states) + &question(&states), @r"
          !  T01  check  in tasks/T01  true\r# harmless\u{1b}[2K \u{202e}x
          ok T01  check  in tasks/T01  true\r# harmless\u{1b}[2K \u{202e}x
        2 commands of snapback.yaml. Let snapback run these commands in this repository?
        ");
    }
}
