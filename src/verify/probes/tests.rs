//! Probes against servers on the loopback interface.

use std::net::TcpListener;

use super::*;

/// Starts a server that answers each connection with the next text, and the last one forever.
fn server(answers: Vec<&'static [u8]>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for (at, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 1024];
            let count = stream.read(&mut request).unwrap_or(0);
            let valid =
                request[..count].starts_with(b"GET /health?x=1 HTTP/1.1\r\nHost: 127.0.0.1:");
            let answer: &[u8] = if valid {
                answers[at.min(answers.len() - 1)]
            } else {
                b"HTTP/1.1 400 Bad Request\r\n\r\n"
            };
            let _ = stream.write_all(answer);
        }
    });
    port
}

/// Returns a port without a listener.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("the loopback is there")
        .port()
}

fn ask_server(answers: Vec<&'static [u8]>) -> ProbeOutcome {
    let url = format!("http://127.0.0.1:{}/health?x=1", server(answers));
    http(&url, Duration::from_millis(1500)).expect("nobody cancels")
}

#[test]
fn statuses_decide() {
    assert_eq!(
        ask_server(vec![b"HTTP/1.1 200 OK\r\n\r\nhello"]).0,
        Status::Pass
    );
    assert_eq!(
        ask_server(vec![b"HTTP/1.0 204 No Content\r\n"]).0,
        Status::Pass
    );
    assert_eq!(
        ask_server(vec![
            b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
        ])
        .0,
        Status::Pass
    );
    let (status, seen) = ask_server(vec![b"HTTP/1.1 404 Not Found\r\n\r\n"]);
    assert_eq!(status, Status::Fail);
    assert!(seen.ends_with("/health: it answers 404"), "{seen}");
    assert_eq!(
        ask_server(vec![b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n"]).0,
        Status::Fail
    );
}

#[test]
fn a_service_that_comes_up_late_passes() {
    assert_eq!(
        ask_server(vec![
            b"HTTP/1.1 503 Starting\r\n\r\n",
            b"",
            b"HTTP/1.1 200 OK\r\n\r\n"
        ])
        .0,
        Status::Pass
    );
    assert_eq!(
        ask_server(vec![b"HTTP/1.1 503 Never\r\n\r\n"]).0,
        Status::Fail
    );
}

#[test]
fn nonsense_fails() {
    assert_eq!(ask_server(vec![b"SSH-2.0-OpenSSH\r\n\r\n"]).0, Status::Fail);
    assert_eq!(
        ask_server(vec![b"HTTP/1.1 99999 x\r\n\r\n"]).0,
        Status::Fail
    );
    assert_eq!(ask_server(vec![b""]).0, Status::Fail);
}

#[test]
fn a_silent_server_fails_at_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    let begin = Instant::now();
    let (status, _) = http(
        &format!("http://127.0.0.1:{port}/"),
        Duration::from_millis(300),
    )
    .expect("nobody cancels");
    assert_eq!(status, Status::Fail);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn ports_are_open_or_not() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback is there");
    let open = listener.local_addr().expect("it is bound").port();
    let probe = |host: &str, number| {
        port(host, number, Duration::from_millis(300)).expect("nobody cancels")
    };
    assert_eq!(
        probe("127.0.0.1", open),
        (
            Status::Pass,
            format!("port 127.0.0.1:{open}: it accepts connections")
        )
    );
    assert_eq!(probe("127.0.0.1", closed_port()).0, Status::Fail);
    assert_eq!(probe("no\0host", 80).0, Status::Inconclusive);
}

#[test]
fn addresses_that_cannot_be_asked_are_inconclusive_and_hide_credentials() {
    for url in [
        "https://127.0.0.1/",
        "http://u:s3cret@127.0.0.1/",
        "http://",
        "http://:80/",
        "http://127.0.0.1:x/",
        "http://127.0.0.1/a b",
        "x",
    ] {
        let (status, seen) = http(url, Duration::from_millis(100)).expect("nobody cancels");
        assert_eq!(status, Status::Inconclusive, "{url}");
        assert!(!seen.contains("s3cret"), "{seen}");
    }
    let address = HttpAddress::parse("http://[::1]:8080?q#f").expect("it is one");
    assert_eq!(
        (address.host.as_str(), address.port, address.path.as_str()),
        ("::1", 8080, "/?q")
    );
}

#[test]
fn free_space_is_compared() {
    let dir = tempfile::tempdir().expect("because tests can make folders");
    assert_eq!(disk_free(dir.path(), 0).0, Status::Pass);
    assert_eq!(disk_free(dir.path(), u64::MAX).0, Status::Fail);
    assert_eq!(
        disk_free(Path::new("/no/such/folder"), 0).0,
        Status::Inconclusive
    );
}
