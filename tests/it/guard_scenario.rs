//! The whole story of a task that turns bad: judged, put back, told, held, cooled down, frozen.
//!
//! Time is given to the program, never waited for; cards and mails arrive at real servers.

use std::fs;

use jiff::Timestamp;
use snapback::{
    app::{App, Options},
    base::Clock,
    consent::ConsentFolder,
    guard::WatchOptions,
    model::{
        Status,
        audit::{Actor, Via},
        guard::{Decision, TaskWatch},
        report,
    },
};

use crate::support::{
    Sandbox,
    servers::{Http, Smtp, feishu_card},
    story::set_version,
};

const SIGN: &str = "demo-sign-of-the-bot";

/// A guarded task with three releases, whose log is written by the test.
struct Scene {
    sandbox: Sandbox,
    bot: Http,
    mail: Smtp,
    /// When the story begins, seconds since 1970.
    begin: i64,
}

impl Scene {
    /// Releases 1.1.0, 1.2.0 and 1.3.0, and a rule; `more` are more lines of the rule and the task.
    fn new(rule: &str, task: &str) -> Self {
        let (sandbox, bot, mail) = (
            Sandbox::new(1),
            Http::start(r#"{"code":0,"msg":"success"}"#),
            Smtp::start(),
        );
        for version in ["1.1.0", "1.2.0", "1.3.0"] {
            sandbox.write("tasks/T01/signal.py", format!("# {version}\n").as_bytes());
            set_version(&sandbox, version);
            sandbox.release("T01", version);
        }
        fs::write(sandbox.home().join("sign"), format!("{SIGN}\n")).unwrap();
        fs::write(sandbox.home().join("bot"), bot.url("/hook/secret-path")).unwrap();
        for name in ["sign", "bot"] {
            fs::set_permissions(
                sandbox.home().join(name),
                std::os::unix::fs::PermissionsExt::from_mode(0o600),
            )
            .unwrap();
        }
        let home = sandbox.home().to_str().unwrap().to_string();
        let text = format!(
            "version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\nalerts:\n  channels:\n    bot:\n      feishu: {{url_from: {{file: \"{home}/bot\"}}, secret_from: {{file: \"{home}/sign\"}}}}\n    mail:\n      email: {{server: 127.0.0.1, port: {}, from: bot@example.org, to: [ops@example.org]}}\ntasks:\n  T01:\n{task}    guard:\n      - {{name: errors, file: run.log, value: level, bad: error, time: ts, fail: \"> 0.3\", pass: \"<= 0.1\", window: 5m, min_samples: 10, consecutive: 2, warmup: 30s, cooldown: 30m, max_rollbacks: 2, per: 6h{rule}}}\n",
            mail.port
        );
        fs::write(sandbox.at("snapback.yaml"), text).unwrap();
        sandbox.git(&["commit", "-qam", "rules"]).expect(0);
        sandbox.snapback(&["trust", "--yes"]).expect(0);
        let begin = Timestamp::from_second(1_900_000_000).unwrap().as_second();
        Self {
            sandbox,
            bot,
            mail,
            begin,
        }
    }

    /// The repository at a moment of the story.
    fn app(&self, secs: i64) -> App {
        let place = ConsentFolder {
            folder: Some(self.sandbox.home().join(".local/state/snapback/trust")),
            ..ConsentFolder::default()
        };
        let clock = Clock::Fixed(Timestamp::from_second(self.begin + secs).unwrap());
        App::open(
            &self.sandbox.root(),
            Options {
                clock,
                trust: place,
                actor: Actor {
                    via: Via::Guard,
                    ..Actor::default()
                },
                spell: snapback::cli::advice::argv,
                ..Options::default()
            },
        )
        .unwrap()
    }

    /// One look.
    fn look(&self, secs: i64) -> TaskWatch {
        let app = self.app(secs);
        app.watch(&app.find_task("T01").unwrap(), WatchOptions::default())
            .unwrap()
    }

    /// Lines of the log, one each ten seconds, of which every `nth` is an error.
    fn log(&self, secs: std::ops::Range<i64>, nth: i64) {
        use std::io::Write;
        let mut file = fs::File::options()
            .append(true)
            .create(true)
            .open(self.sandbox.at("tasks/T01/run.log"))
            .unwrap();
        for at in secs.step_by(10) {
            let level = if at / 10 % nth == 0 { "error" } else { "info" };
            let ts = Timestamp::from_second(self.begin + at).unwrap();
            writeln!(
                file,
                "{{\"ts\": \"{ts}\", \"level\": \"{level}\", \"msg\": \"order {at}\"}}"
            )
            .unwrap();
        }
    }

    fn active(&self) -> String {
        self.sandbox.registry_version("T01").unwrap()
    }

    fn outcome(watch: &TaskWatch) -> (Status, &Decision) {
        (watch.rules[0].judgement.outcome, &watch.rules[0].decision)
    }
}

/// No signature of a card is wrong, and a card and a mail arrive for one alert.
#[track_caller]
fn told(scene: &Scene, event: &str, words: &[&str]) -> String {
    let card = feishu_card(&scene.bot.next(), SIGN).to_string();
    let mail = scene.mail.next();
    assert_eq!(mail.header("X-Snapback-Event").as_deref(), Some(event));
    let plain = mail.plain();
    for word in words {
        assert!(
            card.contains(word) && plain.contains(word),
            "{word}: {card}\n{plain}"
        );
    }
    mail.text
}

/// Nothing is done while there is nothing to go by, nor for one bad look.
fn one_bad_look_only_waits(scene: &Scene) {
    // Nothing to go by yet, then good, then not enough of the bad.
    let first = scene.look(0);
    assert_eq!(
        Scene::outcome(&first),
        (Status::Inconclusive, &Decision::Nothing)
    );
    scene.log(60..360, 1_000);
    assert_eq!(Scene::outcome(&scene.look(360)).0, Status::Pass);
    scene.log(360..420, 1);
    assert_eq!(
        Scene::outcome(&scene.look(420)).0,
        Status::Inconclusive,
        "between the two conditions"
    );
    scene.log(420..600, 1);
    let once = scene.look(600);
    assert!(
        matches!(Scene::outcome(&once), (Status::Fail, Decision::Wait(_))),
        "{once:?}"
    );
    assert_eq!(
        (scene.active().as_str(), scene.bot.rest().len()),
        ("1.3.0", 0)
    );
}

/// The second bad look in a row: it goes back, and the mail that says so.
fn it_goes_back(scene: &Scene) -> String {
    // The second time in a row: back, verified, held, told.
    scene.log(600..630, 1);
    let fired = scene.look(630);
    assert_eq!(Scene::outcome(&fired), (Status::Fail, &Decision::Fire));
    let report = fired.report.expect("it went back");
    assert_eq!(
        (
            report.outcome,
            report.to.map(|to| to.to_string()).as_deref()
        ),
        (report::Outcome::Done, Some("1.2.0"))
    );
    assert!(
        report
            .verification
            .is_some_and(|all| all.checks.iter().any(|check| check.id == "smoke.1")),
        "it was verified"
    );
    assert_eq!(scene.active(), "1.2.0");
    let shown = scene
        .sandbox
        .snapback(&["show", "-t", "T01", "1.3.0", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        shown["data"]["release"]["release"]["standing"]["held"], true,
        "{shown}"
    );
    told(
        scene,
        "guard.rolled-back",
        &[
            "T01 went back 1.3.0 -> 1.2.0, verified",
            "1.3.0 is held",
            "errors: ",
        ],
    )
}

/// What comes in the cooldown is seen, and nothing more is done or said.
fn the_cooldown_holds(scene: &Scene) {
    // More errors of the old version, a second trigger within the cooldown: nothing.
    scene.log(630..660, 1);
    let after = scene.look(661);
    assert_eq!(
        Scene::outcome(&after),
        (Status::Inconclusive, &Decision::Nothing),
        "they are not of this version"
    );
    scene.log(661..1000, 1);
    for at in [960, 990, 1000] {
        let watch = scene.look(at);
        assert!(
            matches!(&watch.rules[0].decision, Decision::Wait(_)),
            "{watch:?}"
        );
        assert!(watch.report.is_none());
    }
    assert!(scene.look(1000).rules[0].judgement.why.contains("is > 0.3"));
    assert_eq!(
        (
            scene.active().as_str(),
            scene.bot.rest().len(),
            scene.mail.rest().len()
        ),
        ("1.2.0", 0, 0)
    );
}

/// People hear in the same thread that it holds up.
fn it_gets_better(scene: &Scene, first_mail: &str) {
    // It gets better, and people are told so in the same thread.
    scene.log(1000..1400, 1_000);
    assert_eq!(Scene::outcome(&scene.look(1400)).0, Status::Pass);
    let better = told(scene, "guard.recovered", &["T01 holds up at 1.2.0"]);
    let id = |mail: &str, name: &str| {
        mail.lines()
            .find_map(|line| line.strip_prefix(name).map(|id| id.trim().to_string()))
    };
    assert_eq!(id(&better, "In-Reply-To: "), id(first_mail, "Message-ID: "));
    assert!(id(&better, "In-Reply-To: ").is_some());
}

/// The version that it left is brought back and fails again: that is a person's matter.
fn a_person_overrules_it(scene: &Scene) {
    // A person brings 1.3.0 back, and it fails again: only people are called, once.
    scene
        .sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.3.0", "--yes"])
        .expect(0);
    scene.look(4000);
    scene.log(4040..4400, 1);
    for at in [4380, 4390, 4400] {
        scene.look(at);
    }
    assert_eq!(
        scene.active(),
        "1.3.0",
        "a version that it left is not left again by itself"
    );
    told(scene, "guard.overruled", &["T01 fails at 1.3.0 again"]);
    assert_eq!(scene.bot.rest().len(), 0);
}

/// The rules, run over the same log afterwards, fire when they did.
fn a_back_test_agrees(scene: &Scene) {
    // Back-test of the same log: when it would have fired.
    let found = scene
        .sandbox
        .run_line("guard backtest tasks/T01/run.log -t T01 --json")
        .expect(0)
        .json();
    let found = &found["data"]["rules"][0]["backtest"];
    let would: Timestamp = found["fired"][0][0].as_str().unwrap().parse().unwrap();
    assert!(
        (420..660).contains(&(would.as_second() - scene.begin)),
        "{found}"
    );
    assert_eq!(found["unreadable"], 0);
}

#[test]
fn a_task_that_turns_bad_goes_back_and_everybody_knows() {
    let scene = Scene::new(
        "",
        "    verify: [{run: 'grep -q \"# 1.2.0\" signal.py || test ! -e strict'}]\n",
    );
    one_bad_look_only_waits(&scene);
    let first_mail = it_goes_back(&scene);
    the_cooldown_holds(&scene);
    it_gets_better(&scene, &first_mail);
    a_person_overrules_it(&scene);
    a_back_test_agrees(&scene);
    // Everything is in the audit log, which is whole.
    let log = scene
        .sandbox
        .snapback(&["audit", "list", "--json"])
        .expect(0)
        .stdout;
    assert!(
        log.contains("\"via\":\"guard\"") && log.contains("guard errors: "),
        "{log}"
    );
    scene.sandbox.snapback(&["audit", "verify"]).expect(0);
}

/// The rollback fails its check: the task is frozen, and a person is called.
fn it_is_frozen(scene: &Scene) {
    scene.look(0);
    scene.log(40..400, 1);
    scene.look(300);
    let fired = scene.look(400);
    let frozen = fired.frozen.expect("it is frozen");
    assert!(frozen.why.contains("was put back"), "{frozen:?}");
    assert_eq!(scene.active(), "1.3.0", "nothing was changed");
    let mail = told(
        scene,
        "guard.needs-person",
        &[
            "T01 needs a person",
            "snapback guard thaw -t T01",
            "cannot help",
        ],
    );
    assert!(mail.contains("Subject: "), "{mail}");
}

/// The person answers the call with a version, having proven it, and thaws the task.
fn a_person_answers(scene: &Scene) {
    // The person answers, which is recorded; then the guard may go on.
    let list = scene
        .sandbox
        .snapback(&["alert", "list", "--open", "--json"])
        .expect(0)
        .json();
    let id = list["data"]["alerts"][0]["alert"]["id"]
        .as_str()
        .unwrap()
        .to_string();
    scene
        .sandbox
        .snapback(&["alert", "answer", &id, "9.9.9", "--yes"])
        .expect(5);
    scene
        .sandbox
        .snapback(&["alert", "answer", &id, "perhaps"])
        .expect(2);
    fs::remove_file(scene.sandbox.at("tasks/T01/strict")).unwrap();
    // The version whose smoke test failed is no good one until it is proven again.
    scene
        .sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.2.0"])
        .expect(0);
    scene
        .sandbox
        .snapback(&["alert", "answer", &id, "last-good", "--yes"])
        .expect(0);
    assert_eq!(scene.active(), "1.2.0");
    let answered = scene
        .sandbox
        .snapback(&["audit", "list", "--json"])
        .expect(0)
        .stdout;
    assert!(answered.contains(&format!("{id} last-good")), "{answered}");
    scene
        .sandbox
        .snapback(&["guard", "thaw", "-t", "T01"])
        .expect(0);
}

#[test]
fn a_rollback_that_fails_freezes_the_task_and_calls_a_person() {
    let scene = Scene::new("", "    verify: [{run: 'test ! -e strict'}]\n");
    fs::write(scene.sandbox.home().join("x"), "").unwrap();
    scene
        .sandbox
        .write("tasks/T01/strict", b"the smoke test fails now\n");
    scene.sandbox.write(".git/info/exclude", b"strict\n");
    it_is_frozen(&scene);
    // Frozen: it is judged, and nothing is done, however long it fails.
    scene.log(400..20_000, 1);
    for at in [10_000, 20_000] {
        let watch = scene.look(at);
        assert!(
            matches!(&watch.rules[0].decision, Decision::Wait(why) if why.contains("frozen")),
            "{watch:?}"
        );
    }
    assert_eq!((scene.bot.rest().len(), scene.mail.rest().len()), (0, 0));
    let ran = scene.sandbox.snapback(&["guard", "check"]).expect(13);
    assert!(ran.stdout.contains("T01 is frozen"), "{ran:?}");
    a_person_answers(&scene);
    scene.look(20_100);
    scene.log(20_140..20_500, 1);
    scene.look(20_490);
    assert!(scene.look(20_500).report.is_some(), "it goes on to 1.1.0");
    assert_eq!(scene.active(), "1.1.0");
    told(&scene, "guard.rolled-back", &["1.2.0 -> 1.1.0"]);
    // There is nothing older: frozen again, and told.
    scene.look(30_000);
    scene.log(30_040..30_400, 1);
    scene.look(30_390);
    let stuck = scene.look(30_400);
    assert!(
        stuck
            .frozen
            .is_some_and(|frozen| frozen.why.contains("no older release is proven good")),
        "{:?}",
        stuck.notes
    );
    told(&scene, "guard.needs-person", &["T01 needs a person"]);
}

#[test]
fn a_dry_run_rule_only_says_what_it_would_do_and_the_clock_may_jump() {
    let scene = Scene::new(", dry_run: true", "");
    scene.look(0);
    scene.log(40..400, 1);
    scene.look(390);
    let watch = scene.look(400);
    assert!(
        matches!(&watch.rules[0].decision, Decision::Would(_)),
        "{watch:?}"
    );
    assert_eq!(
        (scene.active().as_str(), scene.bot.rest().len()),
        ("1.3.0", 0)
    );
    // The clock is set back by a day: what was seen is still to come, so nothing is said.
    let back = scene.look(400 - 86_400);
    assert_eq!(back.rules[0].judgement.outcome, Status::Inconclusive);
    // --dry-run writes nothing.
    let memory = fs::read(scene.sandbox.at(".git/snapback/guard/T01.json")).unwrap();
    scene
        .sandbox
        .snapback(&["guard", "check", "--dry-run"])
        .expect(8);
    assert_eq!(
        fs::read(scene.sandbox.at(".git/snapback/guard/T01.json")).unwrap(),
        memory
    );
}
