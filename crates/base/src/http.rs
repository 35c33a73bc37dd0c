//! A minimal HTTP client with limits on everything: the only module that speaks HTTP over TLS.
//!
//! Redirects are not followed: the server must answer at the requested address. Time and response
//! size are limited, and no error contains the address, which may be a secret. Certificates are
//! verified against the system's roots and those in an optional file named by the user.

use std::{
    io::Read,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use ureq::{
    Agent,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

/// Size limit of a certificate file, in bytes.
const CERTIFICATES: u64 = 8 << 20;

/// Trusted root certificates, in DER.
#[derive(Debug, Clone, Default)]
pub struct TrustedRoots(Arc<Vec<Vec<u8>>>);

impl TrustedRoots {
    /// Loads the system's roots, and those in a PEM file.
    ///
    /// # Errors
    /// If the file cannot be read or contains no certificate.
    pub fn with(file: Option<&Path>) -> Result<Self, Error> {
        static SYSTEM: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let load = || {
            rustls_native_certs::load_native_certs()
                .certs
                .iter()
                .map(|one| one.as_ref().to_vec())
                .collect()
        };
        let mut all = SYSTEM.get_or_init(load).clone();
        if let Some(path) = file {
            let failed = |why: String| Error::Certificates(path.display().to_string(), why);
            let mut pem = Vec::new();
            let opened = std::fs::File::open(path)
                .and_then(|file| file.take(CERTIFICATES).read_to_end(&mut pem));
            opened.map_err(|error| failed(error.to_string()))?;
            let own = parse_pem(&pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(one)) => Some(one.der().to_vec()),
                _ => None,
            });
            let before = all.len();
            all.extend(own);
            if all.len() == before {
                return Err(failed("it holds no certificate".into()));
            }
        }
        Ok(Self(Arc::new(all)))
    }

    /// Iterates over the certificates in DER.
    pub fn der(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

/// The request body, which also determines the method.
#[derive(Debug, Clone, Copy)]
pub enum RequestBody<'a> {
    /// `GET`.
    None,
    /// `POST` of a JSON text.
    Json(&'a [u8]),
}

/// A request.
pub struct HttpRequest<'a> {
    /// An `http://` or `https://` address.
    pub url: &'a str,
    /// The body.
    pub body: RequestBody<'a>,
    /// Additional headers.
    pub headers: &'a [(&'static str, String)],
    /// Time limit of the whole request.
    pub limit: Duration,
    /// Size limit of the response body, in bytes.
    pub most: u64,
    /// The source of trusted roots; not called for `http://`.
    pub roots: &'a dyn Fn() -> Result<TrustedRoots, Error>,
}

/// A response of any status.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The HTTP status code.
    pub status: u16,
    /// How long the server asks to wait before the next request.
    pub retry_after: Option<Duration>,
    /// The response body.
    pub body: Vec<u8>,
}

/// The reason why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not valid.
    #[error("the address is not one of http:// or https://")]
    Address,
    /// The certificates cannot be read.
    #[error("the certificates in {0} cannot be used: {1}")]
    Certificates(String, String),
    /// No response within the time limit.
    #[error("no answer within {0:?}")]
    TimeLimit(Duration),
    /// The response is too large.
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
    /// Any other failure, without the address.
    #[error("{0}")]
    Failed(String),
}

/// Sends a request and reads the whole response.
///
/// # Errors
/// If there is no complete response. A status other than success is a response.
pub fn ask(request: &HttpRequest<'_>) -> Result<HttpAnswer, Error> {
    let secure = request.url.starts_with("https://");
    if !secure && !request.url.starts_with("http://") {
        return Err(Error::Address);
    }
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(request.limit))
        .user_agent("snapback");
    if is_local(request.url) {
        // A proxy would not reach this machine, and should not learn of the request.
        config = config.proxy(None);
    }
    if secure {
        let roots = (request.roots)()?;
        let certificates: Vec<Certificate<'static>> = roots
            .der()
            .map(|der| Certificate::from_der(der).to_owned())
            .collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(certificates)));
        config = config.tls_config(tls.unversioned_rustls_crypto_provider(provider).build());
    }
    let agent = Agent::new_with_config(config.build());
    let failed = |error: ureq::Error| explain(&error, request);
    let answer = match request.body {
        RequestBody::None => with_headers(agent.get(request.url), request).call(),
        RequestBody::Json(bytes) => with_headers(agent.post(request.url), request)
            .header("Content-Type", "application/json")
            .send(bytes),
    };
    let mut answer = answer.map_err(failed)?;
    let retry_after = answer
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let status = answer.status().as_u16();
    let body = answer
        .body_mut()
        .with_config()
        .limit(request.most)
        .read_to_vec()
        .map_err(failed)?;
    Ok(HttpAnswer {
        status,
        retry_after: retry_after.map(Duration::from_secs),
        body,
    })
}

/// Adds the request's headers.
fn with_headers<Any>(
    mut builder: ureq::RequestBuilder<Any>,
    request: &HttpRequest<'_>,
) -> ureq::RequestBuilder<Any> {
    for (name, value) in request.headers {
        builder = builder.header(*name, value);
    }
    builder
}

/// True for an address of this machine.
fn is_local(url: &str) -> bool {
    let authority = url
        .split("://")
        .nth(1)
        .unwrap_or_default()
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.starts_with("127.")
        || host.starts_with("[::1]")
        || host == "localhost"
        || host.starts_with("localhost:")
}

/// Converts an error to a message without the address.
fn explain(error: &ureq::Error, request: &HttpRequest<'_>) -> Error {
    match error {
        ureq::Error::Timeout(_) => Error::TimeLimit(request.limit),
        ureq::Error::BodyExceedsLimit(_) => Error::TooLarge(request.most),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Error::Address,
        ureq::Error::HostNotFound => Error::Failed("the host cannot be looked up".into()),
        ureq::Error::Io(error) => Error::Failed(error.to_string()),
        ureq::Error::Rustls(error) => {
            Error::Failed(format!("the connection is not secure: {error}"))
        }
        other => Error::Failed(format!("the request failed: {other}").replace(request.url, "***")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine() {
        for local in [
            "http://127.0.0.1:8080/x",
            "http://localhost/x",
            "http://localhost:1",
            "http://[::1]:9090/api",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "http://example.org/127.0.0.1",
            "https://localhost.example.org/",
            "http://10.example.org",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[test]
    fn other_schemes_are_refused_and_errors_do_not_show_the_address() {
        let request = |url| HttpRequest {
            url,
            body: RequestBody::None,
            headers: &[],
            limit: Duration::from_secs(5),
            most: 10,
            roots: &|| Ok(TrustedRoots::default()),
        };
        assert!(matches!(
            ask(&request("file:///etc/passwd")),
            Err(Error::Address)
        ));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has one").port();
        drop(listener);
        let error = ask(&request(&format!("http://127.0.0.1:{port}/hook/s3cret")))
            .expect_err("nobody listens");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
