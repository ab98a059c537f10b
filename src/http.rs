//! A small HTTP client for health checks and notifications: one request, one answer, bounded in time and size.
//!
//! No redirect is followed, no connection is kept, and nothing here repeats an address, as a webhook's is a secret.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use ::http::uri::{Authority, PathAndQuery, Scheme};
use ::http::{Method, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tracing::{debug, info_span};

use crate::error::in_words;
use crate::log::{self, Wait};

/// The most of an answer that is read.
const MOST_ANSWER_BYTES: usize = 1 << 20;
const AGENT: &str = concat!("paycraft-dr/", env!("CARGO_PKG_VERSION"));

/// Where to send something: an `http` or `https` URL without credentials. It shows itself without its path.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Uri);

#[derive(Clone, Debug)]
pub enum Message {
    Get,
    /// POST of a body of this type.
    Post {
        /// The body's media type.
        media_type: &'static str,
        body: String,
    },
}

#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub body: Bytes,
}

/// Why nothing came back, without the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// Not within the time given.
    TimedOut(Duration),
    /// Something else, in words.
    Broken(String),
}

impl Address {
    /// Reads a URL. Why it is none is told without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.trim().parse().map_err(|_| "is no URL")?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => return Err("does not begin with https:// or http://"),
        }
        match uri.authority() {
            None => Err("names no host"),
            Some(authority) if authority.host().is_empty() => Err("names no host"),
            Some(authority) if authority.as_str().contains('@') => Err("holds a user name or password"),
            Some(_) => Ok(Self(uri)),
        }
    }

    /// The address with `segment` after its path; what follows a `?` stays last.
    pub fn below(&self, segment: &str) -> Option<Self> {
        let path = self.0.path().trim_end_matches('/');
        let query = self
            .0
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        let path: PathAndQuery = format!("{path}/{segment}{query}").parse().ok()?;
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).ok().map(Self)
    }

    /// Sends `message` and waits for the whole answer, at most for `timeout`.
    pub async fn send(&self, message: &Message, timeout: Duration) -> Result<HttpResponse, RequestError> {
        let span = info_span!(parent: log::phase(), "exchange", address = %self);
        let _wait = Wait::begin(&span, || format!("an answer of {self}"));
        let began = Instant::now();
        let answer = tokio::time::timeout(timeout, self.exchange(message))
            .await
            .unwrap_or(Err(RequestError::TimedOut(timeout)));
        let seconds = began.elapsed().as_secs_f64();
        span.in_scope(|| match &answer {
            Ok(answer) => debug!(status = answer.status, seconds, "answered"),
            Err(failure) => debug!(%failure, seconds, "not answered"),
        });
        answer
    }

    async fn exchange(&self, message: &Message) -> Result<HttpResponse, RequestError> {
        let (method, media_type, body) = match message {
            Message::Get => (Method::GET, None, Bytes::new()),
            Message::Post { media_type, body } => {
                (Method::POST, Some(*media_type), Bytes::from(body.clone()))
            }
        };
        let mut request = ::http::Request::builder()
            .method(method)
            .uri(self.0.clone())
            .header(HOST, self.0.authority().map_or("", Authority::as_str))
            .header(USER_AGENT, AGENT);
        if let Some(media_type) = media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        let request = request.body(Full::new(body)).map_err(broken)?;
        let answer = self.client()?.request(request).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MOST_ANSWER_BYTES).collect().await;
        Ok(HttpResponse {
            status: head.status.as_u16(),
            body: body
                .map_err(|cause| RequestError::Broken(in_words(&*cause)))?
                .to_bytes(),
        })
    }

    /// A client that trusts whom the system trusts. Each exchange has its own connection: a name that leads elsewhere now is
    /// followed at once.
    fn client(&self) -> Result<legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>, RequestError> {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(broken)?;
        let tls = if self.0.scheme() == Some(&Scheme::HTTPS) {
            tls.with_native_roots().map_err(broken)?
        } else {
            tls.with_root_certificates(RootCertStore::empty())
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .build();
        Ok(legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector))
    }
}

fn broken(cause: impl std::error::Error + 'static) -> RequestError {
    RequestError::Broken(in_words(&cause))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, authority) = (self.0.scheme_str(), self.0.authority());
        write!(
            f,
            "{}://{}",
            scheme.unwrap_or_default(),
            authority.map_or("", Authority::as_str)
        )
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(timeout) => write!(f, "no answer within {timeout:?}"),
            Self::Broken(words) => f.write_str(words),
        }
    }
}
