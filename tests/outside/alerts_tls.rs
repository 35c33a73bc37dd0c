//! Alerts over TLS with a company's own certificate authority: they arrive when its certificate is
//! configured, and nothing at all is sent to a server that no known authority vouches for.

use std::fs;

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
    servers::{Http, Smtp, webhook_alert},
};

const HOOK: &str = "CANARY-webhook-secret-77cd";
const PASSWORD: &str = "CANARY-mail-password-5a5a";

/// Creates a repository with one channel; `ca` is an authority besides the system's.
fn called(ca: Option<&str>, channel: &str) -> Sandbox {
    let sandbox = Sandbox::new(1);
    let ca = ca
        .map(|name| {
            format!(
                "  ca_file: {}/tests/fixtures/tls/{name}.pem\n",
                env!("CARGO_MANIFEST_DIR")
            )
        })
        .unwrap_or_default();
    fs::write(
        sandbox.at("snapback.yaml"),
        format!("version: 1\nalerts:\n{ca}  limit: 5s\n  channels:\n    it:\n      {channel}\n"),
    )
    .unwrap();
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    sandbox
}

fn test(sandbox: &Sandbox) -> Ran {
    let mut command = sandbox.command(snapback_program());
    command
        .env("HOOK_SIGN", HOOK)
        .env("MAIL_PASSWORD", PASSWORD);
    let ran = finish(command.args(["alert", "test"]));
    assert!(
        ![HOOK, PASSWORD]
            .iter()
            .any(|secret| ran.stdout.contains(secret) || ran.stderr.contains(secret)),
        "{ran:?}"
    );
    ran
}

/// Returns a webhook to this server.
fn hook(server: &Http) -> String {
    format!(
        "webhook: {{url: \"https://localhost:{}/alerts\", secret_from: {{env: HOOK_SIGN}}}}",
        server.port
    )
}

#[test]
fn a_webhook_by_https_arrives_when_the_authority_of_the_company_is_named() {
    let server = Http::secure("thanks", "here");
    test(&called(Some("company"), &hook(&server))).expect(0);
    assert_eq!(webhook_alert(&server.next(), HOOK)["event"], "alert.test");
    let by_number = hook(&server).replace("localhost", "127.0.0.1");
    test(&called(Some("company"), &by_number)).expect(0);
    webhook_alert(&server.next(), HOOK);
}

#[test]
fn nothing_is_told_to_an_https_server_that_nobody_vouches_for() {
    // An unknown authority; another known authority; the certificate of another server.
    for (ca, certificate) in [
        (None, "here"),
        (Some("stranger"), "here"),
        (Some("company"), "elsewhere"),
    ] {
        let server = Http::secure("thanks", certificate);
        let ran = test(&called(ca, &hook(&server))).expect(9);
        assert!(
            ran.stdout.contains("the connection is not secure")
                || ran.stdout.contains("certificate"),
            "{ca:?} {ran:?}"
        );
        assert_eq!(server.rest().len(), 0, "{ca:?}");
    }
    // A server without TLS in place of one with TLS.
    let plain = Http::start("thanks");
    test(&called(Some("company"), &hook(&plain))).expect(9);
    let got: Vec<u8> = plain.rest().into_iter().flat_map(|got| got.body).collect();
    assert!(!String::from_utf8_lossy(&got).contains("alert.test"));
}

#[test]
fn a_list_of_authorities_that_cannot_be_used_is_named() {
    let server = Http::secure("thanks", "here");
    for (ca, words) in [
        ("no-such", "cannot be used"),
        ("here-key", "cannot be used"),
    ] {
        let ran = test(&called(Some(ca), &hook(&server))).expect(9);
        assert!(ran.stdout.contains(words), "{ran:?}");
    }
    assert_eq!(server.rest().len(), 0);
}

/// Returns a mail channel with a password.
fn mail(port: u16, tls: &str) -> String {
    format!(
        "email: {{server: localhost, port: {port}, {tls}user: bot, password_from: {{env: MAIL_PASSWORD}}, from: \"bot@example.org\", to: [ops@example.org]}}"
    )
}

#[test]
fn mails_go_over_tls_from_the_first_byte_or_after_starttls_and_log_in_inside() {
    for (server, tls) in [
        (Smtp::secure("here"), "tls: implicit, "),
        (Smtp::offering("here"), "tls: starttls, "),
    ] {
        test(&called(Some("company"), &mail(server.port, tls))).expect(0);
        let mail = server.next();
        assert_eq!(mail.login, Some(format!("\0bot\0{PASSWORD}")));
        assert_eq!(
            mail.header("X-Snapback-Event").as_deref(),
            Some("alert.test")
        );
    }
}

#[test]
fn no_mail_and_no_password_for_a_server_that_nobody_vouches_for() {
    for (ca, certificate) in [
        (None, "here"),
        (Some("stranger"), "here"),
        (Some("company"), "elsewhere"),
    ] {
        for (server, tls) in [
            (Smtp::secure(certificate), "tls: implicit, "),
            (Smtp::offering(certificate), "tls: starttls, "),
        ] {
            let ran = test(&called(ca, &mail(server.port, tls))).expect(9);
            assert!(ran.stdout.contains("certificate"), "{ca:?} {tls:?} {ran:?}");
            assert_eq!(server.rest().len(), 0, "{ca:?} {tls:?}");
        }
    }
    // A server without STARTTLS, as a man in the middle would present it.
    let plain = Smtp::start();
    let ran = test(&called(
        Some("company"),
        &mail(plain.port, "tls: starttls, "),
    ))
    .expect(9);
    assert!(ran.stdout.to_lowercase().contains("starttls"), "{ran:?}");
    assert_eq!(plain.rest().len(), 0);
}
