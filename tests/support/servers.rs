//! Real servers on the loopback interface for alerts and metrics: HTTP and SMTP, as much as clients
//! need, with TLS and their own certificate where a test wants it.
//!
//! Requests are handed to the test over a channel, so that a test waits for an event and never for
//! a time. Signatures are checked here, by code that shares nothing with the program.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// How long a test waits for an expected event; only a broken program takes this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A received request.
#[derive(Debug, Clone)]
pub struct Got {
    /// Method and path.
    pub line: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// The server's answer: status, additional header lines, body. `None` sends nothing and keeps the
/// connection open.
pub type Say = Option<(u16, &'static str, String)>;

/// An HTTP server.
pub struct Http {
    pub port: u16,
    got: mpsc::Receiver<Got>,
    says: Arc<Mutex<VecDeque<Say>>>,
    usual: Arc<Mutex<String>>,
}

impl Http {
    /// Starts a server that answers 200 with this body.
    pub fn start(usual: &str) -> Self {
        Self::serve(usual, None)
    }

    /// Starts it over TLS, with the certificate of this name below `tests/fixtures/tls`.
    pub fn secure(usual: &str, certificate: &str) -> Self {
        Self::serve(usual, Some(certificates(certificate)))
    }

    fn serve(usual: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, got) = mpsc::channel();
        let says: Arc<Mutex<VecDeque<Say>>> = Arc::default();
        let usual = Arc::new(Mutex::new(usual.to_string()));
        let (queue, body) = (says.clone(), usual.clone());
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let Some(mut stream) = opened(stream.unwrap(), tls.as_ref()) else {
                    continue;
                };
                let Some(request) = read_request(&mut stream) else {
                    continue;
                };
                if sender.send(request).is_err() {
                    return;
                }
                let say = queue.lock().unwrap().pop_front();
                match say.unwrap_or_else(|| Some((200, "", body.lock().unwrap().clone()))) {
                    None => open.push(stream),
                    Some((status, more, body)) => {
                        let _ = write!(
                            stream,
                            "HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{more}Connection: close\r\n\r\n{body}",
                            body.len()
                        );
                        let _ = stream.flush();
                    }
                }
            }
        });
        Self {
            port,
            got,
            says,
            usual,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Queues the next answer.
    pub fn say(&self, say: Say) {
        self.says.lock().unwrap().push_back(say);
    }

    /// Sets the body of all answers that are not queued.
    pub fn usually(&self, body: &str) {
        *self.usual.lock().unwrap() = body.to_string();
    }

    /// Waits for the next request.
    #[track_caller]
    pub fn next(&self) -> Got {
        self.got.recv_timeout(PATIENCE).expect("a request arrives")
    }

    /// Returns the requests that arrived and were not taken yet.
    pub fn rest(&self) -> Vec<Got> {
        self.got.try_iter().collect()
    }
}

/// A connection, with or without TLS.
trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}

/// Loads the TLS configuration of a server with this certificate.
fn certificates(name: &str) -> Arc<ServerConfig> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
    let chain = CertificateDer::pem_file_iter(format!("{folder}/{name}.pem"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/{name}-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(
        config
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap(),
    )
}

/// Completes the TLS handshake, if any. Returns `None` when the client refused it.
fn opened(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Option<Box<dyn Line>> {
    let Some(config) = tls else {
        return Some(Box::new(stream));
    };
    Some(Box::new(shaken(stream, config)?))
}

fn shaken(
    mut stream: TcpStream,
    config: &Arc<ServerConfig>,
) -> Option<StreamOwned<ServerConnection, TcpStream>> {
    let mut connection = ServerConnection::new(config.clone()).ok()?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).ok()?;
    }
    Some(StreamOwned::new(connection, stream))
}

/// Reads one request.
fn read_request(stream: &mut Box<dyn Line>) -> Option<Got> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let first = words.get(..2)?.join(" ");
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let len = headers
        .get("content-length")
        .and_then(|len| len.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some(Got {
        line: first,
        headers,
        body,
    })
}

/// Computes HMAC-SHA256.
fn hmac(key: &str, message: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Returns the card of a Feishu message, after checking its signature.
#[track_caller]
pub fn feishu_card(got: &Got, secret: &str) -> serde_json::Value {
    let message = got.json();
    let time = message["timestamp"].as_str().expect("a time is there");
    assert_eq!(
        message["sign"].as_str(),
        Some(
            STANDARD
                .encode(hmac(&format!("{time}\n{secret}"), b""))
                .as_str()
        ),
        "the signature"
    );
    assert_eq!(
        (
            message["msg_type"].as_str(),
            message["card"]["schema"].as_str()
        ),
        (Some("interactive"), Some("2.0"))
    );
    assert!(got.body.len() <= 20_000, "a bot takes 20 kB");
    message["card"].clone()
}

/// Returns the alert in a webhook's request, after checking its signature.
#[track_caller]
pub fn webhook_alert(got: &Got, secret: &str) -> serde_json::Value {
    let message = [
        got.headers["x-snapback-timestamp"].as_bytes(),
        b".",
        &got.body,
    ]
    .concat();
    let hex: Vec<String> = hmac(secret, &message)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        got.headers["x-snapback-signature"],
        format!("sha256={}", hex.concat())
    );
    got.json()
}

/// A received mail.
#[derive(Debug, Clone)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// The credentials of AUTH PLAIN: `\0user\0password`.
    pub login: Option<String>,
    pub text: String,
}

impl Mail {
    /// Returns a header, its continuation lines joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next()?.replace("\r\n ", " ");
        head.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_string))
    }

    /// Returns headers and bodies, with transfer encodings decoded.
    pub fn plain(&self) -> String {
        let mut out = String::new();
        for part in self.text.split("\r\n--") {
            let (head, body) = part.split_once("\r\n\r\n").unwrap_or((part, ""));
            out.push_str(head);
            if head.contains("base64") {
                let joined: String = body.chars().filter(|c| !c.is_whitespace()).collect();
                out.push_str(&String::from_utf8_lossy(
                    &STANDARD.decode(joined).unwrap_or_default(),
                ));
            } else {
                out.push_str(&unquote(body));
            }
        }
        out
    }
}

/// Decodes quoted-printable text.
fn unquote(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at..] {
            [b'=', b'\r', b'\n', ..] => at += 3,
            [b'=', high, low, ..]
                if u8::from_str_radix(&format!("{}{}", char::from(high), char::from(low)), 16)
                    .is_ok() =>
            {
                out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
                at += 3;
            }
            [byte, ..] => {
                out.push(byte);
                at += 1;
            }
            [] => {}
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// An SMTP server (RFC 5321, as much as a client needs).
pub struct Smtp {
    pub port: u16,
    got: mpsc::Receiver<Mail>,
    refusals: Arc<Mutex<VecDeque<&'static str>>>,
}

/// How an SMTP server encrypts its connections.
#[derive(Clone)]
enum Protected {
    Never,
    /// TLS from the first byte.
    AtOnce(Arc<ServerConfig>),
    /// TLS after STARTTLS, which is offered.
    OnRequest(Arc<ServerConfig>),
}

impl Smtp {
    pub fn start() -> Self {
        Self::serve(Protected::Never)
    }

    /// Starts a server with TLS from the first byte and the certificate of this name.
    pub fn secure(certificate: &str) -> Self {
        Self::serve(Protected::AtOnce(certificates(certificate)))
    }

    /// Starts a server that offers STARTTLS, with the certificate of this name.
    pub fn offering(certificate: &str) -> Self {
        Self::serve(Protected::OnRequest(certificates(certificate)))
    }

    fn serve(tls: Protected) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, got) = mpsc::channel();
        let refusals: Arc<Mutex<VecDeque<&'static str>>> = Arc::default();
        let queue = refusals.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let refusal = queue.lock().unwrap().pop_front();
                if let Some(mail) = talk(stream.unwrap(), refusal, &tls)
                    && sender.send(mail).is_err()
                {
                    return;
                }
            }
        });
        Self {
            port,
            got,
            refusals,
        }
    }

    /// Refuses the recipients of the next mail with this line.
    pub fn refuse(&self, line: &'static str) {
        self.refusals.lock().unwrap().push_back(line);
    }

    /// Waits for the next mail.
    #[track_caller]
    pub fn next(&self) -> Mail {
        self.got.recv_timeout(PATIENCE).expect("a mail arrives")
    }

    /// Returns the mails that arrived and were not taken yet.
    pub fn rest(&self) -> Vec<Mail> {
        self.got.try_iter().collect()
    }
}

/// Talks with one client, over TLS where that is agreed. Returns the mail it sent.
fn talk(mut stream: TcpStream, refusal: Option<&str>, tls: &Protected) -> Option<Mail> {
    match tls {
        Protected::Never => receive(&mut stream, refusal, ""),
        Protected::AtOnce(config) => {
            let mut stream = shaken(stream, config)?;
            receive(&mut stream, refusal, "250-AUTH PLAIN\r\n")
        }
        Protected::OnRequest(config) => {
            // Before STARTTLS the client sends only EHLO.
            stream.write_all(b"220 test ESMTP\r\n").ok()?;
            let mut reader = BufReader::new(stream.try_clone().ok()?);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
                match line.trim_end() {
                    "STARTTLS" => break stream.write_all(b"220 go on\r\n").ok()?,
                    line if line.starts_with("EHLO") => {
                        stream.write_all(b"250-test\r\n250 STARTTLS\r\n").ok()?;
                    }
                    line => panic!("it said {line:?} before STARTTLS"),
                }
            }
            let mut stream = shaken(stream, config)?;
            receive_more(&mut stream, refusal, "250-AUTH PLAIN\r\n")
        }
    }
}

/// Greets one client and talks with it.
fn receive(stream: &mut dyn Line, refusal: Option<&str>, offers: &str) -> Option<Mail> {
    stream.write_all(b"220 test ESMTP\r\n").ok()?;
    stream.flush().ok()?;
    receive_more(stream, refusal, offers)
}

/// Talks with a greeted client; `offers` are additional lines of the answer to EHLO.
fn receive_more(stream: &mut dyn Line, refusal: Option<&str>, offers: &str) -> Option<Mail> {
    let hello = format!("250-test\r\n250-8BITMIME\r\n{offers}250 SMTPUTF8");
    let mut reader = BufReader::new(stream);
    let mut mail = Mail {
        from: String::new(),
        to: Vec::new(),
        login: None,
        text: String::new(),
    };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let address = |line: &str| {
            line.split(['<', '>'])
                .nth(1)
                .unwrap_or_default()
                .to_string()
        };
        let answer = match line
            .get(..4)
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str()
        {
            "EHLO" => &hello,
            "AUTH" => {
                let said = line.split_whitespace().nth(2).unwrap_or_default();
                mail.login = STANDARD
                    .decode(said)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok());
                "235 welcome"
            }
            "MAIL" => {
                mail.from = address(&line);
                "250 ok"
            }
            "RCPT" => {
                mail.to.push(address(&line));
                refusal.unwrap_or("250 ok")
            }
            "DATA" => {
                reader.get_mut().write_all(b"354 go on\r\n").ok()?;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).ok()?;
                    if line == ".\r\n" {
                        break;
                    }
                    mail.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                }
                "250 taken"
            }
            "QUIT" => {
                let _ = reader.get_mut().write_all(b"221 bye\r\n");
                return (!mail.text.is_empty()).then_some(mail);
            }
            _ => "250 ok",
        };
        reader
            .get_mut()
            .write_all(format!("{answer}\r\n").as_bytes())
            .ok()?;
    }
}
