//! A new kind of channel is one line in a list: the file may name it, the schema shows it, its
//! owner is asked to agree to it, and alerts are sent through it.

use std::{fs, io::Write, path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use snapback::{
    alert::{Alerts, CHANNELS, Channel, ChannelKind, SendFailure, Surroundings},
    config::{self, Kinds},
    consent::ConsentFolder,
    model::{
        alert::{Alert, Notice, Topic},
        settings::{Block, Declared},
        settings_block,
        trust::CommandUse,
    },
    site::{Options, RepoSite},
};

use crate::support::Sandbox;

settings_block! {
    /// A board on which notes are pinned.
    struct BoardBlock as "board" {
        /// The file that is the board.
        file: String,
        /// How many notes are pinned for one alert.
        #[schemars(range(min = 1))]
        copies: u8 = 1,
    }
}

/// `board: {file: …}`.
struct Board;

impl ChannelKind for Board {
    fn word(&self) -> &'static str {
        "board"
    }

    fn about(&self) -> &'static str {
        "A note on a board."
    }

    fn per_minute(&self) -> u32 {
        7
    }

    fn block(&self) -> Declared {
        BoardBlock::declared()
    }

    fn describe(&self, block: &Value) -> Result<String, String> {
        let block = BoardBlock::of(block)?;
        if !block.file.starts_with('/') {
            return Err("`file` must be a whole path".into());
        }
        Ok(format!("{} notes on {}", block.copies, block.file))
    }

    fn open(&self, block: &Value, _: &Surroundings) -> Result<Box<dyn Channel>, SendFailure> {
        Ok(Box::new(Pinning(BoardBlock::of(block).unwrap())))
    }
}

/// An opened board.
struct Pinning(BoardBlock);

impl Channel for Pinning {
    fn send(&self, alert: &Alert, _: Timestamp, _: Duration) -> Result<(), SendFailure> {
        let mut board = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.0.file)
            .unwrap();
        for _ in 0..self.0.copies {
            writeln!(board, "{}", alert.notice.title).unwrap();
        }
        Ok(())
    }
}

/// The repository of a sandbox, opened with these kinds.
pub fn opened_with(sandbox: &Sandbox, kinds: Kinds<'_>) -> RepoSite {
    let home = sandbox.home();
    let options = Options {
        trust: ConsentFolder::of(move |name| (name == "HOME").then(|| home.clone().into())),
        ..Options::default()
    };
    config::open_with(&sandbox.root(), options, kinds).unwrap()
}

/// The repository, opened with these channels.
fn opened(sandbox: &Sandbox, channels: &[&'static dyn ChannelKind]) -> RepoSite {
    let kinds = Kinds {
        channels,
        ..Kinds::ALL
    };
    opened_with(sandbox, kinds)
}

/// A sandbox with one task, whose alerts go to a board.
fn with_board(more: &str) -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new(1);
    let board = sandbox.home().join("board");
    let block = format!("{{file: {}{more}}}", board.display());
    let text = format!("alerts: {{channels: {{wall: {{board: {block}, least: info}}}}}}\n");
    sandbox.write("snapback.yaml", text.as_bytes());
    (sandbox, board)
}

#[test]
fn an_added_channel() {
    let (sandbox, board) = with_board(", copies: 2");
    let kinds = [CHANNELS, &[&Board]].concat();
    let site = opened(&sandbox, &kinds);
    assert!(site.settings.alerts.known);
    assert!(!opened(&sandbox, CHANNELS).settings.alerts.known);
    let spec = &site.settings.alerts.channels[0];
    assert_eq!((spec.kind.as_str(), spec.per_minute), ("board", 7));

    let states = site.commands_of(&[]);
    let [state] = &states[..] else {
        panic!("{states:?}")
    };
    let described = format!("send alerts (wall): 2 notes on {}", board.display());
    assert_eq!((&state.command.run, state.trusted), (&described, false));
    assert_eq!(state.command.role, CommandUse::Alert);

    let alerts = Alerts::new(&site).with(&kinds);
    let notice = |title: &str| Notice {
        event: Topic::Stuck,
        task: None,
        title: title.into(),
        reason: "it is a test".into(),
        from: None,
        to: None,
        facts: Vec::new(),
        op: None,
    };
    alerts.test(None).unwrap();
    assert!(!board.exists(), "nobody agreed to it");
    let all = site.configured_commands();
    site.consent.agree(&all, &all, site.clock.now()).unwrap();
    alerts.raise(notice("the task is stuck")).unwrap();
    let pinned = fs::read_to_string(&board).unwrap();
    assert_eq!(pinned, "the task is stuck\n".repeat(2));
}

#[test]
fn an_added_channel_is_in_the_schema() {
    let kinds = [CHANNELS, &[&Board]].concat();
    let schema = config::schema_with(Kinds {
        channels: &kinds,
        ..Kinds::ALL
    });
    let channel = &schema["$defs"]["channel"];
    let about = json!({ "$ref": "#/$defs/board", "description": "A note on a board." });
    assert_eq!(channel["properties"]["board"], about);
    assert_eq!(channel["oneOf"][3], json!({ "required": ["board"] }));
    let text = |value: &Value| value["description"].as_str().unwrap().to_string();
    assert!(text(channel).ends_with("exactly one of `feishu`, `webhook`, `email` and `board`."));
    assert!(text(&channel["properties"]["per_minute"]).ends_with("and 7 for `board`."));
    let copies = &schema["$defs"]["board"]["properties"]["copies"];
    assert_eq!(
        (&copies["default"], &copies["minimum"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(schema["$defs"]["board"]["required"], json!(["file"]));
}

#[test]
fn a_mistake_in_an_added_channel_is_named_at_its_place() {
    let kinds = [CHANNELS, &[&Board]].concat();
    for (more, why) in [
        (
            ", copies: many",
            "alerts.channels.wall.board.copies: invalid type: string \"many\", expected u8 at line 1",
        ),
        (
            ", coppies: 2",
            "alerts.channels.wall.board: unknown field `coppies`, expected `file` or `copies` at line 1",
        ),
        ("", ""),
    ] {
        let (sandbox, _) = with_board(more);
        let site = opened(&sandbox, &kinds);
        let flaws = site.flaws.iter().map(|flaw| flaw.sentence());
        let told = flaws.collect::<Vec<_>>().join("\n");
        assert!(
            told.contains(why) && told.is_empty() == why.is_empty(),
            "{told}"
        );
    }
}
