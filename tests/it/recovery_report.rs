//! The report of a disaster recovery: Markdown, HTML and JSON of one value, whatever happened.

use std::fs;

use crate::support::{Sandbox, story::set_version};

/// Creates two releases with this command as smoke test.
fn released(smoke: &str) -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    sandbox.write("tasks/T01/<b>&'new\".py", b"# only since 1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let text = format!(
        "version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\n  verify: [{{run: '{smoke}'}}]\n"
    );
    sandbox.write("snapback.yaml", text.as_bytes());
    sandbox
}

/// Runs one recovery and returns its report as a page, as text and as a document.
fn three_forms() -> (String, String, serde_json::Value) {
    let sandbox = released("echo \"smoke <x>\"");
    let path = |name: &str| sandbox.top().join(name).to_str().unwrap().to_string();
    let (html, json, markdown) = (path("r.html"), path("r.json"), path("r.md"));
    let args = [
        "dr",
        "-t",
        "T01",
        "--target-version",
        "1.0.0",
        "-m",
        "drawdown <script>alert(1)</script>",
    ];
    let ran = sandbox
        .snapback(
            &[
                &args[..],
                &["--report", &html, "--report", &json, "--report", &markdown],
            ]
            .concat(),
        )
        .expect(0);
    assert!(
        ran.stdout.contains("report: ") && ran.stdout.contains("r.html"),
        "{ran:?}"
    );
    let (page, text) = (
        fs::read_to_string(&html).unwrap(),
        fs::read_to_string(&markdown).unwrap(),
    );
    let value: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    (page, text, value)
}

#[test]
fn one_recovery_gives_three_forms_that_agree() {
    let (page, text, value) = three_forms();
    assert_eq!(
        (value["schema"].as_str(), value["recovered"].as_bool()),
        (Some("snapback.recovery/1"), Some(true))
    );
    let op = value["report"]["op"].as_str().unwrap();
    for (what, found) in [
        ("operation", op),
        ("undo", "snapback undo"),
        ("who", "li.wei@example.com"),
        ("check", "integrity.files"),
    ] {
        assert!(page.contains(found), "{what} in {page}");
        assert!(text.replace('\\', "").contains(found), "{what} in {text}");
    }
    assert!(
        !page.contains("<script>") && page.contains("drawdown &lt;script&gt;alert(1)"),
        "{page}"
    );
    assert!(
        page.contains("&lt;b&gt;&amp;&#39;new&quot;.py") && !page.contains("<b>"),
        "{page}"
    );
}

#[test]
fn the_time_line_has_every_step_and_ends_with_the_recovery() {
    let (_, _, value) = three_forms();
    let steps: Vec<&str> = value["report"]["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|moment| moment["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        steps,
        [
            "plan and save",
            "files",
            "verify",
            "ready",
            "publish",
            "verdicts"
        ]
    );
    let ends = |moment: &serde_json::Value| {
        moment["at_ms"].as_u64().unwrap() + moment["took_ms"].as_u64().unwrap()
    };
    let last = value["report"]["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(ends)
        .max()
        .unwrap();
    assert!(
        last <= value["report"]["duration_ms"].as_u64().unwrap() + 1,
        "{value}"
    );
    let at = |key: &str| {
        value[key]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert!(at("ended_at") >= at("began_at"));
}

#[test]
fn a_recovery_that_was_put_back_says_so_in_every_form() {
    let sandbox = released("grep 1.1.0 config.yaml");
    let html = sandbox.top().join("r.html");
    let args = [
        "dr",
        "-t",
        "T01",
        "--target-version",
        "1.0.0",
        "--report",
        html.to_str().unwrap(),
    ];
    sandbox.snapback(&args).expect(4);
    let page = fs::read_to_string(&html).unwrap();
    assert!(
        page.contains("<span class=\"badge bad\">put back</span>"),
        "{page}"
    );
    assert!(
        page.contains("<td>verify</td>") && page.contains("FAILED") && page.contains("taken back"),
        "{page}"
    );
    let text = sandbox
        .snapback(&["dr", "-t", "T01", "--target-version", "1.0.0"])
        .expect(4)
        .stdout;
    assert!(
        text.starts_with("# Disaster recovery of T01\n") && text.contains("| FAILED |"),
        "{text}"
    );
}

#[test]
fn a_report_that_cannot_be_written_does_not_hide_the_recovery() {
    let sandbox = released("true");
    let args = [
        "dr",
        "-t",
        "T01",
        "--target-version",
        "1.0.0",
        "--report",
        "/no/such/folder/r.html",
    ];
    let ran = sandbox.snapback(&args).expect(8);
    assert!(
        ran.stderr.contains("cannot be written") && ran.stdout.contains("T01 is at 1.0.0"),
        "{ran:?}"
    );
}
