//! Alerts arrive at real servers with right signatures, survive what fails, and tell no secret.

use std::fs;

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
    servers::{Http, Smtp, feishu_card, webhook_alert},
};

const SECRET: &str = "CANARY-feishu-secret-91ab";
const HOOK: &str = "CANARY-webhook-secret-77cd";
const PATH: &str = "CANARY-bot-path-3f3f";

/// A repository with one channel of each kind.
struct Called {
    sandbox: Sandbox,
    feishu: Http,
    webhook: Http,
    smtp: Smtp,
}

impl Called {
    fn new() -> Self {
        let (feishu, webhook, smtp) = (
            Http::start(r#"{"code":0,"msg":"success"}"#),
            Http::start("thanks"),
            Smtp::start(),
        );
        let sandbox = Sandbox::new(1);
        sandbox.release("T01", "1.0.0");
        let text = format!(
            "version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\nalerts:\n  link: \"https://ops.example.org/{{id}}/{{option}}\"\n  limit: 5s\n  channels:\n    bot:\n      feishu: {{url_from: {{env: BOT_ADDRESS}}, secret_from: {{env: BOT_SIGN}}}}\n    hook:\n      webhook: {{url: \"{}\", secret_from: {{env: HOOK_SIGN}}}}\n    mail:\n      email: {{server: 127.0.0.1, port: {}, from: \"snapback <bot@example.org>\", to: [ops@example.org, \"b@example.org\"]}}\n",
            webhook.url("/alerts"),
            smtp.port
        );
        fs::write(sandbox.at("snapback.yaml"), text).unwrap();
        Self {
            sandbox,
            feishu,
            webhook,
            smtp,
        }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.sandbox.command(snapback_program());
        command.env(
            "BOT_ADDRESS",
            self.feishu.url(&format!("/open-apis/bot/v2/hook/{PATH}")),
        );
        command.env("BOT_SIGN", SECRET).env("HOOK_SIGN", HOOK);
        finish(command.args(args))
    }

    fn trusted() -> Self {
        let called = Self::new();
        called.sandbox.snapback(&["trust", "--yes"]).expect(0);
        called
    }
}

#[test]
fn nobody_is_called_before_the_owner_agreed_to_the_channels() {
    let called = Called::new();
    let ran = called.run(&["alert", "test"]).expect(6);
    assert!(
        ran.stderr.contains("nobody agreed to") && ran.stderr.contains("snapback trust"),
        "{ran:?}"
    );
    assert_eq!(
        (
            called.feishu.rest().len(),
            called.webhook.rest().len(),
            called.smtp.rest().len()
        ),
        (0, 0, 0)
    );
    let shown = called.run(&["trust", "--list"]).expect(0).stdout;
    for part in [
        "the address in the variable BOT_ADDRESS",
        "signed with the variable HOOK_SIGN",
        "to ops@example.org, b@example.org",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_test_arrives_in_every_channel_signed_with_the_three_answers() {
    let called = Called::trusted();
    let ran = called.run(&["alert", "test", "--json"]).expect(0).json();
    assert_eq!(
        ran["data"]["attempts"].as_array().map(Vec::len),
        Some(3),
        "{ran}"
    );
    let got = called.feishu.next();
    assert_eq!(got.line, format!("POST /open-apis/bot/v2/hook/{PATH}"));
    let card = feishu_card(&got, SECRET);
    let text = card.to_string();
    let hook = called.webhook.next();
    assert_eq!(hook.headers["x-snapback-event"], "alert.test");
    let alert = webhook_alert(&hook, HOOK);
    assert_eq!(alert["schema"], "snapback.alert/1");
    let mail = called.smtp.next();
    assert_eq!((mail.from.as_str(), mail.to.len()), ("bot@example.org", 2));
    assert_eq!(
        mail.header("Auto-Submitted").as_deref(),
        Some("auto-generated")
    );
    let plain = mail.plain();
    let id = alert["id"].as_str().unwrap();
    for option in ["last-good", "VERSION", "hold"] {
        let command = format!("snapback alert answer {id} {option}");
        assert!(
            text.contains(&command) && plain.contains(&command),
            "{command}: {text}\n{plain}"
        );
    }
    assert!(
        text.contains(&format!("https://ops.example.org/{id}/hold"))
            && plain.contains("回退到上一个稳定版本")
    );
    assert!(plain.contains("text/html") && plain.contains("text/plain"));
    // One channel alone.
    called
        .run(&["alert", "test", "--channel", "hook"])
        .expect(0);
    webhook_alert(&called.webhook.next(), HOOK);
    assert_eq!(
        (called.feishu.rest().len(), called.smtp.rest().len()),
        (0, 0)
    );
    called.run(&["alert", "test", "--channel", "hok"]).expect(5);
}

#[test]
fn a_refusal_is_told_whatever_its_status_and_no_secret_is() {
    let called = Called::trusted();
    called.feishu.say(Some((
        200,
        "",
        r#"{"code":19021,"msg":"sign match fail"}"#.into(),
    )));
    called.webhook.say(Some((
        302,
        "Location: http://127.0.0.1:1/elsewhere\r\n",
        String::new(),
    )));
    called.smtp.refuse("550 no such user");
    let ran = called.run(&["alert", "test"]).expect(9);
    for part in [
        "bot: the bot refused it: code 19021, sign match fail",
        "status 302",
        "550",
    ] {
        assert!(
            ran.stdout.contains(part) || ran.stdout.contains("no such user"),
            "{part}: {ran:?}"
        );
    }
    assert_eq!(
        ran.stdout
            .lines()
            .filter(|line| line.starts_with('x'))
            .count(),
        3,
        "{ran:?}"
    );
    for canary in [SECRET, HOOK, PATH] {
        assert!(
            !ran.stdout.contains(canary) && !ran.stderr.contains(canary),
            "{canary}: {ran:?}"
        );
    }
    // Nobody at home, or a secret that is missing.
    let mut command = called.sandbox.command(snapback_program());
    command
        .env("BOT_ADDRESS", format!("http://127.0.0.1:1/{PATH}"))
        .env("BOT_SIGN", SECRET);
    let ran = finish(command.args(["alert", "test", "--json"])).expect(9);
    assert!(
        ran.stdout
            .contains("the variable HOOK_SIGN cannot be used: it is not set"),
        "{ran:?}"
    );
    assert!(
        !ran.stdout.contains(PATH) && !ran.stdout.contains(SECRET),
        "{ran:?}"
    );
}

#[test]
fn a_server_that_never_answers_holds_nobody_up() {
    let called = Called::trusted();
    let text = String::from_utf8(called.sandbox.read("snapback.yaml"))
        .unwrap()
        .replace("limit: 5s", "limit: 200ms");
    fs::write(called.sandbox.at("snapback.yaml"), text).unwrap();
    called.sandbox.snapback(&["trust", "--yes"]).expect(0);
    called.webhook.say(None);
    let ran = called
        .run(&["alert", "test", "--channel", "hook"])
        .expect(9);
    assert!(ran.stdout.contains("no answer within 200ms"), "{ran:?}");
}

#[test]
fn a_configuration_with_a_secret_in_it_is_refused_without_showing_it() {
    let sandbox = Sandbox::new(1);
    let refused = |channel: &str| {
        fs::write(
            sandbox.at("snapback.yaml"),
            format!("alerts: {{channels: {{a: {channel}}}}}\n"),
        )
        .unwrap();
        let ran = sandbox
            .snapback(&["create-snapshot", "-t", "T01", "--yes"])
            .expect(2);
        let told = sandbox.snapback(&["status"]).expect(0);
        assert!(
            !format!("{ran:?} {told:?}").contains("CANARY"),
            "{ran:?} {told:?}"
        );
        ran.stderr
    };
    assert!(
        refused("{feishu: {url: \"https://open.feishu.cn/open-apis/bot/v2/hook/CANARY\"}}")
            .contains("url_from")
    );
    assert!(
        refused("{webhook: {url: \"https://li:CANARY@h/x\", secret_from: {env: A}}}")
            .contains("holds a secret")
    );
    assert!(
        refused("{webhook: {url: \"https://h/x?token=CANARY\", secret_from: {env: A}}}")
            .contains("holds a secret")
    );
    assert!(
        refused("{webhook: {url: \"https://h/x\", secret_from: {env: \"CANARY value\"}}}")
            .contains("name of a variable")
    );
    assert!(refused("{webhook: {url: \"https://h/x\"}}").contains("is signed"));
    assert!(
        refused("{email: {server: mail.example.org, tls: none, from: a@b, to: [c@d]}}")
            .contains("without TLS")
    );
    assert!(
        refused(
            "{email: {server: 127.0.0.1, user: u, password_from: {env: A}, from: a@b, to: [c@d]}}"
        )
        .contains("needs TLS")
    );
    assert!(refused("{}").contains("exactly one of"));
}

/// A rollback to 1.0.0 whose smoke test empties the safety copies and then fails. (Packs that
/// were removed would still be read, through what the program holds open.)
fn stick(called: &Called) -> Ran {
    let sandbox = &called.sandbox;
    sandbox.write(
        "tasks/T01/model.bin",
        &crate::support::noise("other", 70_000),
    );
    crate::support::story::set_version(sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let text = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    let (packs, stage) = (
        sandbox.at(".git/snapback/store/packs"),
        sandbox.at(".snapback"),
    );
    let smoke = format!(
        "tasks:\n  T01:\n    verify: [{{run: 'find {} -type f -exec truncate -s 0 {{}} +; rm -rf {}; exit 1'}}]\n",
        packs.display(),
        stage.display()
    );
    fs::write(sandbox.at("snapback.yaml"), text + &smoke).unwrap();
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    called.run(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
}

#[test]
fn a_rollback_that_is_stuck_calls_a_person() {
    let called = Called::trusted();
    let ran = stick(&called).expect(13);
    assert!(ran.stderr.contains("is stuck at its step"), "{ran:?}");
    let alert = webhook_alert(&called.webhook.next(), HOOK);
    assert_eq!(
        (alert["event"].as_str(), alert["severity"].as_str()),
        (Some("operation.stuck"), Some("critical"))
    );
    assert_eq!(
        (
            alert["task"].as_str(),
            alert["from"].as_str(),
            alert["to"].as_str()
        ),
        (Some("T01"), Some("1.1.0"), Some("1.0.0"))
    );
    let text = alert.to_string();
    assert!(
        text.contains("the rollback 1.1.0 -> 1.0.0 is stuck and needs a person")
            && text.contains("snapback op abort"),
        "{text}"
    );
    assert!(
        feishu_card(&called.feishu.next(), SECRET)
            .to_string()
            .contains("is stuck")
    );
    assert!(called.smtp.next().header("Subject").is_some());
    // Trying again tells the same, which is told once.
    called.run(&["op", "abort"]).expect(13);
    let list = called.run(&["alert", "list", "--json"]).expect(0).json();
    assert_eq!(
        (
            list["data"]["alerts"].as_array().map(Vec::len),
            called.webhook.rest().len()
        ),
        (Some(1), 0),
        "{list}"
    );
}

#[test]
fn without_a_channel_only_whoever_gave_the_command_is_told() {
    let called = Called::new();
    fs::write(
        called.sandbox.at("snapback.yaml"),
        "version: 1\ndefaults:\n  large_files: {patterns: [\"*.bin\"]}\n",
    )
    .unwrap();
    let ran = stick(&called).expect(13);
    assert!(!ran.stderr.contains("nobody was called"), "{ran:?}");
    assert_eq!(
        called.run(&["alert", "list", "--json"]).json()["data"]["alerts"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
}
