//! E-mail: text and HTML, one thread for each story. Only this file names the mail library.
//!
//! `Message-ID` comes from the alert's id, so a mail that was sent twice is seen once. Mails of
//! the same story refer to its first mail. `Auto-Submitted` (RFC 3834) keeps robots from answering.
//! Without TLS, mail is sent only to this machine, and a password never.

use std::time::Duration;

use jiff::Timestamp;
use lettre::{
    Message, SmtpTransport, Transport,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls as Security, TlsParameters},
        extension::ClientId,
    },
};
use serde_json::Value;

use super::{Channel, ChannelKind, RetryAdvice, SendFailure, Surroundings, words};
use crate::{
    base::{Secret, SecretSource},
    model::{
        alert::{Alert, AlertId},
        settings::{Block, Declared, SecretBlock},
        settings_block, settings_words,
    },
};

settings_block! {
    /// A mail server, and who writes to whom.
    #[derive(Debug)]
    struct EmailBlock as "email" {
        /// The server's name or address.
        server: String,
        /// The server's port. Without it, 465 for `implicit`, 587 for `starttls` and 25 for `none`.
        port: Option<u16>,
        /// How the connection is encrypted. Without it, `starttls`, or `none` to this machine.
        tls: Option<Tls>,
        /// The sender's address.
        from: String,
        /// The recipients' addresses.
        #[schemars(length(min = 1))]
        to: Vec<String>,
        /// The user name for the login.
        user: Option<String>,
        /// Where the password is kept.
        password_from: Option<SecretBlock>,
    }
}

settings_words! {
    /// How a connection to a mail server is encrypted.
    enum Tls {
        /// TLS from the first byte.
        Implicit,
        /// The connection is upgraded to TLS before anything is sent.
        Starttls,
        /// Only to this machine.
        None,
    }
}

/// A mail server, the sender and the recipients.
struct EmailSpec {
    server: String,
    port: u16,
    tls: Tls,
    from: String,
    to: Vec<String>,
    /// The user name for the login, and where the password is kept.
    login: Option<(String, SecretSource)>,
}

/// The kind of channel `email: {server: …, from: …, to: […]}`.
pub(super) struct Mail;

impl ChannelKind for Mail {
    fn word(&self) -> &'static str {
        "email"
    }

    fn about(&self) -> &'static str {
        "A mail, sent by SMTP."
    }

    fn per_minute(&self) -> u32 {
        20
    }

    fn block(&self) -> Declared {
        EmailBlock::declared()
    }

    fn describe(&self, block: &Value) -> Result<String, String> {
        Ok(EmailBlock::of(block)?.resolve()?.describe())
    }

    fn open(&self, block: &Value, around: &Surroundings) -> Result<Box<dyn Channel>, SendFailure> {
        let spec = EmailBlock::of(block).and_then(EmailBlock::resolve);
        let spec = spec.map_err(SendFailure::never)?;
        let login = spec.login.as_ref();
        let password = login.map(|(_, source)| around.secret(source)).transpose()?;
        Ok(Box::new(Email {
            spec,
            password,
            around: around.clone(),
        }))
    }
}

impl EmailBlock {
    /// Resolves the block into a mail server.
    fn resolve(self) -> Result<EmailSpec, String> {
        let server = &self.server;
        let is_local = server == "localhost" || server == "::1" || server.starts_with("127.");
        let tls = match self.tls {
            None if is_local => Tls::None,
            tls => tls.unwrap_or(Tls::Starttls),
        };
        let addresses: Vec<&String> = std::iter::once(&self.from).chain(&self.to).collect();
        let rules = [
            (
                tls == Tls::None && !is_local,
                "without TLS only a server of this machine can be used: `tls: starttls` or `implicit`",
            ),
            (
                tls == Tls::None && self.password_from.is_some(),
                "a password needs TLS: `tls: starttls` or `implicit`",
            ),
            (
                self.user.is_some() != self.password_from.is_some(),
                "`user` and `password_from` belong together",
            ),
            (
                self.to.is_empty() || !addresses.iter().all(|address| address.contains('@')),
                "`from` and each of `to` must be an address such as ops@example.org",
            ),
        ];
        if let Some((_, why)) = rules.iter().find(|(is_broken, _)| *is_broken) {
            return Err((*why).into());
        }
        let password = self.password_from.map(SecretBlock::source).transpose()?;
        Ok(EmailSpec {
            port: self.port.unwrap_or(match tls {
                Tls::Implicit => 465,
                Tls::Starttls => 587,
                Tls::None => 25,
            }),
            tls,
            from: self.from,
            to: self.to,
            login: self.user.zip(password),
            server: self.server,
        })
    }
}

impl EmailSpec {
    /// Describes the server, the login, the sender and the recipients.
    fn describe(&self) -> String {
        let tls = match self.tls {
            Tls::Implicit => "TLS",
            Tls::Starttls => "STARTTLS",
            Tls::None => "no TLS",
        };
        let login = self.login.as_ref();
        let login = login.map(|(user, from)| format!(", as {user} with the password in {from}"));
        format!(
            "mail by {}:{} ({tls}{}) from {} to {}",
            self.server,
            self.port,
            login.unwrap_or_default(),
            self.from,
            self.to.join(", ")
        )
    }
}

/// An opened channel to a mail server.
struct Email {
    spec: EmailSpec,
    password: Option<Secret>,
    around: Surroundings,
}

impl Channel for Email {
    fn send(&self, alert: &Alert, now: Timestamp, limit: Duration) -> Result<(), SendFailure> {
        let message = self.message(alert, now)?;
        let transport = self.transport(limit)?;
        transport
            .send(&message)
            .map(drop)
            .map_err(|error| self.explain(&error))
    }
}

impl Email {
    /// Returns the transport, which connects when a mail is sent.
    fn transport(&self, limit: Duration) -> Result<SmtpTransport, SendFailure> {
        let spec = &self.spec;
        let security = match spec.tls {
            Tls::None => Security::None,
            Tls::Implicit => Security::Wrapper(self.tls()?),
            Tls::Starttls => Security::Required(self.tls()?),
        };
        let name: String = self
            .around
            .host
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
            .collect();
        let mut builder = SmtpTransport::builder_dangerous(&spec.server)
            .port(spec.port)
            .tls(security)
            .timeout(Some(limit))
            .hello_name(ClientId::Domain(if name.is_empty() {
                "localhost".into()
            } else {
                name
            }));
        if let (Some((user, _)), Some(password)) = (&spec.login, &self.password) {
            builder = builder.credentials(Credentials::new(
                user.clone(),
                password.expose().to_string(),
            ));
        }
        Ok(builder.build())
    }

    /// Returns the TLS parameters, with the certificates to trust.
    fn tls(&self) -> Result<TlsParameters, SendFailure> {
        let roots = self
            .around
            .roots()
            .map_err(|error| SendFailure::later(error.to_string()))?;
        let mut builder = TlsParameters::builder(self.spec.server.clone())
            .certificate_store(CertificateStore::None);
        for der in roots.der() {
            // A system certificate that cannot be read is skipped.
            if let Ok(certificate) = Certificate::from_der(der.to_vec()) {
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder
            .build_rustls()
            .map_err(|error| SendFailure::later(error.to_string()))
    }

    /// Builds the mail of an alert.
    fn message(&self, alert: &Alert, now: Timestamp) -> Result<Message, SendFailure> {
        let mailbox = |text: &String| {
            text.parse::<Mailbox>()
                .map_err(|error| SendFailure::never(format!("{}: {error}", words::line(text))))
        };
        let own = |name: &'static str, value: &str| {
            HeaderValue::new(
                HeaderName::new_from_ascii_str(name),
                value.chars().filter(char::is_ascii_graphic).collect(),
            )
        };
        let mut builder = Message::builder()
            .from(mailbox(&self.spec.from)?)
            .subject(format!("[snapback] {}", words::title(alert)))
            .date(now.into())
            .message_id(Some(self.message_id(&alert.id)))
            .raw_header(own("Auto-Submitted", "auto-generated"))
            .raw_header(own("X-Snapback-Event", alert.notice.event.word()));
        for to in &self.spec.to {
            builder = builder.to(mailbox(to)?);
        }
        if let Some(first) = &alert.thread {
            builder = builder
                .in_reply_to(self.message_id(first))
                .references(self.message_id(first));
        }
        let body = MultiPart::alternative_plain_html(words::text(alert), words::html(alert));
        builder
            .multipart(body)
            .map_err(|error| SendFailure::never(error.to_string()))
    }

    /// Returns the id of an alert's mail, in the sender's domain.
    fn message_id(&self, id: &AlertId) -> String {
        let address = self
            .spec
            .from
            .rsplit('<')
            .next()
            .unwrap_or_default()
            .trim_end_matches(['>', ' ']);
        let domain = address
            .rsplit('@')
            .next()
            .filter(|domain| !domain.is_empty())
            .unwrap_or("localhost");
        format!("<snapback-{id}@{domain}>")
    }

    /// Describes a failure in words, without the password.
    fn explain(&self, error: &Error) -> SendFailure {
        let mut text = error.to_string();
        let mut next = std::error::Error::source(error);
        while let Some(source) = next {
            let more = source.to_string();
            let silent = source
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
            if silent {
                text = "the server did not answer in time".into();
            } else if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            next = source.source();
        }
        let text = self
            .password
            .as_ref()
            .map_or(text.clone(), |password| password.hide(&text));
        let again = if error.is_permanent() || error.is_client() {
            RetryAdvice::Never
        } else {
            RetryAdvice::Later
        };
        SendFailure {
            why: words::line(&text),
            again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::words::tests::sample;

    fn mail() -> Email {
        let spec = EmailSpec {
            server: "127.0.0.1".into(),
            port: 25,
            tls: Tls::None,
            from: "snapback <bot@example.org>".into(),
            to: vec!["a@example.org".into(), "李伟 <b@example.org>".into()],
            login: None,
        };
        Email {
            spec,
            password: None,
            around: Surroundings {
                work_tree: "/".into(),
                ca_file: None,
                host: "prod 1".into(),
            },
        }
    }

    #[test]
    fn a_mail_has_both_forms_belongs_to_its_thread_and_injects_nothing() {
        let alert = Alert {
            thread: Some(AlertId::new(7)),
            ..sample()
        };
        let formatted = mail()
            .message(&alert, alert.at)
            .expect("it can be written")
            .formatted();
        let text = String::from_utf8(formatted).expect("mails are ASCII");
        for expected in [
            "Message-ID: <snapback-0000001f@example.org>",
            "In-Reply-To: <snapback-00000007@example.org>",
            "References: <snapback-00000007@example.org>",
            "Auto-Submitted: auto-generated",
            "X-Snapback-Event: guard.rolled-back",
            "multipart/alternative",
            "text/plain",
            "text/html",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("\nBcc:"), "{text}");
        let wrong = Email {
            spec: EmailSpec {
                to: vec!["nobody".into()],
                ..mail().spec
            },
            ..mail()
        };
        assert_eq!(
            wrong
                .message(&alert, alert.at)
                .expect_err("it is no address")
                .again,
            RetryAdvice::Never
        );
    }
}
