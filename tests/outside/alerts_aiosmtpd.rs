//! Mail to a foreign server: aiosmtpd, with messages read by Python's own parser. Skipped with a
//! message where it is not installed (Debian: python3-aiosmtpd).

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::support::Sandbox;

const SERVER: &str = r#"
import asyncio, email, email.policy, json
from aiosmtpd.smtp import SMTP

class Handler:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
        defects = [str(defect) for part in message.walk() for defect in part.defects]
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": message["Subject"],
                          "id": message["Message-ID"], "defects": defects, "parts": parts}), flush=True)
        return "250 OK"

async def main():
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Handler(), enable_SMTPUTF8=True), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"#;

/// The server, which is stopped at the end of the test.
struct Server {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Option<Self> {
        let has = |python: &&str| {
            Command::new(python)
                .args(["-c", "import aiosmtpd"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        let python = ["python3", "/usr/bin/python3"].into_iter().find(has)?;
        let mut child = Command::new(python)
            .args(["-c", SERVER])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, said })
    }

    /// Reads the next line of the server's output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_mail_arrives_at_aiosmtpd_as_text_and_html() {
    let Some(mut server) = Server::start() else {
        println!("skipped: aiosmtpd is not installed");
        return;
    };
    let port = server.line();
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    let mail = format!(
        "email: {{server: 127.0.0.1, port: {port}, from: \"snapback <bot@example.org>\", to: [ops@example.org, b@example.org]}}"
    );
    sandbox.write(
        "snapback.yaml",
        format!("version: 1\nalerts:\n  channels:\n    mail:\n      {mail}\n").as_bytes(),
    );
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    sandbox.snapback(&["alert", "test"]).expect(0);
    let got: serde_json::Value = serde_json::from_str(&server.line()).unwrap();
    assert_eq!(
        (got["from"].as_str(), &got["to"]),
        (
            Some("bot@example.org"),
            &serde_json::json!(["ops@example.org", "b@example.org"])
        )
    );
    assert_eq!(got["defects"], serde_json::json!([]), "{got}");
    assert!(
        got["id"].as_str().is_some_and(|id| id.starts_with('<'))
            && got["subject"].as_str().is_some_and(|text| !text.is_empty()),
        "{got}"
    );
    for kind in ["text/plain", "text/html"] {
        let text = got["parts"][kind].as_str().unwrap();
        assert!(
            text.contains("snapback alert answer") && text.contains("回退到上一个稳定版本"),
            "{kind}: {text}"
        );
    }
}
