//! The probes of level 4 that run no command: a port, an HTTP address, free disk space.
//!
//! A service may need time to start, so a refused connection or a status of 502, 503 or 504 is
//! retried until the time limit. The HTTP client is minimal: no TLS, no redirects, no credentials.
//! Everything a server sends is bounded and escaped.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::{
    base::{
        cancel::{self, Cancelled},
        text,
    },
    model::Status,
};

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Maximum number of bytes read of a response's head.
const HEAD: u64 = 64 << 10;

/// The result of a probe, and what was seen.
pub(super) type ProbeOutcome = (Status, String);

/// Checks that a port accepts a TCP connection within the time limit.
pub(super) fn port(host: &str, port: u16, limit: Duration) -> Result<ProbeOutcome, Cancelled> {
    let shown = format!("{host}:{port}");
    let host = host.trim_matches(['[', ']']).to_string();
    let outcome = within(limit, move |until| {
        let addresses = match look_up(&host, port) {
            Ok(addresses) => addresses,
            Err(why) => return (Status::Inconclusive, why),
        };
        repeat(until, || match connect(&addresses, until) {
            Ok(_) => ProbeAttempt::Ended(Status::Pass, "it accepts connections".into()),
            Err(error) => ProbeAttempt::Again(error.to_string()),
        })
    })?;
    Ok((outcome.0, format!("port {shown}: {}", outcome.1)))
}

/// Checks that a URL answers with a status from 200 to 299 within the time limit.
pub(super) fn http(url: &str, limit: Duration) -> Result<ProbeOutcome, Cancelled> {
    let address = match HttpAddress::parse(url) {
        Ok(address) => address,
        Err(why) => return Ok((Status::Inconclusive, format!("HTTP probe: {why}"))),
    };
    let shown = format!(
        "http://{}{}",
        address.authority,
        address.path.split('?').next().unwrap_or_default()
    );
    let outcome = within(limit, move |until| {
        let sockets = match look_up(&address.host, address.port) {
            Ok(sockets) => sockets,
            Err(why) => return (Status::Inconclusive, why),
        };
        repeat(until, || match ask(&address, &sockets, until) {
            Ok(status @ 200..=299) => {
                ProbeAttempt::Ended(Status::Pass, format!("it answers {status}"))
            }
            Ok(status @ 502..=504) => ProbeAttempt::Again(format!("it answers {status}")),
            Ok(status) => ProbeAttempt::Ended(Status::Fail, format!("it answers {status}")),
            Err(error) => ProbeAttempt::Again(error.to_string()),
        })
    })?;
    Ok((outcome.0, format!("{shown}: {}", outcome.1)))
}

/// Checks that so many bytes are free, for users other than root, on the disk that holds `dir`.
pub(super) fn disk_free(dir: &Path, bytes: u64) -> ProbeOutcome {
    match rustix::fs::statvfs(dir) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let status = if free >= bytes {
                Status::Pass
            } else {
                Status::Fail
            };
            (
                status,
                format!(
                    "disk: {} free, {} needed",
                    text::size(free),
                    text::size(bytes)
                ),
            )
        }
        Err(error) => (
            Status::Inconclusive,
            format!("disk: {}", io::Error::from(error)),
        ),
    }
}

/// Runs network work in a separate thread, so that neither name look-ups nor signals block.
fn within(
    limit: Duration,
    work: impl FnOnce(Instant) -> ProbeOutcome + Send + 'static,
) -> Result<ProbeOutcome, Cancelled> {
    let until = Instant::now() + limit;
    let (sender, receiver) = mpsc::channel();
    // The thread is not joined: it ends when its own time limits expire.
    std::thread::spawn(move || sender.send(work(until)));
    // Slightly longer than the work's limit, so that its own message arrives.
    let patience = until + Duration::from_millis(200);
    loop {
        cancel::check()?;
        let left = patience.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left.min(PAUSE)) {
            Ok(outcome) => return Ok(outcome),
            Err(mpsc::RecvTimeoutError::Timeout) if !left.is_zero() => {}
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Ok((Status::Fail, format!("no answer within {limit:?}")));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Ok((Status::Inconclusive, "the probe itself failed".into()));
            }
        }
    }
}

/// One attempt.
enum ProbeAttempt {
    Ended(Status, String),
    Again(String),
}

/// Retries until an attempt ends or the time is up.
fn repeat(until: Instant, mut attempt: impl FnMut() -> ProbeAttempt) -> ProbeOutcome {
    loop {
        match attempt() {
            ProbeAttempt::Ended(status, seen) => return (status, seen),
            ProbeAttempt::Again(seen) if Instant::now() + PAUSE >= until => {
                return (Status::Fail, seen);
            }
            ProbeAttempt::Again(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Resolves the addresses of a host.
fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    match (host, port)
        .to_socket_addrs()
        .map(Iterator::collect::<Vec<_>>)
    {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err("the host has no address".into()),
        Err(error) => Err(format!("the host cannot be looked up: {error}")),
    }
}

/// Connects to the first address that accepts.
fn connect(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for address in addresses {
        match TcpStream::connect_timeout(address, time_left(until)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Returns the time left; an error when there is none.
fn time_left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

/// A plain HTTP address.
struct HttpAddress {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl HttpAddress {
    fn parse(url: &str) -> Result<Self, &'static str> {
        let rest = url
            .strip_prefix("http://")
            .ok_or("only http:// can be asked; for anything else use a command, such as curl -f")?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the address holds white space or characters that are not ASCII");
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest
            .find(['/', '?'])
            .map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(
                "the address holds credentials; use a command that reads them from the environment",
            );
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| "the port is not a number")?)
            }
            _ => (authority, 80),
        };
        let host = host.trim_matches(['[', ']']).to_string();
        if host.is_empty() {
            return Err("the address has no host");
        }
        let path = if path.starts_with('/') {
            path.to_string()
        } else {
            format!("/{path}")
        };
        Ok(Self {
            host,
            port,
            authority: authority.to_string(),
            path,
        })
    }
}

/// Sends one request; returns the status.
fn ask(address: &HttpAddress, sockets: &[SocketAddr], until: Instant) -> io::Result<u16> {
    let mut stream = connect(sockets, until)?;
    stream.set_write_timeout(Some(time_left(until)?))?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: snapback\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        address.path, address.authority
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    loop {
        // Statuses below 200 are interim.
        while let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            match status_of(&head)? {
                100..=199 => drop(head.drain(..end + 4)),
                status => return Ok(status),
            }
        }
        stream.set_read_timeout(Some(time_left(until)?))?;
        let mut chunk = [0; 4096];
        let count = stream
            .read(&mut chunk)
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
                _ => error,
            })?;
        head.extend_from_slice(&chunk[..count]);
        if count == 0 || head.len() as u64 > HEAD {
            // A server may end after the status line, without a blank line.
            return status_of(&head);
        }
    }
}

/// Returns the status of `HTTP/1.1 200 OK`.
fn status_of(head: &[u8]) -> io::Result<u16> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let is_http = words
        .next()
        .is_some_and(|word| word.starts_with(b"HTTP/1."));
    let status = words
        .next()
        .and_then(|word| std::str::from_utf8(word).ok())
        .and_then(|word| word.trim_end().parse().ok());
    status
        .filter(|status| is_http && (100..1000).contains(status))
        .ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

#[cfg(test)]
mod tests;
